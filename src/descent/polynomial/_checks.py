"""Checks of the points of an array that a claim is about."""

import numpy as np
import xarray as xr

from descent.result import Check, Relation


def check_where(
    allowed: xr.DataArray,
    name: str,
    measured: xr.DataArray,
    relation: Relation,
    predicted: xr.DataArray | float,
    tol: xr.DataArray | float,
    why: str,
) -> list[Check]:
    """The check at the points that are allowed, with 0 == 0 at the others; none if no point is."""
    if not bool(allowed.any()):
        return []
    parts = (measured, predicted, tol)
    kept = [part.where(allowed, 0.0) if isinstance(part, xr.DataArray) else part for part in parts]
    if not isinstance(tol, xr.DataArray):
        kept[2] = xr.full_like(allowed, tol, dtype=float)
    return [Check(name, kept[0], relation, kept[1], kept[2], why)]


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
