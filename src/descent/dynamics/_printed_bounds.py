"""What the document says of the eigenvalues of averaged gradients at one weight β < 1, against a solver.

It takes |1 − 2ηβσ²| < 1, an entry of R, for the test of stability, and looks for complex eigenvalues below 1/(βσ²).

Source: CS182 homework 2, questions 2c to 2f.
"""

import numpy as np

from descent.dynamics._modes import complex_ends, last_stable, system
from descent.maths.momentum import repeated
from descent.result import Erratum

EPS = np.finfo(float).eps


def at_one_weight(beta: float, square: float) -> tuple[Erratum, ...]:
    """Those of its bounds that are wrong at this β, as steps η for a mode of σ² = `square`."""
    where = "CS182 homework 2, question 2"
    low, high = repeated(beta)
    split = beta <= 2 * np.sqrt(2) - 2
    unit = 1 / (beta * square)  # of η in h
    R = system(*map(np.array, (beta, low * unit, square)))
    swapped = R.copy()
    swapped[1, 0] = beta * low * unit - 1  # 1 − βη in λ1 − R
    determinants = [float(np.linalg.det(one)) for one in (swapped, R)]
    stable, last = float(last_stable(np.array(beta))), float(complex_ends(np.array(beta))[1])
    rows = [("upper bound on the step with real eigenvalues", "e", low if split else 1.0, 2 - beta)]
    if split:
        rows.append(("highest step with repeated eigenvalues", "d", low, high))
        rows.append(("highest step with complex eigenvalues that are stable", "f", 1.0, high))
    bends = 64 * EPS / np.sqrt(1 - beta)  # where roots meet
    return (
        Erratum(
            *("det R with 1 − βη for (1 − β)η", f"{where}c: the matrix under the determinant"),
            *(determinants[0], 1 - beta, determinants[1], 1e-12),
        ),
        *(
            Erratum(
                *(name, f"{where}{part}", unit * printed, unit * correct),
                *(unit * (stable if part == "e" else last), unit * (bends + 1e-9 * correct)),
            )
            for name, part, printed, correct in rows
            if abs(printed - correct) > 4 * bends + 4e-9  # else the two are one
        ),
    )
