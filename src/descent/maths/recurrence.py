"""Linear recurrences of second order, in closed form: one mode of a quadratic under a method with momentum.

    x_{t+1} = τx_t − δx_{t−1},   roots of z² − τz + δ:  λ = (τ ± √Δ)/2,   Δ = τ² − 4δ,   λ₊λ₋ = δ
    max|λ| = √δ where Δ < 0 (complex roots), else (|τ| + √Δ)/2
    x_t = x₁u_t − δu_{t−1} from x₀ = 1,   u_t = (λ₊ᵗ − λ₋ᵗ)/(λ₊ − λ₋)

u_t is rᵗ⁻¹ sin tθ/sin θ for complex roots re^{±iθ}, tλᵗ⁻¹ for repeated ones, and λᵗ⁻¹(1 − qᵗ)/(1 − q) for real
ones with q the smaller root over the larger: neither form cancels near Δ = 0. Where the discriminant has a
product form that rounds better than τ² − 4δ, pass that.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

Array = Float[np.ndarray, "..."]


class Coefficients(NamedTuple):
    """Of one recurrence, or of many."""

    trace: Array  # τ
    determinant: Array  # δ
    discriminant: Array  # Δ


def radius(c: Coefficients) -> Array:
    """max |λ|."""
    real = (np.abs(c.trace) + np.sqrt(np.maximum(c.discriminant, 0))) / 2
    return np.where(c.discriminant < 0, np.sqrt(np.maximum(c.determinant, 0)), real)


def solution(c: Coefficients, first: float, t: Real[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    """x_t of one recurrence from x₀ = 1 and x₁ = `first`, at the integers t ≥ 0."""
    later, x = t[t >= 1].astype(float), np.ones(len(t))
    before = np.zeros(len(later))
    before[later > 1] = _u(c, later[later > 1] - 1)
    x[t >= 1] = first * _u(c, later) - float(c.determinant) * before
    return x


def _u(c: Coefficients, t: np.ndarray) -> np.ndarray:
    """u_t for t ≥ 1."""
    trace, determinant, discriminant = map(float, c)
    if discriminant == 0:
        return t * (trace / 2) ** (t - 1)
    if discriminant < 0:
        r = np.sqrt(determinant)
        # From π − θ where θ is near π, whose rounding would count for 1/sin θ.
        theta = np.arctan2(np.sqrt(-discriminant), abs(trace))
        return np.copysign(r, trace) ** (t - 1) * np.sin(t * theta) / np.sin(theta)
    larger = (trace + np.copysign(np.sqrt(discriminant), trace)) / 2
    apart = np.sqrt(discriminant) / abs(larger)  # 1 − q
    if apart < 1:
        return larger ** (t - 1) * -np.expm1(t * np.log1p(-apart)) / apart
    return larger ** (t - 1) * (1 - (1 - apart) ** t) / apart
