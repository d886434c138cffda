"""Figures of the experiments on the solution that an optimiser chooses."""

import numpy as np
import xarray as xr

from descent.figure import Figure, axis, curve, level, panel

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
