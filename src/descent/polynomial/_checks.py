"""How a reason names the points of an array that it is about."""

import numpy as np
import xarray as xr


def names(where: xr.DataArray) -> str:
    """The points that are true: "degree 3 hold 0, degree 9 hold 1"."""
    places = zip(*np.nonzero(where.values), strict=True)
    labels = [
        " ".join(
            f"{dim} {where[dim].values[k]:g}" for dim, k in zip(where.dims, place, strict=True)
        )
        for place in places
    ]
    return ", ".join(labels)
