"""Figures of the linear family: one function per experiment, named after it."""

import numpy as np
import xarray as xr

from descent.figure import (
    Axis,
    Figure,
    Mark,
    Panel,
    axis,
    band,
    curve,
    level,
    line,
    panel,
    points,
)

FLOOR = 1e-17  # the lower end of distances, below all rounding
COLOURS = 7


def decay(data: xr.Dataset) -> Panel:
    """‖w_k − ŵ‖ over problems, and the median of its prediction."""
    middle = data["distance_predicted"].median("replicate").assign_attrs(role="prediction")
    return panel(
        "gradient descent from 0",
        axis(data["k"]),
        axis(data["distance"], "log", limits=(FLOOR, None)),
        curve(data["distance"], f"{data.sizes['replicate']} problems, 5–95 %"),
        curve(middle, "mode by mode, median"),
    )


def underparameterised(data: xr.Dataset) -> Figure:
    found, expected = data["risk"], data["risk_predicted"]
    ends = [float(min(found.min(), expected.min())), float(max(found.max(), expected.max()))]
    risk = panel(
        "error that noise leaves",
        axis(expected, "log"),
        axis(found, "log"),
        points(expected, found, "one problem each", size=3),
        line(ends, ends, "equal", role="predicted"),
    )
    return Figure((decay(data), risk))


def overparameterised(data: xr.Dataset) -> Figure:
    unseen = data["null_predicted"].median("replicate").values
    parts = panel(
        "what no sample sees",
        axis(data["k"]),
        Axis("‖Pw_k‖"),
        curve(data["null"].isel(start=0), "from 0"),
        curve(data["null"].isel(start=1), "from elsewhere, 5–95 %", 1),
        level(unseen[0], "‖Pw₀‖, median"),
        level(unseen[1], "‖Pw₀‖, median"),
    )
    return Figure((decay(data), parts))


def risk(data: xr.Dataset) -> Figure:
    missed = panel(
        "",
        axis(data["n"]),
        axis(data["missed"], limits=(0, 1)),
        curve(data["missed"], f"{data.sizes['replicate']} problems, 5–95 %", marker=True),
        curve(data["missed_predicted"], "mean predicted: 1 − n/d"),
    )
    return Figure((missed,))


def plane(data: xr.Dataset) -> Figure:
    solutions = line(data["line"][:, 0], data["line"][:, 1], "solutions xᵀw = t", "ink", width=1)
    paths, decays = [solutions], []
    for start in data["start"].values:
        one, shade = data.sel(start=start), int(start) % COLOURS
        name = "from 0" if start == 0 else f"from start {start}"
        paths.append(line(one["w"][:, 0], one["w"][:, 1], name, shade))
        paths.append(points(one["w"][:, 0], one["w"][:, 1], colour=shade, size=3))
        end = "" if start else "nearest solution"
        paths.append(points(one["limit"][0], one["limit"][1], end, "ink", marker="cross"))
        decays += curve(one["distance"], name, shade)
        decays += curve(one["distance_predicted"], "predicted")
    left = panel("straight along x", Axis("w₁"), Axis("w₂"), paths)
    label = axis(data["distance"], "log", limits=(FLOOR, None))
    title = "the same factor a step from every start"
    return Figure((left, panel(title, axis(data["k"]), label, decays)))


def row_space(data: xr.Dataset) -> Figure:
    distances, unseen = [], []
    for place, b in enumerate(data["b"].values):
        distances += curve(data["distance"].sel(b=b), f"b = {b}", place % COLOURS)
        unseen += curve(data["null"].sel(b=b), f"b = {b}", place % COLOURS)
    most = np.sqrt(data["mean_square_bound"]).assign_attrs(role="bound")
    left = panel(
        f"to the nearest solution, {data.sizes['replicate']} problems",
        axis(data["k"]),
        axis(data["distance"], "log", limits=(FLOOR, 3)),
        distances,
        curve(most, "bound on the root mean square"),
    )
    middle = float(data["null_predicted"].median("replicate"))
    right = panel(
        "what no sample sees",
        axis(data["k"]),
        axis(data["null"]),
        unseen,
        level(middle, "‖Pw₀‖, median"),
    )
    return Figure((left, right))


def adagrad(data: xr.Dataset) -> Figure:
    marks: list[Mark] = []
    for place, j in enumerate(data["j"].values[:COLOURS]):
        marks += curve(data["limit"].sel(j=j), f"w_{j} of AdaGrad", place, marker=True)
        shortest = float(data["least"].sel(j=j))
        marks.append(level(shortest, "gradient descent, any γ", place))
    return Figure((panel("", axis(data["eta"], "log"), Axis("limit"), marks),))


def forgetting(data: xr.Dataset) -> Figure:
    panels = []
    for name in data["rule"].values:
        marks: list[Mark] = []
        for place, j in enumerate(data["j"].values[:COLOURS]):
            marks += curve(data["mean"].sel(rule=name, j=j), f"w_{j}", place, marker=True)
            marks.append(level(float(data["shortest"].sel(j=j)), "shortest solution", place))
        limit = Axis("mean of the last steps")
        panels.append(panel(str(name), axis(data["eta"], "log"), limit, marks))
    return Figure(tuple(panels))


def one_sample(data: xr.Dataset) -> Figure:
    x, t = np.atleast_1d(data.attrs["x"]), float(data.attrs["t"])
    middle = data["eta"].values[data.sizes["eta"] // 2]
    paths = data["path"].sel(eta=middle).transpose("rule", "k", "i").values
    names = ("AdaGrad", "RMSProp", "Adam")
    rays = [
        line(path[:, 0], path[:, -1], name, place, width=5 - 2 * place)
        for place, (path, name) in enumerate(zip(paths, names, strict=True))
    ]
    shortest, corner = t * x / (x @ x), data["corner"].values
    left = panel(
        f"the way from 0, η = {middle:g}",
        Axis("w₁"),
        Axis("w₂" if len(x) == 2 else "last coordinate of w"),
        rays,
        line([0, shortest[0]], [0, shortest[-1]], "gradient descent", 3),
        points(corner[0], corner[-1], "t sign(x)/‖x‖₁", "ink", marker="cross"),
        points(shortest[0], shortest[-1], "shortest", "ink", marker="star"),
    )
    marks: list[Mark] = []
    for place, name in enumerate(names):
        one = data.isel(rule=place, i=0)
        marks.append(band(data["eta"], one["lowest"], one["highest"], name, place))
    for sign in (-1, 1):
        edge = data["corner"][0] + sign * data["cycle_predicted"]
        marks += curve(edge, "RMSProp predicted: ±η/2", role="predicted")
    marks.append(level(corner[0], "t sign(x)/‖x‖₁", role="predicted", colour="grey"))
    title = "between which values w₁ is in the end"
    return Figure((left, panel(title, axis(data["eta"], "log"), Axis("w₁"), marks)))


def epsilon(data: xr.Dataset) -> Figure:
    x, t = np.atleast_1d(data.attrs["x"]), float(data.attrs["t"])

    def distance(name: str, point: np.ndarray) -> xr.DataArray:
        off = np.sqrt(((data[name] - point) ** 2).sum("i"))
        role = {"role": "prediction"} if name != "limit" else {}
        return off.assign_attrs(role)

    corner, shortest = t * np.sign(x) / np.abs(x).sum(), t * x / (x @ x)
    near = [distance("limit", point) for point in (corner, shortest)]
    top = 3 * float(np.nanmax([one.max() for one in near]))
    low = float(np.nanmin([one.min() for one in near])) / 3
    limits = (low if low > 0 else None, top if top > 0 else None)
    lead = panel(
        "",
        axis(data["epsilon"], "log"),
        Axis("distance of the limit", "log", limits=limits),
        curve(near[0], "from t sign(x)/‖x‖₁", 0, marker=True),
        curve(near[1], "from the shortest", 1, marker=True),
        curve(distance("small_predicted", corner), "first order in ε", 0),
        curve(distance("large_predicted", shortest), "first order in √G/ε", 1),
    )
    return Figure((lead,))
