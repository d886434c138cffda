"""Coordinate descent on ½‖Xw − y‖² along its steepest coordinate, and its limit for small steps.

    j = argmax |g_j|,   g = Xᵀ(Xw − y),   w_j ← w_j − η g_j,   η = f/max‖X_j‖²
    f → 0: forward stagewise selection.  Of the coordinates A whose |g_j| is the largest, w moves along s_Aλ, where
    λ ≥ 0 is the least squares fit of the residual y − Xw by the columns s_jX_j, s = −sign g, until one more is as large

Source: Efron, Hastie, Johnstone, Tibshirani, Ann. Statist. 32 (2004), section 3.2, on the stagewise direction.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit
from scipy.optimize import nnls

TIE = 1e-9  # of the largest |g_j|: as large as it
KNOTS = 100  # times n + d, at the most


class Run(NamedTuple):
    weights: Float[np.ndarray, " d"]  # at its end
    left: float  # max|g| there, over the first
    steps: int


def descend(X, y, w0, share: float, close: float, limit: int) -> Run:
    """Until max|g| ≤ close · its first value, or up to `limit` steps."""
    sizes = np.square(X).sum(0)
    return Run(*_descend(X.T.copy(), X.T @ X, y, w0.copy(), share / sizes.max(), close, limit))


@no_type_check
@njit(cache=True, error_model="numpy")
def _descend(columns, gram, y, w, eta, close, limit):
    d, n = columns.shape
    g, first = np.zeros(d), 0.0
    for k in range(limit + 1):
        if k % 1000 == 0:  # anew, so that rounding does not add up
            r = -y.copy()
            for j in range(d):
                r += columns[j] * w[j]
            for j in range(d):
                g[j] = 0.0
                for i in range(n):
                    g[j] += columns[j, i] * r[i]
        best = 0
        for j in range(1, d):
            if abs(g[j]) > abs(g[best]):
                best = j
        if k == 0:
            first = abs(g[best])
        if k == limit or abs(g[best]) <= close * first:
            return w, abs(g[best]) / first if first > 0 else 0.0, k
        step = eta * g[best]
        w[best] -= step
        for j in range(d):
            g[j] -= step * gram[best, j]
    return w, 1.0, limit


def limit_of_small_steps(X, y, w0) -> Float[np.ndarray, " d"]:
    """Where forward stagewise selection ends; nan if it does not."""
    w, c = w0.copy(), X.T @ (y - X @ w0)
    first = np.abs(c).max()
    for _ in range(KNOTS * sum(X.shape)):
        c = X.T @ (y - X @ w)
        top = np.abs(c).max()
        if top <= 1e-13 * first:
            return w
        tied = np.abs(c) >= top * (1 - TIE)
        signed = X[:, tied] * np.sign(c[tied])
        try:
            moved = nnls(signed, y - X @ w)[0]
        except RuntimeError:
            break
        change = np.zeros_like(w)
        change[tied] = np.sign(c[tied]) * moved
        a = X.T @ (X @ change)
        w = w + min(_to_the_next_tie(c, a, top, tied), 1.0) * change
    return np.full_like(w, np.nan)


def _to_the_next_tie(c, a, top: float, tied) -> float:
    """The share of the way at which one more |c_j − γa_j| is top(1 − γ)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        up, down = (top - c) / (top - a), (top + c) / (top + a)
    up[tied & (c > 0)], down[tied & (c < 0)] = np.inf, np.inf
    found = np.concatenate([up, down])
    found = found[np.isfinite(found) & (found > 1e-14)]
    return float(found.min(initial=np.inf))
