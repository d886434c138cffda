"""The solution of Xu = y of least ℓ₁ norm, and the exponents with which a small start comes to it.

    u of least ‖u‖₁ (u ≥ 0 if one-sided), S its support, s its signs;   gap = max over μ of min over j ∉ S of
    1 − X_jᵀμ (one-sided) or 1 − |X_jᵀμ| (two-sided),   X_Sᵀμ = s:   one linear programme.

A gap above 0 proves u to be the only one where X_S has full rank.

    mirror descent of the entropy from α1:   u_j ~ α^{1 − X_jᵀμ};   hypentropy β: the same with β and |·|
    depth D ≥ 3, u = αᴰ h(Xᵀν),  h(z) = (1 − z)^{−D/(D−2)} − (1 + z)^{−D/(D−2)}:  u_j → αᴰ h(X_jᵀμ) for j ∉ S,
    μ the minimum of Σ_{j ∉ S} k(X_jᵀμ), k' = h, over X_Sᵀμ = s
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from descent.config import require_increasing

ZERO = 1e-9  # of the largest entry, below which the simplex method's solution has a zero
FLOOR = 1e-10  # of the weights, below which those off the support are rounding
SMALL = 0.1  # of the largest weight: up to which those off the support are small


class Sparse(NamedTuple):
    weights: Float[np.ndarray, " d"]
    support: np.ndarray  # which entries are not zero
    gap: float  # −∞ if the programme has no solution
    multipliers: Float[np.ndarray, " n"]  # a μ with that gap


def least_l1(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], two_sided: bool) -> Sparse:
    """By the simplex method, whose solutions have at most n entries; solved once more on their support."""
    d, scale = X.shape[1], float(np.abs(y).max())
    both = np.hstack([X, -X]) if two_sided else X
    found = linprog(np.ones(both.shape[1]), A_eq=both, b_eq=y / scale, method="highs-ds")
    if found.status != 0:
        return Sparse(np.full(d, np.nan), np.zeros(d, bool), -np.inf, np.zeros(len(X)))
    u = found.x[:d] - found.x[d:] if two_sided else found.x
    support = np.abs(u) > ZERO * np.abs(u).max()
    u = np.zeros(d)
    u[support] = np.linalg.lstsq(X[:, support], y)[0]
    return Sparse(u, support, *_gap(X, support, np.sign(u), two_sided))


def _gap(X, support, signs, two_sided: bool) -> tuple[float, np.ndarray]:
    """The largest g with X_Sᵀμ = s and ±X_jᵀμ ≤ 1 − g, and its μ."""
    n, S, others = len(X), X[:, support], X[:, ~support]
    if not others.shape[1]:
        return 1.0, np.linalg.lstsq(S.T, signs[support])[0]
    sides = np.hstack([others, -others]) if two_sided else others
    found = linprog(
        np.r_[np.zeros(n), -1.0],
        A_ub=np.hstack([sides.T, np.ones((sides.shape[1], 1))]),
        b_ub=np.ones(sides.shape[1]),
        A_eq=np.hstack([S.T, np.zeros((S.shape[1], 1))]),
        b_eq=signs[support],
        bounds=[(None, None)] * (n + 1),
        method="highs",
    )
    return (float(-found.fun), found.x[:n]) if found.status == 0 else (-np.inf, np.zeros(n))


class Exponent(NamedTuple):
    """The slope d log(values)/d log(scales) as the scale goes to 0."""

    value: float  # between the smallest and the largest scale at which the values are small
    error: float  # by which the limit may differ; inf where values are small at no two scales


def exponent(
    X: Float[np.ndarray, "n d"],
    support: np.ndarray,
    weights: Float[np.ndarray, "a d"],
    scales: Float[np.ndarray, " a"],
    two_sided: bool,
) -> Exponent:
    """Of Q = Σ_{j ∉ S} u_j (entropy, scale α) or Σ_{j ∉ S} √(u_j² + β²) (hypentropy, scale β).

    Given c = X_Sᵀν, the dual ν makes Q/scale = Σ exp(X_jᵀν), or Σ cosh, least, so that log(Q/scale) lies between V(c)
    and V(c) + log k of k terms (2k of cosh), where V(c) is the least max_j X_jᵀν, or |X_jᵀν|, over X_Sᵀν = c. There
    c = log(1/scale)s + r with r = s log|u_S| in any unit, V is sublinear, and V(s) = 1 − gap. So between two scales,
    a < b, the slope is the gap up to (max(V(r_b) + V(−r_a), V(r_a − r_b)) + log k)/log(b/a).

    Args:
        weights: u at every scale, the scales increasing.
    """
    off = weights[:, ~support]
    Q = np.sqrt(off**2 + scales[:, None] ** 2).sum(1) if two_sided else off.sum(1)
    size = np.abs(weights).max()
    small = np.flatnonzero((np.abs(off).max(1) > FLOOR * size) & (SMALL * size > Q))
    if len(small) < 2:
        return Exponent(np.nan, np.inf)
    a, b = small[0], small[-1]
    run = float(np.log(scales[b] / scales[a]))
    kept = np.where(support, np.abs(weights[[a, b]]), 1.0)
    heights = np.where(support, np.sign(weights[a]), 0) * np.log(kept / kept[0, support].mean())
    early, late = heights

    def least(c: np.ndarray) -> float:
        return 1 - _gap(X, support, c, two_sided)[0]

    slack = max(least(late) + least(-early), least(early - late))
    slack += np.log((1 + two_sided) * np.count_nonzero(~support))
    return Exponent(float(np.log(Q[b] / Q[a]) / run), float(slack / run))


def require_even(name: str, values: tuple[float, ...]) -> None:
    """Refuse a sweep that is not increasing in even steps on a logarithmic scale, or has fewer than four points.

    Raises:
        ValueError: naming the field.
    """
    require_increasing(name, values)
    ratios = np.diff(np.log(values))
    if len(values) < 4 or np.ptp(ratios) > 1e-6 * ratios[0]:
        raise ValueError(f"{name}: four or more, in even steps on a logarithmic scale")
