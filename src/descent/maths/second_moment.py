"""How far from the solution SGD is on average, exactly, where one solution meets every sample.

    e_{k+1} = (I − (2γ/b) Σ_{i in batch} z_iz_iᵀ) e_k,   batches uniform with replacement, z_i = row i of X
    m_{k+1} = (I − γH) m_k,   H = (2/N) XᵀX
    M_{k+1} = M_k − γ(HM_k + M_kH) + γ²((1/b)(4/N) Σ z_i(z_iᵀM_kz_i)z_iᵀ + (1 − 1/b) HM_kH) =: L(M_k)

m = E e, M = E eeᵀ. L is linear and self-adjoint for ⟨A, B⟩ = tr AB, so its eigenbasis gives every k at once:
E‖e_k‖² = Σ_j ⟨I, V_j⟩⟨V_j, M_0⟩ ℓ_jᵏ. Relative error about kε, that of ℓᵏ.

Late in a run e lies along the slowest mode, where it is a mean and a sum of many small kicks, so nearly
normal; `quantile` takes it for that, which leaves out how the kicks multiply: e = AP, A normal and
P log-normal with E P = μᵏ, E P² = ℓᵏ, so Var ln P = τ = k ln(ℓ/μ²), ℓ the largest ℓ_j, μ = 1 − γλ_min.
The median of P² is μ²ᵏe^{−τ}: below the square of its mean by τ in ln, below the mean of its square by 2τ.

Source: the moments of a linear stochastic recursion; for averages of it, arXiv 1306.2119.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.maths.quadratic import Quadratic, iterate

NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 2001) for i in range(2001)])  # its quantiles


class Moments(NamedTuple):
    rates: Float[np.ndarray, " q"]  # ℓ_j, ascending
    directions: Float[np.ndarray, "r r q"]  # V_j
    overlaps: Float[np.ndarray, " q"]  # ⟨V_j, M_0⟩
    mean: Quadratic  # m_0 in the eigenbasis of H, which all else is in too
    step: float


def moments(Z: Float[np.ndarray, "N r"], mean: Quadratic, step: float, b: int) -> Moments:
    """Z = XV: the samples in the eigenbasis of H, whose eigenvalues and start `mean` has."""
    N, r = Z.shape
    H, I = np.diag(mean.eigenvalues), np.eye(r)
    squares = (Z[:, :, None] * Z[:, None, :]).reshape(N, -1)
    kick = 4 / N * squares.T @ squares / b + (1 - 1 / b) * np.kron(H, H)
    L = np.eye(r * r) - step * (np.kron(H, I) + np.kron(I, H)) + step**2 * kick
    rates, directions = np.linalg.eigh(L)
    overlaps = directions.T @ np.outer(mean.start, mean.start).ravel()
    return Moments(rates, directions.reshape(r, r, -1), overlaps, mean, step)


def squared_distance(m: Moments, k: Float[np.ndarray, " s"]) -> Float[np.ndarray, " s"]:
    """E‖e_k‖²."""
    weights = np.trace(m.directions) * m.overlaps
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        return m.rates ** k[:, None] @ weights


def quantile(m: Moments, k: int, share: float) -> float:
    """What ‖e_k‖² stays below in this share of runs, with e normal along the principal axis of M_k."""
    with np.errstate(under="ignore", over="ignore"):
        M = m.directions @ (m.rates**k * m.overlaps)
    values, vectors = np.linalg.eigh(M)
    centre = float(vectors[:, -1] @ iterate(m.mean, m.step, np.array([float(k)]))[0])
    spread = np.sqrt(max(values[-1] - centre**2, 0.0))
    return float(np.quantile((centre + spread * NORMAL) ** 2, share) + max(values[:-1].sum(), 0.0))


def multiplied(m: Moments, k: int) -> float:
    """How far the median of ln ‖e_k‖² is below that of `quantile` at the most, to second order in γ: 2τ."""
    slowest = np.log(np.abs(1 - m.step * m.mean.eigenvalues[-1]))
    return float(2 * k * max(np.log(m.rates[-1]) - 2 * slowest, 0.0))


def first_below(m: Moments, squared: float, share: float | None = None) -> int | None:
    """First k at which E‖e_k‖², or that quantile of ‖e_k‖², is at most `squared`; None if it never is."""
    if m.rates[-1] >= 1:
        return None

    def below(k: int) -> bool:
        value = (
            squared_distance(m, np.array([float(k)]))[0] if share is None else quantile(m, k, share)
        )
        return bool(value <= squared)

    if below(0):
        return 0
    low, high = 0, 1
    while not below(high):
        if high > 2**52:  # further k are not integers of float64
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if below(middle) else (middle, high)
    return high
