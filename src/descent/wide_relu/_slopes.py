"""Sizes of functions on a grid, and powers of the width by which they fall."""

import numpy as np
import xarray as xr


def rms(values: np.ndarray) -> np.ndarray | np.floating:
    return np.sqrt((values**2).mean(-1))


def slopes(values: xr.DataArray) -> xr.DataArray:
    """Of log values over log n."""
    return (np.log(values) * leverage(values["width"])).sum("width")


def leverage(width: xr.DataArray) -> xr.DataArray:
    """What each width contributes to a slope."""
    centred = np.log(width) - np.log(width).mean()
    return centred / (centred**2).sum()
