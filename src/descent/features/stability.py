"""Training dies or diverges from starts whose largest singular value is above √((1 + μ)N/η), hardly ever below; large starts are lost in steps.

    linearised:  r ← r − ηJv,  v ← μv + (2/N) Jᵀr:   mode k is stable ⇔ ησ_k² (2/N) < 2(1 + μ) ⇔ σ_k < √((1 + μ)N/η)
    failed: the loss is lost, or m is constant at the end;   zero biases: σ₁ of the start from two points
    large starts, degree D:  f ~ a^{2D}, ∇f ~ a^{2D−1} in the scale a of the weights, so a ← η|∇f| grows as
      log a_{t+1} = (2D − 1) log a_t + c, and the loss overflows when 2D log(a_t/a_0) > log(max/f₀),
      if the first step is longer than the weights, a_1 > a_0; unless it has turned every unit off
    A stable start may still fail and an unstable one recover, since σ₁ moves as the weights do: a contrast, not a rule.

Source: CS182 homework 2, question 6e, whose large start gives NaN; the bound is that of its question 2 in the form
v ← μv + g.
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from pydantic import Field
from scipy import stats

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.features import halves, problem
from descent.features.problem import Hidden, Scaled, require_room, require_scale, starts
from descent.features.training import orders, step_count, train
from descent.maths.networks import Shape, gradients, losses, outputs
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, steps, sweep

BINS = 8  # of the curve of failures, with as many networks in each
CONSTANT = 1e-3  # range of m, over the range of f, below which m is constant
TEST = np.linspace(-1, 1, 201)[:, None]
HIGHEST = 1e100  # loss that is recorded

Momentum = Annotated[float, Field(ge=0, lt=1)]


@experiment_config
class Config(problem.Data):
    seed: Seed
    replicates: Annotated[int, Field(ge=2 * BINS)]  # networks of each start
    hidden: Hidden
    starts: Annotated[tuple[Scaled, ...], Field(min_length=1)]
    batch: Count
    epochs: Count
    rates: tuple[Positive, ...]  # η
    momenta: tuple[Momentum, ...]  # μ
    rate: Positive  # where the contrast is tested
    momentum: Momentum
    large: Positive  # c of the start that diverges
    large_replicates: Count
    chance: Positive  # p-value of the contrast, at the most

    def __post_init__(self):
        require_scale("large", self.large, self.hidden)
        require_increasing("rates", self.rates)
        require_increasing("momenta", self.momenta)
        if self.rate not in self.rates or self.momentum not in self.momenta:
            raise ValueError(
                f"rate {self.rate:g} and momentum {self.momentum:g} must be among the rates and momenta"
            )
        if not step_count(self.samples, self.batch, self.epochs):
            raise ValueError(
                f"batch {self.batch} > {self.samples * self.epochs} points in all epochs: no step"
            )


class Outcome(NamedTuple):
    lost: Bool[np.ndarray, " R"]
    constant: Bool[np.ndarray, " R"]
    spiked: Bool[np.ndarray, " R"]  # a loss ten times the first


def edge(N: int, rate: float, momentum: float) -> float:
    """√((1 + μ)N/η)."""
    return float(np.sqrt((1 + momentum) * N / rate))


def radius(sigma: float, N: int, rate: float, momentum: float) -> float:
    """Spectral radius of (v, r) ← (μv + (2/N)σr, r − ησ(μv + (2/N)σr))."""
    pull = 2 * sigma / N
    step = np.array([[momentum, pull], [-rate * sigma * momentum, 1 - rate * sigma * pull]])
    return float(np.abs(np.linalg.eigvals(step)).max())


def is_constant(
    theta: Float[np.ndarray, "R P"], shape: Shape, config: Config
) -> Bool[np.ndarray, " R"]:
    m = outputs(theta, TEST, shape)[..., 0]
    return np.ptp(m, axis=1) < CONSTANT * np.ptp(config.function(TEST))


def outcome(
    rng, theta, x, y, shape: Shape, config: Config, rate: float, momentum: float
) -> Outcome:
    """What became of the networks at one rate and momentum."""
    T = step_count(config.samples, config.batch, config.epochs)
    order = orders(rng, len(theta), config.samples, T, config.batch)
    run = train(theta.astype(np.float32), x, y, shape, order, rate, momentum)
    lost = run.diverged < T
    theta = np.where(lost[:, None], 0.0, run.theta.astype(float))
    constant = ~lost & is_constant(theta, shape, config)
    return Outcome(lost, constant, lost | (run.losses.max(axis=0) > 10 * run.losses[0]))


def overshoot(
    theta: Float[np.ndarray, "R P"], x: np.ndarray, y: np.ndarray, shape: Shape, rate: float
) -> Float[np.ndarray, " R"]:
    """log η|∇f|/a₀, how far the first step goes beyond the weights."""
    g = gradients(theta, x, y, shape)[1]
    top = np.abs(g).max(axis=1)
    rms = top * np.sqrt(np.mean((g / top[:, None]) ** 2, axis=1))  # no overflow
    return np.log(rate * rms) - np.log(np.sqrt(np.mean(theta**2, axis=1)))


def steps_to_overflow(
    theta: Float[np.ndarray, "R P"], x: np.ndarray, y: np.ndarray, shape: Shape, rate: float, T: int
) -> Float[np.ndarray, " R"]:
    """First step whose loss overflows float32 by the recursion of scales, at most T."""
    loss = losses(theta, x, y, shape)
    D = len(shape.widths) - 1
    first = np.log(np.sqrt(np.mean(theta**2, axis=1)))  # log a₀
    c = overshoot(theta, x, y, shape, rate) - (2 * D - 2) * first
    found, a = np.full(len(theta), float(T)), first
    for t in range(1, T):
        a = np.minimum((2 * D - 1) * a + c, 1e6)
        over = 2 * D * (a - first) > np.log(np.finfo(np.float32).max) - np.log(loss)
        found = np.minimum(found, np.where(over & (a > first), t, T))
    return found


def fisher(failed: np.ndarray, above: np.ndarray) -> float:
    """One-sided p-value of failures above against below."""
    table = [[np.sum(failed & above), np.sum(~failed & above)],
             [np.sum(failed & ~above), np.sum(~failed & ~above)]]  # fmt: skip
    return float(stats.fisher_exact(table, alternative="greater").pvalue)


def share(failed: np.ndarray) -> float:
    """Of none, 0."""
    return float(failed.mean()) if failed.size else 0.0


def run(config: Config) -> Result:
    x, y = config.sample()
    shape = Shape((1, *config.hidden, 1), "relu")
    N, R = config.samples, config.replicates * len(config.starts)
    T = step_count(N, config.batch, config.epochs)
    require_room(R * max(4 * shape.parameters, T * config.batch), f"{R} networks, {T} steps")
    rng = np.random.default_rng(config.seed)
    theta = np.concatenate([starts(rng, kind, shape, config.replicates) for kind in config.starts])
    sigma1 = halves.singular_values(theta, x, shape)[:, 0]
    grid = [(rate, momentum) for rate in config.rates for momentum in config.momenta]
    found = replicate(outcome, config.seed, [(theta, x, y, shape, config, *cell) for cell in grid])
    cells = (len(config.rates), len(config.momenta))
    lost, constant, spiked = (
        np.array(part).reshape(*cells, R) for part in zip(*found, strict=True)
    )
    failed = lost | constant
    bounds = np.array([edge(N, *cell) for cell in grid]).reshape(*cells, 1)
    ratio = sigma1 / bounds
    # Networks in order of σ₁, in heaps of nearly equal size.
    heaps = np.array_split(np.argsort(sigma1, kind="stable"), BINS)
    binned = {
        name: np.stack([values[..., heap].mean(axis=-1) for heap in heaps], axis=-1)
        for name, values in (("ratio", ratio), ("failed", failed), ("spiked", spiked))
    }
    here = (config.rates.index(config.rate), config.momenta.index(config.momentum))
    above = ratio >= 1

    huge = starts(rng, config.large, shape, config.large_replicates)
    order = orders(rng, len(huge), N, T, config.batch)
    out = train(huge.astype(np.float32), x, y, shape, order, config.rate, config.momentum)
    predicted = steps_to_overflow(huge, x, y, shape, config.rate, T)
    # A first step that is longer than the weights leads out of float32, or to where every unit is off.
    beyond = overshoot(huge, x, y, shape, config.rate)
    thrown, clear = ((beyond > least) & (predicted + 1 < T) for least in (0, 1))
    kept = np.where((out.diverged < T)[:, None], 0.0, out.theta.astype(float))
    ended = is_constant(kept, shape, config)  # a lost one, zeros here, too
    early = min(T, 4)

    # Just below and above the bound, the recursion shrinks and grows.
    inner, outer = (max(radius(k * edge(N, *cell), N, *cell) for cell in grid) if k < 1 else
                    min(radius(k * edge(N, *cell), N, *cell) for cell in grid) for k in (0.999, 1.001))  # fmt: skip
    p_here, p_all = fisher(failed[here], above[here]), fisher(failed, above)
    settings = ("rate", "momentum", "replicate")
    curve = ("rate", "momentum", "bin")
    data = xr.Dataset(
        {
            "sigma1": ("replicate", sigma1, {"long_name": "σ₁ of the start"}),
            "edge": (("rate", "momentum"), bounds[..., 0], {"long_name": "√((1 + μ)N/η)", "role": "prediction"}),
            "lost": (settings, lost.astype(float), {"long_name": "the loss was lost"}),
            "constant": (settings, constant.astype(float), {"long_name": "constant at the end"}),
            "spiked": (settings, spiked.astype(float), {"long_name": "a loss ten times the first"}),
            "ratio_of_bin": (curve, binned["ratio"], {"long_name": "σ₁/√((1 + μ)N/η)"}),
            "failed_of_bin": (curve, binned["failed"], {"long_name": "share that failed"}),
            "spiked_of_bin": (curve, binned["spiked"], {"long_name": "share whose loss spiked"}),
            "large_step": ("large", out.diverged.astype(float), {"long_name": "step whose loss is not finite"}),
            "large_predicted": ("large", predicted, {"long_name": "step of overflow", "role": "prediction"}),
            "large_loss": (("step", "large"), np.minimum(out.losses[:early], HIGHEST), {"long_name": "last finite loss"}),
        },
        coords={
            "rate": sweep(config.rates, "rate", "η"),
            "momentum": sweep(config.momenta, "momentum", "μ"),
            "bin": ("bin", np.arange(BINS), {"long_name": "heap of networks, in order of σ₁"}),
            "step": steps(range(early), "step", "step"),
            "large": xr.Variable("large", range(len(huge)), {"long_name": "large start", "role": "replicate"}),
            "replicate": replicates(R),
        },
    )  # fmt: skip
    by_setting = {"rate": data["rate"], "momentum": data["momentum"]}
    settled = xr.DataArray(failed.mean(axis=2), by_setting, dims=("rate", "momentum"))
    return Result(
        data=data,
        metrics={
            "failed": settled,
            "edge": float(bounds[here][0]),
            "above_edge": share(above[here]),
            "failed_above": share(failed[here][above[here]]),
            "failed_below": share(failed[here][~above[here]]),
            "spiked_above": share(spiked[here][above[here]]),
            "spiked_below": share(spiked[here][~above[here]]),
            "lost": share(lost[here]),
            "failed_above_all": share(failed[above]),
            "failed_below_all": share(failed[~above]),
            "fisher_log10": np.log10(max(p_here, 1e-300)),
            "fisher_all_log10": np.log10(max(p_all, 1e-300)),
            "large_diverged": np.mean(out.diverged < T),
            "large_last_step": float(out.diverged.max()),
            "large_as_predicted": np.mean(out.diverged == predicted),
            "large_last_finite_loss_median": min(np.median(out.losses[-1]), HIGHEST),
            "large_sigma1_median": np.median(halves.singular_values(huge, x, shape)[:, 0]),
        },
        checks=(
            Check("radius_below_the_edge", inner, "<=", 1.0, 0.0),
            Check("radius_above_the_edge", outer, ">=", 1.0, 0.0),
            Check("chance_of_the_contrast", p_here, "<=", config.chance, 0.0),
            Check("chance_of_the_contrast_in_all", p_all, "<=", config.chance, 0.0),
            Check("large_starts_diverge", np.mean(thrown & ended), "==", np.mean(thrown), 0.0),
            # The minibatch and factors of one are less than a step, since the exponent grows by 2D − 1;
            # but of an exponent that is itself below one they are all.
            *(
                Check("large_median_step", np.median(out.diverged[clear]), "==", np.median(predicted[clear]), 1.0)
                for _ in range(bool(clear.any()))
            ),
        ),
    )  # fmt: skip
