"""Figures of the linear family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level

FLOOR = 1e-17  # what is drawn for 0 on a logarithmic axis


def decay(axes: Axes, data: xr.Dataset) -> None:
    """‖w_k − ŵ‖ over problems, and its prediction, above rounding."""
    measured, predicted = data["distance"], data["distance_predicted"]
    against(
        axes, measured.clip(FLOOR, keep_attrs=True), f"{data.sizes['replicate']} problems, 5–95 %"
    )
    middle = predicted.median("replicate").clip(FLOOR).assign_attrs(predicted.attrs)
    against(axes, middle, "mode by mode, median", "black")
    axes.set(yscale="log", ylim=(FLOOR, None), ylabel=measured.attrs["long_name"])
    axes.set_title("gradient descent from 0")
    axes.legend()


def underparameterised(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    decay(left, data)
    both = data[["risk", "risk_predicted"]].to_array()
    ends = [float(both.min()), float(both.max())]
    right.plot(data["risk_predicted"], data["risk"], ".", label="one problem each")
    right.plot(ends, ends, "--", color="black", label="equal")
    right.set(xscale="log", yscale="log", xlabel=data["risk_predicted"].attrs["long_name"])
    right.set(ylabel=data["risk"].attrs["long_name"])
    right.set_title("error that noise leaves")
    right.legend()
    return drawing


def overparameterised(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    decay(left, data)
    against(right, data["missed"], f"{data.sizes['replicate']} problems, 5–95 %", marker="o")
    against(right, data["missed_predicted"], "mean predicted: 1 − n/d", "black")
    right.set(ylim=(0, 1))
    right.set_title("risk of the shortest solution")
    right.legend()
    return drawing


def plane(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    first, second = (data["line"].sel(i=i) for i in (1, 2))
    left.plot(first, second, color="black", linewidth=1, label="solutions xᵀw = t")
    for start, colour in zip(data["start"].values, COLOURS * data.sizes["start"], strict=False):
        path, end = data["w"].sel(start=start), data["limit"].sel(start=start)
        name = "from 0" if start == 0 else f"from start {start}"
        left.plot(path.sel(i=1), path.sel(i=2), ".-", color=colour, label=name)
        left.plot(end[0], end[1], "x", color="black", label="" if start else "nearest solution")
        curve = data["distance"].sel(start=start).clip(FLOOR, keep_attrs=True)
        against(right, curve, name, colour)
        line = data["distance_predicted"].sel(start=start).clip(FLOOR, keep_attrs=True)
        against(right, line, "" if start else "predicted", "black")
    left.set(xlabel="w₁", ylabel="w₂")
    left.set_title("straight along x")
    left.legend(fontsize="x-small")
    right.set(yscale="log", ylim=(FLOOR, None), ylabel=data["distance"].attrs["long_name"])
    right.set_title("the same factor a step from every start")
    right.legend(fontsize="x-small")
    return drawing


def row_space(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for b, colour in zip(data["b"].values, COLOURS * data.sizes["b"], strict=False):
        against(left, data["distance"].sel(b=b).clip(FLOOR, keep_attrs=True), f"b = {b}", colour)
    against(left, data["bound"], colour="black")
    left.set(yscale="log", ylim=(FLOOR, 3))
    left.set_title(f"to the shortest solution, {data.sizes['replicate']} problems")
    left.legend()
    across = data["across"].clip(FLOOR, keep_attrs=True)
    against(right, across, "median and 5–95 %", marker="o")
    level(right, 16 * np.finfo(float).eps * float(data["k"][-1]) ** 0.5, "rounding: 16ε√K")
    right.set(xscale="log", yscale="log", ylim=(FLOOR, 1), ylabel="relative to ‖w_∞‖")
    right.set_title("largest null component along the run")
    right.legend()
    return drawing


def adagrad(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    for method, name in enumerate(("AdaGrad", "RMSProp", "Adam")):
        path = data["path"].isel(method=method)
        style = {"marker": ".", "markersize": 7 - 2 * method, "linewidth": 3 - method}
        left.plot(path.isel(i=0), path.isel(i=-1), color=COLOURS[method], label=name, **style)
    corner, shortest = data["corner"], data["shortest"]
    left.plot([0, shortest[0]], [0, shortest[-1]], color=COLOURS[3], label="gradient descent")
    left.plot(corner[0], corner[-1], "x", color="black", label="t sign(x)/‖x‖₁")
    left.plot(shortest[0], shortest[-1], "+", color="black", label="shortest")
    left.set(xlabel="w₁", ylabel="w₂" if data.sizes["i"] == 2 else "last coordinate of w")
    left.set_title("one sample: all three go along sign(x)")
    left.legend(fontsize="x-small")
    against(middle, data["off_corner"], "from t sign(x)/‖x‖₁", marker="o")
    against(middle, data["off_corner_predicted"], colour="black")
    against(middle, data["off_shortest"], "from the shortest", marker="o")
    top = 3 * float(data[["off_corner", "off_shortest"]].to_array().max())
    middle.set(xscale="log", yscale="log", ylim=(float(data["off_corner"].min()) / 3, top))
    middle.set(ylabel="distance of the limit")
    middle.set_title("one sample: ε leads from one to the other")
    middle.legend(fontsize="x-small")
    for j, colour in zip(data["j"].values[:7], COLOURS, strict=False):
        against(right, data["limit"].sel(j=j), f"w_{j} of AdaGrad", colour, marker="o")
        right.axhline(float(data["least"].sel(j=j)), color=colour, linestyle="--", linewidth=1)
    right.axhline(
        np.nan, color="black", linestyle="--", linewidth=1, label="gradient descent, any γ"
    )
    right.set(xscale="log", ylabel="limit")
    right.set_title("more samples: a limit for every η")
    right.legend(fontsize="x-small")
    return drawing
