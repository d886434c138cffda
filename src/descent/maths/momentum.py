"""One mode of a quadratic under gradient descent with averaged gradients, in closed form.

    L = ‖Xw − y‖², no ½ and no mean;   z ← (1 − β)z + β∇L(w),   w ← w − ηz
    x, the error along a right singular vector of singular value σ, with h = ηβσ²:
    x_{t+1} = τ x_t − (1 − β)x_{t−1},   τ = 2 − β − 2h
    λ = (τ ± √Δ)/2,   Δ = τ² − 4(1 − β),   λ₊λ₋ = 1 − β
    |λ| < 1 ⇔ 0 < β < 2 and 0 < h < 2 − β

The last line is Jury's: |1 − β| < 1, 1 − τ + (1 − β) = 2h > 0 and 1 + τ + (1 − β) = 2(2 − β − h) > 0.
β = 1 is gradient descent. In the heavy-ball form the momentum is 1 − β and the step ηβ. A Hessian's
eigenvalue 2σ² is stable up to 2(2 − β)/(ηβ).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

Array = Float[np.ndarray, "..."]


def trace(beta: Array | float, h: Array | float) -> Array | float:
    return 2 - beta - 2 * h


def discriminant(beta: Array | float, h: Array | float) -> Array | float:
    """Δ; for β ≤ 1 as ((1 + r)² − 2h)((1 − r)² − 2h), r = √(1 − β), 1 − r = β/(1 + r), which rounds well near 0."""
    r = np.sqrt(np.maximum(1 - beta, 0))
    return np.where(
        np.asarray(beta) <= 1,
        ((1 + r) ** 2 - 2 * h) * ((beta / (1 + r)) ** 2 - 2 * h),
        trace(beta, h) ** 2 - 4 * (1 - beta),
    )


def radius(beta: Array | float, h: Array | float) -> Array:
    """max |λ|: √(1 − β) where the roots are complex, else (|τ| + √Δ)/2."""
    delta = discriminant(beta, h)
    real = (np.abs(trace(beta, h)) + np.sqrt(np.maximum(delta, 0))) / 2
    return np.where(delta < 0, np.sqrt(np.maximum(1 - beta, 0)), real)


def highest(beta: Array | float) -> Array | float:
    """The h below which a mode is stable."""
    return 2 - beta


def repeated(beta: Array | float) -> tuple[Array | float, Array | float]:
    """(h₋, h₊) = (1 ∓ √(1 − β))²/2 for β ≤ 1: both roots meet there, and are complex in between."""
    r = np.sqrt(1 - beta)
    return (beta / (1 + r)) ** 2 / 2, (1 + r) ** 2 / 2


class Best(NamedTuple):
    """The steps from `low` to `high` that share the least `rate` at one β."""

    low: float
    high: float
    rate: float


def best_steps(beta: float, largest: float, smallest: float) -> Best:
    """For modes with σ² from `smallest` to `largest`.

    While κ ≤ ((1 + r)/(1 − r))² some steps make every mode complex, with the rate r = √(1 − β). Else,
    and for β > 1, it is the one step at which the traces of both ends are opposite.
    """
    if beta <= 1:
        low, high = repeated(beta)
        if low / smallest <= high / largest:
            return Best(low / (beta * smallest), high / (beta * largest), float(np.sqrt(1 - beta)))
    eta = highest(beta) / (beta * (largest + smallest))
    return Best(eta, eta, float(radius(beta, eta * beta * largest)))


class Polyak(NamedTuple):
    """The β and η of the least rate of all."""

    beta: float
    eta: float
    rate: float


def polyak(largest: float, smallest: float) -> Polyak:
    """4σ₁σ_n/(σ₁ + σ_n)², 1/(2σ₁σ_n), (√κ − 1)/(√κ + 1), with both end modes at a repeated root."""
    top, low = np.sqrt(largest), np.sqrt(smallest)
    return Polyak(
        float(4 * top * low / (top + low) ** 2),
        float(1 / (2 * top * low)),
        float((top - low) / (top + low)),
    )


def trajectory(
    beta: float, h: float, first: float, t: Real[np.ndarray, " t"]
) -> Float[np.ndarray, " t"]:
    """x_t from x₀ = 1 and x₁ = `first` (1 − 2h from z₀ = 0, where the first step has βg in it).

    x_t = x₁u_t − (1 − β)u_{t−1} with u_t = (λ₊ᵗ − λ₋ᵗ)/(λ₊ − λ₋): rᵗ⁻¹ sin tθ/sin θ for complex roots
    re^{±iθ}, tλᵗ⁻¹ for repeated ones, λᵗ⁻¹(1 − qᵗ)/(1 − q) for real ones of ratio q. Neither cancels near Δ = 0.
    """
    delta, tau = float(discriminant(beta, h)), float(trace(beta, h))

    def u(t):
        if delta == 0:
            return t * (tau / 2) ** (t - 1)
        if delta < 0:
            r = np.sqrt(1 - beta)
            # From π − θ where θ is near π, whose rounding would count for 1/sin θ.
            theta = np.arctan2(np.sqrt(-delta), abs(tau))
            return np.copysign(r, tau) ** (t - 1) * np.sin(t * theta) / np.sin(theta)
        far = (tau + np.copysign(np.sqrt(delta), tau)) / 2  # the root of larger size
        apart = np.sqrt(delta) / abs(far)  # 1 − q, q the ratio of the roots
        if apart < 1:
            return far ** (t - 1) * -np.expm1(t * np.log1p(-apart)) / apart
        return far ** (t - 1) * (1 - (1 - apart) ** t) / apart

    later = t[t >= 1].astype(float)
    x = np.ones(len(t))
    shift = np.zeros(len(later))
    shift[later > 1] = u(later[later > 1] - 1)
    x[t >= 1] = first * u(later) - (1 - beta) * shift
    return x
