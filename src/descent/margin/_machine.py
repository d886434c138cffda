"""The ℓ₂ support vector machine of separated samples, and the constants of what descends to it.

    ŵ = argmin ‖w‖ s.t. Zw ≥ 1,   ŵ = Σ a_n z_n,  a ≥ 0,  a_n = 0 unless z_nᵀŵ = 1,   ‖ŵ‖ = 1/γ,  Σ a_n = 1/γ²

Gradient flow on the exponential loss is w = ŵ log t + ρ with ρ → w̃ on the span of the support vectors, where
e^{−z_nᵀw̃} are weights a_n of ŵ (the only ones where support vectors are independent). So

    t L → Σ a_n,   min_n z_nᵀw = γ‖w‖ − c* + O(1/‖w‖),   c* = log max a − Σ a_n log a_n/Σ a_n ≥ 0

whatever the step, the start and the scale of the samples.

Source: arXiv 1710.10345, theorems 3 and 4; c* is derived here, from ŵᵀw̃ = −Σ a_n log a_n.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import nnls

from descent.margin._problem import refuse

SEPARATED = 1e-6  # of the longest sample: γ below it is rounding of the programmes and flows
ON = 1e-8  # z_nᵀŵ − 1 of a support vector


class Machine(NamedTuple):
    w: Float[np.ndarray, " d"]  # ŵ
    gamma: float
    support: Bool[np.ndarray, " n"]

    @property
    def direction(self) -> Float[np.ndarray, " d"]:
        return self.w * self.gamma


def machine(Z: Float[np.ndarray, "n d"]) -> Machine:
    """ŵ by non-negative least squares: the point of the samples' cone that is the nearest to (0, 1).

    Raises:
        Refusal: the samples are not separated, or so little that ŵ is rounding.
    """
    n, d = Z.shape
    unit = np.linalg.norm(Z, axis=1).max()
    if not unit > 0:
        raise refuse("all samples are 0")
    cone = np.vstack([Z.T / unit, np.ones(n)])
    top = np.append(np.zeros(d), 1.0)
    try:
        a, distance = nnls(cone, top, maxiter=30 * max(n, d + 1))
    except RuntimeError:
        raise refuse("least squares did not find the largest margin") from None
    if distance < SEPARATED:
        raise refuse(f"no line separates the classes by more than {SEPARATED:g} of a sample")
    left = top - cone @ a
    w = -left[:d] / left[d]
    margins = Z @ w / unit
    if margins.min() < 1 - ON:
        raise refuse(f"rounding leaves {1 - margins.min():.1e} of the largest margin")
    return Machine(w / unit, float(unit / np.linalg.norm(w)), margins <= 1 + ON)


def weights(Z: Float[np.ndarray, "n d"], found: Machine) -> Float[np.ndarray, " s"] | None:
    """e^{−z_nᵀw̃} of the support vectors by Newton's method; None if it does not end.

    w̃ is the minimum of Σ e^{−z_nᵀw} + ŵᵀw over the span of the support vectors. A support vector that ŵ does not
    need has a weight of 0 up to rounding, and no part in c*.
    """
    S = Z[found.support]
    _, sigma, basis = np.linalg.svd(S, full_matrices=False)
    basis = basis[sigma > 1e-10 * sigma[0]]
    S, target = S @ basis.T / found.gamma, basis @ found.direction  # both free of the scale
    x = np.zeros(len(basis))

    def height(x):
        with np.errstate(over="ignore"):
            return np.exp(-S @ x).sum() + target @ x

    # An exponential that is far too large shrinks by a factor e a step, hence so many.
    for _ in range(500):
        a = np.exp(-S @ x)
        slope = target - S.T @ a
        if np.linalg.norm(slope) < 1e-10:
            return a / found.gamma**2
        try:
            step = np.linalg.solve(S.T * a @ S, -slope)
        except np.linalg.LinAlgError:
            return None
        size = 1.0
        while height(x + size * step) > height(x) + 1e-4 * size * slope @ step and size > 1e-12:
            size /= 2
        x = x + size * step
    return None


class Rates(NamedTuple):
    """How fast what is not yet at its limit dies out, per unit of log t or of the least margin."""

    slow: float  # e^{−slow·margin} is left of the slowest part
    fast: float  # of the fastest part, for weights that sum to 1


def rates(Z: Float[np.ndarray, "n d"], found: Machine, a: Float[np.ndarray, " s"] | None) -> Rates:
    """The eigenvalues of Σ a_n z_n z_nᵀ on the span of the support vectors, and the margin of the next sample."""
    if a is None:
        return Rates(0.0, np.inf)
    S = Z[found.support]
    values = np.linalg.eigvalsh(S.T * a @ S)
    values = values[-np.linalg.matrix_rank(S) :]
    others = (Z @ found.w)[~found.support]
    slow = min(float(values[0]), float(others.min(initial=np.inf)) - 1)
    return Rates(max(slow, 0.0), float(values[-1] * found.gamma**2))


def slowest(Z: Float[np.ndarray, "n d"]) -> float:
    """The slow rate of a problem."""
    found = machine(Z)
    return rates(Z, found, weights(Z, found)).slow


def constant(a: Float[np.ndarray, " s"]) -> float:
    """c* of the weights of the support vectors."""
    return float(np.log(a.max()) - (a * np.log(a)).sum() / a.sum())
