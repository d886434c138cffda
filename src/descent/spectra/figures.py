"""Figures of the spectra family: the same for every sensing experiment."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, power


def singular_values(data: xr.Dataset) -> Figure:
    """Top singular values of the first problem from the smallest and the largest start."""
    ends = sorted({0, data.sizes["alpha"] - 1})
    drawing, panels = figure(len(ends))
    for axes, alpha in zip(panels, ends, strict=True):
        one = data.isel(replicate=0, alpha=alpha)
        rank = data.sizes["i"]
        for index in one["index"].values:
            colour = COLOURS[(index - 1) % len(COLOURS)] if index <= rank else "0.6"
            label = f"s{index}" if index <= rank else ("the others" if index == rank + 1 else "")
            against(axes, one["sigma"].sel(index=index)[1:], label, colour)
        if alpha == 0:
            for i, time in zip(one["i"].values, one["predicted"].values, strict=True):
                if time > 0:
                    colour = COLOURS[(i - 1) % len(COLOURS)]
                    axes.axvline(time, color=colour, linestyle="--", linewidth=1)
            axes.axvline(np.nan, color="black", linestyle="--", linewidth=1, label="predicted tᵢ")
        axes.set(xscale="log", yscale="log")
        axes.set_title(f"start α = {power(float(one['alpha']))}")
        axes.legend(ncols=2)
    return drawing


overparam = scarce = singular_values
