"""The second moment of gradient descent on noisy examples, exactly: a linear map.

    x̌_i ~ N(x_i, σ²I) fresh at every step;   a_i = (x̌_i, −y_i),  z = (w, 1),  so a_i·z = x̌_iᵀw − y_i
    z ← (I − ηPĤ)z,   Ĥ = Σ a_ia_iᵀ (full batch) or a_ia_iᵀ, i uniform (single example),   P = diag(1 … 1, 0)
    E zzᵀ ← S − η(PHS + SHP) + η²P M(S) P,   S = E zzᵀ,   H = EĤ,   M(S) = E ĤSĤ
    E a aᵀSa aᵀ = H_i(S + Sᵀ)H_i + tr(SH_i)H_i − 2(μᵀSμ)μμᵀ,   μ = Ea,   H_i = E a aᵀ    (Isserlis)
    single example: M = their mean;   full batch: their sum, plus HSH − Σ H_iSH_i

Matrices S: (k, k) are vectors of k² here, row by row. With z in place of w the driving noise, the transient and
its correlation with the noise need no terms of their own. Without the last coordinate the map is that of
w − w*, and E‖w‖² stays bounded while its spectral radius is below 1, that is for η < η_ms.

Source: CS182 homework 2, question 3, which asks for the mean only.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

Mode = Literal["full", "single"]


class Moments(NamedTuple):
    """H = EĤ: (k, k) and S ↦ E ĤSĤ: (k², k²)."""

    H: Float[np.ndarray, "k k"]
    M: Float[np.ndarray, "K K"]


def moments(mu: Float[np.ndarray, "m k"], C: Float[np.ndarray, "k k"], mode: Mode) -> Moments:
    """Of rows a_i ~ N(μ_i, C)."""
    k = mu.shape[1]
    swap = np.eye(k * k).reshape(k, k, k, k).swapaxes(0, 1).reshape(k * k, k * k)
    H, M, pairs = np.zeros((k, k)), np.zeros((k * k, k * k)), np.zeros((k * k, k * k))
    for row in mu:
        outer = np.outer(row, row)
        one = outer + C
        square = np.kron(one, one)
        H += one
        pairs += square
        M += square + square @ swap + np.outer(one, one) - 2 * np.outer(outer, outer)
    if mode == "single":
        return Moments(H / len(mu), M / len(mu))
    return Moments(H, M + np.kron(H, H) - pairs)


def evolution(found: Moments, eta: float, moving: int) -> Float[np.ndarray, "K K"]:
    """S ↦ E (I − ηPĤ)S(I − ηĤP), where P keeps the first `moving` coordinates."""
    k = len(found.H)
    P, one = np.diag((np.arange(k) < moving).astype(float)), np.eye(k)
    PH = P @ found.H
    return (
        np.eye(k * k)
        - eta * (np.kron(PH, one) + np.kron(one, PH))
        + eta**2 * np.kron(P, P) @ found.M
    )


def critical_step(found: Moments) -> float:
    """η_ms of moments without the last coordinate: 1/ρ((H⊗I + I⊗H)⁻¹M)."""
    one = np.eye(len(found.H))
    K = np.kron(found.H, one) + np.kron(one, found.H)
    return float(1 / np.abs(np.linalg.eigvals(np.linalg.solve(K, found.M))).max())


def stationary(L: Float[np.ndarray, "K K"]) -> Float[np.ndarray, "k k"]:
    """The S with S = L S and a 1 in its last corner."""
    A = L - np.eye(len(L))
    S = np.append(np.linalg.solve(A[:-1, :-1], -A[:-1, -1]), 1.0)
    k = round(np.sqrt(len(L)))
    return S.reshape(k, k)


def covariance(S: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "n n"]:
    """Cov w of S = E zzᵀ."""
    return S[:-1, :-1] - np.outer(S[:-1, -1], S[:-1, -1])


def squared(H: Float[np.ndarray, "c n n"]) -> Float[np.ndarray, "K K"]:
    """The mean of Ĥ⊗Ĥ over draws of Ĥ."""
    n = H.shape[-1]
    flat = H.reshape(len(H), n * n)
    return (flat.T @ flat / len(H)).reshape(n, n, n, n).swapaxes(1, 2).reshape(n * n, n * n)


def drawn_critical_steps(
    H: Float[np.ndarray, "r n n"], M: Float[np.ndarray, "r K K"]
) -> Float[np.ndarray, " r"]:
    """η_ms of the average over replicates, as the mean over their pseudo-values.

    For MR = ρKR, LM = ρLK the eigenvalue of one replicate is ρ + L(M_r − ρK_r)R/LKR to first order.
    """
    one = np.eye(H.shape[-1])
    K = np.array([np.kron(h, one) + np.kron(one, h) for h in H])
    pooled = np.linalg.solve(K.mean(0), M.mean(0))
    values, right = np.linalg.eig(pooled)
    k = np.abs(values).argmax()
    rho, R = values[k].real, right[:, k].real
    others, left = np.linalg.eig(np.linalg.solve(K.mean(0).T, M.mean(0).T))
    L = left[:, np.abs(others).argmax()].real
    rhos = rho + (M - rho * K) @ R @ L / (L @ K.mean(0) @ R)
    return 1 / rho - (rhos - rho) / rho**2


def of_inputs(X: Float[np.ndarray, "m n"], sigma: float, mode: Mode) -> Moments:
    """H and M of w − w*."""
    return moments(X, sigma**2 * np.eye(X.shape[1]), mode)


def after(
    X: Float[np.ndarray, "m n"],
    y: Float[np.ndarray, " m"],
    sigma: float,
    etas: Float[np.ndarray, " F"],
    mode: Mode,
    steps: int,
) -> Float[np.ndarray, "F k k"]:
    """E zzᵀ, z = (w, 1), after so many steps from w = 0 with every η."""
    n = X.shape[1]
    full = moments(np.column_stack([X, -y]), np.diag([sigma**2] * n + [0.0]), mode)
    origin = np.zeros((n + 1) ** 2)
    origin[-1] = 1
    powers = [np.linalg.matrix_power(evolution(full, eta, n), steps) for eta in etas]
    return np.array([power @ origin for power in powers]).reshape(-1, n + 1, n + 1)
