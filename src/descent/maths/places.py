"""Some points of labelled arrays as lists, for a check that does not hold everywhere."""

import numpy as np
import xarray as xr


def at_places(there: xr.DataArray, *parts: xr.DataArray, dim: str = "place") -> list[xr.DataArray]:
    """What the arrays have where `there` is true, in one dimension whose coordinate names the place: `depth = 3, r = 2`."""
    whole = xr.broadcast(there, *parts)
    places = np.argwhere(whole[0].values)
    names = [
        ", ".join(f"{d} = {there[d].values[k]:g}" for d, k in zip(whole[0].dims, one, strict=True))
        for one in places
    ]
    at = tuple(places.T)
    return [
        xr.DataArray(part.transpose(*whole[0].dims).values[at], dims=dim, coords={dim: names})
        for part in whole[1:]
    ]
