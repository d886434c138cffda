"""Figures of the mlp1d family."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level

ROUNDING = 1e-20  # losses are drawn down to here


def by_rank(axes, values, label, colour=None, marker=".") -> None:
    """Every replicate's value against its rank, as a share of all."""
    ordered = np.sort(np.clip(values, ROUNDING, 1e3))
    share = (np.arange(len(ordered)) + 0.5) / len(ordered)
    axes.plot(share, ordered, label=label, color=colour, linestyle="none", marker=marker)


def late(curve: xr.DataArray, top: float = 1e3) -> xr.DataArray:
    """Without epoch 0, for a logarithmic axis, and clipped to what can be drawn."""
    return curve.isel(epoch=slice(1, None)).clip(ROUNDING, top, keep_attrs=True)


def width(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    names = np.atleast_1d(data.attrs["hidden"].split(","))
    for name, P, colour in zip(
        names, data["parameters"].values, COLOURS * len(names), strict=False
    ):
        one = data.sel(parameters=P)
        against(left, late(one["loss"]), f"hidden {name}: {P}", colour)
        by_rank(right, one["final"].values, f"hidden {name}: {P}", colour)
    for axes in (left, right):
        level(axes, data.attrs["constant"], "dead: Var y")
        level(axes, data.attrs["hinge"], "one hinge")
        axes.lines[-1].set_linestyle(":")
        axes.set(yscale="log", ylabel="training loss")
    left.set(xscale="log")
    left.set_title("loss along training, median and 5–95 %")
    left.legend(fontsize="x-small", title="parameters P", title_fontsize="x-small")
    right.set(xlabel="share of networks", ylabel="loss at the end")
    right.set_title("dead, on one hinge, or below")
    return drawing


def activation(data: xr.Dataset) -> Figure:
    drawing, panels = figure(3)
    names = {"relu": "ReLU", "sigmoid": "4·sigmoid"}
    for axes, (name, formula) in zip(panels, names.items(), strict=False):
        for rate, colour in zip(data["rate"].values, COLOURS * data.sizes["rate"], strict=False):
            curve = late(data[f"{name}_loss"].sel(rate=rate), 10.0)
            against(axes, curve, f"η = {rate:g}", colour)
        axes.set(xscale="log", ylabel="training loss")
        axes.set_title(f"{formula}, fresh weights")
    left, middle, right = panels
    left.set(yscale="log")
    level(middle, data.attrs["line"], "best line")
    level(middle, data.attrs["constant"], "Var y")
    middle.lines[-1].set_linestyle(":")
    middle.set(yscale="log", ylim=(0.02, 12))
    for name, colour in zip(names, COLOURS, strict=False):
        fresh, after = (
            data[f"{name}_{kind}"].clip(ROUNDING, 10, keep_attrs=True)
            for kind in ("final", "chained")
        )
        against(right, fresh, f"{names[name]}, fresh", colour, marker="o")
        against(right, after, f"{names[name]}, carried over", colour, linestyle=":", marker="s")
    right.set(xscale="log", yscale="log", ylabel="loss at the end")
    right.set_title("weights carried from rate to rate mislead")
    for axes in panels:
        axes.legend(fontsize="x-small")
    return drawing
