"""Figures of the linear_networks family: one function per experiment, named after it."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, Mark, axis, line, panel


def _over_s(array: xr.DataArray, label: str, colour: int, **look) -> Mark:
    """A curve over s > 0; what is not positive has no place on the axis."""
    values = np.asarray(array.values, float)
    return line(array["s"].values[1:], values[1:], label, colour, **look)


def fully_connected(data: xr.Dataset) -> Figure:
    first = data.isel(seed=0)
    gaps, shares = [], []
    for k, depth in enumerate(data["depth"].values):
        one = first.sel(depth=depth)
        gaps.append(_over_s(one["gap"], f"depth {depth}", k))
        shares.append(_over_s(one["beside"], f"depth {depth}", k))
        s = data["s"].values[-16:]
        power = float(one["beside"][-1]) * (s / s[-1]) ** float(one["exponent_predicted"])
        shares.append(line(s, power, "s^(−1/L)", role="predicted", width=1))
    seed = int(first["seed"])
    gap = panel(
        f"every depth has the same limit (seed {seed})",
        axis(data["s"], "log"),
        Axis("1 + log ℒ/(γ‖β‖)", "log"),
        gaps,
        _over_s(first.isel(depth=0)["gap_bound"], "H(p*)/(−log ℒ + H(p*))", "ink", role="bound"),
    )
    share = panel(
        "what is beside the support vectors fades slowly",
        axis(data["s"], "log"),
        axis(data["beside"], "log"),
        shares,
    )
    return Figure((gap, share))
