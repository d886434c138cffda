"""What experiments on stochastic gradient descent share: expectations, and where sample means can show them."""

import numpy as np
import xarray as xr

from descent.maths import second_moment
from descent.polynomial import _moments
from descent.polynomial._checks import names
from descent.polynomial._moments import Moments, gaussian_variance
from descent.polynomial._problem import Problem, modes
from descent.polynomial._rounding import EPS

GAPS = ("gap", "average_gap", "squared_distance")
EXACT = 1e-9  # relative error of the recursions


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


def average(problem: Problem, one: Moments) -> tuple[np.ndarray, np.ndarray]:
    """The expectation and the spread of θ̄ at the last recorded k."""
    mean, V = problem.V @ one.average_mean[-1], problem.V
    squares = np.einsum("pi,ij,pj->p", V, one.average_second[-1], V)
    return problem.theta + mean, spread(squares, mean)


def spread(squares: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """√(E x² − (E x)²); what has hardly moved has none that float64 can tell from that of E x²'s own error."""
    return np.sqrt(np.maximum(squares - mean**2, EXACT * squares))


def spreads_of_averages(
    problems: list[Problem], exact: list[list[Moments]], like: xr.DataArray
) -> xr.DataArray:
    """Of θ̄ at the end, like an array over (degree, hold, power)."""
    pairs = zip(problems, exact, strict=True)
    spreads = [average(problem, one)[1] for problem, row in pairs for one in row]
    return like.copy(data=padded(spreads).reshape(like.shape))
