"""Figures of the margin family: one function per experiment, named after it."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, heat, level, line, panel, points, text

COLOURS = 7
LN10 = float(np.log(10))


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
    places = np.arange(size)
    low = float(np.nanmin(share))
    numbers = [
        text(j, i, f"{share[i, j]:.3f}", "ink" if share[i, j] > (1 + low) / 2 else 4)
        for i in range(size)
        for j in range(size)
    ]
    names = [str(name) for name in data["norm"].values]
    key = ", ".join(f"{place} {name}" for place, name in enumerate(names))
    table = panel(
        f"norms: {key}",
        Axis("norm of the margin", limits=(-0.5, size - 0.5), ticks=tuple(places)),
        Axis("norm of steepest descent", limits=(-0.5, size - 0.5), ticks=tuple(places)),
        heat(places, places, share, "margin over the largest", limits=(low, 1.0)),
        numbers,
    )
    diagonal = np.diag(share)
    best = [np.max(np.delete(share[:, j], j)) for j in range(size)]
    columns = panel(
        "every column",
        Axis(f"norm of the margin: {key}", ticks=tuple(places)),
        Axis("margin over the largest"),
        points(places, diagonal, "its own norm"),
        points(places, best, "the best of the others", 1, marker="square"),
        level(1.0, "largest margin"),
    )
    return Figure((table, columns))


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
