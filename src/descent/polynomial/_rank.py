"""Ranks of the feature matrix without rounding: over the integers modulo a prime.

A float is a fraction, so x_i has a residue modulo P, and so have its powers, XᵀX and XXᵀ. A rank modulo P is at
most the true one, and less only if P divides every one of the minors that show it.
"""

import numpy as np
from jaxtyping import Float

P = 2**61 - 1


def residue(x: float) -> int:
    top, bottom = float(x).as_integer_ratio()
    return top * pow(bottom, -1, P) % P


def features(x: Float[np.ndarray, " N"], degree: int) -> list[list[int]]:
    """X modulo P."""
    return [[pow(one, j, P) for j in range(degree + 1)] for one in map(residue, x)]


def gram(rows: list[list[int]]) -> list[list[int]]:
    """All inner products of these rows."""
    return [[sum(map(int.__mul__, a, b)) % P for b in rows] for a in rows]


def transposed(rows: list[list[int]]) -> list[list[int]]:
    return [list(column) for column in zip(*rows, strict=True)]


def rank(rows: list[list[int]]) -> int:
    """By Gaussian elimination."""
    left, found = [list(row) for row in rows], 0
    for j in range(len(rows[0])):
        at = next((i for i, row in enumerate(left) if row[j]), None)
        if at is None:
            continue
        pivot, found = left.pop(at), found + 1
        scale = pow(pivot[j], -1, P)
        for row in left:
            factor = row[j] * scale % P
            if factor:
                row[j:] = [(a - factor * b) % P for a, b in zip(row[j:], pivot[j:], strict=True)]
    return found
