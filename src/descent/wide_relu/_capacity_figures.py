"""Figures of what networks can fit: starts, and how wide is wide enough."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, line, panel, points


def interpolation(data: xr.Dataset) -> Figure:
    x, starts, marks = data["x"], data["start"], []
    shown = [len(starts) - 1, len(starts) // 2, 0] if len(starts) > 2 else [len(starts) - 1, 0]
    for k, place in enumerate(shown):
        one = data.isel(start=place)
        for r in range(min(4, data.sizes["replicate"])):
            marks.append(line(x, one["f"][r], f"s = {float(one['start']):g}", k, width=1))
    value = np.abs(data["value"]).max()
    left = panel(
        "ends of training from random starts",
        axis(x),
        Axis("f", limits=(-6 * float(value), 6 * float(value))),
        *marks,
        line(x, data["target"], "g", "ink", width=2),
        points(data["point"], data["value"], "points", "ink"),
    )
    right = panel(
        "all fit, and not all are good",
        axis(starts, "log"),
        Axis("error", "log"),
        curve(data["risk"].transpose("replicate", "start"), "‖f − g‖²", 0, marker=True),
        curve(data["risk_predicted"]),
        curve(data["error"].transpose("replicate", "start"), "training error", 1, marker=True),
    )
    return Figure((left, right))


def wide_enough(data: xr.Dataset) -> Figure:
    n = data["width"]
    return Figure(
        (
            panel(
                "networks that fit random labels",
                axis(n, "log"),
                Axis("share", limits=(-0.03, 1.03)),
                points(n, data["share"], "random networks", 0),
                curve(data["share_predicted"], "exact probability"),
            ),
        )
    )
