"""Figures of the best pairs of momentum and step."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, heat, line, panel, points, power
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
