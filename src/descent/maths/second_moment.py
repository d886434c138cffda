"""The mean and the second moment of a random affine recursion, exactly: both follow one linear map.

    z = (e, 1),   z ← Gz,   G = [[A, b], [0, 1]] drawn anew at every step, independent of e
    S = E zzᵀ = [[E eeᵀ, E e], [E eᵀ, 1]]:   S ← E GSGᵀ

Gradient steps on random quadratics are G = I − γPĤ, Ĥ symmetric, P = diag(1 … 1, 0), so that

    S ← S − γ(PHS + SHP) + γ²P E[ĤSĤ] P,   H = EĤ

and with S ↦ E ĤSĤ as a matrix `M` every question is linear algebra. Least squares on rows a_i = (x_i, −y_i),
a_i·z = x_iᵀw − y_i, in batches of b with replacement, has Ĥ = (2/b) Σ a_ia_iᵀ (the mean square, no ½) and

    E ĤSĤ = (1/b)(4/N) Σ a_i(a_iᵀSa_i)a_iᵀ + (1 − 1/b) HSH

Symmetric matrices S: (k, k) are vectors of d = k(k + 1)/2 here, the upper triangle row by row and √2 times what
is off the diagonal, so that inner products are kept; the last one is the corner, the 1 of z. Without the last
coordinate of z the map is that of e without noise: E‖e‖² stays bounded for γ < `limit`, whatever the start.

Where one solution meets every sample there is no b, and the map is symmetric: its eigenbasis gives every k at
once (`Decay`), E‖e_k‖² = Σ_j ⟨I, V_j⟩⟨V_j, M_0⟩ ℓ_jᵏ, with a relative error of about kε, that of ℓᵏ. Late in a
run e lies along the slowest mode, where it is a mean and a sum of many small kicks, so nearly normal;
`quantile` takes it for that, which leaves out how the kicks multiply: e = AP, A normal and P log-normal with
E P = μᵏ, E P² = ℓᵏ, so Var ln P = τ = k ln(ℓ/μ²), ℓ the largest ℓ_j, μ = 1 − γλ_min. The median of P² is
μ²ᵏe^{−τ}: below the square of its mean by τ in ln, below the mean of its square by 2τ.

Source: the moments of a linear stochastic recursion; for averages of it, arXiv 1306.2119.
"""

from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh

from descent.maths.quadratic import Quadratic, iterate

NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 2001) for i in range(2001)])  # its quantiles


def vectors(S: Float[np.ndarray, "*s k k"]) -> Float[np.ndarray, "*s d"]:
    """Symmetric matrices as vectors with the same inner products."""
    i, j = np.triu_indices(S.shape[-1])
    return np.where(i == j, 1.0, np.sqrt(2)) * S[..., i, j]


def matrices(v: Float[np.ndarray, "*s d"]) -> Float[np.ndarray, "*s k k"]:
    """The inverse of `vectors`."""
    k = round((np.sqrt(8 * v.shape[-1] + 1) - 1) / 2)
    i, j = np.triu_indices(k)
    S = np.zeros((*v.shape[:-1], k, k))
    S[..., i, j] = S[..., j, i] = v / np.where(i == j, 1.0, np.sqrt(2))
    return S


def matrix_of(linear: Callable, k: int) -> Float[np.ndarray, "d d"]:
    """A linear map of symmetric (k, k) matrices, which takes a stack of them, as a matrix on their vectors."""
    return vectors(linear(matrices(np.eye(k * (k + 1) // 2)))).T


def congruence(G: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "d d"]:
    """S ↦ GSGᵀ: what one step z ← Gz does to zzᵀ."""
    return matrix_of(lambda S: G @ S @ G.T, len(G))


class Gradients(NamedTuple):
    """Of Ĥ: its mean, and S ↦ E ĤSĤ as a matrix on vectors of symmetric matrices."""

    H: Float[np.ndarray, "k k"]
    M: Float[np.ndarray, "d d"]


def of_batches(rows: Float[np.ndarray, "N k"], b: int = 1) -> Gradients:
    """Ĥ = (2/b) Σ a_ia_iᵀ over b of these rows, uniform with replacement."""
    N = len(rows)
    H, outer = 2 / N * rows.T @ rows, vectors(rows[:, :, None] * rows[:, None, :])
    M = 4 / N * outer.T @ outer
    return Gradients(H, M if b == 1 else M / b + (1 - 1 / b) * congruence(H))


def homogeneous(found: Gradients) -> Gradients:
    """Of e without its noise: all but the last coordinate of z."""
    k = len(found.H)
    i, j = np.triu_indices(k)
    inner = (i < k - 1) & (j < k - 1)
    return Gradients(found.H[:-1, :-1], found.M[np.ix_(inner, inner)])


def generator(found: Gradients, step: float, moving: int) -> Float[np.ndarray, "d d"]:
    """(1 − what a step makes of S)/γ: S ↦ PHS + SHP − γP E[ĤSĤ] P, where P keeps the first `moving`."""
    k = len(found.H)
    i, j = np.triu_indices(k)
    kept = (i < moving) & (j < moving)
    PH = np.where(np.arange(k)[:, None] < moving, found.H, 0.0)
    return matrix_of(lambda S: PH @ S + S @ PH.T, k) - step * kept[:, None] * found.M


def evolution(found: Gradients, step: float, moving: int) -> Float[np.ndarray, "d d"]:
    """What one step makes of S."""
    return np.eye(len(found.M)) - step * generator(found, step, moving)


def limit(found: Gradients) -> float:
    """The step from which on E‖e‖² grows without bound; of Ĥ without its last coordinate."""
    k = len(found.H)
    both = matrix_of(lambda S: found.H @ S + S @ found.H, k)
    return float(1 / eigh(found.M, both, eigvals_only=True)[-1])


def stationary(found: Gradients, step: float) -> Float[np.ndarray, "k k"]:
    """E zzᵀ as t → ∞ at a step below the limit."""
    g = generator(found, step, len(found.H) - 1)
    return matrices(np.append(np.linalg.solve(g[:-1, :-1], -g[:-1, -1]), 1.0))


def transient(
    found: Gradients, step: float, start: Float[np.ndarray, "k k"]
) -> Float[np.ndarray, "k k"]:
    """Σ_t (E z_tz_tᵀ − its limit) from E z_0z_0ᵀ on, at a step below the limit."""
    g = generator(found, step, len(found.H) - 1)
    off = vectors(start - stationary(found, step))[:-1]
    return matrices(np.append(np.linalg.solve(step * g[:-1, :-1], off), 0.0))


def covariance(S: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "r r"]:
    """Cov e of S = E zzᵀ."""
    return S[:-1, :-1] - np.outer(S[:-1, -1], S[:-1, -1])


class Decay(NamedTuple):
    """E eeᵀ without noise, in the eigenbasis of H and of the map."""

    rates: Float[np.ndarray, " d"]  # ℓ_j, ascending
    directions: Float[np.ndarray, "d r r"]  # V_j
    overlaps: Float[np.ndarray, " d"]  # ⟨V_j, M_0⟩
    mean: Quadratic  # E e_0 in the eigenbasis of H, which all else is in too
    step: float


def decay(found: Gradients, mean: Quadratic, step: float) -> Decay:
    """Of Ĥ without noise, H = diag(mean.eigenvalues), from e_0 = mean.start."""
    rates, directions = np.linalg.eigh(evolution(found, step, len(found.H)))
    overlaps = directions.T @ vectors(np.outer(mean.start, mean.start))
    return Decay(rates, matrices(directions.T.copy()), overlaps, mean, step)


def squared_distance(m: Decay, k: Float[np.ndarray, " s"]) -> Float[np.ndarray, " s"]:
    """E‖e_k‖²."""
    weights = np.trace(m.directions, axis1=1, axis2=2) * m.overlaps
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        return m.rates ** k[:, None] @ weights


def second(m: Decay, k: int) -> Float[np.ndarray, "r r"]:
    """E e_ke_kᵀ."""
    with np.errstate(under="ignore", over="ignore"):
        return np.tensordot(m.rates**k * m.overlaps, m.directions, 1)


def quantile(m: Decay, k: int, share: float) -> float:
    """What ‖e_k‖² stays below in this share of runs, with e normal along the principal axis of M_k."""
    values, axes = np.linalg.eigh(second(m, k))
    centre = float(axes[:, -1] @ iterate(m.mean, m.step, np.array([float(k)]))[0])
    spread = np.sqrt(max(values[-1] - centre**2, 0.0))
    return float(np.quantile((centre + spread * NORMAL) ** 2, share) + max(values[:-1].sum(), 0.0))


def multiplied(m: Decay, k: int) -> float:
    """How far the median of ln ‖e_k‖² is below that of `quantile` at the most, to second order in γ: 2τ."""
    slowest = np.log(np.abs(1 - m.step * m.mean.eigenvalues[-1]))
    return float(2 * k * max(np.log(m.rates[-1]) - 2 * slowest, 0.0))


def first_below(m: Decay, squared: float, share: float | None = None) -> int | None:
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
