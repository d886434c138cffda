"""All basic separators: the β with as many support vectors as coordinates, among which every ℓ_q, q < 1, has its minima.

Σ|β_k|^q is concave in every orthant, so its least value with Zβ ≥ 1 stands at a vertex: β_K = Z_SK⁻¹ 1, |S| = |K|
it is stationary there, and then a local minimum, if a = Z_SK⁻ᵀ sign(β_K)|β_K|^(q−1) ≥ 0
"""

from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

CHUNK = 20_000


class Vertices(NamedTuple):
    beta: Float[np.ndarray, "v d"]  # the stationary ones
    weights: Float[np.ndarray, "v n"]  # a/Σa
    norm: Float[np.ndarray, " v"]  # (Σ|β_k|^q)^(1/q)
    least: float  # of all vertices


def bases(n: int, d: int) -> int:
    """How many pairs of |S| = |K| ≥ 1 there are."""
    return comb(n + d, d) - 1


def quasinorm(parts: np.ndarray, counts: np.ndarray, q: float) -> np.ndarray | float:
    return (np.abs(parts) ** q @ counts) ** (1 / q)


def stationary(Z: Float[np.ndarray, "n d"], q: float) -> Vertices:
    """Every stationary vertex."""
    n, d = Z.shape
    unit = np.linalg.norm(Z, axis=1).max()
    found, weights, best = [], [], np.inf
    for k in range(1, min(n, d) + 1):
        rows = np.array(list(combinations(range(n), k)))
        for columns in combinations(range(d), k):
            for first in range(0, len(rows), CHUNK):
                S = rows[first : first + CHUNK]
                beta, kept = _feasible(Z / unit, S, np.array(columns))
                best = min(best, float(quasinorm(beta, np.ones(d), q).min(initial=np.inf)))
                for one, s in zip(beta, S[kept], strict=True):
                    a = _multipliers(Z / unit, one, s, np.array(columns), q)
                    if a is not None:
                        found.append(one / unit)
                        weights.append(a / a.sum())
    beta, p = np.reshape(found, (-1, d)), np.reshape(weights, (-1, n))
    return Vertices(beta, p, quasinorm(beta, np.ones(d), q), best / unit)


def _feasible(Z, S, columns):
    """The solutions of Z_SK β_K = 1 that classify every example, and which of the S these are of."""
    A = Z[S][:, :, columns]
    sizes = np.linalg.norm(A, axis=2).prod(1)
    regular = np.abs(np.linalg.det(A)) > 1e-10 * sizes
    beta = np.zeros((len(S), Z.shape[1]))
    ones = np.ones((int(regular.sum()), len(columns), 1))
    beta[np.ix_(regular, columns)] = np.linalg.solve(A[regular], ones)[..., 0]
    kept = regular & ((beta @ Z.T).min(1) > 1 - 1e-9)
    return beta[kept], kept


def _multipliers(Z, beta, S, columns, q: float):
    """a: (n,) if it is positive, else None. Coordinates of 0 belong to a smaller basis."""
    part = beta[columns]
    if np.abs(part).min() < 1e-9 * np.abs(part).max():
        return None
    a = np.linalg.solve(Z[np.ix_(S, columns)].T, np.sign(part) * np.abs(part) ** (q - 1))
    if a.min() < 0:
        return None
    full = np.zeros(len(Z))
    full[S] = a
    return full
