"""Figures of the initialisation family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure

STARTS = ("he", "xavier", "lecun", "random", "zero")
RULES = ("sgd", "momentum", "rmsprop", "adam")


def gradient_norms(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    ends = data["range"].values[[-1, 0]]
    for axes, size in zip((left, middle), ends, strict=True):
        for name, colour in zip(STARTS, COLOURS, strict=False):
            look = {"linestyle": ":"} if name == "zero" else {}
            against(axes, data[f"{name}_norm"].sel(range=size), name, colour, **look)
        against(axes, data["floor"], "floor", "black")
        axes.set(yscale="log", ylabel="mean gradient norm of the arrays")
        axes.set_title(f"pixels of range {size:g}")
    left.legend(ncols=2)
    for name, colour in zip(STARTS[:-1], COLOURS, strict=False):
        norm = data[f"{name}_image_norm"].sel(range=ends[1])
        against(right, norm, name, colour, marker=".")
        against(
            right, data[f"{name}_image_norm_predicted"].sel(range=ends[1]), "", "black", linewidth=1
        )
    right.axvline(np.nan, color="black", linestyle="--", linewidth=1, label="predicted median")
    right.set(yscale="log", ylabel="‖∂W_l‖ of one image, fixed u")
    right.set_title(f"small weights vanish with depth (range {ends[1]:g})")
    right.legend()
    return drawing


def optimizers(data: xr.Dataset) -> Figure:
    drawing, panels = figure(2)
    for axes, size in zip(panels, data["range"].values[[-1, 0]], strict=True):
        for name, colour in zip(RULES, COLOURS, strict=False):
            against(axes, data[f"{name}_loss"].sel(range=size), name, colour)
        axes.set(yscale="log", ylabel="loss of the minibatch")
        axes.set_title(f"pixels of range {size:g}")
        axes.legend()
    return drawing
