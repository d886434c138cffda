"""Fresh noise on m examples is ridge with λ = mσ², or σ² if the loss is a mean; a step at which the mean converges need not be one at which the variance does.

    E‖X̌w − y‖² = ‖Xw − y‖² + mσ²‖w‖²,   X̌ = X + N,   N_ij ~ N(0, σ²),   X: (m, n)
    full batch:       w ← w − ηX̌ᵀ(X̌w − y),          η_mean = 2/(s₁² + mσ²)
    single example:   w ← w − ηx̌_i(x̌_iᵀw − y_i),    η_mean = 2/(s₁²/m + σ²),   i uniform
    E w → w* = (XᵀX + mσ²I)⁻¹Xᵀy for both, below η_mean;   Cov w converges for η < η_ms only

where s₁ is the largest singular value of X and η_ms comes from the exact map of second moments, which also
gives Cov w at every t. That map is held against draws of one step at η_ms, which have every moment, and
against runs at steps that are small enough for the sample to tell a variance.

Source: CS182 homework 2, questions 3a, 3c and 3d. The answers there have λ = σ²/m, as if E NᵀN were σ²I
instead of mσ²I, and so σ² where mσ² stands in the bound and in the limit.
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.standard_errors import unlucky, z_scores
from descent.noise import thresholds
from descent.noise.forms import primal
from descent.noise.second_moment import (
    covariance,
    critical_step,
    evolution,
    moments,
    stationary,
)
from descent.result import Check, Erratum, Result, replicates, sweep

MODES = ("full", "single")


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    chains: Count  # runs a replicate
    steps: Count  # T
    examples: Count  # m
    weights: Count  # n
    sigma: Annotated[float, Field(ge=1e-3, le=1e3, strict=True)]  # of the noise on every input
    fractions: tuple[Positive, ...]  # η/η_ms of the runs
    draws: Count  # of one step, and of X̌, a replicate

    def __post_init__(self):
        require_increasing("fractions", self.fractions)
        if self.fractions[-1] >= 1:
            raise ValueError(f"fractions: {self.fractions[-1]:g} ≥ 1: the variance diverges")
        if self.replicates < 2:
            raise ValueError("replicates 1: a standard error needs at least 2")
        if self.weights > 12:
            raise ValueError(
                f"weights {self.weights} > 12: the map of second moments has (n + 1)⁴ entries"
            )
        largest = self.examples * self.weights * max(self.draws, self.chains * len(self.fractions))
        if largest > 1e8:
            raise ValueError(
                f"draws or chains × fractions: {largest:.2g} noisy inputs at once > 1e8"
            )


class Problem(NamedTuple):
    X: Float[np.ndarray, "m n"]
    y: Float[np.ndarray, " m"]


class Sample(NamedTuple):
    """What one replicate leaves; the leading axis of the first three is full batch, single example."""

    mean: Float[np.ndarray, "2 F n"]  # of w_T
    square: Float[np.ndarray, "2 F n n"]  # of w_Tw_Tᵀ
    one_step: Float[np.ndarray, "2 k k"]  # of z⁺z⁺ᵀ after one step at η_ms
    gram: Float[np.ndarray, "n n"]  # of X̌ᵀX̌


def gradient(rng, problem: Problem, w: Float[np.ndarray, "F c n"], sigma: float, mode: str):
    """X̌ᵀ(X̌w − y), or that of one example, with the noise of chain c the same for every F."""
    X, y = problem
    if mode == "single":
        chosen = rng.integers(len(X), size=w.shape[1])
        noisy = X[chosen] + sigma * rng.standard_normal(w.shape[1:])
        return (np.vecdot(noisy, w) - y[chosen])[..., None] * noisy
    noisy = X + sigma * rng.standard_normal((w.shape[1], *X.shape))
    residual = np.einsum("cmn,fcn->fcm", noisy, w) - y
    return np.einsum("cmn,fcm->fcn", noisy, residual)


def simulate(
    rng,
    problem: Problem,
    config: Config,
    critical: Float[np.ndarray, " 2"],
    probe: Float[np.ndarray, " n"],
) -> Sample:
    n, fractions = config.weights, np.array(config.fractions)[:, None, None]
    mean, square, one_step = [], [], []
    for mode, step in zip(MODES, critical, strict=True):
        w = np.zeros((len(fractions), config.chains, n))
        for _ in range(config.steps):
            w -= fractions * step * gradient(rng, problem, w, config.sigma, mode)
        mean.append(w.mean(1))
        square.append(w.mT @ w / config.chains)
        start = np.broadcast_to(probe, (1, config.draws, n))
        after = (start - step * gradient(rng, problem, start, config.sigma, mode))[0]
        z = np.concatenate([after, np.ones((config.draws, 1))], 1)
        one_step.append(z.T @ z / config.draws)
    # N and −N in pairs, so that the cross terms XᵀN cancel.
    N = config.sigma * rng.standard_normal((config.draws * config.examples, n))
    gram = problem.X.T @ problem.X + N.T @ N / config.draws
    return Sample(*map(np.array, (mean, square, one_step)), gram)


def run(config: Config) -> Result:
    m, n, noise = config.examples, config.weights, config.sigma**2
    rng = np.random.default_rng(config.seed)
    problem = Problem(rng.standard_normal((m, n)), rng.standard_normal(m))
    X, y = problem
    top = np.linalg.norm(X, 2) ** 2
    mean_step = np.array([2 / (top + m * noise), 2 / (top / m + noise)])
    plain = [moments(X, noise * np.eye(n), mode) for mode in MODES]
    C = np.diag(np.append(np.full(n, noise), 0.0))
    lifted = [moments(np.column_stack([X, -y]), C, mode) for mode in MODES]
    critical = np.array([critical_step(one) for one in plain])
    ridge = primal(X, y, m * noise)

    probe = rng.standard_normal(n)
    generators = (np.random.default_rng([config.seed, k]) for k in range(config.replicates))
    sample = Sample(
        *map(np.array, zip(*(simulate(g, problem, config, critical, probe) for g in generators), strict=True))
    )  # fmt: skip
    cells = (len(MODES), len(config.fractions))
    exact, limit = np.empty((*cells, n + 1, n + 1)), np.empty((*cells, n + 1, n + 1))
    stepped, radius = np.empty((2, n + 1, n + 1)), np.empty((2, 3))
    origin, probed = np.zeros((n + 1) ** 2), np.append(probe, 1.0)
    origin[-1] = 1
    for a, (one, full) in enumerate(zip(plain, lifted, strict=True)):
        stepped[a] = (evolution(full, critical[a], n) @ np.outer(probed, probed).ravel()).reshape(
            n + 1, n + 1
        )
        for b, factor in enumerate((0.999, 1, 1.001)):
            radius[a, b] = np.abs(np.linalg.eigvals(evolution(one, factor * critical[a], n))).max()
        for b, fraction in enumerate(config.fractions):
            L = evolution(full, fraction * critical[a], n)
            limit[a, b] = stationary(L)
            exact[a, b] = (np.linalg.matrix_power(L, config.steps) @ origin).reshape(n + 1, n + 1)

    drift, spread = exact[..., :-1, -1], np.array([[covariance(S) for S in row] for row in exact])
    cross = np.einsum("r...i,...j->r...ij", sample.mean - drift / 2, drift)
    deviation = sample.square - cross - cross.mT  # mean of (w_T − E w_T)(w_T − E w_T)ᵀ

    # Of one weight and nothing but noise, the worst case, E w⁸ is finite up to here: so that the
    # standard error of a variance has a finite variance.
    tame = thresholds.critical_step(8.0, 0.0, 1.0) / thresholds.thresholds(0.0, 1.0).mean_square
    light = np.array(config.fractions) <= tame
    upper = np.triu_indices(n)
    shrinkage = (
        np.trace(sample.gram, axis1=1, axis2=2) - np.sum(X * X)
    ) / n  # λ̂ of every replicate
    limit_error = np.abs(limit[..., :-1, -1] - ridge).max() / np.linalg.norm(ridge)
    slowest = min(
        config.fractions[0] * step * np.linalg.eigvalsh(one.H)[0]
        for one, step in zip(plain, critical, strict=True)
    )
    below, at, above = radius.T
    R = config.replicates
    one_step_z = np.abs(z_scores(sample.one_step[..., :-1, :-1], stepped[:, :-1, :-1])[:, *upper])
    checks = [
        Check(
            "shrinkage_in_standard_errors",
            abs(float(z_scores(shrinkage[:, None], np.array([m * noise]))[0])),
            "<=",
            0.0,
            unlucky(1, R),
        ),
        Check("one_step_in_standard_errors", one_step_z.max(), "<=", 0.0, unlucky(one_step_z.size, R)),
        # A solve of condition 1/(ηλ_min).
        Check("limit_is_ridge", limit_error, "<=", 0.0, 100 * np.finfo(float).eps / slowest),
        Check("radius_at_critical_step", np.abs(at - 1).max(), "<=", 0.0, 1e-10),
        Check("radius_below_critical_step", below.max(), "<=", 1.0, 0.0),
        Check("radius_above_critical_step", above.min(), ">=", 1.0, 0.0),
        Check("critical_step_over_that_of_the_mean", (critical / mean_step).max(), "<=", 1.0, 1e-12),
    ]  # fmt: skip
    if light.any():
        z = np.abs(z_scores(sample.mean, exact[..., :-1, -1])[:, light])
        checks.append(Check("mean_in_standard_errors", z.max(), "<=", 0.0, unlucky(z.size, R)))
        z = np.abs(z_scores(deviation, spread)[:, light][..., *upper])
        checks.append(
            Check("covariance_in_standard_errors", z.max(), "<=", 0.0, unlucky(z.size, R))
        )

    variance = np.trace(deviation, axis1=-2, axis2=-1)
    predicted = np.array([[np.trace(covariance(S)) for S in row] for row in limit])
    names = {"full": "full batch", "single": "single example"}
    data = xr.Dataset(
        {
            f"{mode}_variance": (
                ("replicate", "fraction"),
                variance[:, a],
                {"long_name": f"tr Cov w_T, {names[mode]}"},
            )
            for a, mode in enumerate(MODES)
        }
        | {
            f"{mode}_variance_predicted": (
                "fraction",
                predicted[a],
                {"long_name": f"limit of tr Cov w_t, {names[mode]}", "role": "prediction"},
            )
            for a, mode in enumerate(MODES)
        }
        | {
            f"{mode}_mean": (
                ("replicate", "fraction", "i"),
                sample.mean[:, a],
                {"long_name": f"mean of w_T, {names[mode]}"},
            )
            for a, mode in enumerate(MODES)
        }
        | {
            "ridge": ("i", ridge, {"long_name": "(XᵀX + mσ²I)⁻¹Xᵀy", "role": "prediction"}),
            "printed": ("i", primal(X, y, noise), {"long_name": "(XᵀX + σ²I)⁻¹Xᵀy"}),
            "noiseless": ("i", np.linalg.pinv(X) @ y, {"long_name": "X⁺y, without noise"}),
        },
        coords={
            "fraction": sweep(config.fractions, "fraction", "step η/η_ms"),
            "i": ("i", np.arange(n) + 1, {"long_name": "weight i"}),
            "replicate": replicates(R),
        },
    )
    return Result(
        data=data,
        metrics={
            f"eta_{name}_{mode}": float(steps[a])
            for name, steps in (("mean", mean_step), ("mean_square", critical))
            for a, mode in enumerate(MODES)
        }
        | {"shrinkage": shrinkage.mean(), "shrinkage_predicted": m * noise}
        | {name: data[name].mean("replicate") for name in ("full_variance", "single_variance")}
        | {name: data[name] for name in ("full_variance_predicted", "single_variance_predicted")},
        checks=tuple(checks),
        errata=errata(problem, sample, shrinkage, drift[1], config) if m > 1 else (),
    )


def errata(
    problem: Problem,
    sample: Sample,
    shrinkage: Float[np.ndarray, " r"],
    drift: Float[np.ndarray, "F n"],
    config: Config,
) -> tuple[Erratum, ...]:
    """λ = σ²/m and what follows from it, which is right for one example only.

    The limit is that of single examples from the step at which the exact E w_T is nearest to it; what that
    leaves is part of the tolerance. A limit that the sample cannot tell from the printed one is left out.
    """
    (X, y), m, noise, R = problem, config.examples, config.sigma**2, config.replicates
    top = np.linalg.norm(X, 2) ** 2
    bounds = 2 / np.linalg.eigvalsh(sample.gram)[:, -1]
    course = "CS182 homework 2, question"

    def error(values):
        return unlucky(1, R) * float(np.linalg.norm(values.std(0, ddof=1))) / np.sqrt(R)

    found = [
        Erratum("lambda_of_the_mean_loss", f"{course} 3a: λ of equation 16, with its 1/m", noise / m, noise,
                shrinkage.mean() / m, error(shrinkage) / m),
        Erratum("lambda_of_the_sum", f"{course} 3a: λ of the last line, without 1/m", noise / m, m * noise,
                shrinkage.mean(), error(shrinkage)),
        Erratum("bound_on_the_step", f"{course} 3c: 2/(σ² + σ_max²)", 2 / (top + noise), 2 / (top + m * noise),
                bounds.mean(), error(bounds)),
    ]  # fmt: skip
    # Too few draws tell nothing.
    found = [one for one in found if abs(one.printed - one.correct) > 2 * one.tol]
    ridge = primal(X, y, m * noise)
    apart = float(np.linalg.norm(primal(X, y, noise) - ridge))
    gaps = np.linalg.norm(drift - ridge, axis=-1)
    nearest = int(gaps.argmin())
    means = sample.mean[:, 1, nearest]
    left, tol = float(np.linalg.norm(means.mean(0) - ridge)), error(means) + float(gaps[nearest])
    if apart > 2 * tol:
        name, where = "distance_of_the_limit_from_ridge", f"{course} 3d: (XᵀX + σ²I)⁻¹Xᵀy"
        found.append(Erratum(name, where, apart, 0.0, left, tol))
    return tuple(found)
