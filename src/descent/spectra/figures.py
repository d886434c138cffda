"""Figures of the spectra family: the same for every sensing experiment."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, moment, panel, power


def singular_values(data: xr.Dataset) -> Figure:
    """Top singular values of the first problem from the smallest and the largest start."""
    ends = sorted({0, data.sizes["alpha"] - 1})
    return Figure(tuple(of_start(data, data.isel(replicate=0, alpha=k), k == 0) for k in ends))


def of_start(data: xr.Dataset, one: xr.Dataset, timed: bool):
    rank, marks = data.sizes["i"], []
    for index in one["index"].values:
        signal = index <= rank
        label = f"s{index}" if signal else "the others"
        run = one["sigma"].sel(index=index).isel(snapshot=slice(1, None))
        marks += curve(run, label, int(index) - 1 if signal else "grey")
    if timed:
        times = np.atleast_1d(one["emergence_predicted"])
        marks += [moment(float(t), "predicted tᵢ", k) for k, t in enumerate(times) if t > 0]
    title = f"start α = {power(float(one['alpha']))}"
    return panel(
        title, axis(data["snapshot"], "log"), Axis("singular value s_i(U_t)", "log"), *marks
    )


overparam = scarce = singular_values
