"""Figures of the polynomial family: one function per experiment, named after it."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level, power


def after_start(data: xr.Dataset) -> xr.Dataset:
    """Without iteration 0, which logarithmic paper has no place for."""
    return data.isel(k=slice(1, None))


def frame(axes: Axes, shown: xr.DataArray, floor: float) -> None:
    """Logarithmic error, from `floor` or the least value shown up to the largest finite one."""
    # Matplotlib's margins around what is larger leave float64.
    values = shown.values[(shown.values < 1e200) & (shown.values > 0)]
    low, high = (values.min(), values.max()) if values.size else (floor, 1.0)
    # In this order: a scale without limits looks for some, in data that may be 0 or out of float64.
    axes.set_ylim(max(low, floor) / 3, 3 * max(high, floor))
    axes.set_yscale("log")


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
    middle.set(ylim=(None, 10 * middle.get_ylim()[1]))
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


def polynomials(axes: Axes, data: xr.Dataset, sweep: str, name: str, at) -> None:
    """The points, the function, and the fits of a sweep."""
    for value, colour in zip(at, COLOURS, strict=False):
        against(axes, data["fit"].sel({sweep: value}), f"{name} = {value:g}", colour)
    against(axes, data["truth"], "the function", "black", linestyle=":")
    axes.plot(data["i"], data["point"], "o", color="black", label="points")


def descending(axes: Axes, curve: xr.DataArray) -> None:
    """A logarithmic axis from below the least value to above the first, which a divergent run leaves."""
    # Limits first: a scale without them looks for some, in data that may have left float64.
    axes.set_ylim(max(float(curve.min()), 1e-300) / 100, 100 * float(curve[0]))
    axes.set_yscale("log")


def minnorm(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    against(left, data["gd"][1:], "GD", COLOURS[0])
    against(left, data["gd_predicted"][1:], "GD, closed form", "black")
    for b, colour in zip(data["batch"].values, COLOURS[1:], strict=False):
        against(left, data["sgd"].sel(batch=b, k=slice(1, None)), f"SGD, b = {b}", colour)
        mean = data["sgd_predicted"].sel(batch=b, k=slice(1, None))
        against(left, mean, f"E, b = {b}", "black", linestyle=(0, (1, 1 + b)))
    left.set(xscale="log", xlabel="step k")
    descending(left, data["gd"])
    left.set_title("distance to the shortest solution")
    left.legend()
    for b, colour in zip(data["batch"].values, COLOURS[1:], strict=False):
        against(right, data["null"].sel(batch=b, k=slice(100, None)), f"SGD, b = {b}", colour)
    right.set(xscale="log", yscale="log")
    right.set_title("no step leaves range Xᵀ but by rounding")
    right.legend()
    return drawing


def adam(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    for rate, colour in zip(data["rate"].values, COLOURS, strict=False):
        curve = data["distance"].sel(rate=rate, k=slice(1, None))
        against(left, curve, f"γ = {power(rate)}", colour)
    left.set(xscale="log", yscale="log")
    left.set_title("Adam, one sample a step: distance to θ*")
    left.legend()
    names = {
        "adam": "Adam, one sample",
        "adam_full": "Adam, full batch",
        "adagrad": "AdaGrad",
        "rmsprop": "RMSProp",
        "gd": "GD",
        "sgd": "SGD",
    }
    against(middle, data["distance"].isel(k=-1), "Adam, one sample", COLOURS[0], marker="o")
    for (name, label), colour in zip(list(names.items())[1:5], COLOURS[1:], strict=False):
        label = "GD, rate γβ" if name == "gd" else label
        against(middle, data[f"{name}_distance"], label, colour, marker="o")
    middle.set(xscale="log", yscale="log", xlabel="rate")
    middle.set_title("where a method ends depends on its rate, but for GD")
    middle.legend()
    for (name, label), colour in zip(names.items(), COLOURS, strict=False):
        against(right, data[f"{name}_limit"], label, colour, marker="o", markersize=4)
    against(right, data["shortest"], "θ*, the shortest", "black")
    right.set_title("the six ends, at the smallest rate of each")
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
    against(axes, data["predicted"], "closed form", "black")
    against(axes, data["frobenius"], "closed form, Frobenius norm", COLOURS[1])
    for squared in data["level"].values:
        level(axes, squared, "levels compared" if squared == data["level"].values[0] else "")
        axes.lines[-1].set_linestyle(":")
    descending(axes, data["distance"])
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
