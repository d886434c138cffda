"""Figures of the gradnorms family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure


def mnist(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    first = data.sel(layer=1).mean("replicate")
    for batch, colour in zip(data["batch"].values, COLOURS, strict=False):
        for name in ("minibatch_square", "predicted_square"):
            root = np.sqrt(first[name].sel(batch=batch)).assign_attrs(data[name].attrs)
            measured = name == "minibatch_square"
            look = {"linestyle": "none", "marker": "o", "markersize": 4} if measured else {}
            against(left, root, f"B = {batch}" if measured else "", colour, **look)
    against(left, data["full_norm"].sel(layer=1), "all images", "black", marker=".")
    left.axhline(np.nan, color="0.3", linestyle="--", label="√(‖g‖² + tr Σ/B)")
    left.set(yscale="log", ylabel="gradient norm", ylim=(None, 4 * left.get_ylim()[1]))
    left.set_title("layer 1: minibatches see noise")
    left.legend(ncols=3, loc="upper center")
    for layer in data["layer"].values:
        against(right, data["noise_scale"].sel(layer=layer), f"layer {layer}", marker=".")
    right.set(yscale="log")
    right.set_title("batch size at which noise equals gradient")
    right.legend()
    return drawing
