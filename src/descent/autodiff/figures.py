"""Figures of the autodiff family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure

LANES = {"x": 0, "z": 1, "h": 1, "y": 0, "R": 1, "S": 0, "L": 0.5}  # the height of each node


def backprop(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    names = data.attrs["nodes"].split()
    across, up = data["depth"].values, np.array([LANES[name] for name in names])
    for tail, head in zip(data["tail"].values, data["head"].values, strict=True):
        ends = [tail, head]
        skip = (names[tail], names[head]) == ("x", "y")
        colour = COLOURS[1] if skip else "0.5"
        left.plot(across[ends], up[ends], color=colour, label="skip" if skip else "")
        left.plot(across[ends].mean(), up[ends].mean(), ".", color=colour)
    left.scatter(across, up, s=500, color="white", edgecolors="black", zorder=2)
    for name, x, y in zip(names, across, up, strict=True):
        left.annotate(name, (x, y), ha="center", va="center")
    left.set(
        xlabel="edges from x, by the longest way", ylabel="branch", yticks=[0, 1], ylim=(-0.4, 1.4)
    )
    left.set_title("the computation graph")
    left.legend()
    first = data.isel(replicate=0)
    for path, name in enumerate(data.attrs["paths"].split()):
        label = " → ".join(name) + (", the skip" if name == "xySL" else "")
        against(right, first["contribution"].isel(path=path), label, COLOURS[path + 1], marker="o")
    against(right, first["gradient"], "their sum, by one sweep back", COLOURS[0], marker="o")
    against(right, first["complex_step"], colour="black")
    right.set(ylabel="∂L/∂x_j", xticks=data["j"].values[:: max(1, data.sizes["j"] // 10)])
    right.set_title("every path adds its part")
    right.legend(fontsize="x-small")
    return drawing


def vjp(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for axes, kind in ((left, "products"), (right, "bytes")):
        for way, label, colour in (
            ("dense", "through J", COLOURS[1]),
            ("free", "v(vᵀy)", COLOURS[0]),
        ):
            against(axes, data[f"{way}_{kind}"], label, colour, marker="o")
            against(axes, data[f"{way}_{kind}_predicted"], "", "black")
        axes.plot(
            [], [], "--", color="black", label="2n² and 2n" if kind == "products" else "8n² and 8n"
        )
        axes.set(xscale="log", yscale="log", ylabel=kind)
        axes.set_title({"products": "counted products of Jᵀy", "bytes": "bytes kept"}[kind])
        axes.legend()
    return drawing
