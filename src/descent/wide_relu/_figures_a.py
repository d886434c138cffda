"""Figures of the experiments on what a wide network learns from points on a line."""

import xarray as xr

from descent.figure import Axis, Figure, axis, curve, level, line, panel, points


def spline(data: xr.Dataset) -> Figure:
    shown, outer = [], []
    for place, law in enumerate(data["law"].values):
        one = data.sel(law=law).sortby("breakpoint")
        shown += [line(one["x"], one["g"], str(law), place, width=max(1, 5 - 1.3 * place))]
        c, q = one["breakpoint"], one["outer_predicted"]
        outer += [points(c, one["outer"], str(law), place, size=3)]
        outer += [line(c, q, "predicted", "ink", "predicted", width=0.8)]
    seen = [points(data["points"], data["values"], "points", "ink")]
    left = panel("g* for each law of the start", axis(data["x"]), Axis("g*(x)"), shown, seen)
    low, high = float(data["x"].min()), float(data["x"].max())
    room = Axis("breakpoint c_i", limits=(low - (high - low) / 10, high + (high - low) / 10))
    right = panel("weights of networks of least norm", room, Axis("n a_i/|w_i|"), outer)
    return Figure((left, right))


def curvature(data: xr.Dataset) -> Figure:
    zetas, solutions = [], []
    for place, law in enumerate(data["law"].values):
        one, name = data.sel(law=law), str(law)
        most = float(one["integral"].max()) or 1.0
        zetas += [points(one["bin"], one["zeta"].mean("replicate") / most, name, place)]
        closed = one["integral_predicted"] / most
        zetas += [line(one["x"], closed, "closed form", "ink", "predicted", width=0.9)]
        wide = max(1, 5 - 1.3 * place)  # two may be one curve
        solutions += [line(one["x"], one["solution"], name, place, width=wide)]
    solutions.append(points(data["point"], data["value"], "points", "ink"))
    left = panel("ζ over its largest value", axis(data["x"]), Axis("ζ(x)"), zetas)
    right = panel("solutions", axis(data["x"]), Axis("g*(x)"), solutions)
    return Figure((left, right))


def width(data: xr.Dataset) -> Figure:
    networks, errors = [], []
    shown = data.isel(law=min(1, data.sizes["law"] - 1))
    for place, n in enumerate(data["width"].values[:: max(1, data.sizes["width"] // 4)]):
        networks.append(line(shown["x"], shown["network"].sel(width=n), f"n = {n}", place))
    networks.append(line(shown["x"], shown["goal_predicted"], "g*", role="predicted"))
    for place, law in enumerate(data["law"].values):
        one = data.sel(law=law)
        errors += curve(one["error"], str(law), place)
        errors += curve(one["error_predicted"], "c n^(−1/2)", place, width=1)
    least = float(data["floor_predicted"].min())
    floor = float(data["floor_predicted"].max())
    errors += [level(floor, "largest floor without a free line", role="bound")]
    errors += [level(least, "smallest", role="bound")] if least < floor else []
    left = panel(str(shown["law"].values), axis(data["x"]), Axis("f(x)"), networks)
    distance = Axis("rms distance from g*", "log")
    right = panel("distance from g*", axis(data["width"], "log"), distance, errors)
    return Figure((left, right))


def design(data: xr.Dataset) -> Figure:
    penalties, networks = [], []
    first = {str(d).split(",")[0]: k for k, d in reversed(list(enumerate(data["design"].values)))}
    for place, (name, k) in enumerate(reversed(first.items())):
        one = data.isel(design=k)
        penalties.append(line(one["x"], one["rho"], name, place))
        wide = one["network"].isel(width=-1)
        networks.append(line(one["x"], wide, f"{name}, n = {int(wide['width'])}", place))
        networks.append(line(one["x"], one["goal_predicted"], "g*", "ink", "predicted", width=1))
    networks.append(line(data["x"], data["plain"], "natural cubic spline", "grey"))
    left = panel("designed penalties", axis(data["x"]), Axis("ρ(x)", "log"), penalties)
    right = panel("networks of least norm", axis(data["x"]), Axis("f(x)"), networks)
    return Figure((left, right))


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
    title = f"first two principal components, {law}"
    left = panel(title, Axis("first component"), Axis("second component"), plane)
    at = Axis("2η̄t times the largest eigenvalue", "log")
    middle = panel(
        "GD from the smoothing spline", at, Axis("distance at the points, of the data"), gaps
    )
    away = Axis("largest distance from the infinite network", "log")
    right = panel("networks of n neurons", axis(data["width"], "log"), away, errors)
    return Figure((left, middle, right))


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


def parametrisation(data: xr.Dataset) -> Figure:
    first, distances = data.isel(law=0), []
    functions = [
        line(first["x"], first["middle"], f"mean of n = {int(data['width'][-1])}"),
        line(first["x"], first["limit_predicted"], "g_T", role="predicted"),
        line(first["x"], first["goal"], "g*", "grey"),
    ]
    for place, law in enumerate(data["law"].values):
        one, name = data.sel(law=law), str(law)
        distances += curve(one["error"], f"{name}: to g*", place)
        distances += curve(one["apart"], f"{name}: trained to linearised", place + 2)
        distances.append(level(one["distance_predicted"], "g_T to g*", place))
    left = panel(str(first["law"].values), axis(data["x"]), Axis("f(x)"), functions)
    width = Axis("neurons n", "log")
    right = panel("distances", width, Axis("rms distance", "log"), distances)
    return Figure((left, right))
