"""The solution u = αᴰ h(Xᵀν) of Xu = y that depth D ≥ 3 finds from α, and what it tends to as α → 0.

h(z) = (1 − z)^{−D/(D−2)} − (1 + z)^{−D/(D−2)},   |z| < 1
"""

import numpy as np
from scipy.linalg import null_space

from descent.geometry._data import Data
from descent.geometry._potentials import Nearest, newton
from descent.geometry._sparse import Sparse


def bridge(depth: int, z: np.ndarray) -> np.ndarray:
    """h(z); NaN outside of |z| < 1."""
    power, z = -depth / (depth - 2), np.where(np.abs(z) < 1, z, np.nan)
    return (1 - z) ** power - (1 + z) ** power


def slope(depth: int, z: np.ndarray) -> np.ndarray:
    """h'(z); NaN outside of |z| < 1."""
    power, z = depth / (depth - 2), np.where(np.abs(z) < 1, z, np.nan)
    return power * ((1 - z) ** (-power - 1) + (1 + z) ** (-power - 1))


def limit_of(data: Data, depth: int, alpha: float, guess: np.ndarray | None = None) -> Nearest:
    """u_α by Newton's method, from the ν of a larger α."""
    scale, X = alpha**depth, data.X
    return newton(
        lambda z: scale * bridge(depth, z),
        lambda z: np.sqrt(scale * slope(depth, z))[:, None] * X.T,
        X,
        data.y,
        np.zeros(X.shape[1]),
        guess,
    )


def multipliers(depth: int, X, sparse: Sparse) -> np.ndarray:
    """μ by Newton's method over the μ with X_Sᵀμ = s, from the one of the linear programme."""
    S, start = sparse.support, sparse.multipliers
    free, others = null_space(X[:, S].T), X[:, ~S]
    if not free.shape[1] or not others.shape[1]:
        return start
    A = free.T @ others
    found = newton(
        lambda z: bridge(depth, z),
        lambda z: np.sqrt(slope(depth, z))[:, None] * A.T,
        A,
        np.zeros(len(A)),
        others.T @ start,
    )
    return start + free @ found.multipliers
