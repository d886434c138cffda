"""Figures of the polynomial family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level


def after_start(data: xr.Dataset) -> xr.Dataset:
    """Without iteration 0, which logarithmic paper has no place for."""
    return data.isel(k=slice(1, None))


def frame(axes: Axes, shown: xr.DataArray, floor: float) -> None:
    """Logarithmic error, from `floor` or the least value shown up to the largest finite one."""
    values = shown.values[np.isfinite(shown.values) & (shown.values > 0)]
    low, high = (values.min(), values.max()) if values.size else (floor, 1.0)
    axes.set(yscale="log", ylim=(max(low, floor) / 3, 3 * high))


def gd(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    late = after_start(data)
    for n, colour in zip(data["degree"].values, COLOURS * data.sizes["degree"], strict=False):
        one = late.sel(degree=n)
        for axes, name in (
            (left, "gap"),
            (middle, "average_gap"),
            (right, "squared_distance"),
        ):
            against(axes, one[name], f"n = {n}", colour)
            seen = one[f"{name}_predicted"].where(one[f"{name}_predicted"] > 1e-33)
            against(axes, seen, "closed form" if n == data["degree"][-1] else "", "black")
        law = float(one["average_law"]) / (one["k"] + 1.0) ** 2
        law = law.assign_attrs(one["average_gap"].attrs, role="prediction")
        against(middle, law, "C/(k + 1)²" if n == data["degree"][-1] else "", "0.5", linestyle=":")
    frame(left, late["gap"], 1e-33)
    frame(middle, late["average_gap"], 1e-33)
    frame(right, late["squared_distance"], 1e-33)
    middle.set(ylim=(None, 30 * float(late["average_gap"].max())))
    for axes, title in (
        (left, "the last iterate: linear, to rounding"),
        (middle, "the average: only 1/k²"),
        (right, "distance from the shortest solution"),
    ):
        axes.set(xscale="log")
        axes.set_title(title)
        axes.legend()
    left.set(ylabel="f(θ_k) − f*")
    return drawing


def sgd(data: xr.Dataset) -> Figure:
    drawing, panels = figure(data.sizes["degree"])
    late = after_start(data)
    for axes, n in zip(panels, data["degree"].values, strict=True):
        for h, colour in zip(data["hold"].values, COLOURS * data.sizes["hold"], strict=False):
            one = late.sel(degree=n, hold=h)
            name = {0: "γ₀", 1: "γ₀/(k + 1)"}.get(int(h), f"γ₀/(⌊k/{h}⌋ + 1)")
            against(axes, one["gap"], name, colour)
            last = h == data["hold"][-1]
            against(axes, one["gap_predicted"], "expectation" if last else "", "black")
            average = one["average_gap"].median("replicate", keep_attrs=True)
            against(axes, average, f"{name}, average", colour, linestyle=":")
        axes.set(xscale="log", ylabel="f − f*")
        frame(axes, late["gap_predicted"].sel(degree=n), 1e-33)
        axes.set_title(f"n = {n}: {data.sizes['replicate']} runs, 5–95 %")
        axes.legend(fontsize="x-small")
    return drawing


def stability(data: xr.Dataset) -> Figure:
    drawing, panels = figure(data.sizes["degree"] + 1)
    late = after_start(data)
    for axes, n in zip(panels, data["degree"].values, strict=False):
        for c, colour in zip(
            data["fraction"].values, COLOURS * data.sizes["fraction"], strict=False
        ):
            one = late.sel(degree=n, fraction=c)
            against(axes, one["squared_distance"], f"{c:g} of the limit", colour)
            last = c == data["fraction"][-1]
            label = "expectation" if last else ""
            against(axes, one["squared_distance_predicted"], label, "black", linewidth=1)
        axes.set(xscale="log")
        frame(axes, late["squared_distance"].sel(degree=n), 1e-33)
        axes.set_title(f"n = {n}: {data.sizes['replicate']} runs, 5–95 %")
        axes.legend(fontsize="x-small")
    right = panels[-1]
    for n, colour in zip(data["degree"].values, COLOURS * data.sizes["degree"], strict=False):
        one = data.sel(degree=n)
        against(right, one["growth"], f"mean, n = {n}", colour, marker="o", linestyle="none")
        against(right, one["typical_growth"], f"median run, n = {n}", colour, marker="x")
        last = n == data["degree"][-1]
        above = one["rate"].where(one["fraction"] > 1)
        against(right, above, "ln ρ" if last else "", "black")
    level(right, 0.0, "")
    right.set(ylabel="growth of ln‖θ_k − θ*‖² a step")
    right.set_title("above the limit the mean grows as predicted")
    right.legend(fontsize="x-small")
    return drawing


def averaging(data: xr.Dataset) -> Figure:
    drawing, panels = figure(data.sizes["degree"])
    late = after_start(data)
    for axes, n in zip(panels, data["degree"].values, strict=True):
        for c, colour in zip(data["step"].values, COLOURS * data.sizes["step"], strict=False):
            one = late.sel(degree=n, step=c)
            against(axes, one["average_gap"], f"γβ = {c:g}", colour)
            last = c == data["step"][-1]
            against(axes, one["expected"], "expectation" if last else "", "black")
            label = "a/(k + 1)² + b/(k + 1)" if last else ""
            against(axes, one["law"], label, "0.5", linestyle=":")
        frame(axes, late["average_gap"].sel(degree=n), 1e-33)
        axes.set(xscale="log", ylim=(None, 10 * float(late["expected"].max())))
        axes.set_title(f"n = {n}: the average of {data.sizes['replicate']} runs")
        axes.legend()
    return drawing
