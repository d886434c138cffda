"""Gradient descent on a convex quadratic, mode by mode: everything about it is a closed form.

    f(θ) − f* = ½ (θ − θ*)ᵀH(θ − θ*),   H = QΛQᵀ,   c = Qᵀ(θ₀ − θ*),   ρ_i = 1 − γλ_i
    Qᵀ(θ_k − θ*) = c_i ρ_iᵏ
    Qᵀ(θ̄_k − θ*) = c_i (1 − ρ_i^{k+1})/((k + 1)γλ_i),   θ̄_k = (θ₀ + … + θ_k)/(k + 1)

All hold for ρ < 0 and |ρ| > 1 too (then they grow, in the end to inf), and for λ = 0, where nothing moves.
Relative error: about kγλ·2⁻⁵² from the rounding of ρ; 1 − ρ^{k+1} is not formed by subtraction.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real


class Quadratic(NamedTuple):
    """λ_i ≥ 0 and c_i of every mode."""

    eigenvalues: Float[np.ndarray, " m"]
    start: Float[np.ndarray, " m"]


def _log_ratio(x: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """log|1 − x|, exact near x = 0 and x = 2; −inf at 1."""
    with np.errstate(divide="ignore"):
        return np.where(x < 1, np.log1p(-np.minimum(x, 1)), np.log1p(np.maximum(x, 1) - 2))


def _exponent(x: Float[np.ndarray, " m"], k: Real[np.ndarray, " s"]) -> Float[np.ndarray, "s m"]:
    """log|ρᵏ|; 0 at k = 0 even where ρ = 0."""
    with np.errstate(invalid="ignore"):
        return np.where(k[:, None] == 0, 0.0, k[:, None] * _log_ratio(x))


def iterate(q: Quadratic, step: float, k: Real[np.ndarray, " s"]) -> Float[np.ndarray, "s m"]:
    """Qᵀ(θ_k − θ*) after k ≥ 0 steps γ."""
    x = step * q.eigenvalues
    sign = np.where((x > 1) & (k[:, None] % 2 == 1), -1.0, 1.0)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        grown = q.start * sign * np.exp(_exponent(x, k))
    return np.where(q.start == 0, 0.0, grown)


def average(q: Quadratic, step: float, k: Real[np.ndarray, " s"]) -> Float[np.ndarray, "s m"]:
    """Qᵀ(θ̄_k − θ*), the mean of k + 1 iterates."""
    x, n = step * q.eigenvalues, k[:, None] + 1
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        exponent = _exponent(x, k + 1)
        total = np.where((x > 1) & (n % 2 == 1), 1 + np.exp(exponent), -np.expm1(exponent))
        mean = q.start * np.where(x == 0, 1.0, total / (n * np.where(x == 0, 1.0, x)))
    return np.where(q.start == 0, 0.0, mean)


def gap(q: Quadratic, error: Float[np.ndarray, "s m"]) -> Float[np.ndarray, " s"]:
    """f − f* at these errors Qᵀ(θ − θ*)."""
    with np.errstate(over="ignore", under="ignore"):
        return 0.5 * (q.eigenvalues * error**2).sum(1)


def squared_distance(error: Float[np.ndarray, "s m"]) -> Float[np.ndarray, " s"]:
    """‖θ − θ*‖² of these errors."""
    with np.errstate(over="ignore", under="ignore"):
        return (error**2).sum(1)


def excited(q: Quadratic, relative: float = 1e-10) -> Bool[np.ndarray, " m"]:
    """The modes that the start has a part in, up to rounding, and that move.

    By their parts in f(θ₀): that is what rounding is relative to when θ* comes from a singular value
    decomposition.
    """
    part = np.sqrt(q.eigenvalues) * np.abs(q.start)
    return part > relative * part.max(initial=0.0)


def rate(q: Quadratic, step: float, relative: float = 1e-10) -> float:
    """ln max|ρ_i| over the excited modes: negative if they all shrink; −inf if one step ends it."""
    moving = q.eigenvalues[excited(q, relative)]
    return float(_log_ratio(step * moving).max(initial=-np.inf))


def average_law(q: Quadratic, step: float) -> float:
    """C of f(θ̄_k) − f* → C/(k + 1)², for a stable step: ½ Σ c²/(γ²λ) over λ > 0."""
    moving = q.eigenvalues > 0
    return float(0.5 * (q.start[moving] ** 2 / q.eigenvalues[moving]).sum() / step**2)


def first_within(q: Quadratic, step: float, squared: float) -> int | None:
    """The first k with ‖θ_k − θ*‖² ≤ squared; None if there is none.

    Σ c²ρ²ᵏ is convex in k, so it is there or past its lowest point from some k on: that k by bisection.
    """
    x = step * q.eigenvalues

    def settled(k: int) -> bool:
        error = iterate(q, step, np.array([float(k)]))
        with np.errstate(over="ignore", under="ignore"):
            slope = (error**2 * x * (x - 2)).sum()  # d²(k + 1) − d²(k)
        return bool(squared_distance(error)[0] <= squared or slope >= 0)

    high = 1
    while not settled(high):
        if high > 2**52:  # further k are not integers of float64
            return None
        high *= 2
    low = -1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    distance = squared_distance(iterate(q, step, np.array([float(high)])))[0]
    return high if distance <= squared else None
