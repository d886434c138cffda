"""Wide networks whose outer weights are fitted to points: least norm, and gradient descent at any time.

    f(x) = Σ_i a_i φ(w_i x + b_i) + P(x)β,    φ(z) = [z]₊ᵏ/k!,    P(x) = (1, x, …, xᵏ), fitted freely, or nothing
    Φ: (M, n) = φ(w_i x_j + b_i),    N: (M, M − p) orthonormal, NᵀP = 0,    NᵀΦ = U S Vᵀ
    least norm      a = V S⁻¹ UᵀNᵀy,    β = P⁺(y − Φa)
    from a = 0 with steps η on Σ (f(x_j) − y_j)², β the best at every step:
                    a = V F S⁻¹ UᵀNᵀy,    F = 1 − (1 − 2ημ)ᵗ,    μ = S²

No Gram matrix is formed, which would lose half of the digits. Seeds are a first dimension: w, b (s, n).
"""

from collections.abc import Callable
from math import factorial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

EPS = float(np.finfo(float).eps)
AT_ONCE = 2_000_000  # numbers in one array


def features(
    x: Float[np.ndarray, " m"], w: np.ndarray, b: np.ndarray, power: int = 1
) -> np.ndarray:
    """Φ: (..., m, n) of w, b (..., n)."""
    z = x[:, None] * w[..., None, :]
    z += b[..., None, :]
    np.maximum(z, 0, out=z)
    return z if power == 1 else z**power / factorial(power)


def polynomials(
    x: Float[np.ndarray, " m"], degree: int = 1, like: np.ndarray | None = None
) -> np.ndarray:
    """P: (m, degree + 1) in x moved and scaled so that the points `like`, by default x, fill [−1, 1]; −1: nothing."""
    points = x if like is None else like
    centre, half = (points.max() + points.min()) / 2, max(np.ptp(points) / 2, 1e-300)
    return np.vander((x - centre) / half, degree + 1, increasing=True)


class Modes(NamedTuple):
    """NᵀΦ = U S Vᵀ, and what of y is in it: the directions in which a network learns."""

    V: np.ndarray  # (..., r, n), rows
    S: np.ndarray  # (..., r), decreasing
    target: np.ndarray  # UᵀNᵀy: (..., r)
    left: np.ndarray  # NU: (..., M, r)

    @property
    def mu(self) -> np.ndarray:
        """Eigenvalues of ΠΦΦᵀΠ that are not 0."""
        return self.S**2

    @property
    def full(self) -> np.ndarray:
        """Which modes count: the others are 0 within rounding."""
        most = self.S.max(-1, initial=0.0, keepdims=True)
        size = max(self.V.shape[-1], self.left.shape[-2])
        return most * size * EPS < self.S


class Fit(NamedTuple):
    a: np.ndarray  # (..., n)
    beta: np.ndarray  # (..., p), of `polynomials(·, like=x)`
    residual: np.ndarray  # Φa + Pβ − y: (..., M)


def free(P: Float[np.ndarray, "M p"]) -> np.ndarray:
    """N: an orthonormal basis of what the free part leaves, (M, M − p)."""
    return np.linalg.qr(P, mode="complete")[0][:, P.shape[1] :] if P.shape[1] else np.eye(len(P))


def modes(Phi: np.ndarray, y: Float[np.ndarray, " M"], P: Float[np.ndarray, "M p"]) -> Modes:
    """Of features (..., M, n)."""
    N = free(P)
    if not N.shape[1]:  # the free part fits everything
        lead, (M, n) = Phi.shape[:-2], Phi.shape[-2:]
        none = np.zeros((*lead, 0))
        return Modes(np.zeros((*lead, 0, n)), none, none, np.zeros((*lead, M, 0)))
    U, S, V = np.linalg.svd(N.T @ Phi, full_matrices=False)
    return Modes(V, S, np.swapaxes(U, -1, -2) @ (N.T @ y), N @ U)


def weights(found: Modes, learned: np.ndarray | float = 1.0) -> np.ndarray:
    """a: (..., n) once a share `learned` (..., r) of every mode is fitted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(found.full, learned * found.target / found.S, 0.0)
    return np.einsum("...r,...rn->...n", shares, found.V)


def discrete(found: Modes, eta: float | np.ndarray, steps: int | np.floating) -> np.ndarray:
    """The share of every mode that `steps` steps of gradient descent have fitted."""
    return 1 - (1 - 2 * np.asarray(eta)[..., None] * found.mu) ** steps


def fit(Phi: np.ndarray, y: Float[np.ndarray, " M"], P: np.ndarray, a: np.ndarray) -> Fit:
    """The best free part beside outer weights a (..., n)."""
    out = np.einsum("...mn,...n->...m", Phi, a)
    rest = y - out
    if not P.shape[1]:
        return Fit(a, np.zeros((*a.shape[:-1], 0)), -rest)
    flat = np.linalg.lstsq(P, rest.reshape(-1, len(y)).T)[0].T
    beta = flat.reshape(*rest.shape[:-1], P.shape[1])
    return Fit(a, beta, beta @ P.T - rest)


def least_norm(Phi: np.ndarray, y: Float[np.ndarray, " M"], P: np.ndarray) -> Fit:
    """The interpolation of least ‖a‖; of least residual where there is none."""
    return fit(Phi, y, P, weights(modes(Phi, y, P)))


def outputs(
    x: Float[np.ndarray, " m"], w: np.ndarray, b: np.ndarray, a: np.ndarray, power: int = 1
) -> np.ndarray:
    """Σ_i a_i φ(w_i x + b_i): (..., m) of w, b, a (..., n)."""
    lead, n = w.shape[:-1], w.shape[-1]
    found = np.empty((int(np.prod(lead)), len(x)))
    order, step = np.argsort(x), max(1, AT_ONCE // max(n, 1))
    for row, *one in zip(found, *(v.reshape(-1, n) for v in (w, b, a)), strict=True):
        if power == 1:
            row[order] = _by_breakpoints(x[order], *one)
            continue
        for k in range(0, len(x), step):
            row[k : k + step] = features(x[k : k + step], one[0], one[1], power) @ one[2]
    return found.reshape(*lead, len(x))


def _by_breakpoints(x: np.ndarray, w: np.ndarray, b: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The same for ReLU and increasing x, in O(n + m): the slopes and heights of the neurons that are on add up."""
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.searchsorted(x, -b / w)  # the first of x that is not left of the breakpoint
    right, size = w >= 0, len(x) + 1
    total = np.zeros((2, len(x)))
    for row, part in zip(total, (a * w, a * b), strict=True):
        rising = np.bincount(place[right], part[right], size)
        falling = np.bincount(place[~right], part[~right], size)
        row += np.cumsum(rising)[:-1] + np.cumsum(falling[::-1])[::-1][1:]
    return total[0] * x + total[1]


def fitted(
    x: Float[np.ndarray, " M"],
    y: Float[np.ndarray, " M"],
    at: Float[np.ndarray, " m"],
    neurons,
    degree: int = 1,
    power: int = 1,
    solve: Callable = least_norm,
) -> tuple[np.ndarray, Fit]:
    """f at the points `at` (..., m) of the least-norm network on (x, y), and its weights; seed by seed."""
    P, P_at = polynomials(x, degree), polynomials(at, degree, x)
    w, b = (np.atleast_2d(one) for one in neurons)
    fits = [solve(features(x, wk, bk, power), y, P) for wk, bk in zip(w, b, strict=True)]
    whole = Fit(*(np.array(part) for part in zip(*fits, strict=True)))
    return outputs(at, w, b, whole.a, power) + whole.beta @ P_at.T, whole
