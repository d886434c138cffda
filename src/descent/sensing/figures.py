"""Figures of the sensing family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level, power


def exact(data: xr.Dataset) -> Figure:
    drawing, (axes,) = figure()
    distance = data["distance"]
    against(axes, distance, label=f"median of {data.sizes['replicate']} problems, 5–95 %")
    against(axes, slowest_mode(data), label="(1 − ηλ⁺)ᵗ, first problem", colour="black")
    axes.set(yscale="log", ylim=(distance.min() / 3, distance.max() * 3))
    axes.set_title("R = r: linear convergence at the predicted rate")
    axes.legend()
    return drawing


def slowest_mode(data: xr.Dataset) -> xr.DataArray:
    """The predicted rate through the last point of the first problem that stands above rounding."""
    distance = data["distance"].isel(replicate=0)
    last = int(np.flatnonzero(distance > 1e-12)[-1])
    line = distance[last] * data["rate_bound"].isel(replicate=0) ** (data["t"] - last)
    return line.assign_attrs(distance.attrs, role="prediction")


def by_alpha(axes: Axes, curve: xr.DataArray) -> None:
    """One curve an α over log-spaced t ≥ 1, both axes logarithmic."""
    last = curve.sizes["t"] - 1
    curve = curve.isel(t=np.unique(np.geomspace(1, last, 200).round().astype(int)))
    for alpha, colour in zip(curve["alpha"].values, COLOURS * len(curve["alpha"]), strict=False):
        against(axes, curve.sel(alpha=alpha), f"α = {power(alpha)}", colour)
    axes.set(xscale="log", yscale="log")


def overparam(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    by_alpha(left, data["relative_distance"])
    left.set_title("R = d: error along the run")
    left.legend()
    final = data["relative_distance"].isel(t=-1)
    against(right, final, "measured", marker="o")
    anchor = final.isel(alpha=0).median()
    for slope, name in ((0.5, "slope ½ (guarantee)"), (2, "slope 2 (m = ∞)")):
        line = anchor * (data["alpha"] / data["alpha"][0]) ** slope
        against(right, line.assign_attrs(final.attrs, role="prediction"), name, "black")
    right.set(xscale="log", yscale="log", ylim=(final.min() / 3, final.max() * 30))
    right.lines[-1].set_linestyle(":")
    right.set_title(f"error at t = {int(data['t'][-1])} against the start")
    right.legend()
    return drawing


def scarce(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    by_alpha(left, data["relative_distance"])
    level(left, 1.0, "U = 0")
    left.set_title("distance to X*")
    left.legend()
    by_alpha(right, data["training_loss"].clip(1e-18, keep_attrs=True))
    right.set_title("fit to the measurements")
    right.legend()
    return drawing
