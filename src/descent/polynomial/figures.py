"""Figures of the polynomial family: one function per experiment, named after it."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level, power


def polynomials(axes: Axes, data: xr.Dataset, sweep: str, name: str, at) -> None:
    """The points, the function, and the fits of a sweep."""
    for value, colour in zip(at, COLOURS, strict=False):
        against(axes, data["fit"].sel({sweep: value}), f"{name} = {value:g}", colour)
    against(axes, data["truth"], "the function", "black", linestyle=":")
    axes.plot(data["i"], data["point"], "o", color="black", label="points")


def minnorm(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    against(left, data["gd"][1:], "GD", COLOURS[0])
    against(left, data["gd_predicted"][1:], "GD, closed form", "black")
    for b, colour in zip(data["batch"].values, COLOURS[1:], strict=False):
        against(left, data["sgd"].sel(batch=b, k=slice(1, None)), f"SGD, b = {b}", colour)
        mean = data["sgd_predicted"].sel(batch=b, k=slice(1, None))
        against(left, mean, f"E, b = {b}", "black", linestyle=(0, (1, 1 + b)))
    lowest = float(data["gd"].min())
    left.set(xscale="log", yscale="log", xlabel="step k", ylim=(lowest / 10, None))
    left.set_title("distance to the shortest solution")
    left.legend()
    for b, colour in zip(data["batch"].values, COLOURS[1:], strict=False):
        against(right, data["null"].sel(batch=b, k=slice(100, None)), f"SGD, b = {b}", colour)
    right.set(xscale="log", yscale="log")
    right.set_title("no step leaves range Xᵀ but by rounding")
    right.legend()
    return drawing


def adam(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for rate, colour in zip(data["rate"].values, COLOURS, strict=False):
        curve = data["distance"].sel(rate=rate, k=slice(1, None))
        against(left, curve, f"γ = {power(rate)}", colour)
    left.set(xscale="log", yscale="log")
    left.set_title("Adam, one sample a step: distance to θ*")
    left.legend()
    against(right, data["distance"].isel(k=-1), "Adam, one sample", COLOURS[0], marker="o")
    full = {
        "adam_full": "Adam, full batch",
        "adagrad": "AdaGrad",
        "rmsprop": "RMSProp",
        "gd": "GD, rate γβ",
    }
    for (name, label), colour in zip(full.items(), COLOURS[1:], strict=False):
        against(right, data[f"{name}_distance"], label, colour, marker="o")
    right.set(xscale="log", yscale="log", xlabel="rate")
    right.set_title("where a method ends depends on its rate, but for GD")
    right.legend()
    return drawing


def projection(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    scales = data["scale"].values
    polynomials(left, data, "scale", "s", scales[:3])
    left.set(ylim=(-3, 3), ylabel="m(x; θ)")
    left.set_title("every scale meets the points")
    left.legend()
    positive = data.sel(scale=scales[1:])
    against(middle, positive["norm"], colour=COLOURS[0], marker="o")
    against(middle, positive["norm_predicted"].median("replicate", keep_attrs=True), colour="black")
    for name, colour in zip(("inside", "outside"), COLOURS[1:], strict=False):
        against(middle, positive[f"rmse_{name}"], colour=colour, marker="o")
        predicted = positive[f"rmse_{name}_predicted"].median("replicate", keep_attrs=True)
        against(middle, predicted, "√(A + 2sB + s²C)" if name == "inside" else "", "black")
    middle.set(xscale="log", yscale="log", ylabel="norm and error")
    middle.set_title("the longer, the worse between the points")
    middle.legend()
    against(right, data["digits_qr"], marker="o")
    against(right, data["digits_inverse"], marker="o")
    right.set(xscale="symlog", ylabel="correct digits", ylim=(0, 17))
    right.set_title("against rational arithmetic")
    right.legend()
    return drawing


def scaled_projection(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    spans = data["span"].values
    polynomials(left, data, "span", "s", sorted({spans[0], min(spans, key=abs), spans[-1]}))
    left.set(ylim=(-5, 5), xlim=(-1.1, 1.1), ylabel="m(x; θ)")
    left.set_title("high powers cheap, s > 0: wild between points")
    left.legend()
    for name, colour in zip(("inside", "outside"), COLOURS, strict=False):
        against(middle, data[f"rmse_{name}"], colour=colour, marker="o")
        label = "of the rational solution" if name == "inside" else ""
        against(middle, data[f"rmse_{name}_predicted"], label, "black")
    middle.set(yscale="log", ylabel="RMSE")
    middle.set_title("error between and beyond the points")
    middle.legend()
    for name, label in (
        ("qr", "sorted, pivoted QR"),
        ("lstsq", "SVD of XH^(−½)"),
        ("solve", "solve"),
        ("inverse", "inverse"),
    ):
        against(right, data[f"digits_{name}"], label, marker="o")
    right.set(ylabel="correct digits", ylim=(0, 17))
    right.set_title("the textbook formula loses them")
    right.legend()
    return drawing


def scaled_gd(data: xr.Dataset) -> Figure:
    drawing, (axes,) = figure()
    against(axes, data["distance"], "measured, γ = rate/β_H", COLOURS[0])
    lowest = float(data["distance"].min())
    against(axes, data["predicted"], "closed form", "black")
    against(axes, data["frobenius"], "closed form, Frobenius norm", COLOURS[1])
    for squared in data["level"].values:
        level(axes, squared, "levels compared" if squared == data["level"].values[0] else "")
        axes.lines[-1].set_linestyle(":")
    axes.set(yscale="log", ylim=(lowest / 100, None))
    axes.set_title("scaled GD reaches the scaled projection")
    axes.legend()
    return drawing


def double_descent(data: xr.Dataset) -> Figure:
    drawing, (axes,) = figure()
    for name, colour in zip(("legendre", "chebyshev", "monomial"), COLOURS, strict=False):
        against(axes, data[name], name, colour, marker=".")
    n = data.attrs["points"]
    wide = data["spikes"].median("replicate", keep_attrs=True)
    wide = wide.where((data["degree"] > 3 * n) & (wide > 0), drop=True)
    if wide.size:
        against(axes, wide, "spikes at the points, 1/d law", "black")
    level(axes, float(data["none"]), "no fit, m = 0")
    axes.lines[-1].set_linestyle(":")
    axes.axvline(n - 1, color="0.6", linewidth=1, label="d + 1 = n")
    axes.set(xscale="log", yscale="log", ylabel="test error", ylim=(float(data["none"]) / 30, 1e14))
    axes.set_title(f"median and 5–95 % of {data.sizes['replicate']} data sets")
    axes.legend()
    return drawing
