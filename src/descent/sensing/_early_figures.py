"""Figures of the experiments on small starts."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, Mark, axis, curve, line, panel, points


def directions(data: xr.Dataset) -> list[Mark]:
    """The followed directions of the first problem, and their powers as long as these are of its size."""
    first, t, marks = data.isel(replicate=0), data["t"].values, []
    for k, i in enumerate(data["i"].values[:5]):
        one = first.sel(i=i)
        marks.append(line(t, one["caught"], f"direction {i}", k, width=2.4))
        power = one["caught_predicted"].where(one["caught_predicted"] <= 3 * one["caught"].max())
        marks.append(line(t, power, "powers of 1 + 2ημ", role="predicted"))
    return marks


def rising(data: xr.Dataset, name: str):
    return panel(
        "first problem: powers, then X*", axis(data["t"]), Axis(name, "log"), directions(data)
    )


def power_iteration(data: xr.Dataset) -> Figure:
    fall = panel(
        f"{data.sizes['replicate']} problems, median and 5–95 %",
        axis(data["t"]),
        Axis("relative", "log"),
        curve(data["distance"], "‖UUᵀ − X*‖ / ‖X*‖"),
        curve(data["loss"], "training loss / f(0)", 1),
    )
    return Figure((rising(data, "‖v_iᵀU_t‖"), fall))


def two_factors(data: xr.Dataset) -> Figure:
    fall = panel(
        f"{data.sizes['replicate']} problems, median and 5–95 %",
        axis(data["t"]),
        Axis("‖UVᵀ − X*‖ / ‖X*‖", "log"),
        curve(data["distance"], "distance"),
    )
    first = data.isel(replicate=0)
    x, y = (first[name].values.ravel() for name in ("imbalance_predicted", "imbalance"))
    ends = np.array([x.min(), x.max()])
    entries = panel(
        "UᵀU − VᵀV changes by order η²",
        axis(data["imbalance_predicted"]),
        axis(data["imbalance"]),
        points(x, y, "entries, first problem", size=3),
        line(ends, ends, "equal", role="predicted"),
    )
    return Figure((rising(data, "‖v_iᵀZ_t‖"), fall, entries))
