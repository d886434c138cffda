"""The solution of Xθ = y that is nearest to a point, in the norm of a diagonal H, and how not to compute it.

    minimise ½‖θ − a‖_H²  over Xθ = y:     θ* = a − H⁻¹Xᵀ(XH⁻¹Xᵀ)⁻¹(Xa − y),    ‖θ‖_H² = θᵀHθ
    with S = H^{-1/2}, A = SXᵀ = QR:       θ* = a + SQR⁻ᵀ(y − Xa)

Forming XH⁻¹Xᵀ squares the condition number of A and mixes its scales. Householder QR does neither; with
the rows of A sorted by size and its columns pivoted the error is small row by row (Cox and Higham, BIT 38
(1998) 34), so that each θ_j is right to its own size however far the h_j lie apart.

Source: FRTN50 assignment, exercises 1g, 4a and 4e; its solutions invert XH⁻¹Xᵀ.
"""

from fractions import Fraction

import numpy as np
from jaxtyping import Float
from scipy.linalg import qr, solve_triangular


def project(
    X: Float[np.ndarray, "N p"],
    y: Float[np.ndarray, " N"],
    a: Float[np.ndarray, " p"],
    h_inverse: Float[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """θ* by row-sorted, column-pivoted QR of the equations in several θ_j; h_inverse is the diagonal of H⁻¹."""
    held = _held(X)
    if held is None:
        return _by_qr(X, y, a, h_inverse)
    row, column = held
    theta = np.empty_like(a)
    theta[column] = y[row] / X[row, column]
    rows, free = np.arange(len(X)) != row, np.arange(len(a)) != column
    if rows.any():
        left = y[rows] - theta[column] * X[rows, column]
        theta[free] = project(X[rows][:, free], left, a[free], h_inverse[free])
    else:
        theta[free] = a[free]
    return theta


def _held(X: Float[np.ndarray, "N p"]) -> tuple[int, int] | None:
    """The first equation in a single θ_j, as that of a point at x = 0, and j.

    It gives θ_j by itself. QR does not tell it from rounding beside what H makes 10²⁰ times larger.
    """
    single = np.flatnonzero((X != 0).sum(1) == 1)
    return (int(single[0]), int(X[single[0]].nonzero()[0][0])) if len(single) else None


def _by_qr(X, y, a, h_inverse) -> Float[np.ndarray, " p"]:
    root = np.sqrt(h_inverse)
    A = root[:, None] * X.T
    order = np.argsort(-np.abs(A).max(1), kind="stable")
    Q, R, pivots = qr(A[order], mode="economic", pivoting=True)
    z = solve_triangular(R, (y - X @ a)[pivots], trans="T")
    theta = np.empty_like(a)
    theta[order] = a[order] + root[order] * (Q @ z)
    return theta


def by_inverse(X, y, a, h_inverse) -> Float[np.ndarray, " p"]:
    """As the formula is printed; nan where the inverse is refused as singular."""
    try:
        inverse = np.linalg.inv(X * h_inverse @ X.T)
    except np.linalg.LinAlgError:
        return np.full_like(a, np.nan)
    return a - h_inverse * (X.T @ (inverse @ (X @ a - y)))


def by_solve(X, y, a, h_inverse) -> Float[np.ndarray, " p"]:
    """The same without the inverse; nan where it is refused as singular."""
    try:
        return a - h_inverse * (X.T @ np.linalg.solve(X * h_inverse @ X.T, X @ a - y))
    except np.linalg.LinAlgError:
        return np.full_like(a, np.nan)


def by_lstsq(X, y, a, h_inverse) -> Float[np.ndarray, " p"]:
    """The shortest solution of XS z = y − Xa by the SVD; no singular value is cut off."""
    root = np.sqrt(h_inverse)
    U, sigma, Vt = np.linalg.svd(X * root, full_matrices=False)
    with np.errstate(divide="ignore", invalid="ignore"):  # a singular value may underflow
        return a + root * (Vt.T @ (U.T @ (y - X @ a) / sigma))


ROUTES = {"qr": project, "inverse": by_inverse, "solve": by_solve, "lstsq": by_lstsq}


def exact(
    X: Float[np.ndarray, "N p"],
    y: Float[np.ndarray, " N"],
    a: Float[np.ndarray, " p"],
    h_inverse: Float[np.ndarray, " p"],
) -> list[Fraction]:
    """θ* of these very float64 numbers, in rational arithmetic; O(N³) of ever longer integers."""
    rows = [[Fraction(v) for v in row] for row in X.tolist()]
    given, scale = [Fraction(v) for v in a.tolist()], [Fraction(v) for v in h_inverse.tolist()]
    weighted = [[h * v for h, v in zip(scale, row, strict=True)] for row in rows]
    gram = [[_dot(u, v) for v in rows] for u in weighted]
    short = [Fraction(t) - _dot(row, given) for t, row in zip(y.tolist(), rows, strict=True)]
    multipliers = _solved(gram, short)
    return [
        g + _dot(multipliers, column)
        for g, column in zip(given, zip(*weighted, strict=True), strict=True)
    ]


def _dot(u, v) -> Fraction:
    return sum((s * t for s, t in zip(u, v, strict=True)), Fraction(0))


def _solved(A: list[list[Fraction]], b: list[Fraction]) -> list[Fraction]:
    """Gaussian elimination of a positive definite A: exact, so no pivots are needed."""
    rows = [[*row, value] for row, value in zip(A, b, strict=True)]
    n = len(rows)
    for k in range(n):
        for i in range(k + 1, n):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [s - factor * t for s, t in zip(rows[i], rows[k], strict=True)]
    solution = [Fraction(0)] * n
    for k in reversed(range(n)):
        solution[k] = (rows[k][n] - _dot(rows[k][k + 1 : n], solution[k + 1 :])) / rows[k][k]
    return solution


def relative_error(theta: Float[np.ndarray, " p"], truth: list[Fraction]) -> float:
    """‖θ − θ*‖/‖θ*‖, the difference taken exactly; inf if θ is not finite."""
    if not np.isfinite(theta).all():
        return np.inf
    gap = [float(Fraction(t) - e) for t, e in zip(theta.tolist(), truth, strict=True)]
    return float(np.linalg.norm(gap) / np.linalg.norm([float(e) for e in truth]))


def digits(error: float) -> float:
    """Correct decimal digits at this relative error: 0 where none is, 17 at the most."""
    return float(0 - np.log10(np.clip(error, 1e-17, 1.0)))


def conditioning(
    X: Float[np.ndarray, "N p"], theta: Float[np.ndarray, " p"], h_inverse: Float[np.ndarray, " p"]
) -> float:
    """How much larger than ε the relative error of `project` may be.

    It solves a problem whose columns j of X are wrong by ε max_i |X_ij|; G, the solution for the unit
    vectors, takes that to θ:  ‖|G| 1‖ Σ_j max_i |X_ij| |θ_j|/‖θ‖.  No scale of H enters but through G and θ.
    """
    start = np.zeros_like(theta)
    G = np.stack([project(X, unit, start, h_inverse) for unit in np.eye(len(X))], 1)
    row = np.abs(X).max(0) @ np.abs(theta)
    return float(np.linalg.norm(np.abs(G).sum(1)) * row / np.linalg.norm(theta))
