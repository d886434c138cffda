"""Figures of training: paths, how far weights move, rates of the modes, and stopping early."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, level, line, panel, points


def training(data: xr.Dataset) -> Figure:
    apart, moved, floors = [], [], []
    for place, law in enumerate(data["law"].values):
        one, name = data.sel(law=law), str(law)
        n = one["width"]
        apart += curve(one["error"], f"{name}: to g*", place)
        apart += curve(one["apart"], f"{name}: to outer alone", place + 2)
        moved += curve(one["norm"], f"{name}: outer", place)
        moved += curve(one["inner"], f"{name}: inner", place + 2)
        for limit, power in (("outer_predicted", 0.5), ("inner_predicted", 1.0)):
            moved += curve((one[limit] / n**power).rename("limit"), "limit", "ink", "predicted")
        floors.append(points(one["skip"], one["skip_error"], name, place))
        floors.append(line(one["skip"], one["skip_predicted"], "limit", place, "predicted"))
    width = axis(data["width"], "log")
    left = panel("all layers trained", width, Axis("rms distance", "log"), apart)
    middle = panel("how far weights move", width, Axis("‖Δa‖, ‖Δ(w, b)‖", "log"), moved)
    rate = axis(data["skip"], "symlog")
    right = panel("a line of its own rate", rate, Axis("distance from g*", "log"), floors)
    return Figure((left, middle, right))


def trajectory(data: xr.Dataset) -> Figure:
    law = data["law"].values[-1]
    plane, gaps, errors = [], [], []
    one = data.sel(law=law)
    for place, method in enumerate(one["method"].values):
        path = one["plane"].isel(method=place)
        plane.append(line(path.sel(axis=1), path.sel(axis=2), str(method), place))
        plane.append(points(path.sel(axis=1), path.sel(axis=2), str(method), place, size=3))
    for place, name in enumerate(data["law"].values):
        each = data.sel(law=name)
        gaps.append(line(data["s"].sel(law=name), each["gap"], str(name), place))
        shown = line(
            data["s"].sel(law=name), each["gap_predicted"], "predicted", "ink", "predicted"
        )
        gaps.append(shown)
        errors += curve(each["error"], str(name), place)
        errors += curve(each["error_line"], "slope −1/2", place, "predicted", width=1)
    gaps.append(
        level(float(data["gap_bound"].max()), "0.2036: the largest of a mode", role="bound")
    )
    title = f"principal components, {law}"
    left = panel(title, Axis("first component"), Axis("second component"), plane)
    at = Axis("2η̄t times the largest eigenvalue", "log")
    middle = panel(
        "GD from the smoothing spline", at, Axis("distance at the points, of the data"), gaps
    )
    away = Axis("distance from infinite width", "log")
    right = panel("networks of n neurons", axis(data["width"], "log"), away, errors)
    return Figure((left, middle, right))


def norms(data: xr.Dataset) -> Figure:
    one = data.isel(replicate=0)
    names = {"zero": "from 0", "random": "from a random start"}
    functions = [
        mark
        for k, start in enumerate(data["start"].values)
        for mark in (
            line(data["x"], one["end"].sel(start=start), names[start], k),
            line(
                data["x"],
                one["end_predicted"].sel(start=start),
                "f₀ + kK⁻¹r",
                role="predicted",
                width=1,
            ),
        )
    ]
    functions += [
        line(data["point"], data["value"], "least ∫ |f″|", role="bound"),
        points(data["point"], data["value"], "points", "ink"),
    ]
    place, marks = 0, []
    for k, start in enumerate(data["start"].values):
        for r in range(data.sizes["replicate"]):
            here = data.sel(start=start).isel(replicate=r)
            other = here["other_moved"].values
            marks += [
                points(np.full(len(other), place), other, "other interpolants", "grey", size=3),
                points([place], [here["moved"]], f"gradient descent {names[start]}", k),
                points(
                    [place],
                    [here["moved_predicted"]],
                    "rᵀK⁻¹r",
                    role="predicted",
                    marker="cross",
                    size=8,
                ),
            ]
            place += 1
    return Figure(
        (
            panel("one network, two starts", axis(data["x"]), Axis("f"), *functions),
            panel("how far the weights moved", Axis("run"), Axis("‖a − a₀‖²", "log"), *marks),
        )
    )


def spectral_bias(data: xr.Dataset) -> Figure:
    mode, wave = data["mode"], data["wave"]
    rates = panel(
        "rates of the modes",
        Axis("mode j", "log"),
        Axis("μ_j", "log"),
        *curve(data["rate"], f"networks, {data.sizes['replicate']} draws", 1),
        points(mode, data["eigenvalue"], "kernel", 0),
        curve(data["eigenvalue_predicted"], "beam, β⁻⁴"),
    )
    times = panel(
        "time until half of a wave is left",
        axis(wave, "log"),
        Axis("τ = 2η̄t", "log"),
        points(wave, data["half_time"], "kernel", 0),
        curve(data["half_time_predicted"], "beam"),
    )
    return Figure((rates, times))


def early_stopping(data: xr.Dataset) -> Figure:
    marks, M = [], data["points"]
    for k, loss in enumerate(data["loss"].values):
        one = data.sel(loss=loss)
        marks += [
            points(M, one["risk"], f"t = cM^(4/5) of the {loss} loss", k),
            line(M, one["risk_predicted"], "bias + σ²/M (1 + BI/π)", k, "predicted"),
        ]
    first = float(data["risk"].isel(loss=0, points=0))
    guide = first * (M.values / M.values[0]) ** -0.8
    networks = curve(data["risk_networks"], "trained networks, 5–95 %", 2, marker=True)
    return Figure(
        (
            panel(
                "risk, the more points",
                axis(M, "log"),
                Axis("‖f_t − g₀‖²", "log"),
                networks,
                marks,
                line(M, guide, "M^(−4/5)", "grey", "bound"),
            ),
        )
    )


def noiseless(data: xr.Dataset) -> Figure:
    def side(name: str, title: str):
        marks = []
        for k, target in enumerate(data["target"].values):
            one = data.sel(target=target)
            marks += [
                points(data["cells"], one[name], str(target), k),
                line(data["cells"], one[f"{name}_predicted"], "leading term", k, "predicted"),
            ]
        return panel(
            title, axis(data["cells"], "log"), axis(data[name], "log", limits=(1e-13, None)), marks
        )

    return Figure((side("error", "h⁴, or h²"), side("middle", "in the middle: h⁴")))
