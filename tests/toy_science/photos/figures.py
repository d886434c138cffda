"""The figures of the family photos."""

import xarray as xr

from descent.figure import Figure, axis, curve, panel


def count(data: xr.Dataset) -> Figure:
    marks = curve(data["count"])
    return Figure((panel("Images", axis(data["class"]), axis(data["count"]), *marks),))
