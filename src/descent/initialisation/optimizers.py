"""From pixels 255 times too small SGD and momentum do not leave the start, while RMSProp and Adam learn: their steps do not depend on the size of the gradient.

    a ReLU network from N(0, sd²), trained on the same minibatches by the four rules of `rules`

To first order a gradient that changes slowly brings a loss down by

    loss_0 − loss_T ≤ Σ_t η_t ‖g_t‖²,   η_t = η(1 − μᵀ⁻ᵗ)/(1 − μ)      (μ = 0 for SGD)

g of all images; η_t is how far momentum has carried a gradient by step T. Noise and curvature lessen it.

A factor c on the gradients makes these two move c times as far; RMSProp and Adam as far as before, up
to ε/(c|g|). Their first steps are η/√(1 − ρ) and η. Training is in float32.

Source: CS182 homework 2, question 5, whose notebook compares the four on raw pixels (CIFAR-10).
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Positive, experiment_config
from descent.initialisation import classifiers, protocol, rules, starts
from descent.initialisation.classifiers import LOST
from descent.initialisation.protocol import RAW, Task, surely
from descent.initialisation.rules import NAMES
from descent.maths.networks import Shape
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, steps, sweep

SLOW = {"sgd": False, "momentum": True}  # and whether μ counts
LOOKS = 5  # times at which ‖g‖² is taken

Share = Annotated[Positive, Field(lt=1)]


@experiment_config
class Config(protocol.Config):
    weight_sd: Positive  # of all weights at the start
    sgd_rate: Positive
    momentum_rate: Positive
    rmsprop_rate: Positive
    adam_rate: Positive
    momentum: Share  # μ
    decay: Share  # ρ of RMSProp
    beta1: Share
    beta2: Share
    epsilon: Positive

    def __post_init__(self):
        super().__post_init__()
        felt = self.ranges[0] / self.ranges[-1] * np.sqrt(1 - self.decay) / 200
        if self.epsilon > felt:
            raise ValueError(
                f"epsilon {self.epsilon:g} > {felt:g}, 1 % of the root of v at the smallest range: "
                "the steps would depend on the size of the gradient"
            )

    @property
    def settings(self) -> rules.Settings:
        rates = {name: getattr(self, f"{name}_rate") for name in NAMES}
        return rules.Settings(
            rates, self.momentum, self.decay, self.beta1, self.beta2, self.epsilon
        )


def moments(iterations: int) -> list[int]:
    """From 0 to T, about evenly spaced."""
    return sorted(set(np.linspace(0, iterations, LOOKS).round().astype(int).tolist()))


class Run(NamedTuple):
    """One replicate: O rules times Q ranges of pixels, T iterations."""

    loss: Float[np.ndarray, "O Q T"]  # of the minibatch, before the step
    start: Float[np.ndarray, "O Q"]  # loss on all N images
    final: Float[np.ndarray, "O Q"]
    accuracy: Float[np.ndarray, "O Q"]  # at the end, on the validation images
    first_step: Float[np.ndarray, "O Q"]  # largest change of a parameter
    first_step_predicted: Float[np.ndarray, "O Q"]
    square: Float[
        np.ndarray, "O_slow K"
    ]  # ‖g‖² of SGD and momentum at the smallest range, at K times


def full_squares(
    theta: Float[np.ndarray, "R P"], scale: Float[np.ndarray, " R"], task: Task, shape: Shape
) -> Float[np.ndarray, " R"]:
    """‖g‖² over all images."""
    passed = classifiers.differentiate(theta, task.x, scale, task.labels, shape)
    gradient = classifiers.gradients(passed, scale, shape)
    return np.square(classifiers.array_norms(gradient, shape)).sum(1)


def _run(rng: np.random.Generator, task: Task, config: Config) -> Run:
    """All rules at all ranges, from the same weights and on the same minibatches."""
    shape, settings, Q = task.shape(config.hidden), config.settings, len(config.ranges)
    v = starts.variances("random", shape.widths, config.weight_sd)
    theta = starts.draw(rng, shape, v[None]).astype(np.float32)
    theta = np.repeat(theta, len(NAMES) * Q, axis=0)
    scale = np.tile(config.ranges, len(NAMES)).astype(np.float32) / np.float32(RAW)
    batches = rng.integers(config.images, size=(config.iterations, config.batch))
    rows = {name: slice(i * Q, (i + 1) * Q) for i, name in enumerate(NAMES)}
    memory = {name: np.zeros((2, Q, shape.parameters), np.float32) for name in NAMES}
    losses, first = [], np.empty((2, len(theta)))
    slow = [NAMES.index(name) * Q for name in SLOW]
    squares, looked = [], set(moments(config.iterations))
    with np.errstate(over="ignore", invalid="ignore"):  # divergence is a result
        start, _ = classifiers.evaluate(theta, task.x, scale, task.labels, shape)
        for t, batch in enumerate(batches):
            if t in looked:
                squares.append(full_squares(theta[slow], scale[slow], task, shape))
            y = task.labels[batch]
            passed = classifiers.differentiate(theta, task.x[batch], scale, y, shape)
            g = classifiers.gradients(passed, scale, shape)
            losses.append(passed.losses)
            for name, row in rows.items():
                change, *memory[name] = rules.step(name, *memory[name], g[row], t + 1, settings)
                if t == 0:
                    predicted = rules.first_step(name, g[row].astype(float), settings)
                    first[:, row] = np.abs(change).max(1), predicted.max(1)
                theta[row] += change
        squares.append(full_squares(theta[slow], scale[slow], task, shape))
        final, _ = classifiers.evaluate(theta, task.x, scale, task.labels, shape)
        _, accuracy = classifiers.evaluate(
            theta, task.validation_x, scale, task.validation_labels, shape
        )
    by_rule = (np.array(losses).T, start, final, accuracy, *first)
    return Run(
        *(a.reshape(len(NAMES), Q, *a.shape[1:]) for a in by_rule), square=np.array(squares).T
    )


def allowed(
    squares: Float[np.ndarray, "R K"], name: str, momentum: float, config: Config
) -> Float[np.ndarray, " R"]:
    """Σ_t η_t ‖g_t‖², with ‖g‖² between the times looked at as its chord, which lies above where it decays."""
    T = config.iterations
    along = np.array([np.interp(np.arange(T), moments(T), one) for one in squares])
    carried = (1 - momentum ** np.arange(T, 0, -1)) / (1 - momentum)
    return along @ (config.settings.rates[name] * carried)


def labelled(runs: Run, config: Config) -> xr.Dataset:
    """One variable a rule and quantity; what is lost is recorded as LOST."""
    network = ("replicate", "range")
    quantities = {
        "loss": ((*network, "iteration"), "loss of the minibatch"),
        "final": (network, "loss at the end on all images trained on"),
        "accuracy": (network, "validation accuracy at the end"),
        "first_step": (network, "largest first change of a parameter"),
    }
    return xr.Dataset(
        {
            f"{name}_{what}": (
                dims,
                np.nan_to_num(getattr(runs, what)[:, i], nan=LOST, posinf=LOST),
                {"long_name": f"{label}, {name}"},
            )
            for i, name in enumerate(NAMES)
            for what, (dims, label) in quantities.items()
        },
        coords={
            "range": sweep(config.ranges, "range", "range of the pixels"),
            "iteration": steps(np.arange(config.iterations), "iteration", "iteration"),
            "replicate": replicates(config.replicates),
        },
        attrs={"images": config.images},
    )


def run(config: Config, mnist: xr.Dataset) -> Result:
    task = protocol.task(mnist, config)
    found = replicate(_run, config.seed, [(task, config)] * config.replicates)
    runs = Run(*map(np.stack, zip(*found, strict=True)))
    data, at = labelled(runs, config), {name: i for i, name in enumerate(NAMES)}
    lost = ~(np.isfinite(runs.loss).all(-1) & np.isfinite(runs.final))
    checks = [Check("diverged_networks", int(lost.sum()), "==", 0, 0)]

    c = config.ranges[0] / config.ranges[-1]
    g = np.random.default_rng(config.seed).uniform(0.5, 1.5, (20, 50))
    for name, adaptive in (("sgd", 0), ("momentum", 0), ("rmsprop", 1), ("adam", 1)):
        # ε beside the smallest root of v, that of the first step of RMSProp from |g| ≥ c/2; rounding.
        tol = adaptive * config.epsilon / (c / 2 * np.sqrt(1 - config.decay)) + 1e-12
        predicted = 1.0 if adaptive else c
        measured = rules.response(name, c, g, config.settings)
        checks.append(Check(f"moves_for_gradients_times_c/{name}", measured, "==", predicted, tol))
        gap = np.abs(runs.first_step[:, at[name]] / runs.first_step_predicted[:, at[name]] - 1)
        # At most ten roundings of float32.
        tol = 10 * 2.0**-24
        checks.append(Check(f"first_step/{name}", gap.max(), "<=", 0.0, tol))
    # A mean over replicates, whose spread about the law is sampled too: two standard errors.
    for i, (name, remembers) in enumerate(SLOW.items()):
        bound = allowed(runs.square[:, i], name, config.momentum * remembers, config)
        excess = runs.start[:, at[name], 0] - runs.final[:, at[name], 0] - bound
        # A dead network, of no gradient, may not move at all.
        share = np.divide(excess, bound, out=excess.copy(), where=bound > 0)
        over = surely(share, lost=LOST)
        checks.append(Check(f"progress_over_allowed_on_small_pixels/{name}", over, "<=", 0.0, 0.0))
    for better, worse, q in (
        ("rmsprop", "momentum", 0),
        ("adam", "momentum", 0),
        ("momentum", "sgd", len(config.ranges) - 1),
    ):
        gaps = runs.final[:, at[worse], q] - runs.final[:, at[better], q]
        where = f"range_{config.ranges[q]:g}"
        checks.append(Check(f"loss_of_{worse}_over_{better}/{where}", surely(gaps), ">=", 0.0, 0.0))
    metrics = {
        f"{name}_{what}": data[f"{name}_{what}"].median("replicate")
        for name in NAMES
        for what in ("final", "accuracy", "first_step")
    }
    for name, i in at.items():
        metrics[f"{name}_diverged_fraction"] = xr.DataArray(
            lost[:, i].mean(0), {"range": data["range"]}, ("range",)
        )
    return Result(data=data, metrics=metrics, checks=tuple(checks))
