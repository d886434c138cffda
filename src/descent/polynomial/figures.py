"""Figures of the polynomial family: one function per experiment, named after it."""

from dataclasses import replace

import numpy as np
import xarray as xr

from descent.figure import (
    Axis,
    Figure,
    Mark,
    Panel,
    Real,
    Scale,
    axis,
    curve,
    level,
    line,
    moment,
    panel,
    points,
    power,
)
from descent.polynomial._fits import panels_of

COLOURS = 7  # of the palette

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


def solutions(data: xr.Dataset) -> Figure:
    degrees, N = data["degree"].values, data.sizes["i"]
    under = [n for n in degrees if n + 1 < N][-2:]
    shown = [*under, *(n for n in degrees if n >= N)][:4]
    fits = [curve(data["curve"].sel(degree=n), f"n = {n}", c) for c, n in enumerate(shown)]
    left = panel(
        "the points, and the shortest fits",
        axis(data["x"]),
        Axis("y", limits=tuple(1.5 * abs(data["point"]).max() * side for side in (-1, 1))),
        *fits,
        curve(data["truth"], "the function", "grey"),
        points(data["i"], data["point"], "(x_i, y_i)", "ink"),
    )
    looks = {"rank": ("circle", 9), "rank_gram": ("cross", 6), "free": ("square", 5)}
    middle = []
    for c, (name, (marker, size)) in enumerate(looks.items()):
        label = data[name].attrs["long_name"]
        middle.append(points(data["degree"], data[name], label, c, marker=marker, size=size))
        law = data[f"{name}_predicted"]
        middle += curve(law, law.attrs["long_name"])
    counts = panel(
        "ranks, and dimension of the fits",
        axis(data["degree"]),
        Axis("count"),
        middle,
        level(N, "N points", "grey", "bound"),
    )
    lost = panel(
        "loss of the best fit: 0 from n + 1 = N on",
        axis(data["degree"]),
        Axis("f", "log"),
        curve(data["loss"], "measured", marker=True),
        curve(data["loss_predicted"], "(1/N)‖y − QQᵀy‖²"),
        moment(N - 1, "n + 1 = N", "grey", "bound"),
    )
    return Figure((left, counts, lost))


def smoothness(data: xr.Dataset) -> Figure:
    pairs, modes = [], []
    for c, n in enumerate(data["degree"].values):
        one = data.sel(degree=n)
        pairs.append(points(one["replicate"], one["ratio"], f"n = {n}", c, size=3))
        pairs.append(level(float(one["beta"]), "β, the spectral norm", c, "bound"))
        pairs.append(level(float(one["frobenius"]), "Frobenius norm", "grey", "printed"))
        along = one["along"].where(one["along"] > 0)
        modes.append(points(one["mode"] + 1, along, f"n = {n}", c))
        modes.append(line(one["mode"] + 1, one["along_predicted"], "λ of the mode", c, "predicted"))
    between = panel(
        "between random θ, the last pair along mode 1",
        Axis("pair of θ"),
        axis(data["ratio"]),
        pairs,
    )
    each = panel("along one mode", Axis("mode, by size"), Axis("the same", "log"), modes)
    return Figure((between, each))


def gd(data: xr.Dataset) -> Figure:
    late, panels = after_start(data), []
    titles = {
        "gap": "the loss falls to rounding at its own rate",
        "squared_distance": "and so does the distance to a solution",
    }
    for name, title in titles.items():
        marks = [by_degree(late[name], late[f"{name}_predicted"], "closed form")]
        panels.append(panel(title, axis(data["k"], "log"), errors(late[name]), *marks))
    for shown, title in zip(panels[:2], ("the loss over k itself", "the distance"), strict=True):
        panels.append(straight(title, shown, data["k"]))
    return Figure(tuple(panels))


def straight(title: str, shown: Panel, k: xr.DataArray) -> Panel:
    """The same panel over a linear axis of iterations, on which a linear rate is a straight line."""
    return replace(shown, title=title, x=axis(k))


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
    shown = panel(title, axis(data["k"], "log"), errors(found, above=10.0), marks)
    return Figure((shown, straight("over k itself", shown, data["k"])))


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
        panels.append(straight(f"n = {n}: the same over k itself", panels[-1], data["k"]))
    return Figure(tuple(panels))


def networks(data: xr.Dataset) -> Figure:
    late, near, far = after_start(data), [], []
    for c, hold in enumerate(data["hold"].values):
        name = {0: "γ₀", 1: "γ₀/(k + 1)"}.get(int(hold), f"γ₀/(⌊k/{hold}⌋ + 1)")
        near += curve(late["near"].sel(hold=hold), name, c)
        near += curve(late["near_predicted"].sel(hold=hold), "expectation")
        for n, look in zip(data["degree"].values, ("predicted", "bound"), strict=False):
            one = late["polynomials"].sel(hold=hold, degree=n)
            far.append(line(late["t"][1:], one[1:], f"n = {n}, {name}", c, look))
    far += curve(late["far"].isel(t=slice(1, None)), "network, γ₀", "ink")
    k = Axis("iteration k", "log")
    return Figure(
        (
            panel(
                "beside weights that meet the points",
                k,
                errors(late["near_predicted"], "f(w_k)/f(w₀)"),
                near,
            ),
            panel(
                "from random weights, and polynomials",
                k,
                errors(late["polynomials"], "f(w_k)/f(w₀)"),
                far,
            ),
        )
    )


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


def minnorm(data: xr.Dataset) -> Figure:
    gd = data["gd"][1:]
    left = [curve(gd, "GD", 0), curve(data["gd_predicted"][1:], "GD, closed form")]
    right, runs = [line(data["t"], data["gd_null"], "GD", 0)], []
    for c, b in enumerate(data["batch"].values, 1):
        one = data.sel(batch=b, k=slice(1, None))
        runs += [curve(one["sgd"], f"SGD, b = {b}", c), curve(one["sgd_predicted"], "E, SGD")]
        right.append(curve(one["null"], f"SGD, b = {b}", c))
    left += runs
    start, low = float(data["gd"][0]), float(data["gd"].min())
    y = axis(data["gd"], "log", limits=(max(low, LEAST) / 100, 100 * start))
    x = Axis("step k", "log")
    return Figure(
        (
            panel("distance to the shortest solution", x, y, *left),
            straight("over SGD's k itself", panel("", x, y, *runs), data["k"]),
            panel("no step leaves range Xᵀ but by rounding", x, axis(data["null"], "log"), *right),
        )
    )


def adam(data: xr.Dataset) -> Figure:
    left = [
        curve(data["distance"].sel(rate=rate, k=slice(1, None)), f"γ = {power(rate)}", c % COLOURS)
        for c, rate in enumerate(data["rate"].values)
    ]
    ends = curve(data["distance"].isel(k=-1), "Adam, one sample", 0, marker=True)
    names = {
        "adam": "Adam, one sample",
        "adam_full": "Adam, full batch",
        "adagrad": "AdaGrad",
        "rmsprop": "RMSProp",
        "gd": "GD",
        "sgd": "SGD",
    }
    coefficients: list[Mark] = []
    for c, (name, label) in enumerate(names.items()):
        if f"{name}_distance" in data:
            label_of_end = "GD, rate γβ" if name == "gd" else label
            ends += curve(data[f"{name}_distance"], label_of_end, c, marker=True)
        smallest = data[f"{name}_end"]
        along = next(dim for dim in smallest.dims if dim not in ("replicate", "power"))
        coefficients += curve(smallest.isel({along: 0}), label, c, marker=True)
    powers = Axis(data["power"].attrs["long_name"])
    rates = data["rate"].values
    models = panel(
        "the models of Adam's first run",
        axis(data["x"]),
        Axis("m(x; θ)", limits=tuple(2 * abs(data["point"]).max() * side for side in (-1, 1))),
        *(
            curve(data["fit"].sel(rate=rate), f"γ = {power(rate)}", c % COLOURS)
            for c, rate in enumerate(rates)
        ),
        curve(data["shortest_fit"], "the shortest", role="predicted"),
        curve(data["truth"], "the function", "grey"),
        points(data["i"], data["point"], "points", "ink"),
    )
    return Figure(
        (
            panel(
                "Adam, one sample a step",
                axis(data["k"], "log"),
                axis(data["distance"], "log"),
                *left,
            ),
            panel(
                "only GD's end is the same at every rate",
                Axis("rate", "log"),
                Axis("‖θ − θ*‖", "log"),
                ends,
            ),
            panel(
                "the ends, at the smallest rates",
                powers,
                Axis("coefficient of xʲ"),
                coefficients,
                curve(data["shortest"], "θ*, the shortest"),
            ),
            models,
        )
    )


def polynomials(data: xr.Dataset, sweep: str, at, limits: tuple[Real, Real], title: str) -> Panel:
    """The points, the function, and the fits of a sweep."""
    fits = [
        curve(data["fit"].sel({sweep: value}), f"s = {value:g}", c % COLOURS)
        for c, value in enumerate(at)
    ]
    return panel(
        title,
        axis(data["x"]),
        Axis("m(x; θ)", limits=limits),
        *fits,
        curve(data["truth"], "the function", "ink"),
        points(data["i"], data["point"], "points", "ink"),
    )


def digits(data: xr.Dataset, scale: Scale, sweep: str, names: dict[str, str], title: str) -> Panel:
    marks = [
        curve(data[f"digits_{name}"], label, c, marker=True)
        for c, (name, label) in enumerate(names.items())
    ]
    return panel(title, axis(data[sweep], scale), Axis("correct digits", limits=(0, 17)), *marks)


def projection(data: xr.Dataset) -> Figure:
    scales = data["scale"].values
    positive, marks = data.sel(scale=scales[1:]), []
    for c, (name, law) in enumerate(
        {
            "norm": "Pythagoras",
            "rmse_inside": "√(A + 2sB + s²C)",
            "rmse_outside": "√(A + 2sB + s²C)",
        }.items()
    ):
        marks += curve(positive[name], colour=c, marker=True)
        middle = positive[f"{name}_predicted"].median("replicate")
        marks += curve(middle, law, role="predicted")
    title = "the longer, the worse between the points"
    routes = {"qr": "QR", "inverse": "(XXᵀ)⁻¹"}
    return Figure(
        (
            polynomials(data, "scale", scales[:3], (-3, 3), "every scale meets the points"),
            panel(title, axis(data["scale"], "log"), Axis("norm and error", "log"), marks),
            digits(data, "symlog", "scale", routes, "against rational arithmetic"),
        )
    )


def nearest(data: xr.Dataset) -> Figure:
    multipliers, others = [], []
    for c, skew in enumerate(data["skew"].values):
        one = data.sel(skew=skew).isel(replicate=0)
        name = f"cond H = {power(10.0**skew)}"
        multipliers.append(points(one["i"], one["multiplier"], name, c % COLOURS))
        law = one["multiplier_predicted"]
        multipliers.append(line(one["i"], law, "(XH⁻¹Xᵀ)⁻¹(Xa − y)", c % COLOURS, "predicted"))
        every = data.sel(skew=skew)
        others.append(points(every["other_predicted"], every["other"], name, c % COLOURS))
    ends = np.sort(data["other_predicted"].values.ravel())
    return Figure(
        (
            panel(
                "the multipliers of the first start",
                axis(data["i"]),
                Axis("multiplier λ_i"),
                multipliers,
            ),
            panel(
                "another solution is further, by ‖v‖_H²",
                Axis("‖θ* − a‖_H² + ‖v‖_H²", "log"),
                axis(data["other"], "log"),
                others,
                line(ends, ends, "equal", role="predicted"),
            ),
        )
    )


def scaled_projection(data: xr.Dataset) -> Figure:
    spans, marks = data["span"].values, []
    shown = sorted({spans[0], min(spans, key=abs), spans[-1]})
    for c, name in enumerate(("rmse_inside", "rmse_outside")):
        marks += curve(data[name], colour=c, marker=True)
        marks += curve(data[f"{name}_predicted"], "of the rational solution")
    title = "error between and beyond the points"
    routes = {
        "qr": "sorted, pivoted QR",
        "lstsq": "SVD of XH^(−½)",
        "solve": "solve",
        "inverse": "inverse",
    }
    return Figure(
        (
            polynomials(data, "span", shown, (-5, 5), "high powers cheap, s > 0: wild between"),
            panel(title, axis(data["span"]), Axis("RMSE", "log"), marks),
            digits(data, "linear", "span", routes, "the textbook formula loses them"),
        )
    )


def scaled_gd(data: xr.Dataset) -> Figure:
    run = panel(
        "",
        axis(data["k"]),
        axis(data["distance"], "log"),
        curve(data["distance"], "measured, γ = rate/β_H"),
        curve(data["distance_predicted"], "closed form"),
        curve(data["frobenius"], "closed form, Frobenius norm", 1),
        [
            level(float(squared) ** 0.5, "levels compared", "grey", "bound")
            for squared in data["level"].values
        ],
    )
    return Figure((run,))


def double_descent(data: xr.Dataset) -> Figure:
    n, none = int(data.attrs["points"]), float(data["none"])
    wide = data["spikes"].median("replicate").assign_attrs(role="prediction")
    wide = wide.where(data["degree"] > 3 * n)
    names = ("legendre", "chebyshev", "monomial")
    errors_of = panel(
        "test error, median and 5–95 % of data sets",
        axis(data["degree"], "log"),
        axis(data["error"], "log", limits=(none / 30, 1e14)),
        *(
            curve(data["error"].sel(basis=name), name, c, marker=True)
            for c, name in enumerate(names)
        ),
        curve(wide, "Chebyshev: spikes at the points, 1/d law"),
        level(none, "no fit, m = 0", "grey"),
        moment(n - 1, "d + 1 = n", "grey", "bound"),
    )
    return Figure((errors_of, *panels_of(data)))
