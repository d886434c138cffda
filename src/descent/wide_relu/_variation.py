"""The least total variation of f′ through points: of networks by a linear programme, and of other functions."""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from scipy.optimize import linprog

from descent.wide_relu._data import Points


def least_variation(data: Points, kinks: Float[np.ndarray, " k"]) -> float:
    """min Σ |a_i| over Σ a_i [x − c_i]₊ + ux + v through the points; NaN if there is none.

    In x and y moved and scaled to [0, 1] and [−1, 1].
    """
    x, y = data
    wide, high = np.ptp(x), np.abs(y - y.mean()).max()
    u, c = (x - x[0]) / wide, (kinks - x[0]) / wide
    bends = np.maximum(u[:, None] - c, 0)
    line = np.column_stack([np.ones(len(u)), u])
    cost = np.r_[np.ones(2 * len(c)), 0, 0]
    free = [(0, None)] * (2 * len(c)) + [(None, None)] * 2
    rows = np.column_stack([bends, -bends, line])
    found = linprog(cost, A_eq=rows, b_eq=(y - y.mean()) / high, bounds=free, method="highs")
    return float(found.fun) * high / wide if found.status == 0 else np.nan


def cubic_variation(data: Points) -> float:
    """∫ |f″| of the natural cubic spline: the rises and falls of f′ between the zeros of f″."""
    spline = CubicSpline(*data, bc_type="natural")
    turns = spline.derivative(2).roots(extrapolate=False)
    at = np.unique(np.r_[data.x, turns[np.isfinite(turns)]])
    return float(np.abs(np.diff(spline(at, 1))).sum())
