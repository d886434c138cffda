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


def set_rates(axes, data: xr.Dataset) -> None:
    """The rates themselves under a logarithmic axis."""
    axes.set_xticks(data["rate"].values, [f"{rate:g}" for rate in data["rate"].values])
    axes.minorticks_off()


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
    set_rates(right, data)
    right.set_title("weights carried from rate to rate mislead")
    for axes in panels:
        axes.legend(fontsize="x-small")
    return drawing


def start(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    against(left, late(data["loss"]), f"median of {data.sizes['replicate']} starts, 5–95 %")
    left.plot(data["epoch"][1:], late(data["loss"])[:, :6], color="0.5", linewidth=0.6)
    left.plot([], [], color="0.5", linewidth=0.6, label="six of them")
    left.set(xscale="log", yscale="log")
    left.set_title("training loss from many starts")
    against(middle, data["fit"], "m(x; θ_T), median, 5–95 %")
    against(middle, data["truth"], colour="black")
    middle.plot(data["point"], data["y"], "o", color="black", label="y_i")
    middle.set(ylabel="m(x)")
    middle.set_title("the fits part between the points")
    final = data["final"].clip(ROUNDING, 1e3)
    right.plot(final, data["sharpness"], ".", label="λ_max at the end")
    level(right, data.attrs["critical"], "2/η")
    right.set(xscale="log", yscale="log", xlabel="loss at the end", ylabel="sharpness")
    right.set_title("none sharper than gradient descent bears")
    for axes in (left, middle, right):
        axes.legend(fontsize="x-small")
    return drawing


def optimizer(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    rule = {"descent": "gradient descent", "adam": "Adam"}
    for axes, (name, formula) in zip((left, middle), rule.items(), strict=True):
        for rate, colour in zip(data["rate"].values, COLOURS * data.sizes["rate"], strict=False):
            against(axes, late(data[f"{name}_loss"].sel(rate=rate)), f"η = {rate:g}", colour)
        level(axes, data.attrs["stop"], "stop")
        axes.set(xscale="log", yscale="log", ylabel="training loss", ylim=(1e-15, 10))
        axes.set_title(f"{formula}, median and 5–95 %")
        axes.legend(fontsize="x-small")
    for (name, formula), colour in zip(rule.items(), COLOURS, strict=False):
        for what, dashes, text in (("stopped", "-", "reached the stop"), ("stuck", ":", "stuck")):
            share = data[f"{name}_{what}"].mean("replicate", keep_attrs=True)
            against(right, share, f"{formula}, {text}", colour, linestyle=dashes, marker="o")
    right.set(xscale="log", ylabel="share of networks", ylim=(-0.03, 1.03))
    set_rates(right, data)
    right.set_title("a large rate leaves Adam stuck")
    right.legend(fontsize="x-small")
    return drawing


def sharpness(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for rate, colour in zip(data["rate"].values, COLOURS * data.sizes["rate"], strict=False):
        one = data.sel(rate=rate)
        scaled = (one["sharpness"] / one["critical"]).clip(0, 3)
        against(
            left,
            scaled.assign_attrs(long_name="λ_max η/2", role="measurement"),
            f"η = {rate:g}",
            colour,
        )
        against(right, late(one["loss"]), f"η = {rate:g}", colour)
    level(left, 1.0, "2/η")
    left.set(ylabel="λ_max(∇²f(θ_t)) / (2/η)")
    left.set_title("λ_max rises to the edge and stays")
    right.set(xscale="log", yscale="log", ylabel="training loss")
    right.set_title("training goes on at the edge")
    for axes in (left, right):
        axes.legend(fontsize="x-small")
    return drawing


def landscape(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    kinds = (("along", "-", "Δ as drawn"), ("filtered", ":", "filter-normalised"))
    for (name, formula), colour in zip(
        (("relu", "ReLU"), ("sigmoid", "4·sigmoid")), COLOURS, strict=False
    ):
        for kind, dashes, text in kinds:
            curve = data[f"{name}_{kind}"].median("replicate", keep_attrs=True)
            against(left, curve, f"{formula}, {text}", colour, linestyle=dashes)
        against(middle, data[f"{name}_far"], f"{formula}, Δ as drawn", colour)
        predicted = data[f"{name}_far_predicted"]
        predicted = predicted.where(predicted > 1e-4, drop=True)
        against(middle, predicted, f"{formula}, {predicted.attrs['long_name']}", "black")
    middle.lines[-1].set_linestyle(":")
    rescaled = data["relu_rescaled"].median("replicate", keep_attrs=True)
    against(left, rescaled, "the same ReLU network, rescaled", COLOURS[2])
    left.set(yscale="log", ylabel="f(θ* + tΔ), median of directions")
    left.set_title("steepness depends on the scale")
    left.legend(fontsize="x-small", loc="upper center")
    middle.set(xscale="log", yscale="log", ylabel="f(θ* + tΔ)")
    middle.set_title("far away, the depth sets the growth")
    middle.legend(fontsize="x-small")
    surface = np.log10(data["relu_plane_filtered"])
    right.pcolormesh(data["s"], data["t"], surface, shading="nearest", rasterized=True)
    right.set(xlabel="s", ylabel="t")
    right.set_title(f"ReLU, filter-normalised: log₁₀ f, {surface.min():.1f} to {surface.max():.1f}")
    return drawing
