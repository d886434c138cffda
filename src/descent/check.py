"""One check of a claim: what is measured against what theory predicts, point by point."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

Relation = Literal["==", "<=", ">="]
Values = float | int | np.number | np.bool_ | xr.DataArray  # a number or a labelled array


class Worst(NamedTuple):
    """The point of a check that is nearest to failing, or fails by the most."""

    at: dict[str, object]  # its place: dimension → coordinate; empty for a single number
    measured: float
    predicted: float
    tol: float
    points: int  # how many were compared


@dataclass(frozen=True)
class Check:
    """`measured <relation> predicted`, up to an absolute `tol`, at every point where something is claimed.

    All are numbers or labelled arrays that broadcast against each other by the names of their
    dimensions. A check holds if every point does. NaN holds nowhere, a prediction or a tolerance that is
    not finite holds nowhere, and a check of no points does not hold.

    Attributes:
        name: unique in its experiment, in words joined by _.
        why: where `tol` comes from, in a few words: "rounding of 10⁴ steps", say.
        there: the points that are compared; the others may hold anything, and do not count.

    Raises:
        ValueError: the relation is none of the three, `tol` is negative, `why` is empty, or the
            coordinates of two arrays differ.
    """

    name: str
    measured: Values
    relation: Relation
    predicted: Values
    tol: Values
    why: str
    there: Values = True

    def __post_init__(self):
        if self.relation not in ("==", "<=", ">="):
            raise ValueError(f"{self.name}: {self.relation!r} is none of ==, <=, >=")
        if not self.why:
            raise ValueError(f"{self.name}: say where the tolerance comes from")
        if np.any(self._points[2] < 0):
            raise ValueError(f"{self.name}: the tolerance is negative")

    @cached_property
    def _parts(self) -> tuple[xr.DataArray, ...]:
        """Measured, predicted, tol and there (1 or 0) as arrays of one shape."""
        given = (self.measured, self.predicted, self.tol, self.there)
        parts = tuple(xr.DataArray(part).astype(float, copy=False) for part in given)
        labelled = any(part.dims for part in parts)
        return xr.broadcast(*xr.align(*parts, join="exact", copy=False)) if labelled else parts

    @cached_property
    def _points(self) -> np.ndarray:
        """Measured, predicted, tol and the place in the arrays of every point that is compared: (4, points)."""
        flat = [part.values.ravel() for part in self._parts]
        places = np.flatnonzero(flat[3])
        return np.stack([*(part[places] for part in flat[:3]), places])

    @cached_property
    def _excess(self) -> np.ndarray:
        """By how much each point is off, in the direction that the relation forbids; NaN never holds."""
        measured, predicted, tol, _ = self._points
        with np.errstate(invalid="ignore", over="ignore"):
            gap = measured - predicted
        excess = {"==": np.abs(gap), "<=": gap, ">=": -gap}[self.relation]
        return np.where(np.isfinite(predicted) & np.isfinite(tol), excess, np.nan)

    @property
    def holds(self) -> bool:
        """Whether every point holds, and there is one."""
        return bool(self._excess.size and (self._excess <= self._points[2]).all())

    @property
    def worst(self) -> Worst:
        """The point with the largest excess in units of its tolerance; one that is NaN before all others.

        Of points that hold, tenths of a tolerance count: which rounding is the largest differs between machines.
        """
        if not self._excess.size:
            return Worst({}, np.nan, np.nan, np.nan, 0)
        tol = np.abs(self._points[2])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            units = self._excess / tol  # without a tolerance, ±∞, and NaN for none
        units = np.where(np.isnan(self._excess), np.inf, np.where(np.isnan(units), 0.0, units))
        tied = np.where(np.isnan(self._excess), np.inf, self._excess)
        alike = (units <= 1) & np.isfinite(units)
        tenths = np.round(np.clip(units, -1e9, 1), 1)  # a tolerance may be next to nothing
        units, tied = np.where(alike, tenths, units), np.where(alike, 0.0, tied)
        *numbers, place = self._points[:, np.lexsort((-tied, -units))[0]].tolist()
        whole = self._parts[0]
        at = {
            str(dim): (whole[dim].values[k].item() if dim in whole.coords else int(k))
            for dim, k in zip(whole.dims, np.unravel_index(int(place), whole.shape), strict=True)
        }
        return Worst(at, *numbers, self._excess.size)


def with_points(*checks: Check) -> tuple[Check, ...]:
    """The checks that have a point to compare; why the others have none, a claim has to say."""
    return tuple(check for check in checks if check.worst.points)
