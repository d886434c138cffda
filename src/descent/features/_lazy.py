"""Two linear layers with one sample: gradient descent on them, and where gradient flow takes them.

    f = aᵀw, r = y − f:   a ← a + ηrw, w ← w + ηra:   a + w ← (1 + ηr)(a + w),   a − w ← (1 − ηr)(a − w)
    4f = PA² − MB²,   so with AB = 1 and f = y:   PA² = 2y + √(4y² + PM)

Source: arXiv 1312.6120 (the flow); the constants are derived here.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Integer
from numba import njit
from scipy import optimize, stats
from scipy.special import digamma

FACTOR = 4  # a boundary known no better says nothing
QUANTILES = 200  # of each χ² in a mean over both


class Start(NamedTuple):
    """Lengths of a start, over (replicate, width, variance)."""

    together: Float[np.ndarray, "*k"]  # P = ‖a + w‖²
    apart: Float[np.ndarray, "*k"]  # M = ‖a − w‖²
    unseen_together: Float[np.ndarray, "*k d"]  # (a + w)ᵀW(1 − xxᵀ)
    unseen_apart: Float[np.ndarray, "*k d"]  # (a − w)ᵀW(1 − xxᵀ)


class End(NamedTuple):
    """Where a run ends: ln K_T/K₀, ‖θ_T − θ₀‖/‖θ₀‖ with the θ that x sees, and the mean square off the sample."""

    growth: Float[np.ndarray, "*k"]
    move: Float[np.ndarray, "*k"]
    unseen: Float[np.ndarray, "*k"]


def train(
    a: Float[np.ndarray, "v n"],
    W: Float[np.ndarray, "v n d"],
    x: Float[np.ndarray, " d"],
    y: float,
    step: float,
    most: int,
) -> dict[str, np.ndarray]:
    """Gradient descent from every start until it fits, `most` steps at the most, with the step η = step/(K + |r|)."""
    first, w0 = a, W @ x
    rest = W - w0[..., None] * x
    a, W = a.copy(), W.copy()
    for k in range(len(a)):
        _descend(a[k], W[k], x, y, step, most)
    w = W @ x
    K0, K, moved = (
        np.square(one).sum(-1) + np.square(other).sum(-1)
        for one, other in ((first, w0), (a, w), (a - first, w - w0))
    )
    still = a[:, None] @ (W - w[..., None] * x)
    plus, minus = ((c[:, None] @ rest)[:, 0] for c in (first + w0, first - w0))
    return {
        "growth": np.log(K / K0),
        "move": np.sqrt(moved / K0),
        "unseen": np.square(still).sum((-2, -1)) / max(W.shape[-1] - 1, 1),
        "misfit": np.abs((a * w).sum(-1) - y) / y,
        "together": np.square(first + w0).sum(-1),
        "apart": np.square(first - w0).sum(-1),
        "unseen_together": plus,
        "unseen_apart": minus,
    }


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True)
def _descend(a, W, x, y, step, most):
    """In place."""
    n, d = W.shape
    w = np.zeros(n)
    for _ in range(most):
        f, K = 0.0, 0.0
        for i in range(n):
            w[i] = 0.0
            for j in range(d):
                w[i] += W[i, j] * x[j]
            f += a[i] * w[i]
            K += a[i] * a[i] + w[i] * w[i]
        r = y - f
        if abs(r) <= 0.5e-6 * y:
            return
        pull = step * r / (K + abs(r))
        for i in range(n):
            for j in range(d):
                W[i, j] += pull * a[i] * x[j]
            a[i] += pull * w[i]


def ends(start: Start, y: float, inputs: int, step: float = 0.0) -> End:
    """Of gradient flow; with a `step` of a flow whose AB has lost what steps of η|r| ≤ step lose at the most."""
    P, M = start.together, start.apart
    grown = 2 * y + np.sqrt(4 * y**2 + P * M)
    folds = np.abs(np.log(grown / P)) / 2
    PM = P * M * np.exp(-2 * step * folds)
    grown = 2 * y + np.sqrt(4 * y**2 + PM)  # PA²
    left = PM / grown  # MB²
    A, B = np.sqrt(grown / P), np.sqrt(left / M)
    move = (grown - P) ** 2 / (P * (A + 1) ** 2) + (left - M) ** 2 / (M * (B + 1) ** 2)
    off = A[..., None] * start.unseen_together + B[..., None] * start.unseen_apart
    return End(
        np.log((grown + left) / (P + M)),
        np.sqrt(move / (P + M)),
        np.square(off).sum(-1) / (4 * max(inputs - 1, 1)),
    )


def expected_growth(n: int, v: Float[np.ndarray, " v"], y: float) -> Float[np.ndarray, " v"]:
    """E ln K_T/K₀ = ln 2y + ½ E ln(1 + (v/y)² XZ) − ln v − E ln χ²_{2n}, X and Z χ² of n degrees of freedom."""
    X = np.log(stats.chi2.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES, n))
    product = np.add.outer(X, X).ravel()
    after = [np.logaddexp(0, 2 * np.log(one / y) + product).mean() / 2 for one in v]
    return np.log(2 * y / v) + after - digamma(n) - np.log(2)


def boundary(n: int, y: float) -> float:
    """The variance at which the mean growth is ln √2, y/n for large n."""

    def beyond(log_v: float) -> float:
        return float(expected_growth(n, np.exp([log_v]), y)[0]) - np.log(2) / 2

    middle = np.log(y / n)
    return float(np.exp(optimize.brentq(beyond, middle - 10, middle + 10)))


def crossing(v: Float[np.ndarray, " v"], growth: Float[np.ndarray, " v"]) -> float:
    """The variance at which the growth falls below ln √2, on straight lines in ln v; nan if it does not in the plane."""
    k = int((growth < np.log(2) / 2).argmax())
    if k == 0 or not np.isfinite(growth).all():
        return np.nan
    share = (growth[k - 1] - np.log(2) / 2) / (growth[k - 1] - growth[k])
    return float(v[k - 1] * (v[k] / v[k - 1]) ** share)


class Crossings(NamedTuple):
    """Which rows have a crossing that is known well enough, and how far each may be off, in ln v."""

    rows: Integer[np.ndarray, " k"]
    noise: Float[np.ndarray, " k"]


def known_crossings(
    v: Float[np.ndarray, " v"], where: Float[np.ndarray, " n"], tol: Float[np.ndarray, "n v"]
) -> Crossings:
    """Of growths whose means are known to `tol`; around there they bend by ½ at most and fall by ¼ at least, in ln v."""
    rows = np.flatnonzero(np.isfinite(where))
    k = np.searchsorted(v, where[rows]).clip(1, max(len(v) - 1, 1))
    error = np.maximum(tol[rows, k - 1], tol[rows, k]) if len(rows) else np.zeros(0)
    noise = 4 * error + np.log(v[k] / v[k - 1]) ** 2 / 4 if len(rows) else error
    known = noise < np.log(FACTOR)
    return Crossings(rows[known], noise[known])
