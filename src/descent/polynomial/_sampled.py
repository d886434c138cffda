"""What experiments on stochastic gradient descent share: expectations, and where sample means can show them."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.stats import norm

from descent.maths import second_moment
from descent.maths.sampling import level
from descent.polynomial import _moments
from descent.polynomial._checks import names
from descent.polynomial._moments import Moments, gaussian_variance
from descent.polynomial._problem import Problem, modes
from descent.polynomial._rounding import EPS

GAPS = ("gap", "average_gap", "squared_distance")


def padded(rows) -> np.ndarray:
    """Vectors of different lengths as a matrix, with 0 behind the shorter ones."""
    table = np.zeros((len(rows), max(map(len, rows))))
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table


def expectations(config, problems: list[Problem]) -> list[list[Moments]]:
    """Of every degree and schedule, at the recorded k."""
    return [
        [_moments.moments(p, config.step / p.beta, hold, config.record) for hold in config.holds]
        for p in problems
    ]


def near_normal(
    config, problems: list[Problem], exact: list[list[Moments]], like: xr.DataArray
) -> tuple[xr.DataArray, dict]:
    """Where the last error is far above rounding and its kicks hardly multiply; and why not elsewhere."""
    K, rounded, spread = config.iterations, xr.zeros_like(like, bool), xr.zeros_like(like, bool)
    for i, problem in enumerate(problems):
        step, start = config.step / problem.beta, modes(problem, np.zeros_like(problem.theta))
        law = second_moment.homogeneous(_moments.gradients(problem))
        law = second_moment.decay(law, start, step)
        for j, hold in enumerate(config.holds):
            late = step / (K // hold + 1) if hold else step
            slowest = late * problem.eigenvalues[-1]
            error = 2 * EPS * np.linalg.norm(problem.theta) * min(K, 1 / slowest)
            last = float(_moments.expected_gap(problem, exact[i][j].second[-1]))
            rounded[i, j] = last < 100 * problem.beta / 2 * error**2
            # Σ γ_k² is that of so many first steps.
            kicks = int(min(K, np.pi**2 / 6 * hold)) if hold else K
            multiplied = second_moment.multiplied(law, kicks)
            spread[i, j] = not problem.residual.any() and multiplied > 0.2
    reasons = {}
    if bool(rounded.any()):
        reasons["gap_above_rounding"] = f"{names(rounded)}: the error has reached rounding"
    if bool(spread.any()):
        reasons["gap_of_products"] = (
            f"{names(spread)}: its mean is that of runs too rare to be drawn"
        )
    return ~(rounded | spread), reasons


def variances(
    problems: list[Problem], exact: list[list[Moments]], like: xr.DataArray
) -> dict[str, xr.DataArray]:
    """Of what is averaged, if errors were normal."""
    found = {name: xr.zeros_like(like, float) for name in GAPS}
    for i, (problem, row) in enumerate(zip(problems, exact, strict=True)):
        lam = problem.eigenvalues
        for j, one in enumerate(row):
            last, mean = (
                (one.mean[-1], one.second[-1]),
                (
                    one.average_mean[-1],
                    one.average_second[-1],
                ),
            )
            found["gap"][i, j] = gaussian_variance(lam, *last)
            found["average_gap"][i, j] = gaussian_variance(lam, *mean)
            found["squared_distance"][i, j] = gaussian_variance(np.full_like(lam, 2), *last)
    return found


class Published(NamedTuple):
    """θ̄₁ of one run: as printed, its expectation here and with the Frobenius norm, and how far one run strays."""

    hold: int
    printed: float
    correct: float
    frobenius: float
    stray: float


def published(config, problem: Problem, exact: list[Moments]) -> list[Published]:
    """What is printed for some schedules of the last degree."""
    found = []
    for hold, printed in config.printed if config.as_printed else ():
        ours = exact[config.holds.index(hold)]
        last, other = config.record[-1:], config.step / problem.frobenius
        theirs = _moments.moments(problem, other, hold, last).average_mean[0]
        mean, row = ours.average_mean[-1], problem.V[1]
        spread = row @ (ours.average_second[-1] - np.outer(mean, mean)) @ row
        stray = float(-norm.ppf(level(len(config.printed)) / 2) * np.sqrt(spread))
        one, two = (float(problem.theta[1] + row @ m) for m in (mean, theirs))
        found.append(Published(hold, float(printed), one, two, stray))
    return found
