"""Least nuclear norm, or least trace, among the matrices that meet linear measurements, with a certificate.

    minimise f(X) over A(X) = b:    f = ‖X‖_*,  or tr X with X ⪰ 0
    dual:   maximise bᵀy over y with A*(y) ≤ 1 in the dual norm: ‖A*(y)‖₂ ≤ 1,  or λ_max(A*(y)) ≤ 1

ADMM alternates between the affine set and the proximal map of f; any y is made feasible by dividing by the dual norm,
so bᵀy bounds the least value from below, whatever the iteration did. The gap of the two values is the certificate.

Source: arXiv 0810.3286 (the proximal map of the nuclear norm); Foundations and Trends in Machine Learning 3 (2011) 1.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Square = Float[np.ndarray, "d d"]
EVERY = 25  # iterations between two looks at the gap


class Kind(NamedTuple):
    """A function to be made least."""

    shrink: Callable[[Square, float], Square]  # its proximal map
    value: Callable[[Square], float]
    dual_norm: Callable[[Square], float]


class Least(NamedTuple):
    X: Square  # meets the measurements
    Y: Square  # a combination of the A_k of dual norm 1, at most: ⟨Y, X⟩ = bᵀy
    value: float  # of X: the least value from above
    bound: float  # from below
    iterations: int

    @property
    def gap(self) -> float:
        """Relative."""
        return (self.value - self.bound) / max(self.bound, 1e-300)


def _shrink_singular(X: Square, by: float) -> Square:
    U, sigma, Vt = np.linalg.svd(X)
    return (U * np.maximum(sigma - by, 0)) @ Vt


def _shrink_eigenvalues(X: Square, by: float) -> Square:
    values, V = np.linalg.eigh((X + X.T) / 2)
    return (V * np.maximum(values - by, 0)) @ V.T


NUCLEAR = Kind(
    _shrink_singular,
    lambda X: float(np.linalg.svd(X, compute_uv=False).sum()),
    lambda Y: float(np.linalg.norm(Y, 2)),
)


def _trace(X: Square) -> float:
    """∞ where X has a negative eigenvalue that is no rounding."""
    values = np.linalg.eigvalsh((X + X.T) / 2)
    return float(values.sum()) if values[0] >= -1e-6 * abs(values[-1]) else np.inf


TRACE = Kind(
    _shrink_eigenvalues,
    _trace,
    lambda Y: float(np.linalg.eigvalsh((Y + Y.T) / 2)[-1]),
)


def least(
    kind: Kind,
    A: Float[np.ndarray, "m p"],
    b: Float[np.ndarray, " m"],
    tolerance: float,
    most: int,
) -> Least:
    """By ADMM, to a relative gap of `tolerance` or for `most` iterations; the rows of A are the A_k, flattened."""
    size = int(np.sqrt(A.shape[1]))
    Q, R = np.linalg.qr(A.T)  # the rows of A made orthonormal
    b = np.linalg.solve(R.T, b)
    X = (Q @ b).reshape(size, size)
    penalty = np.linalg.norm(X, 2) / 4
    Z, U = X, np.zeros_like(X)
    best = Least(X, np.zeros_like(X), np.inf, 0.0, 0)
    for k in range(1, most + 1):
        free = (Z - U).ravel()
        X = (free + Q @ (b - Q.T @ free)).reshape(size, size)
        relaxed = 1.6 * X - 0.6 * Z
        before, Z = Z, kind.shrink(relaxed + U, penalty)
        U = U + relaxed - Z
        if k % EVERY and k < most:
            continue
        best = _better(best, kind, X, (Q @ (Q.T @ U.ravel())).reshape(size, size), k)
        if best.gap <= tolerance:
            break
        primal, dual = np.linalg.norm(X - Z), np.linalg.norm(Z - before)
        change = 2.0 if dual > 5 * primal else 0.5 if primal > 5 * dual else 1.0
        penalty, U = penalty * change, U * change
    return best


def _better(best: Least, kind: Kind, X: Square, Y: Square, k: int) -> Least:
    """The least value and the largest bound so far."""
    value, norm = kind.value(X), kind.dual_norm(Y)
    if value < best.value:
        best = best._replace(X=X, value=value)
    if norm > 0 and np.vdot(Y, X) / norm > best.bound:
        best = best._replace(Y=Y / norm, bound=float(np.vdot(Y, X) / norm))
    return best._replace(iterations=k)
