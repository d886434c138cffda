"""What an experiment returns: labelled data, numbers to track, checks of its claims, errata of its source.

The coordinates of `data` say what they are in an attribute `role`: "step" (time of a run),
"sweep" (one setting a point), "replicate" (one random draw a point). Figures, tracking and the
report go by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import xarray as xr


class Check(NamedTuple):
    """`measured <relation> predicted`, up to an absolute `tol`; the claim is the module's docstring."""

    name: str
    measured: float
    relation: Literal["==", "<=", ">="]
    predicted: float
    tol: float

    @property
    def holds(self) -> bool:
        gap = self.measured - self.predicted
        excess = {"==": abs(gap), "<=": gap, ">=": -gap}[self.relation]
        return bool(excess <= self.tol)  # so NaN never holds


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
        return bool(
            abs(self.measured - self.correct) <= self.tol < abs(self.measured - self.printed)
        )


@dataclass(frozen=True)
class Result:
    """`metrics` are numbers, or arrays whose coordinates name the points of a sweep."""

    data: xr.Dataset
    metrics: Mapping[str, float | xr.DataArray]
    checks: tuple[Check, ...]
    errata: tuple[Erratum, ...] = ()


def steps(values, name: str, long_name: str) -> xr.Variable:
    """A coordinate along which a run proceeds."""
    return xr.Variable(name, values, {"long_name": long_name, "role": "step"})


def sweep(values, name: str, long_name: str) -> xr.Variable:
    """A coordinate whose every point is a setting of its own."""
    return xr.Variable(name, list(values), {"long_name": long_name, "role": "sweep"})


def replicates(count: int) -> xr.Variable:
    """The coordinate of independent random draws."""
    return xr.Variable("replicate", range(count), {"long_name": "replicate", "role": "replicate"})
