"""Figures of the margin family: one function per experiment, named after it."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, heat, level, line, panel, points, text

COLOURS = 7
LN10 = float(np.log(10))


NORMS = {"l1": "ℓ₁", "l2": "ℓ₂", "linf": "ℓ_∞"}


def max_margin(data: xr.Dataset) -> Figure:
    near = data.sel(loss="exponential", log10_t=slice(None, data.attrs["decades"]), drop=True)
    time, angles, gaps = near["log10_t"], [], []
    for place, name in enumerate(near["problem"].values[:COLOURS]):
        one = near.sel(problem=name, drop=True)
        angles += curve(one["angle"], str(name), place)
        gaps += curve(one["gap"], str(name), place)
        if "offset_predicted" in one:
            limit = one["offset_predicted"] / (LN10 * time)
            gaps.append(line(time, limit, "c*/log t", place, "predicted", width=1))
    left = panel("exponential loss", axis(time), axis(near["angle"], "log"), angles)
    right = panel("gap 1 − margin/γ", axis(time), axis(near["gap"], "log"), gaps)
    return Figure((left, right))


def steepest_descent(data: xr.Dataset) -> Figure:
    gap, panels = data["gap"].clip(1e-12, keep_attrs=True), []
    slopes = {"normalised": -1.0, "root": -0.5, "bounded": None}
    for rule in data["rule"].values:
        marks = []
        for place, norm in enumerate(data["norm"].values[:COLOURS]):
            marks += curve(gap.sel(norm=norm, rule=rule, drop=True), str(norm), place)
        slope, k = slopes.get(str(rule)), data["k"].values
        if slope is not None:
            end = float(gap.sel(rule=rule).isel(k=-1).median())
            marks.append(line(k, end * (k / k[-1]) ** slope, f"slope {slope:g}", role="predicted"))
        panels.append(
            panel(
                f"{rule} steps", axis(data["k"], "log"), axis(gap, "log", limits=(None, 2)), marks
            )
        )
    return Figure(tuple(panels))


def cross_norm(data: xr.Dataset) -> Figure:
    share, size = data["share"].transpose("norm", "column").values, data.sizes["norm"]
    places, low = np.arange(size), float(np.nanmin(share))
    numbers = [
        text(j, i, f"{share[i, j]:.3f}", "ink" if share[i, j] > (1 + low) / 2 else 4)
        for i in range(size)
        for j in range(size)
    ]
    names = [NORMS.get(str(name), str(name)) for name in data["norm"].values]
    rows = [text(-1.0, i, name) for i, name in enumerate(names)]
    columns = [text(j, -1.0, name) for j, name in enumerate(names)]
    table = panel(
        "margins, each over the largest in its column",
        Axis("norm of the margin", limits=(-1.5, size - 0.5), ticks=()),
        Axis("norm of steepest descent", limits=(-1.5, size - 0.5), ticks=()),
        heat(places, places, share, "margin over the largest", limits=(low, 1.0)),
        numbers,
        rows,
        columns,
    )
    best = np.array([np.max(np.delete(share[:, j], j)) for j in range(size)])
    low = float(best.min()) - 0.02
    every = panel(
        "every column",
        Axis("norm of the margin", limits=(-0.5, size - 0.5), ticks=()),
        Axis("margin over the largest", limits=(low - 0.02, None)),
        points(places, np.diag(share), "its own norm"),
        points(places, best, "the best of the others", 1, marker="square"),
        level(1.0, "largest margin"),
        [text(j, low - 0.01, name) for j, name in enumerate(names)],
    )
    return Figure((table, every))


def rates(data: xr.Dataset) -> Figure:
    k, panels = data["k"].values, []
    for name in data["problem"].values[:2]:
        one = data.sel(problem=name)
        marks = curve(one["plain_gap"].drop_vars("problem"), "plain steps", 6)
        for place, rule in enumerate(data["rule"].values):
            mine = one.sel(rule=rule, drop=True).drop_vars("problem")
            marks += curve(mine["gap"], f"{rule} steps", place)
            if "offset_predicted" in data:
                grown = 2 * np.sqrt(k) if rule == "root" else k
                length = float(mine["speed_predicted"]) * grown * float(mine["gamma_predicted"])
                tail = k >= 30
                limit = float(mine["offset_predicted"]) / length
                marks.append(line(k[tail], limit[tail], "c*/‖w‖ predicted", place, "predicted"))
        panels.append(
            panel(
                str(name), axis(data["k"], "log"), axis(data["gap"], "log", limits=(1e-6, 2)), marks
            )
        )
    return Figure(tuple(panels))


def ties(data: xr.Dataset) -> Figure:
    marks = []
    for place, rule in enumerate(data["rule"].values):
        one = data.sel(rule=rule)
        marks += (points(one["i"], one["end"], str(rule), place, size=9 - 2 * place),)
        marks += (line(one["i"], one["end_predicted"], "predicted", place, "predicted", width=1),)
    margin = float(data["margin_predicted"].max())
    title = f"three directions with the margin {margin:g}"
    return Figure((panel(title, axis(data["i"]), axis(data["end"]), marks),))


def constant_step(data: xr.Dataset) -> Figure:
    gap, k, panels = data["gap"].clip(1e-12, keep_attrs=True), data["k"].values, []
    for norm in data["norm"].values[:3]:
        marks, one = [], data.sel(norm=norm, drop=True)
        for place, eta in enumerate(data["eta"].values[:COLOURS]):
            marks += curve(gap.sel(norm=norm, eta=eta, drop=True), f"η = {eta:g}", place)
            most = 1 - one["margin_bound"].sel(eta=eta).values / float(one["gamma_bound"])
            marks.append(line(k, most, "bound", place, "bound", width=1))
        panels.append(
            panel(str(norm), axis(data["k"], "log"), axis(gap, "log", limits=(None, 3)), marks)
        )
    return Figure(tuple(panels))


def frozen(data: xr.Dataset) -> Figure:
    share, rest, k = data["share"], data["rest"], data["k"]
    left, right = [], []
    for place, factor in enumerate(data["factor"].values[:COLOURS]):
        name = f"f = {factor:g}"
        left += curve(share.sel(factor=factor, drop=True), name, place)
        right += curve(rest.sel(factor=factor, drop=True), name, place)
    low = float(np.log10(0.5))
    right.append(level(low, "½: least of small steps", "grey", "bound"))
    if "rest_predicted" in data:
        huge = data["rest_predicted"].values[data["nearest"].values >= 40]
        last = np.full(len(huge), k.values[-1])
        right.append(points(last, huge, "perceptron", "ink", marker="cross"))
    return Figure(
        (
            panel(
                "a loss of 0 is no convergence",
                axis(k, "log"),
                axis(share, limits=(None, 1.02)),
                left,
            ),
            panel("t·L tells", axis(k, "log"), axis(rest, "symlog"), right),
        )
    )


def log_time(data: xr.Dataset) -> Figure:
    k = data["k"]
    by_steps = np.sqrt((data["w"].sel(factor=1.0, drop=True) ** 2).sum("i"))
    by_flow = np.sqrt((data["w_predicted"] ** 2).sum("i"))
    lengths = panel(
        "length of w",
        axis(k, "log"),
        Axis("‖w‖"),
        points(k, by_steps, "gradient descent"),
        line(k, by_flow, "flow at t = ηk", role="predicted"),
    )
    marks = []
    for place, factor in enumerate(data["factor"].values):
        marks += curve(data["apart"].sel(factor=factor, drop=True), f"step {factor:g} η", place)
    end = data["apart"].sel(factor=1.0).values[-1]
    marks.append(line(k, end * k.values[-1] / k.values, "slope −1", role="predicted"))
    return Figure((lengths, panel("distance", axis(k, "log"), axis(data["apart"], "log"), marks)))
