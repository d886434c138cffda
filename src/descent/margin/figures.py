"""Figures of the margin family: one function per experiment, named after it."""

import numpy as np
import xarray as xr

from descent.figure import Figure, axis, curve, line, panel

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
    right = panel("gap 1 − margin/γ", axis(time), axis(near["gap"], "log", limits=(1e-5, 1)), gaps)
    return Figure((left, right))
