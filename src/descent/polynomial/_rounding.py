"""What the rounding of float64 adds to gradient descent, as a bound.

The rounding of one step, 2⁻⁵²‖θ‖ max(1, max|ρ|), is carried on by the slowest (or fastest growing) mode:

    ‖error of θ_k‖ ≤ 2⁻⁵² [R max(1, max|ρ|) (Σ_{j<k} max|ρ|ʲ + N + n + 1) + k‖θ_k − θ*‖],   R = ‖θ*‖ + ‖θ₀ − θ*‖

Measured at any step, size and degree tried it is two to ten times less.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.maths.quadratic import Quadratic, first_within, iterate, squared_distance
from descent.polynomial._problem import Problem

EPS = float(np.finfo(float).eps)


def carried(
    problem: Problem, q: Quadratic, step: float, k: Float[np.ndarray, " s"]
) -> Float[np.ndarray, " s"]:
    """The bound without its last term."""
    slowest = np.abs(1 - step * q.eigenvalues).max()
    with np.errstate(over="ignore"):
        sums = k if slowest == 1 else (slowest**k - 1) / (slowest - 1)
    scale = np.linalg.norm(problem.theta) + np.linalg.norm(q.start)
    # A step that overshoots rounds what it overshoots to.
    return EPS * scale * max(1.0, slowest) * (sums + sum(problem.X.shape))


def floor(problem: Problem, step: float) -> float:
    """How near to θ* a run from 0 surely comes, below the critical step."""
    slowest = np.abs(1 - step * problem.eigenvalues).max()
    scale = 2 * np.linalg.norm(problem.theta)
    return float(EPS * scale * (1 / (1 - slowest) + sum(problem.X.shape)))


def of_square(square: xr.DataArray, error: xr.DataArray) -> xr.DataArray:
    """By how much the square of a distance may be off if the distance is off by `error`."""
    with np.errstate(over="ignore", invalid="ignore"):
        return 2 * np.sqrt(abs(square)) * error + error**2


def shift(problem: Problem, q: Quadratic, step: float, squared: float) -> float:
    """By how many steps the first k with ‖θ_k − θ*‖² ≤ squared may be off: the rounding there over how much the
    distance falls in a step, and one."""
    first = first_within(q, step, squared) or 0
    k = np.array([first, first + 1.0])
    before, after = squared_distance(iterate(q, step, k))
    fall = -0.5 * np.log(after / before) if after > 0 and before > 0 else np.inf
    error = float(carried(problem, q, step, k)[0])
    return float(1 + error / (np.sqrt(squared) * max(fall, 1e-300)))
