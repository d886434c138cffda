"""When runs come within a distance of the shortest solution: what a claim about it presupposes."""

import numpy as np
import xarray as xr

from descent.config import Refusal
from descent.maths import quadratic, second_moment
from descent.maths.optimisers import NEVER
from descent.maths.sampling import level
from descent.maths.second_moment import Decay
from descent.polynomial import _moments
from descent.polynomial._checks import names
from descent.polynomial._problem import Problem, modes
from descent.polynomial._rounding import floor


def beyond(values: np.ndarray) -> np.ndarray:
    """∞ for what ∞ − ∞ left."""
    return np.where(np.isnan(values), np.inf, values)


def reached(first) -> np.ndarray:
    """First crossings as numbers; inf if there was none."""
    first = np.asarray(first, float)
    return np.where(first == NEVER, np.inf, first)


def never(first) -> np.ndarray:
    """The same for None."""
    return np.array([np.inf if one is None else float(one) for one in first])


def decays(config, problem: Problem) -> list[Decay]:
    """E eeᵀ from θ₀ = 0, for every size of batches."""
    q = modes(problem, np.zeros_like(problem.theta))
    found = [second_moment.homogeneous(_moments.gradients(problem, b)) for b in config.batches]
    return [second_moment.decay(one, q, config.sgd_rate / problem.beta) for one in found]


def gd_steps(config, problem: Problem) -> int:
    """How long the full gradient is followed: twice what its slowest excited mode needs at the most."""
    q = modes(problem, np.zeros_like(problem.theta))
    rate = quadratic.rate(q, config.gd_rate / problem.beta)
    needed = np.log(np.linalg.norm(q.start) / np.sqrt(config.squared)) / max(-rate, 1e-300)
    return int(min(config.steps, max(2 * needed, 100)))


def require_crossings(config, problem: Problem, laws: list[Decay]) -> None:
    """Refuse a level that rounding may keep runs from, and runs that are too short for it.

    Raises:
        Refusal: with the least that would do.
    """
    beta, size = problem.beta, float(np.linalg.norm(problem.theta))
    if config.squared >= size**2:
        raise Refusal(f"squared {config.squared:g} ≥ ‖θ*‖² = {size**2:.3g}: the start is within it")
    stable = [config.gd_rate] if config.gd_rate < 2 else []
    stable += [config.sgd_rate] if any(law.rates[-1] < 1 for law in laws) else []
    least = max((4 * floor(problem, rate / beta) ** 2 for rate in stable), default=0.0)
    if config.squared <= least:
        raise Refusal(
            f"squared {config.squared:g} ≤ {least:.1e}: the rounding of float64 may keep "
            "runs above it"
        )
    if config.gd_rate < 2:
        first = gd_steps(config, problem)
        q = modes(problem, np.zeros_like(problem.theta))
        end = quadratic.iterate(q, config.gd_rate / beta, np.array([float(first)]))
        if quadratic.squared_distance(end)[0] > config.squared:
            raise Refusal(
                f"steps {config.steps}: gradient descent has not come within squared by then"
            )
    # Markov: so that no run is later, but with the chance of a false alarm.
    surely = config.squared * level(1) / (config.replicates * len(laws))
    for b, law in zip(config.batches, laws, strict=True):
        end = second_moment.squared_distance(law, np.array([float(config.steps)]))[0]
        if law.rates[-1] < 1 and end > surely:
            needed = second_moment.first_below(law, surely)
            raise Refusal(
                f"steps {config.steps} < {needed}: with batch {b} runs have not converged by then"
            )


def still_near(laws: list[Decay], k: np.ndarray) -> int:
    """The place of the last of these k up to which every E‖e_k‖² is within a factor 2 of the start's."""
    curves = np.array([second_moment.squared_distance(law, k.astype(float)) for law in laws])
    ratios = curves / curves[:, :1]
    near = ((ratios >= 0.5) & (ratios <= 2)).all(0)
    return int(np.flatnonzero(np.logical_and.accumulate(near))[-1])


def near_normal(config, laws: list[Decay], tol: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Where the error at the median crossing lies along one mode and its kicks multiply by no more than half of what
    the runs leave open; and by how much that may move the crossing."""
    allowed, moved = [], []
    for law, open_ in zip(laws, tol.values, strict=True):
        middle = second_moment.first_below(law, config.squared, 0.5)
        if middle is None or not law.rates[-1] < 1:
            allowed.append(False)
            moved.append(0.0)
            continue
        values = np.linalg.eigvalsh(second_moment.second(law, middle))
        moved.append(second_moment.multiplied(law, middle) / -np.log(law.rates[-1]))
        allowed.append(bool(values[:-1].sum() < 0.05 * values[-1] and moved[-1] <= 0.5 * open_))
    return tol.copy(data=allowed), tol.copy(data=moved)


def unstable(config, problem: Problem, stable: xr.DataArray) -> tuple[str, ...]:
    """Why there is nothing to end at."""
    reasons = []
    if config.gd_rate >= 2:
        reasons.append(f"gd_rate {config.gd_rate:g} ≥ 2: a mode grows, if only from rounding")
    if not stable.all():
        limit = _moments.limit(problem) * problem.beta
        rate = f"sgd_rate {config.sgd_rate:g}, {names(~stable)}"
        reasons.append(f"{rate}: E‖θ_k − θ*‖² grows (from {limit:.4f} on with batch 1)")
    return tuple(reasons)
