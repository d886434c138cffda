"""Some points of labelled arrays as lists, for a check that does not hold everywhere."""

import numpy as np
import xarray as xr


def at_places(there: xr.DataArray, *parts: xr.DataArray, dim: str = "place") -> list[xr.DataArray]:
    """What the arrays have where `there` is true, in one dimension whose coordinate names the place: `depth = 3, r = 2`."""
    whole = xr.broadcast(there, *parts)
    dims = whole[0].dims
    places = np.argwhere(whole[0].values)
    values = {d: whole[0][d].values for d in dims}
    names = [
        ", ".join(f"{d} = {values[d][k]:g}" for d, k in zip(dims, one, strict=True))
        for one in places
    ]
    at = tuple(places.T)
    return [
        xr.DataArray(part.transpose(*dims).values[at], dims=dim, coords={dim: names})
        for part in whole[1:]
    ]
