"""What the document says of the eigenvalues of averaged gradients at one weight β < 1, against a solver.

It takes |1 − 2ηβσ²| < 1, an entry of R, for the test of stability, and looks for complex eigenvalues below 1/(βσ²).

Source: CS182 homework 2, questions 2c to 2f.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.dynamics._modes import complex_ends, last_stable, system
from descent.maths.momentum import repeated
from descent.result import Erratum

EPS = np.finfo(float).eps
SPLIT = 2 * np.sqrt(2) - 2  # the β at which its two cases meet: h₊ = 1


class Heights(NamedTuple):
    """The largest h = ηβσ² that it gives for each kind of roots."""

    repeated: Float[np.ndarray, "*b"]  # question d
    real: Float[np.ndarray, "*b"]  # e
    complex: Float[np.ndarray, "*b"]  # f


def printed_heights(beta: Float[np.ndarray, "*b"]) -> Heights:
    """For β < 1; the sign that stands before 2√(1 − β) + 2 − β in the first case is that of the root alone."""
    (low, high), first = repeated(beta), beta <= SPLIT
    one = np.ones_like(beta)
    return Heights(
        np.where(first, low, high), np.where(first, low, one), np.where(first, one, high)
    )


def at_one_weight(beta: float, square: float, case: float | str) -> tuple[Erratum, ...]:
    """Those of its bounds that are wrong at this β, as steps η for a mode of σ² = `square`.

    Args:
        case: what names this β, where another is the first; "" for that.
    """
    where, named = "CS182 homework 2, question 2", f" at β = {case:g}" if case else ""
    low, high = repeated(beta)
    unit = 1 / (beta * square)  # of η in h
    R = system(*map(np.array, (beta, low * unit, square)))
    swapped = R.copy()
    swapped[1, 0] = beta * low * unit - 1  # 1 − βη in λ1 − R
    determinants = [float(np.linalg.det(one)) for one in (swapped, R)]
    stable, last = float(last_stable(np.array(beta))), float(complex_ends(np.array(beta))[1])
    said = printed_heights(np.array(beta))
    rows = [
        ("upper bound on the step with real eigenvalues", "e", said.real, 2 - beta, stable),
        ("highest step with repeated eigenvalues", "d", said.repeated, high, last),
        (
            *("highest step with complex eigenvalues that are stable", "f"),
            *(said.complex, high, last),
        ),
    ]
    bends = 64 * EPS / np.sqrt(1 - beta)  # where roots meet
    determinant = Erratum(
        *("det R with 1 − βη for (1 − β)η", f"{where}c: the matrix under the determinant"),
        *(determinants[0], 1 - beta, determinants[1], 1e-12),
    )
    bounds = tuple(
        Erratum(
            *(name + named, f"{where}{part}", float(unit * printed), float(unit * correct)),
            *(unit * seen, float(unit * (bends + 1e-9 * correct))),
        )
        for name, part, printed, correct, seen in rows
        if abs(printed - correct) > 4 * bends + 4e-9  # else the two are one
    )
    return bounds if case else (determinant, *bounds)
