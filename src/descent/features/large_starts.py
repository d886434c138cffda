"""A start with too large weights is lost, or off, within steps; the network's degree predicts when.

Without biases the output is a product of D layers, so the gradient grows with the weights to the power 2D − 1. Once a
step is longer than the weights themselves, the next one is longer by that power, and the loss soon leaves float32.

    f ~ a^{2D}, ∇f ~ a^{2D−1} in the scale a of the weights, so a ← η|∇f| grows as
      log a_{t+1} = (2D − 1) log a_t + c, and the loss overflows when 2D log(a_t/a_0) > log(max/f₀),
      if the first step is longer than the weights, a_1 > a_0; unless it has turned every unit off
    a step on which some layer has every unit off for the minibatch does not count: f is of lower degree there

Factors of one (what the minibatch sees, how weights add) are less than a step, since the exponent grows by 2D − 1.

See: the loss of every large start rises by tens of powers of ten and is gone where the crosses predict it.

Source: CS182 homework 2, question 6e, whose large start gives NaN.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Positive, Seed, experiment_config
from descent.features import _halves, _problem
from descent.features._outcomes import TEST, is_constant
from descent.features._problem import Hidden, require_room, require_scale
from descent.features._training import (
    Schedule,
    ends,
    orders,
    require_steps,
    step_count,
    train_in_batches,
)
from descent.maths.initialise import initialise
from descent.maths.network import Shape, value_and_gradient
from descent.maths.training import Step
from descent.result import Check, Result, measured, predicted, replicates, steps

SHOWN = 4  # steps
FEWEST = 10  # steps, more than a clear overflow takes
CLEAR = 2.0  # log of the first step over the weights from which factors of one are small
NARROW = 12  # units: in a layer of fewer, which of them are off is more than a factor of one


@experiment_config
class Config(_problem.Data, Schedule):
    seed: Seed
    replicates: Annotated[int, Field(ge=1, le=100_000)]
    hidden: Hidden
    large: Positive  # c of U(±c)

    def __post_init__(self):
        super().__post_init__()
        require_scale("large", self.large, self.hidden)
        trained = self.replicates
        require_steps(self.samples, self.batch, self.epochs, trained, self.hidden)
        if self.step_count < FEWEST:
            raise ValueError(f"epochs {self.epochs}: {self.step_count} steps, fewer than {FEWEST}")

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "relu")

    @property
    def step_count(self) -> int:
        return step_count(self.samples, self.batch, self.epochs)

    def starts(self) -> Float[np.ndarray, "R P"]:
        rng = np.random.default_rng(self.seed)
        return initialise(rng, self.large, self.shape, self.replicates)


def root_mean_square(rows: np.ndarray) -> np.ndarray:
    """Of every row, without overflow."""
    top = np.abs(rows).max(axis=1)
    return top * np.sqrt(np.mean((rows / top[:, None]) ** 2, axis=1))


def overshoot(config: Config) -> Float[np.ndarray, " R"]:
    """log η|∇f|/a₀: how far the first step goes beyond the weights."""
    theta, (x, y) = config.starts(), config.sample()
    _, g = value_and_gradient(theta, x, y, config.shape, "square")
    return np.log(config.rate * root_mean_square(g)) - np.log(root_mean_square(theta))


def predict(config: Config) -> xr.Dataset:
    """First step whose loss overflows float32 by the recursion of scales; T for never."""
    theta, (x, y), D, T = (
        config.starts(),
        config.sample(),
        len(config.hidden) + 1,
        config.step_count,
    )
    loss, _ = value_and_gradient(theta, x, y, config.shape, "square")
    beyond = overshoot(config)
    grown, found = np.zeros(len(theta)), np.full(len(theta), float(T))  # log a_t/a₀
    for t in range(1, T):
        grown = np.minimum((2 * D - 1) * grown + beyond, 1e6)
        over = 2 * D * grown > np.log(np.finfo(np.float32).max) - np.log(loss)
        found = np.minimum(found, np.where(over & (grown > 0), t, T))
    return xr.Dataset({"lost_at_predicted": predicted("replicate", found, "step of overflow")})


def measure(config: Config) -> xr.Dataset:
    """The step at which every network is lost, T for none, or whether it has become constant instead."""
    theta, (x, y), T = config.starts(), config.sample(), config.step_count
    rng = np.random.default_rng([config.seed, 1])
    order = orders(rng, len(theta), config.samples, T, config.batch)
    off = np.zeros(len(theta))

    def observe(step: Step) -> None:
        """Count the networks in which no signal goes through all layers: W_1 has no gradient."""
        first, _ = config.shape.layers(step.gradient)[0]
        off[step.active] += ~first.any(axis=(1, 2))

    out = train_in_batches(theta, x, y, config.shape, order, config.pace, observe)
    span = float(np.ptp(config.function(TEST)))
    constant = ~out.is_lost & is_constant(ends(out), config.shape, span)
    sigma1 = _halves.singular_values(theta, x, config.shape)[:, 0]
    early = min(T, SHOWN)
    return xr.Dataset(
        {
            "lost_at": measured(
                "replicate", out.ended(T).astype(float), "step that loses the loss"
            ),
            "off": measured("replicate", off, "steps before with a layer off"),
            "constant": measured("replicate", constant.astype(float), "constant at the end"),
            "loss": measured(("step", "replicate"), out.losses[:early], "last finite loss"),
            "last_loss": measured("replicate", out.losses[-1], "last finite loss"),
            "sigma1": measured("replicate", sigma1, "σ₁ of the start"),
        },
        coords={
            "step": steps(range(early), "step", "step"),
            "replicate": replicates(len(theta)),
        },
    )


def run(config: Config) -> Result:
    R, P, drawn = config.replicates, config.shape.parameters, config.step_count * config.batch
    require_room(R * max(4 * P, drawn), f"{R} networks, {drawn} samples")
    require_room(
        R * config.samples * max(config.hidden), f"{R} networks on {config.samples} points"
    )
    found, theory = measure(config), predict(config)
    lost_at, expected = found["lost_at"], theory["lost_at_predicted"]
    clear = overshoot(config) > CLEAR
    short = f"shorter than {np.exp(CLEAR):.0f} times the weights"
    few = f"{R - clear.sum()} of {R} networks: the first step is {short}"
    narrow = (
        f"hidden {min(config.hidden)}: which units are off decides in layers of fewer than {NARROW}"
    )
    too_narrow = min(config.hidden) < NARROW
    missing = [few] * (not clear.all()) + [narrow] * too_narrow
    checked = clear.any() and not too_narrow
    return Result(
        data=found.merge(theory),
        metrics={
            "large_diverged": (lost_at < config.step_count).mean(),
            "large_constant": found["constant"].mean(),
            "large_last_step": lost_at.max(),
            "large_as_predicted": (lost_at - found["off"] == expected).mean(),
            "large_last_finite_loss_median": found["last_loss"].median(),
            "large_sigma1_median": found["sigma1"].median(),
        },
        checks=compare(config, found, theory, clear) if checked else (),
        no_claim=tuple(missing),
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, clear: np.ndarray
) -> tuple[Check, ...]:
    """Of the networks whose first step is clearly longer than the weights."""
    lost, constant = found["lost_at"] < config.step_count, found["constant"] > 0
    ended = (lost | constant).astype(float)[clear]
    checks = [Check("lost_or_constant", ended, "==", 1, 0, "a count")]
    gone = clear & ~constant.values
    if gone.any():
        at = (found["lost_at"] - found["off"])[gone]
        expected = theory["lost_at_predicted"][gone]
        why = "factors of one are less than a step"
        checks.append(Check("lost_at", at, "==", expected, 1, why))
    return tuple(checks)
