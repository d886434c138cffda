"""The figures of the family beta."""

import xarray as xr

from descent.figure import Figure, axis, curve, panel


def _ends(data: xr.Dataset) -> Figure:
    return Figure((panel("Ends", axis(data["place"]), axis(data["end"]), *curve(data["end"])),))


quick = swept = _ends
