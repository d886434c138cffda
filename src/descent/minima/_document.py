"""What the document says of SGD on its wells, beside what many runs and the operator give.

Source: FRTN50 assignment, exercise 5.
"""

import numpy as np
import xarray as xr

from descent.maths.sampling import median
from descent.minima._descent import settled
from descent.minima._operator import Law
from descent.minima._setting import Setting, Terms
from descent.minima._wells import Wells, curvature, curvature_bound, slope
from descent.result import Erratum

LEAVES = 750.0  # the iteration around which SGD is said to move away


def first_out(path: np.ndarray, w: Wells) -> int:
    """The first k outside of the sharp well, or one after the last."""
    out = (path < w.left) | (path >= w.right)
    return int(np.argmax(out)) if out.any() else len(path)


def refute(law: Law, found: xr.Dataset, spread: float) -> tuple[Erratum, ...]:
    """SGD neither converges in the flat well nor takes that long to leave the sharp one."""
    where, first = "FRTN50 assignment, exercise 5", found["first"].astype(float)
    rest = (0.0, law.spread, found["spread"].item(), spread)
    est, gone = median(first), law.survival < 0.5
    half = float(np.argmax(gone)) if gone.any() else float(len(gone))
    way = (LEAVES, half, float(est.value), float(est.tol))
    return (
        Erratum("sgd_converges_in_the_flat_well", f"{where}: spread of x_K there", *rest),
        Erratum("iterations_until_sgd_leaves", f"{where}: after around 750", *way),
    )


def refute_curvatures(
    config: Setting, terms: Terms, bend: float, lowest: float
) -> tuple[Erratum, ...]:
    """Those of the parabolas, without the ripple."""
    where, mean, w = (
        "FRTN50 assignment, exercise 5: the parabola alone",
        (terms.A, terms.B),
        config.wells,
    )
    flat = float((slope(lowest + 1e-6, *mean, w) - slope(lowest - 1e-6, *mean, w)) / 2e-6)
    sharp = float(curvature(settled(config.start, *mean, w), *mean, w))
    tol = 1e-8 * float(curvature_bound(w.centre, *mean, w)) * (1 + config.centre)
    return (
        Erratum(
            *("curvature_at_the_sharp_minimiser", where, 2 * config.sharpness, sharp, bend, tol)
        ),
        Erratum(
            *("curvature_at_the_flat_minimiser", where, 2.0),
            *(float(curvature(lowest, *mean, w)), flat, tol),
        ),
    )
