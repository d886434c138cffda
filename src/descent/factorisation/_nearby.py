"""Matrices of rank r near M that meet M's observed entries up to a small residual: how far from M they can be.

    T = {UAᵀ + BVᵀ}, tangent at M = UΣVᵀ;   s = smallest singular value of P_Ω on T;   W of rank r, W − M = τ + ν, τ ∈ T
    ‖ν‖ ≤ ‖τ‖²/σ_r for ‖τ‖ ≤ σ_r/2, and P_Ω(W − M) = P_Ωτ + P_Ων, so with τ₁ = (P_Ω|T)⁺ P_Ω(W − M)
    ‖τ − τ₁‖ ≤ ‖τ‖²/(sσ_r), and ‖τ‖ ≤ (4/3)‖τ₁‖ if ‖τ‖ ≤ sσ_r/4

So what is seen on Ω gives the error on all entries, up to second order; s = 0 where Ω leaves M open. The same for the
nuclear norm, ‖W‖_* = ‖M‖_* + ⟨UVᵀ, τ⟩ up to second order.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Square = Float[np.ndarray, "d d"]


class Tangent(NamedTuple):
    U: Float[np.ndarray, "d r"]
    V: Float[np.ndarray, "d r"]
    least: float  # σ_r of M
    basis: Float[np.ndarray, "p D"]  # orthonormal, D = d²
    s: float

    @property
    def near(self) -> float:
        """‖τ₁‖ up to which ‖τ‖ ≤ sσ_r/4."""
        return 3 / 16 * self.s * self.least


class Nearby(NamedTuple):
    """Of a matrix W whose truncation to rank r is near M: first order, and how far off that may be."""

    first: float  # ‖τ₁‖
    error: float  # ‖W − M‖
    error_tol: float
    nuclear: float  # ‖W‖_*
    nuclear_tol: float


def tangent(M: Square, rank: int, mask: Square) -> Tangent:
    d = len(M)
    U, sigma, Vt = np.linalg.svd(M)
    outer = np.einsum("ai,bj->ijab", U, Vt.T).reshape(d, d, d * d)
    inside = np.ones((d, d), bool)
    inside[rank:, rank:] = False
    basis = outer[inside]
    seen = basis[:, mask.ravel() > 0]
    s = np.linalg.svd(seen, compute_uv=False)[-1] if seen.shape[1] >= len(seen) else 0.0
    return Tangent(U[:, :rank], Vt[:rank].T, float(sigma[rank - 1]), basis, float(s))


def seen_from(W: Square, M: Square, mask: Square, at: Tangent) -> Nearby:
    """Error and nuclear norm of W from its observed entries and its small singular values."""
    rank, size = at.U.shape[1], float(np.linalg.norm(M))
    U, sigma, Vt = np.linalg.svd(W)
    tail = (U[:, rank:] * sigma[rank:]) @ Vt[rank:]
    on = mask.ravel() > 0
    left = (W - tail - M).ravel()[on]
    tau = (at.basis.T @ np.linalg.lstsq(at.basis[:, on].T, left)[0]).reshape(M.shape)
    first = float(np.linalg.norm(tau))
    second = (4 / 3 * first) ** 2 / at.least * (1 + 1 / max(at.s, 1e-300)) + 1e-12 * size
    nuclear = np.linalg.svd(M, compute_uv=False).sum() + np.vdot(at.U @ at.V.T, tau)
    return Nearby(
        first,
        float(np.linalg.norm(tau + tail)),
        second,
        float(nuclear + sigma[rank:].sum()),
        float(np.sqrt(2 * rank) * second + (4 / 3 * first) ** 2 / at.least),
    )
