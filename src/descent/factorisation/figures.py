"""Figures of the family factorisation: one function per experiment, named after it."""

import xarray as xr

from descent.figure import Axis, Figure, Panel, axis, curve, panel

COLOURS = 7
SHOWN = 4  # singular values in one panel


def singular_growth(data: xr.Dataset) -> Figure:
    panels: list[Panel] = []
    for depth in data["depth"].values[:3]:
        one, marks = data.sel(depth=depth), []
        for place, r in enumerate(data["r"].values[:SHOWN]):
            marks += curve(one["sigma"].sel(halving=4, r=r), f"σ_{r}", place)
            marks += curve(one["sigma_predicted"].sel(r=r), "flow of the product")
        panels.append(panel(f"{depth} factors", axis(data["t"]), Axis("σ_r"), marks))
    return Figure(tuple(panels))
