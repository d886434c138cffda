"""A target X* of the user's own: symmetric, without eigenvalues below 0, of the rank that the block has.

The theory of the runs from small starts is that of targets whose eigenvalues are alike, as those of U* ~ N(0, 1/d) are:
(√d ± √r)²/d bound them as d grows.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Number
from descent.maths.limits import require_within

Rows = tuple[tuple[Number, ...], ...]
SAME = 1e-9  # of the largest entry or eigenvalue: what is smaller is rounding


class Spread(NamedTuple):
    """λ₁/λ_r of a target, and the most that drawn ones have in the limit."""

    own: float
    drawn: float


def require_shape(name: str, rows: Rows, shape: tuple[int, int]) -> None:
    """Refuse a matrix of another shape.

    Raises:
        ValueError: naming it.
    """
    columns = {len(row) for row in rows}
    if len(rows) != shape[0] or columns != {shape[1]}:
        raise ValueError(f"{name} must be {shape[0]} rows of {shape[1]} numbers")


def require_matrices(matrices: tuple[Rows, ...], d: int) -> None:
    """Refuse measurements of another shape, or of a size whose powers leave float64.

    Raises:
        ValueError: naming the matrix or the entry.
    """
    for i, rows in enumerate(matrices):
        require_shape(f"matrices: A_{i + 1}", rows, (d, d))
    entries = tuple(abs(v) for rows in matrices for row in rows for v in row if v)
    require_within("matrices", entries, 1e-25, 1e25, "their powers leave float64")


def require_rank(target: Rows, shape: tuple[int, int], rank: int) -> None:
    """Refuse a target of another shape or rank.

    Raises:
        ValueError: naming it.
    """
    require_shape("target: X*", target, shape)
    entries = tuple(abs(v) for row in target for v in row if v)
    require_within("target", entries, 1e-50, 1e50, "its powers leave float64")
    sizes = np.linalg.svd(np.array(target, float), compute_uv=False)
    found = int((sizes > SAME * sizes[0]).sum()) if sizes[0] else 0
    if found != rank:
        raise ValueError(f"rank {rank}: the target has the rank {found}")


def require_positive(target: Rows) -> None:
    """Refuse what is no U*U*ᵀ.

    Raises:
        ValueError: naming the asymmetry or the eigenvalue.
    """
    X = np.array(target, float)
    if not np.allclose(X, X.T, rtol=0, atol=SAME * np.abs(X).max()):
        raise ValueError("target: X* = U*U*ᵀ is symmetric; sensing.two_factors takes any")
    lam = np.linalg.eigvalsh(X)
    if lam[0] < -SAME * lam[-1]:
        raise ValueError(f"target: X* = U*U*ᵀ has no eigenvalue below 0; {lam[0]:g} is one")


def factor_of(X: Float[np.ndarray, "d d"], r: int) -> Float[np.ndarray, "d r"]:
    """U* with U*U*ᵀ = X, of a positive semidefinite X of rank r."""
    lam, V = np.linalg.eigh(X)
    return V[:, ::-1][:, :r] * np.sqrt(lam[::-1][:r])


def spread(target: Rows, rank: int) -> Spread:
    """How unlike the eigenvalues of X* are, and those of drawn ones."""
    d = len(target)
    lam = np.linalg.eigvalsh(np.array(target, float))[::-1]
    least = np.sqrt(d) - np.sqrt(rank)
    drawn = ((np.sqrt(d) + np.sqrt(rank)) / least) ** 2 if least else np.inf
    return Spread(float(lam[0] / lam[rank - 1]), float(drawn))


def uneven(target: Rows, rank: int) -> tuple[str, ...]:
    """The reason to claim nothing of a target whose eigenvalues lie further apart than those that are drawn."""
    if not target or (found := spread(target, rank)).own <= found.drawn:
        return ()
    return (
        f"target: λ₁/λ_r = {found.own:.3g} > {found.drawn:.3g} of drawn ones: how close a small start "
        "comes is known for those",
    )
