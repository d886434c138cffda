"""What an experiment returns: labelled data, numbers to track, checks of its claim, errata of its source.

The coordinates of `data` say what they are in an attribute `role`: "step" (time of a run), "sweep" (one setting a
point), "replicate" (one random draw a point). A variable that theory gives has the role "prediction", or "bound"
where theory limits the value and does not give it. Figures, tracking and the report go by these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import xarray as xr

from descent.check import Check, Values


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
