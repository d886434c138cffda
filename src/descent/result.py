"""What an experiment returns: labelled data, numbers to track, checks of its claim, errata of its source.

The coordinates of `data` say what they are in an attribute `role`: "step" (time of a run), "sweep" (one setting a
point), "replicate" (one random draw a point). A variable that theory gives has the role "prediction", or "bound"
where theory limits the value and does not give it. Figures, tracking and the report go by these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """`measured <relation> predicted`, up to an absolute `tol`, at every point.

    The three are numbers or labelled arrays that broadcast against each other by the names of their
    dimensions. A check holds if every point does. NaN holds nowhere, a prediction or a tolerance that is
    not finite holds nowhere, and a check of no points does not hold.

    Attributes:
        name: unique in its experiment, in words joined by _.
        why: where `tol` comes from, in a few words: "rounding of 10⁴ steps", say.

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

    def __post_init__(self):
        if self.relation not in ("==", "<=", ">="):
            raise ValueError(f"{self.name}: {self.relation!r} is none of ==, <=, >=")
        if not self.why:
            raise ValueError(f"{self.name}: say where the tolerance comes from")
        if np.any(np.asarray(self.tol) < 0):
            raise ValueError(f"{self.name}: the tolerance is negative")
        _ = self._points

    @cached_property
    def _points(self) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
        """Measured, predicted and tol as arrays of one shape."""
        given = (self.measured, self.predicted, self.tol)
        parts = tuple(xr.DataArray(part).astype(float, copy=False) for part in given)
        labelled = any(part.dims for part in parts)
        return xr.broadcast(*xr.align(*parts, join="exact", copy=False)) if labelled else parts

    @cached_property
    def _excess(self) -> np.ndarray:
        """By how much each point is off, in the direction that the relation forbids; NaN never holds."""
        measured, predicted, tol = (part.values for part in self._points)
        with np.errstate(invalid="ignore", over="ignore"):
            gap = measured - predicted
        excess = {"==": np.abs(gap), "<=": gap, ">=": -gap}[self.relation]
        return np.where(np.isfinite(predicted) & np.isfinite(tol), excess, np.nan)

    @property
    def holds(self) -> bool:
        """Whether every point holds, and there is one."""
        return bool(self._excess.size and (self._excess <= self._points[2].values).all())

    @property
    def worst(self) -> Worst:
        """The point with the largest excess in units of its tolerance; one that is NaN before all others.

        Of points that hold, tenths of a tolerance count: which rounding is the largest differs between machines.
        """
        measured, predicted, tol = self._points
        if not self._excess.size:
            return Worst({}, np.nan, np.nan, np.nan, 0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            units = self._excess / np.abs(tol.values)  # without a tolerance, ±∞, and NaN for none
        units = np.where(np.isnan(self._excess), np.inf, np.where(np.isnan(units), 0.0, units))
        tied = np.where(np.isnan(self._excess), np.inf, self._excess)
        alike = (units <= 1) & np.isfinite(units)
        tenths = np.round(np.clip(units, -1e9, 1), 1)  # a tolerance may be next to nothing
        units, tied = np.where(alike, tenths, units), np.where(alike, 0.0, tied)
        place = np.unravel_index(np.lexsort((-tied.ravel(), -units.ravel()))[0], units.shape)
        at = {
            str(dim): (measured[dim].values[k].item() if dim in measured.coords else int(k))
            for dim, k in zip(measured.dims, place, strict=True)
        }
        numbers = (float(part.values[place]) for part in (measured, predicted, tol))
        return Worst(at, *numbers, self._excess.size)


class Erratum(NamedTuple):
    """A published value that the measurement refutes: `measured` agrees with `correct`, not with `printed`."""

    name: str
    where: str
    printed: float
    correct: float
    measured: float
    tol: float

    @property
    def stands(self) -> bool:
        """Whether the measurement is within `tol` of the correct value and further from the printed one."""
        return bool(
            abs(self.measured - self.correct) <= self.tol < abs(self.measured - self.printed)
        )


Verdict = Literal["holds", "does not hold", "no claim"]


@dataclass(frozen=True)
class Result:
    """What `run` returns.

    Attributes:
        data: labelled arrays, for the figure and whoever loads the artifact.
        metrics: numbers, or small arrays whose coordinates name the points of a sweep.
        checks: of the claim, which is the first sentence of the module's docstring.
        errata: of the source.
        no_claim: why the claim says nothing at these settings ("12 of 20 runs had not converged"), with
            what was measured. The claim is then neither held nor refuted by the checks that are left.
        unchecked: checks beside the claim that these settings do not allow: name → reason.
    """

    data: xr.Dataset
    metrics: Mapping[str, Values]
    checks: tuple[Check, ...]
    errata: tuple[Erratum, ...] = ()
    no_claim: tuple[str, ...] = ()
    unchecked: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for kind in (self.checks, self.errata):
            names = [one.name for one in kind]
            if len(set(names)) < len(names):
                raise ValueError(f"two of one name: {sorted(names)}")

    @property
    def verdict(self) -> Verdict:
        """A check that fails decides; then a reason to claim nothing; without any check there is no claim."""
        if not all(check.holds for check in self.checks):
            return "does not hold"
        return "no claim" if self.no_claim or not self.checks else "holds"


def steps(values, name: str, long_name: str) -> xr.Variable:
    """A coordinate along which a run proceeds."""
    return xr.Variable(name, values, {"long_name": long_name, "role": "step"})


def sweep(values, name: str, long_name: str) -> xr.Variable:
    """A coordinate whose every point is a setting of its own."""
    return xr.Variable(name, list(values), {"long_name": long_name, "role": "sweep"})


def replicates(count: int) -> xr.Variable:
    """The coordinate of independent random draws."""
    look = {"long_name": "replicate", "role": "replicate"}
    return xr.Variable("replicate", range(count), look)


def over_replicates(runs: list[xr.Dataset]) -> xr.Dataset:
    """The results of independent replicates as one, along a new first dimension `replicate`."""
    return xr.concat(runs, "replicate").assign_coords(replicate=replicates(len(runs)))


def measured(dims, values, long_name: str, units: str = "", **attrs: str) -> xr.Variable:
    """A variable of `Result.data` that was measured."""
    attrs = {"long_name": long_name} | ({"units": units} if units else {}) | attrs
    return xr.Variable(dims, values, attrs)


def predicted(dims, values, long_name: str, units: str = "") -> xr.Variable:
    """A variable of `Result.data` that theory gives."""
    return measured(dims, values, long_name, units, role="prediction")


def bound(dims, values, long_name: str, units: str = "") -> xr.Variable:
    """A variable of `Result.data` that is a limit: theory says that the value does not pass it."""
    return measured(dims, values, long_name, units, role="bound")
