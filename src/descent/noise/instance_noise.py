"""Noise on the one input is σ² of ridge for every step; yet the variance, the mean and the law of the iterates have a critical step each.

    w ← (1 − ηx̌²) w + ηx̌y,   x̌ = x + N,   N ~ N(0, σ²) fresh at every step,   w₀ = 0
    E w ← (1 − η(x² + σ²)) E w + ηxy   →   xy/(x² + σ²) = argmin (xw − y)² + σ²w²   for every η < η_mean
    E w² ← (1 − 2ηE x̌² + η²E x̌⁴) E w² + 2ηy(E x̌ − ηE x̌³) E w + η²y²E x̌²,
    E x̌⁴ = x⁴ + 6x²σ² + 3σ⁴
    η_4 < η_ms = 2E x̌²/E x̌⁴ < η_1 ≤ η_mean = 2/(x² + σ²),   η_1 < η_as
    E|1 − η_p x̌²|^p = 1,   E ln|1 − η_as x̌²| = 0,   P(|w| > s) ~ s^(−α),   E|1 − ηx̌²|^α = 1

The inequalities are theorems (log-convexity in p; Jensen); that η_mean < η_as is only what is observed.
Between the two the mean runs away from every start while the law converges. An average is held against
its exact value only where its standard error has a finite variance: α > 4 for the mean, α > 8 for the
variance. Hill's estimate is held against α ≤ 3, where the run is long enough to fill the tail.

Source: CS182 homework 2, questions 3b, 3c and 3d; Kesten, Acta Math. 131 (1973); arXiv 2006.04740.
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.standard_errors import unlucky, z_scores
from descent.noise.chain import Chain, evolved, hill, stationary, steps_to_fill
from descent.noise.thresholds import (
    Thresholds,
    critical_step,
    log_moment,
    lyapunov,
    tail_index,
    thresholds,
)
from descent.result import Check, Result, replicates, sweep

HEAVY = 3.0  # tail index up to which the largest iterates show the tail
THIN = 0.02  # share of the runs beyond which the bulk bends the power law: α is off by a third at 0.2, by 45 % at 0.5


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    chains: Count  # runs a replicate, each with its own noise
    steps: Count  # T
    x: Annotated[float, Field(ge=0, strict=True)]
    sigma: Positive  # standard deviation of the noise on x
    y: Positive
    etas: tuple[Positive, ...]  # steps η
    draws: Count  # of x̌ a replicate, for the moments of one step
    tail: Annotated[float, Field(gt=0, lt=1, strict=True)]  # share of all runs that is the tail
    noises: tuple[Positive, ...]  # σ over which the order of the critical steps is tested

    def __post_init__(self):
        require_increasing("etas", self.etas)
        require_increasing("noises", self.noises)
        lowest = 1e-9 / (self.x**2 + self.sigma**2)
        if self.etas[0] < lowest:
            raise ValueError(
                f"etas: {self.etas[0]:g} < {lowest:.2g} = 1e-9/(x² + σ²): no step, to rounding"
            )
        if self.replicates < 2:
            raise ValueError("replicates 1: a standard error needs at least 2")
        if self.replicates * self.chains * len(self.etas) > 1e8:
            raise ValueError(
                f"replicates {self.replicates} × chains {self.chains} × {len(self.etas)} etas > 1e8 weights"
            )
        if self.tail_count < 10:
            raise ValueError(
                f"tail {self.tail:g}: {self.tail_count} of {self.replicates * self.chains} runs; "
                "Hill's estimate needs at least 10"
            )
        if self.tail_count >= self.replicates * self.chains:
            raise ValueError(
                f"tail {self.tail:g}: all {self.tail_count} runs; one must be left below it"
            )
        if not 1e-50 < self.y < 1e50:
            raise ValueError(
                f"y {self.y:g}: must lie in 1e-50 … 1e50, for the spread of squares of w"
            )
        for sigma in (self.sigma, *self.noises):
            if not sigma / max(self.x, sigma) >= 1e-4 or not 1e-30 < sigma**2 < 1e30:
                raise ValueError(
                    f"noise {sigma:g} at x = {self.x:g}: below 1e-4 x the critical steps agree to "
                    "rounding, and σ² must lie in 1e-30 … 1e30"
                )

    @property
    def tail_count(self) -> int:
        return round(self.tail * self.replicates * self.chains)


class Sample(NamedTuple):
    """What one replicate leaves: over η, and for the factor 1 − ηx̌² at the five critical steps."""

    w: Float[np.ndarray, "E chains"]  # w_T
    exponent: Float[np.ndarray, " E"]  # mean of ln|1 − ηx̌²|
    critical: Float[np.ndarray, " 5"]  # mean of |1 − ηx̌²|^p, of 1 − ηx̌², of ln|1 − ηx̌²|


def simulate(rng: np.random.Generator, config: Config, critical: Thresholds) -> Sample:
    """All steps η on the same noise."""
    eta = np.array(config.etas)[:, None]
    w = np.zeros((len(eta), config.chains))
    with np.errstate(over="ignore", invalid="ignore"):  # beyond η_as they diverge
        for _ in range(config.steps):
            noisy = config.x + config.sigma * rng.standard_normal(config.chains)
            w = w * (1 - eta * noisy**2) + eta * (noisy * config.y)
    square = (config.x + config.sigma * rng.standard_normal(config.draws)) ** 2
    exponent = [np.log(np.abs(1 - one * square)).mean() for one in config.etas]
    factors = Thresholds(*(1 - step * square for step in critical))
    means = [
        np.mean(factors.fourth**4),
        np.mean(factors.mean_square**2),
        np.abs(factors.first).mean(),
        factors.mean.mean(),
        np.log(np.abs(factors.almost_sure)).mean(),
    ]
    return Sample(w, np.array(exponent), np.array(means))


class Found(NamedTuple):
    """Read off the samples, over η."""

    mean: Float[np.ndarray, "r E"]
    variance: Float[np.ndarray, "r E"]  # about the exact mean
    quartiles: Float[np.ndarray, "3 r E"]
    hill: Float[np.ndarray, " E"]
    filled: Bool[np.ndarray, " E"]  # where Hill's estimate is one of the tail index


def labelled(
    sample: Sample,
    found: Found,
    config: Config,
    critical: Thresholds,
    order: dict[float, Thresholds],
) -> xr.Dataset:
    """The samples over η, and predictions over finer steps and over σ."""
    x, sigma, chain = config.x, config.sigma, Chain(config.x, config.sigma, config.y)
    below = critical.mean_square * np.linspace(0.005, 0.995, 200)
    heavy = np.linspace(critical_step(10.0, x, sigma), 0.99 * critical.almost_sure, 60)
    cell = ("replicate", "eta")
    return xr.Dataset(
        {
            "mean": (cell, found.mean, {"long_name": "mean of w_T"}),
            "variance": (cell, found.variance, {"long_name": "variance of w_T"}),
            "median": (cell, found.quartiles[1], {"long_name": "median of w_T"}),
            "spread": (
                cell,
                found.quartiles[2] - found.quartiles[0],
                {"long_name": "interquartile range of w_T"},
            ),
            "exponent": (cell, sample.exponent, {"long_name": "mean of ln|1 − ηx̌²|"}),
            "exponent_predicted": (
                "eta",
                [lyapunov(one, x, sigma) for one in config.etas],
                {"long_name": "E ln|1 − ηx̌²|", "role": "prediction"},
            ),
            "hill": ("eta", found.hill, {"long_name": "Hill's estimate of the tail index"}),
            "filled": (
                "eta",
                found.filled.astype(int),
                {"long_name": "1 where the tail index can be read off"},
            ),
            "variance_predicted": (
                "eta_stable",
                stationary(chain, below).variance,
                {"long_name": "limit of Var w_t", "role": "prediction"},
            ),
            "tail_index": (
                "eta_tail",
                [tail_index(one, x, sigma) for one in heavy],
                {"long_name": "tail index α", "role": "prediction"},
            ),
        }
        | {
            name: (
                "sigma",
                [getattr(t, name) / t.mean for t in order.values()],
                {"long_name": f"critical step of {words}, over η_mean", "role": "prediction"},
            )
            for name, words in (
                ("fourth", "E w⁴"),
                ("mean_square", "E w²"),
                ("first", "E|w|"),
                ("almost_sure", "the law"),
            )
        },
        coords={
            "eta": sweep(config.etas, "eta", "step η"),
            "eta_stable": sweep(below, "eta_stable", "step η"),
            "eta_tail": sweep(heavy, "eta_tail", "step η"),
            "sigma": sweep(config.noises, "sigma", "noise σ"),
            "replicate": replicates(config.replicates),
        },
        attrs={f"eta_{name}": float(step) for name, step in critical._asdict().items()}
        | {"limit": chain.limit, "noiseless": config.y / x if x else 0.0, "chains": config.chains},
    )


def run(config: Config) -> Result:
    x, sigma = config.x, config.sigma
    critical = thresholds(x, sigma)
    generators = (np.random.default_rng([config.seed, k]) for k in range(config.replicates))
    sample = Sample(
        *map(np.array, zip(*(simulate(rng, config, critical) for rng in generators), strict=True))
    )
    eta, chain = np.array(config.etas), Chain(x, sigma, config.y)
    exact = evolved(chain, eta, config.steps)
    limit = chain.limit
    alpha = np.array([tail_index(one, x, sigma) for one in eta])
    with np.errstate(over="ignore", invalid="ignore"):
        mean = sample.w.mean(-1)
        variance = np.mean((sample.w - exact.mean[:, None]) ** 2, -1)  # about the exact mean
        quartiles = np.quantile(sample.w, [0.25, 0.5, 0.75], axis=-1)
        index = hill(np.concatenate(sample.w - limit, axis=1), config.tail_count)
    exponent = np.array([lyapunov(one, x, sigma) for one in eta])

    levels = np.array([1.0, 1.0, 1.0, -1.0, 0.0])
    z = np.abs(z_scores(sample.critical, levels))
    closed = [
        log_moment(critical.fourth, 4.0, x, sigma),
        log_moment(critical.mean_square, 2.0, x, sigma),
    ]
    order = {s: thresholds(x, s) for s in config.noises}
    gaps = [
        (
            t.mean_square / t.fourth,
            t.first / t.mean_square,
            t.mean / t.first,
            t.almost_sure / t.first,
        )
        for t in order.values()
    ]
    checks = [
        Check(f"moment_at_{name}_in_standard_errors", one, "<=", 0.0, unlucky(5, config.replicates))
        for name, one in zip(Thresholds._fields, z, strict=True)
    ]
    checks += [
        # 2000 nodes, each to rounding, and (x/σ)ε of the place of the zeros.
        Check(
            "quadrature_against_polynomials",
            np.abs(closed).max(),
            "<=",
            0.0,
            1e-12 + 50 * np.finfo(float).eps * x / sigma,
        ),
        Check("order_of_the_thresholds", np.min(gaps), ">=", 1.0, 1e-13),
        Check(
            "exponent_in_standard_errors",
            np.abs(z_scores(sample.exponent, exponent)).max(),
            "<=",
            0.0,
            unlucky(len(eta), config.replicates),
        ),
    ]
    for name, values, predicted, least in (
        ("mean", mean, exact.mean, 4),
        ("variance", variance, exact.variance, 8),
    ):
        light = alpha > least
        if light.any():
            z = np.abs(z_scores(values[:, light], predicted[light]))
            tol = unlucky(int(light.sum()), config.replicates)
            checks.append(Check(f"{name}_in_standard_errors", z.max(), "<=", 0.0, tol))
    runs = config.replicates * config.chains
    filled = np.array(
        [0 < a <= HEAVY and steps_to_fill(chain, one, a, runs) < config.steps / 2
         for one, a in zip(eta, alpha, strict=True)]
    )  # fmt: skip
    filled &= config.tail <= THIN
    if filled.any():
        # Four standard errors, and the 10 % that the next order of the tail makes at a few thousandths of the runs.
        tol = 0.1 + 4 / np.sqrt(config.tail_count)
        worst = np.abs(index / np.where(filled, alpha, 1) - 1)[filled].max()
        checks.append(Check("hill_over_tail_index", worst, "<=", 0.0, tol))
    growth = config.steps * np.log(np.maximum(np.abs(1 - eta * (x * x + sigma**2)), 1e-300))
    apart = (alpha > 0) & (growth > np.log(1e9)) & (limit > 0)
    spread = (quartiles[2] - quartiles[0]).mean(0)
    if apart.any():
        ratio = np.abs(exact.mean[apart]) / spread[apart]
        checks.append(Check("mean_leaves_where_the_law_stays", ratio.min(), ">=", 1e3, 0.0))

    read = Found(mean, variance, quartiles, index, filled)
    data = labelled(sample, read, config, critical, order)
    tame = data["eta"] < critical.mean_square
    return Result(
        data=data,
        metrics={f"eta_{name}": float(step) for name, step in critical._asdict().items()}
        | {
            "limit": limit,
            "mean": data["mean"].mean("replicate", skipna=False)[tame],
            "variance": data["variance"].mean("replicate", skipna=False)[tame],
            "variance_exact": xr.DataArray(exact.variance, coords={"eta": data["eta"]})[tame],
            "tail_index": xr.DataArray(alpha, coords={"eta": data["eta"]})[filled],
            "hill": data["hill"][filled],
            "almost_sure_over_mean": min(t.almost_sure / t.mean for t in order.values()),
        },
        checks=tuple(checks),
    )
