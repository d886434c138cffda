"""Fits of one data set in two bases, drawn: the best of fewer coefficients than points, as many as points, and the most.

Source: CSE 891 homework 2, question 3.5, which asks to look at both kinds.
"""

import numpy as np
import xarray as xr

from descent.figure import Axis, Panel, curve, line, panel, points
from descent.polynomial import _bases
from descent.polynomial._bases import BASES, Data
from descent.result import measured

DRAWN = ("legendre", "chebyshev")
MOST = 400  # points of a curve


def shown(data: Data, degrees: tuple[int, ...], error: xr.DataArray) -> xr.Dataset:
    """Of the first data set; the best low degree is that of its own Legendre fits."""
    n = data.x.shape[1]
    low = [d for d in degrees if d + 1 < n]
    own = error.sel(basis="legendre").isel(replicate=0)
    best = low[int(np.argmin(own.values[: len(low)]))]
    middle = min((d for d in degrees if d > best), key=lambda d: abs(d + 1 - n))
    chosen = sorted({best, middle, degrees[-1]})
    grid = data.grid[:: max(1, len(data.grid) // MOST)]
    fits = []
    for name in DRAWN:
        features, test = (BASES[name](x, degrees[-1]) for x in (data.x[0], grid))
        for d in chosen:
            U, sigma, V = _bases.pseudo_inverse(features[:, : d + 1])
            fits.append(test[:, : d + 1] @ (V @ ((U.T @ data.y[0]) / sigma)))
    table = np.array(fits).reshape(len(DRAWN), len(chosen), -1)
    return xr.Dataset(
        {
            "fit": measured(("drawn", "shown", "x"), table, "m(x)"),
            "truth": measured("x", np.interp(grid, data.grid, data.truth_on_grid), "sin ωx"),
            "y_first": measured("point", data.y[0], "y_i"),
        },
        coords={
            "drawn": ("drawn", list(DRAWN), {"long_name": "basis"}),
            "shown": ("shown", chosen, {"long_name": "degree"}),
            "x": ("x", grid, {"long_name": "x"}),
            "point": ("point", data.x[0], {"long_name": "x_i"}),
        },
    )


def panels_of(data: xr.Dataset) -> list[Panel]:
    """One panel a basis; what leaves the picture is cut off."""
    top = 2.5 * float(np.abs(data["y_first"]).max())
    found = []
    for name in data["drawn"].values:
        marks = []
        for k, d in enumerate(data["shown"].values):
            fit = data["fit"].sel(drawn=name, shown=d).clip(-2 * top, 2 * top)
            marks += curve(fit.assign_attrs(long_name="m(x)"), f"degree {d}", k)
        marks.append(line(data["x"], data["truth"], "sin ωx", role="predicted"))
        marks.append(points(data["point"], data["y_first"], "y_i", "ink", size=3))
        height = Axis("m(x)", limits=(-top, top))
        found.append(panel(f"{name}, one data set", Axis("x"), height, marks))
    return found
