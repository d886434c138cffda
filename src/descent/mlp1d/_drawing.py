"""What the figures of losses share."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Mark, curve, points

ROUNDING = 1e-20  # losses are drawn down to here
HIGHEST = 1e3

EPOCH = Axis("epoch", "log")
LOSS = Axis("training loss", "log")
RATE = "rate η"


def by_rank(values: xr.DataArray, label: str, colour: int) -> Mark:
    """Every replicate's value against its rank, as a share of all."""
    ordered = np.sort(np.clip(values.values, ROUNDING, HIGHEST))
    return points((np.arange(len(ordered)) + 0.5) / len(ordered), ordered, label, colour, size=4)


def late(losses: xr.DataArray, top: float = HIGHEST) -> xr.DataArray:
    """Without epoch 0, for a logarithmic axis, and clipped to what can be drawn."""
    return losses.isel(epoch=slice(1, None)).clip(ROUNDING, top, keep_attrs=True)


def at_rates(data: xr.Dataset, name: str, top: float = HIGHEST) -> list[list[Mark]]:
    """The losses at every rate."""
    return [
        curve(late(data[name].isel(rate=k), top), f"η = {float(rate):g}", k)
        for k, rate in enumerate(data["rate"])
    ]


def rates_of(data: xr.Dataset) -> Axis:
    """The rates themselves under a logarithmic axis."""
    return Axis(RATE, "log", ticks=tuple(float(rate) for rate in data["rate"]))
