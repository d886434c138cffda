"""The gradient of f(w) = (1/n)‖Xw − t‖² in any dimension: by its formula and by differences.

    ∇f(w) = (2/n) Xᵀ(Xw − t);   (f(w + e_j) − f(w − e_j))/2, exact for a quadratic but for rounding

Source: CSE 891 homework 2, question 3.1.
"""

import numpy as np
import xarray as xr

from descent.linear._problem import EPS, Given
from descent.result import Check, measured, predicted

CELL = ("replicate", "j")


def by_formula(given: list[Given]) -> xr.Variable:
    """At the last start of every problem."""
    rows = [2 / len(p.X) * p.X.T @ (p.X @ starts[-1] - p.t) for p, starts, *_ in given]
    return predicted(CELL, rows, "(2/n)Xᵀ(Xw₀ − t)")


def by_differences(given: list[Given]) -> xr.Variable:
    """At the same places."""
    rows = []
    for p, starts, *_ in given:
        unit = np.eye(p.X.shape[1])
        ahead, back = (
            np.square((starts[-1] + sign * unit) @ p.X.T - p.t).mean(-1) for sign in (1, -1)
        )
        rows.append((ahead - back) / 2)
    return measured(CELL, rows, "∇f(w₀) by differences")


def check(given: list[Given], found: xr.Dataset, theory: xr.Dataset) -> Check:
    """Each loss is off by (n + d)ε of the squares that it adds up."""
    sizes = []
    for p, starts, *_ in given:
        n, d = p.X.shape
        residual = np.abs(p.X) @ (np.abs(starts[-1]) + 1) + np.abs(p.t)
        sizes.append(4 * (n + d) * EPS * float(np.square(residual).mean()))
    tol, why = xr.DataArray(sizes, dims="replicate"), "rounding of the losses"
    return Check("gradient", found["gradient"], "==", theory["gradient_predicted"], tol, why)
