"""Figures of the minima family: one function per experiment, named after it."""

import xarray as xr
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level


def flat_sharp(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    against(left, data["x_sgd"], colour=COLOURS[1], linewidth=0.8)
    against(left, data["x_gd"], colour=COLOURS[0])
    level(left, data.attrs["minimiser"], "the sharp minimiser")
    for side in ("left", "right"):
        left.axhline(data.attrs[side], color="0.5", linestyle=":", linewidth=1)
    left.axhline(float("nan"), color="0.5", linestyle=":", label="ends of the sharp well")
    left.set(ylabel="x_k")
    left.set_title(f"one run each, γ = {data.attrs['step']:g}")
    left.legend()
    for name, colour in (("outside", COLOURS[0]), ("survival", COLOURS[1])):
        against(middle, data[name], colour=colour)
        against(middle, data[f"{name}_predicted"], "", "black")
    middle.plot([], [], "--", color="black", label="transition operator")
    middle.set(ylabel=f"share of {data.sizes['replicate']} runs of SGD")
    middle.set_title(f"the way out, γ = {data.attrs['step']:g}")
    middle.legend()
    for name, colour in (("escaped", COLOURS[0]), ("ever_left", COLOURS[1])):
        against(right, data[name], colour=colour, linestyle="none", marker="o")
        against(right, data[f"{name}_predicted"], "", "black")
    right.plot([], [], "--", color="black", label="transition operator")
    right.set(
        xscale="log", ylim=(-0.05, 1.05), ylabel=f"share of {data.sizes['replicate']} runs of SGD"
    )
    right.set_title("a larger step leaves more surely")
    right.legend()
    return drawing
