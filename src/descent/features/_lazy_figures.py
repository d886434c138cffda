"""The figure of the plane of width and start."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, heat, line, panel


def lazy_plane(data: xr.Dataset) -> Figure:
    y, n, v = data.attrs["target"], data["width"], data["variance"]
    plane = panel(
        "rich below the line, lazy above",
        axis(n, "log"),
        axis(v, "log"),
        heat(n, v, data["mean_growth"].T, "mean of ln K_T/K₀"),
        curve(data["boundary"], "measured: K_T = √2 K₀", 1, marker=True),
        curve(data["boundary_predicted"], "predicted"),
        line(n, y / n, "y/n", "grey", "bound"),
    )
    curves = []
    for k, width in enumerate(shown(n.values)):
        one = data.sel(width=width)
        scaled = width * v.values / y
        curves.append(line(scaled, one["mean_growth"], f"n = {width}", k))
        curves.append(line(scaled, one["mean_growth_predicted"], "predicted", role="predicted"))
    scale = np.geomspace(*(float(f) for f in (v.min() * n.min() / y, v.max() * n.max() / y)), 200)
    together = panel(
        "one curve for all widths",
        Axis("scale of the start nv/y", "log"),
        Axis("mean of ln K_T/K₀"),
        *curves,
        line(scale, np.log1p(scale**-2.0) / 2, "½ ln(1 + (y/nv)²), n = ∞", "grey", "bound"),
    )
    return Figure((plane, together))


def shown(widths: np.ndarray) -> list[int]:
    """The first, the last and some between."""
    places = np.unique(np.linspace(0, len(widths) - 1, 4).round().astype(int))
    return widths[places].tolist()
