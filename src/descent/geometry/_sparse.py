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
    """The slope d log(values)/d log(α) as α → 0."""

    value: float
    error: float  # how far the last three slopes are apart, or still move by Aitken's rule


def exponent(alphas: np.ndarray, values: np.ndarray, floor: float) -> Exponent:
    """From the four smallest evenly spaced log α whose values lie above the floor, where rounding takes over.

    Slopes that approach their limit like a power of α do so by a fixed factor a step, which three of them show. Several
    powers near each other show no fixed factor, and may go past the limit, so the error is not below their range.
    """
    sure = values > floor
    x, v = np.log(np.asarray(alphas, float)[sure]), np.log(values[sure])
    if len(x) < 4:
        return Exponent(np.nan, np.inf)
    slopes = (np.diff(v) / np.diff(x))[:3]
    late, early = slopes[0] - slopes[1], slopes[1] - slopes[2]
    ratio = late / early if early else 0.0
    if not abs(ratio) < 0.98:
        return Exponent(float(slopes[0]), np.inf if abs(late) > 1e-9 else abs(late))
    rest = late * ratio / (1 - ratio)
    return Exponent(float(slopes[0] + rest), float(max(abs(rest) + abs(late), np.ptp(slopes))))


def require_even(name: str, values: tuple[float, ...]) -> None:
    """Refuse a sweep that is not increasing in even steps on a logarithmic scale, or has fewer than four points.

    Raises:
        ValueError: naming the field.
    """
    require_increasing(name, values)
    ratios = np.diff(np.log(values))
    if len(values) < 4 or np.ptp(ratios) > 1e-6 * ratios[0]:
        raise ValueError(f"{name}: four or more, in even steps on a logarithmic scale")
