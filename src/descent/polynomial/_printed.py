"""The averages θ̄ that the document prints of one run each, beside what they are expected to be.

Source: FRTN50 assignment, exercise 2b, whose 42 numbers follow from the Frobenius norm in β = (2/N)‖XᵀX‖₂. No run is
seeded, but all go on from what exercise 5 leaves of seed 0: a test meets them to every digit from there.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.stats import norm

from descent.maths.sampling import level
from descent.polynomial import _moments
from descent.polynomial._moments import Moments
from descent.polynomial._problem import Problem
from descent.polynomial._sampled import average
from descent.result import Check, Erratum


class Published(NamedTuple):
    """θ̄ of one run: as printed, its expectation here and with the Frobenius norm, and how far one run strays."""

    degree: int
    hold: int
    printed: xr.DataArray  # by power, as all that follows
    correct: xr.DataArray
    frobenius: xr.DataArray
    stray: xr.DataArray

    @property
    def name(self) -> str:
        return f"n_{self.degree}/hold_{self.hold}"

    @property
    def told(self) -> np.ndarray:
        """The powers whose printed number is further from the expectation than one run strays."""
        return np.flatnonzero(abs(self.printed - self.correct) > self.stray)


def published(config, problems: list[Problem], exact: list[list[Moments]]) -> list[Published]:
    """What is printed for some degrees and schedules, if it is about this very setting."""
    found, degrees, last = [], list(config.degrees), config.record[-1:]
    count = sum(len(row) - 2 for row in config.printed)
    for n, hold, *printed in config.printed if config.as_printed else ():
        if n not in degrees or hold not in config.holds:
            continue
        at, h = degrees.index(int(n)), config.holds.index(int(hold))
        problem = problems[at]
        other = _moments.moments(problem, config.step / problem.frobenius, int(hold), last)
        correct, spread = average(problem, exact[at][h])
        stray = -norm.ppf(level(count) / 2) * spread
        rows = (printed, correct, average(problem, other)[0], stray)
        parts = (xr.DataArray(np.array(row, float), dims="power") for row in rows)
        found.append(Published(int(n), int(hold), *parts))
    return found


def explained(known: list[Published]) -> list[Check]:
    """Every printed number is that of a run with the Frobenius norm."""
    why = "how far one run strays"
    return [
        Check(f"frobenius_explains_printed/{k.name}", k.printed, "==", k.frobenius, k.stray, why)
        for k in known
    ]


def refute(known: list[Published], final: xr.Dataset) -> tuple[Erratum, ...]:
    """The first coefficient of every row that is further off than one run strays."""
    where, errata = "FRTN50 assignment 2b", []
    for one in known:
        if one.told.size:
            j = int(one.told[0])
            mean = final["average"].sel(degree=one.degree, hold=one.hold, power=j).mean().item()
            numbers = (float(part[j]) for part in (one.printed, one.correct))
            name = f"printed_average/{one.name}"
            errata.append(Erratum(name, where, *numbers, mean, float(one.stray[j])))
    return tuple(errata)
