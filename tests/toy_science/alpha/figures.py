"""The figures of the family alpha."""

import xarray as xr

from descent.figure import Figure, axis, curve, panel


def quick(data: xr.Dataset) -> Figure:
    marks = [*curve(data["sum"], "sum"), *curve(data["sum_predicted"], "formula")]
    return Figure((panel("Sums", axis(data["k"]), axis(data["sum"]), *marks),))


def swept(data: xr.Dataset) -> Figure:
    marks = curve(data["sum"][0], "sum")
    return Figure((panel("Noisy sums", axis(data["k"]), axis(data["sum"]), *marks),))
