"""Figures of the polynomial family: one function per experiment, named after it."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from descent.figure import Axis, Figure, Mark, axis, curve, level, line, panel, points
from descent.style import COLOURS, against, figure, power
from descent.style import level as flat

LEAST = 1e-33  # shown of a squared error: rounding


def after_start(data: xr.Dataset) -> xr.Dataset:
    """Without iteration 0, which logarithmic paper has no place for."""
    return data.isel(k=slice(1, None))


def errors(shown: xr.DataArray, label: str = "", above: float = 3.0) -> Axis:
    """A logarithmic axis from LEAST or the least value shown up to the largest finite one."""
    values = shown.values[(shown.values < 1e200) & (shown.values > 0)]
    low, high = (values.min(), values.max()) if values.size else (LEAST, 1.0)
    limits = (max(low, LEAST) / 3, above * max(high, LEAST))
    return axis(shown, "log", limits=limits) if not label else Axis(label, "log", limits)


def gd(data: xr.Dataset) -> Figure:
    late, panels = after_start(data), []
    titles = {
        "gap": "the loss falls to rounding at its own rate",
        "squared_distance": "and so does the distance to the shortest solution",
    }
    for name, title in titles.items():
        marks = [by_degree(late[name], late[f"{name}_predicted"], "closed form")]
        panels.append(panel(title, axis(data["k"], "log"), errors(late[name]), *marks))
    return Figure(tuple(panels))


def by_degree(found: xr.DataArray, law: xr.DataArray, label: str) -> list[Mark]:
    """A measured and a predicted curve at every degree."""
    marks = []
    for c, n in enumerate(found["degree"].values):
        marks += curve(found.sel(degree=n), f"n = {n}", c)
        marks += curve(law.sel(degree=n), label, role="predicted")
    return marks


def gd_average(data: xr.Dataset) -> Figure:
    late = after_start(data)
    found, k = late["average_gap"], late["k"]
    limit = late["average_law"] / (k + 1.0) ** 2
    marks = by_degree(found, late["average_gap_predicted"], "closed form")
    marks += [
        line(k, limit.sel(degree=n), "C/(k + 1)²", "grey", "bound") for n in data["degree"].values
    ]
    title = "the average only falls like 1/k²"
    return Figure((panel(title, axis(data["k"], "log"), errors(found, above=10.0), marks),))


def gd_iterations(data: xr.Dataset) -> Figure:
    late, panels = after_start(data), []
    names = {
        "from_0": "from 0",
        "from_slowest_mode": "from the slowest mode",
        "with_frobenius": "from 0, step 1/β_F",
    }
    for n in data["degree"].values:
        one = late.sel(degree=n)
        marks = []
        for c, (run, label) in enumerate(names.items()):
            marks += curve(one["squared_distance"].sel(run=run), label, c)
            marks += curve(one["squared_distance_predicted"].sel(run=run), "closed form")
        reached = level(data.attrs["converged"], "converged", "grey", "bound")
        counts = ", ".join(f"{count:g}" for count in one["count"].values)
        y = errors(one["squared_distance"])
        panels.append(panel(f"n = {n}: {counts}", axis(data["k"], "log"), y, marks, reached))
    return Figure(tuple(panels))


def sgd(data: xr.Dataset) -> Figure:
    late, panels = after_start(data), []
    for n in data["degree"].values:
        marks = []
        for c, hold in enumerate(data["hold"].values):
            one = late.sel(degree=n, hold=hold)
            name = {0: "γ₀", 1: "γ₀/(k + 1)"}.get(int(hold), f"γ₀/(⌊k/{hold}⌋ + 1)")
            marks += curve(one["gap"], name, c)
            marks += curve(one["gap_predicted"], "expectation")
            marks += curve(one["average_gap_predicted"], "of the average", "grey", "bound")
        y = errors(late["gap_predicted"].sel(degree=n), "f − f*")
        title = f"n = {n}: {data.sizes['replicate']} runs, 5–95 %"
        panels.append(panel(title, axis(data["k"], "log"), y, marks))
    return Figure(tuple(panels))


def stability(data: xr.Dataset) -> Figure:
    late, panels, growth = after_start(data), [], []
    for n in data["degree"].values:
        marks = []
        for c, fraction in enumerate(data["fraction"].values):
            one = late.sel(degree=n, fraction=fraction)
            marks += curve(one["squared_distance"], f"{fraction:g} of the limit", c)
            marks += curve(one["mean_predicted"], "mean of all draws")
        y = errors(late["squared_distance"].sel(degree=n))
        title = f"n = {n}: {data.sizes['replicate']} runs, 5–95 %"
        panels.append(panel(title, axis(data["k"], "log"), y, marks))
    for c, n in enumerate(data["degree"].values):
        one = data.sel(degree=n)
        growth.append(points(one["fraction"], one["growth"], f"mean, n = {n}", c))
        growth.append(
            points(
                one["fraction"], one["typical_growth"], f"median run, n = {n}", c, marker="cross"
            )
        )
        growth += curve(one["rate"], "ln ρ")
    x, y = axis(data["fraction"]), Axis("growth of ln‖θ_k − θ*‖² a step")
    panels.append(panel("the mean grows above the limit", x, y, growth, level(0.0, "bounded")))
    return Figure(tuple(panels))


def reshuffling(data: xr.Dataset) -> Figure:
    panels = []
    for n in data["degree"].values:
        one, marks = data.sel(degree=n), []
        for c, name in enumerate(data["sampling"].values):
            label = str(name).replace("_", " ")
            marks.append(points(one["replicate"], one["floor"].sel(sampling=name), label, c))
            marks.append(level(float(one["floor_predicted"].sel(sampling=name)), "exact floor", c))
        y = errors(one["floor"])
        panels.append(panel(f"n = {n}: every run's floor", axis(data["replicate"]), y, marks))
    return Figure(tuple(panels))


def averaging(data: xr.Dataset) -> Figure:
    late, panels = after_start(data), []
    k = late["k"] + 1.0
    law = late["a"] / k**2 + late["b"] / k
    for n in data["degree"].values:
        marks = []
        for c, step in enumerate(data["step"].values):
            one = late.sel(degree=n, step=step)
            marks += curve(one["average_gap"], f"γβ = {step:g}", c)
            marks += curve(one["expected"], "expectation", role="predicted")
            curved = law.sel(degree=n, step=step)
            marks.append(line(late["k"], curved, "a/(k + 1)² + b/(k + 1)", "grey", "bound"))
        highest = 10 * float(late["expected"].max())
        y = errors(late["average_gap"].sel(degree=n))
        y = axis(late["average_gap"], "log", limits=(y.limits[0], highest))
        title = f"n = {n}: the average of {data.sizes['replicate']} runs"
        panels.append(panel(title, axis(data["k"], "log"), y, marks))
    return Figure(tuple(panels))


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
    gd = data["gd"][1:]
    left = [curve(gd, "GD", 0), curve(data["gd_predicted"][1:], "GD, closed form")]
    right = [line(data["t"], data["gd_null"], "GD", 0)]
    for c, b in enumerate(data["batch"].values, 1):
        one = data.sel(batch=b, k=slice(1, None))
        left += [curve(one["sgd"], f"SGD, b = {b}", c), curve(one["sgd_predicted"], "E, SGD")]
        right.append(curve(one["null"], f"SGD, b = {b}", c))
    start, low = float(data["gd"][0]), float(data["gd"].min())
    y = axis(data["gd"], "log", limits=(max(low, LEAST) / 100, 100 * start))
    x = Axis("step k", "log")
    return Figure(
        (
            panel("distance to the shortest solution", x, y, *left),
            panel("no step leaves range Xᵀ but by rounding", x, axis(data["null"], "log"), *right),
        )
    )


def adam(data: xr.Dataset) -> Drawing:
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


def projection(data: xr.Dataset) -> Drawing:
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


def scaled_projection(data: xr.Dataset) -> Drawing:
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


def scaled_gd(data: xr.Dataset) -> Drawing:
    drawing, (axes,) = figure()
    against(axes, data["distance"], "measured, γ = rate/β_H", COLOURS[0])
    against(axes, data["predicted"], "closed form", "black")
    against(axes, data["frobenius"], "closed form, Frobenius norm", COLOURS[1])
    for squared in data["level"].values:
        flat(axes, squared, "levels compared" if squared == data["level"].values[0] else "")
        axes.lines[-1].set_linestyle(":")
    descending(axes, data["distance"])
    axes.set_title("scaled GD reaches the scaled projection")
    axes.legend()
    return drawing


def double_descent(data: xr.Dataset) -> Drawing:
    drawing, (axes,) = figure()
    for name, colour in zip(("legendre", "chebyshev", "monomial"), COLOURS, strict=False):
        against(axes, data[name], name, colour, marker=".")
    n = data.attrs["points"]
    wide = data["spikes"].median("replicate", keep_attrs=True)
    wide = wide.where((data["degree"] > 3 * n) & (wide > 0), drop=True)
    if wide.size:
        against(axes, wide, "spikes at the points, 1/d law", "black")
    flat(axes, float(data["none"]), "no fit, m = 0")
    axes.lines[-1].set_linestyle(":")
    axes.axvline(n - 1, color="0.6", linewidth=1, label="d + 1 = n")
    axes.set(xscale="log", yscale="log", ylabel="test error", ylim=(float(data["none"]) / 30, 1e14))
    axes.set_title(f"median and 5–95 % of {data.sizes['replicate']} data sets")
    axes.legend()
    return drawing
