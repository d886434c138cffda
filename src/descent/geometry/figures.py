"""Figures of the experiments on the solution that an optimiser chooses."""

import numpy as np
import xarray as xr

from descent.figure import (
    Axis,
    Figure,
    axis,
    curve,
    level,
    line,
    panel,
    points,
    segments,
)
from descent.geometry._limit_figures import (  # noqa: F401  drawn by name
    coordinate_descent,
    flat_loss,
)
from descent.geometry._rule_figures import adaptive, optimisers  # noqa: F401
from descent.geometry._small_start_figures import (  # noqa: F401  drawn by name
    depth,
    signed,
    sparsity,
)

COLOURS = 8
NAMES = {
    "square": "r²/2",
    "huber": "Huber",
    "log_cosh": "log cosh r",
    "exponential": "eʳ − r − 1",
    "quartic": "r⁴/4",
}


def losses(data: xr.Dataset) -> Figure:
    gap = np.sqrt(((data["end"] - data["limit"]) ** 2).sum("j"))
    distances, unseen = [], []
    for place, loss in enumerate(data["loss"].values):
        one, name = data.isel(replicate=0).sel(loss=loss), NAMES[loss]
        distances += curve(one["distance"], name, place)
        unseen += curve(one["null"], name, place, width=6 - place)
    rounding = float(gap.max())
    left = panel(
        "along the samples",
        axis(data["k"], "symlog"),
        axis(data["distance"], "log", limits=(1e-14, None)),
        distances,
        level(rounding, "end to predicted limit, largest", role="bound"),
    )
    right = panel(
        "what no sample sees",
        axis(data["k"], "symlog"),
        axis(data["null"], limits=(0, None)),
        unseen,
        level(float(data["null_predicted"][0]), "‖Pw₀‖"),
    )
    return Figure((left, right))


def mirror_descent(data: xr.Dataset) -> Figure:
    count, j = data.sizes["potential"], data["j"].values
    shown = [data["limit"].isel(potential=k).values for k in range(count)]
    tall = 1.2 * max(np.ptp(np.append(one, 0)) for one in shown)
    stems, distances = [], []
    for place, limit in enumerate(shown):
        one, name = data.isel(potential=place), str(data["potential"].values[place])
        base, shade = np.full(len(j), (count - place) * tall), place % COLOURS
        end = base + one["end"].isel(loss=0).values
        stems += [line(j[[0, -1]], base[[0, -1]], colour="grey", width=0.8)]
        stems += [segments(j, base, j, end, colour=shade), points(j, end, name, shade, size=4)]
        stems += [points(j, base + limit, "predicted", "ink", marker="cross", size=3)]
        distances += curve(one["distance"].isel(loss=0), name, shade)
    left = panel("limits, each from its own baseline", axis(data["j"]), Axis("w_j"), stems)
    right = panel(
        "each run to its own limit",
        axis(data["k"], "symlog"),
        axis(data["distance"], "log", limits=(1e-13, None)),
        distances,
    )
    return Figure((left, right))


def reparametrisation(data: xr.Dataset) -> Figure:
    paths = []
    for place, share in enumerate(data["share"].values[:COLOURS]):
        one = data.sel(share=share)
        paths += curve(one["gap_two"], "mirror descent with 2η", "grey", width=1)
        paths += curve(one["gap"], f"with 4η, ηλ₁ = {share:g}", place)
    lag = np.sqrt((data["lag_predicted"] ** 2).sum("j"))
    paths += curve(lag, "predicted: 2η, η → 0", role="predicted")
    first = float(np.sqrt((data["shift_predicted"] ** 2).sum()))
    ends, x = data["gap"].isel(t=-1), data["share"].values
    scale = float(ends[-1]) / float(np.sqrt((data["shift"] ** 2).sum())) / x[-1]
    left = panel(
        "between the two methods on the way",
        axis(data["t"], "log"),
        axis(data["gap"], "log", limits=(1e-6, None)),
        paths,
    )
    right = panel(
        "between their limits",
        axis(data["share"], "log"),
        Axis("‖u_∞ − u_*‖", "log"),
        curve(ends, "measured", 0, marker=True),
        line(x, first * scale * x, "first order in η", role="predicted"),
    )
    return Figure((left, right))


def mirror_momentum(data: xr.Dataset) -> Figure:
    leaving = []
    for place, share in enumerate(data["share"].values[:COLOURS]):
        one = data["null"].sel(share=share)
        leaving += curve(one.sel(kind="dual"), "on the dual weights", "grey", width=1)
        leaving += curve(one.sel(kind="primal"), f"on w, ηλ₁/(1 − β) = {share:g}", place)
    leaving += [level(float(data["null_predicted"]), "‖Pz₀‖")]
    left = panel("what no sample sees", axis(data["t"], "log"), axis(data["null"]), leaving)
    x = data["share"].values
    slope = np.sqrt((data["shift_predicted"] ** 2).sum()) / np.sqrt((data["shift"] ** 2).sum())
    scale = float(data["gap"][-1]) / x[-1]
    right = panel(
        "between the limits of the two",
        axis(data["share"], "log"),
        Axis("‖w_∞ − w_*‖", "log"),
        curve(data["gap"], "momentum on w", 0, marker=True),
        line(x, float(slope) * scale * x, "first order in η", role="predicted"),
    )
    return Figure((left, right))
