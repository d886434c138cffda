"""Figures of the best pairs of momentum and step."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, heat, line, moment, panel, points, power
from descent.maths.momentum import repeated
from descent.maths.nesterov import highest


def polyak(data: xr.Dataset) -> Figure:
    k = data.sizes["accuracy"] // 2
    epsilon = float(data["accuracy"][k])
    at = data.isel(accuracy=k)
    with np.errstate(divide="ignore"):
        shade = np.log10(at["iterations"])
    plane = panel(
        f"iterations to ε = {power(epsilon)}",
        axis(data["weight"]),
        axis(data["step"], "log"),
        heat(data["weight"], data["step"], shade.T, "log₁₀ iterations"),
        points(data["beta_predicted"], data["eta_predicted"], "Polyak: least rate", 1, size=8),
        points(at["least_beta"], at["least_eta"], "fewest iterations", 2, marker="star", size=9),
    )
    count = panel(
        "the least rate does not take the fewest iterations",
        axis(data["accuracy"], "log"),
        Axis("iterations", limits=(0, None)),
        curve(data["at_polyak"], marker=True, colour=1),
        curve(data["at_polyak_predicted"]),
        curve(data["least"], marker=True, colour=2),
        curve(data["least_bound"]),
    )
    return Figure((plane, count))


def nesterov(data: xr.Dataset) -> Figure:
    beta = data["beta"].values
    plane = panel(
        "momentum shrinks the largest stable step",
        axis(data["beta"]),
        axis(data["h"], limits=(0, float(data["h"].max()))),
        heat(beta, data["h"], data["rate"].T, "rate", limits=(0, 2), diverging=True),
        line(beta, highest(beta), "2(1 + β)/(1 + 2β)", role="predicted"),
        line(beta, 2 * (1 + beta), "heavy ball: 2(1 + β)", 1, role="bound"),
    )
    errors = []
    for k, (rule, name) in enumerate((("nesterov", "Nesterov"), ("heavy_ball", "heavy ball"))):
        one = data.sel(rule=rule)
        errors.append(curve(one["error"], f"{name}, rate {float(one['best_rate']):.4f}", k))
        errors.append(curve(one["error_predicted"], "closed form", "ink", width=1))
    last = float(data["iterations"].max())
    runs = panel(
        "each at its best pair",
        axis(data["t"], limits=(0, 1.2 * last)),
        axis(data["error"], "log", limits=(0.1 * float(data["accuracy"].min()), None)),
        *errors,
    )
    return Figure((plane, runs))


def momentum_plane(data: xr.Dataset) -> Figure:
    """x is β, as in the other planes of momentum."""
    beta, eta = data["beta"], data["eta"].values
    light = np.geomspace(float(beta.min()), 1, 200)
    low, high = (h / light for h in repeated(light))
    low, high = low / data.attrs["smallest"], high / data.attrs["largest"]
    there = low <= high  # up to the corner
    with np.errstate(divide="ignore", invalid="ignore"):
        slow = np.log10(-1 / np.log(data["rate"].where(data["rate"] < 1)))
    plane = panel(
        "the rate over β and η",
        axis(beta, "log"),
        axis(data["eta"], "log", limits=(eta[0], eta[-1])),
        heat(beta, eta, slow.T, "log₁₀ of the steps per factor e"),
        curve(data["edge"], "measured edge"),
        curve(data["edge_predicted"]),
        line(light[there], low[there], "wedge of complex modes", 2, "predicted"),
        line(light[there], high[there], "wedge of complex modes", 2, "predicted"),
        points(data["best_beta"], data["best_eta"], "best cell", 1, size=7),
        points(
            data["best_beta_predicted"],
            data["best_eta_predicted"],
            "Polyak",
            1,
            marker="star",
            size=9,
        ),
    )
    least = panel(
        "the least rate at every β",
        axis(beta, "log"),
        Axis("rate"),
        curve(
            data["least"].where(data["least"] < 1),
            "best cell of the row, if it shrinks",
            marker=True,
        ),
        curve(data["least_bound"]),
        moment(data["best_beta_predicted"], "Polyak's β", 1),
    )
    return Figure((plane, least))
