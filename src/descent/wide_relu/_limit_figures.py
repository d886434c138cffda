"""Figures of the limit of wide networks: splines, their weights ζ, and how fast networks approach them."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, heat, level, line, panel, points


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


def activations(data: xr.Dataset) -> Figure:
    splines, errors, n = [], [], data["width"].values
    for k, power in enumerate(data["power"].values):
        one = data.sel(power=power)
        splines += [
            line(data["x"], one["limit"], f"k = {power}", k),
            line(data["x"], one["limit_predicted"], "natural spline", role="predicted", width=1),
        ]
        error = np.sqrt(one["square"] / data["width"]).transpose("replicate", "width")
        constant = float(np.sqrt(one["square_predicted"]))
        errors += [
            *curve(error.rename("error"), f"k = {power}", k, marker=True),
            line(n, constant / np.sqrt(n), "predicted/√n", k, "predicted"),
        ]
    return Figure(
        (
            panel("splines of degree 2k + 1", axis(data["x"]), Axis("g*"), *splines),
            panel(
                f"{data.sizes['replicate']} networks a width, median and 5–95 %",
                axis(data["width"], "log"),
                Axis("‖f − g*‖", "log"),
                *errors,
            ),
        )
    )


def multivariate(data: xr.Dataset) -> Figure:
    functions, errors, n = [], [], data["width"]
    first = data.isel(dimension=0)
    surface = heat(first["first"], first["second"], first["surface"], "f(x₁, x₂)", diverging=True)
    for k, d in enumerate(data["dimension"].values):
        one = data.sel(dimension=d)
        functions += [
            line(data["place"], one["network"], f"d = {d}, {n.values[-1]} neurons", k),
            line(data["place"], one["spline_predicted"], "r³ spline", k, "predicted"),
        ]
        error = np.sqrt(one["square"] / n).transpose("replicate", "width")
        errors += [
            *curve(error, f"d = {d}", k, marker=True),
            line(n, np.sqrt(one["square_predicted"] / n), "predicted/√n", k, "predicted"),
        ]
    return Figure(
        (
            panel(
                f"d = {int(first['dimension'])}, {n.values[-1]} neurons",
                axis(first["first"]),
                axis(first["second"]),
                surface,
                square=True,
            ),
            panel("along a diagonal", axis(data["place"]), Axis("f"), *functions),
            panel("over the cube", axis(n, "log"), Axis("‖f − g*‖", "log"), *errors),
        )
    )


def breakpoint_range(data: xr.Dataset) -> Figure:
    a, marks = data["range"], []
    for k, tilt in enumerate(data["tilt"].values):
        one, name = data.sel(tilt=tilt), f"β₁ = {tilt:g}"
        marks += [
            points(a, one["distance"], f"{name}, n = ∞", k),
            points(a, one["error"], f"{name}, mean of networks", k, hollow=True, marker="square"),
            line(a, one["leading_predicted"], "leading term", k, "predicted"),
        ]
    away = Axis("rms distance from the cubic spline", "log")
    return Figure((panel("without a free line", axis(a, "log"), away, marks),))
