"""What random replicates say about an exact value: the estimate, its standard error, and how far off chance may put it.

There is one false-alarm rate for the whole lab: a run of every experiment with fresh seeds fails by chance at
most once in a hundred times. `CHECKS` stochastic checks share that equally, and the points of a check
share its part equally (Bonferroni), so a point may be off by chance once in `CHECKS · points / FALSE_ALARM`
runs. Every stochastic check takes its tolerance from here.

    mean        |x̄ − μ| ≤ t · s/√r,    Student's t with r − 1 degrees of freedom
    known sd    |x̄ − μ| ≤ z · σ/√r,    where theory gives σ
    share       the binomial quantiles of r trials
    median      the order statistics between which it lies (no moments needed, so for heavy tails)

A test that cannot reach this level with the replicates it has is refused: fewer than `FEWEST` for a mean, and
for a median fewer than make two order statistics reach it.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from descent.config import Refusal

FALSE_ALARM = 0.01  # of one run of the whole lab
CHECKS = 400  # stochastic checks that share it, at the most; tests/test_sampling.py counts them
FEWEST = 4  # replicates of a mean; with three, Student's t allows 600 standard errors

Values = float | int | np.number | xr.DataArray


class Estimate(NamedTuple):
    """An average over replicates, and the tolerance for comparing it with its exact value."""

    value: Values
    error: Values  # its standard error
    tol: Values
    why: str  # for a Check


def level(points: int) -> float:
    """The chance of a false alarm, on both sides together, that one of `points` points may have."""
    return FALSE_ALARM / (CHECKS * max(points, 1))


def _size(samples: xr.DataArray, points: int | None) -> int:
    return samples.size // samples.sizes["replicate"] if points is None else points


def mean(samples: xr.DataArray, points: int | None = None) -> Estimate:
    """The mean over the dimension `replicate`, with Student's t from the samples' own spread.

    For samples whose mean is near normal: bounded ones, or many; use `median` for heavy tails. `points` is
    how many points share the check, by default as many as the samples have.

    Raises:
        Refusal: fewer than `FEWEST` replicates.
    """
    r = samples.sizes["replicate"]
    if r < FEWEST:
        raise Refusal(f"replicates {r} < {FEWEST}: too few to tell a mean from chance")
    error = samples.std("replicate", ddof=1, skipna=False) / np.sqrt(r)
    t = float(-stats.t.ppf(level(_size(samples, points)) / 2, r - 1))
    value = samples.mean("replicate", skipna=False)
    return Estimate(value, error, t * error, f"{t:.1f} standard errors of {r} replicates")


def mean_of_known_spread(samples: xr.DataArray, sd: Values, points: int | None = None) -> Estimate:
    """The mean over `replicate` of samples whose standard deviation theory gives; any number of replicates."""
    r = samples.sizes["replicate"]
    error = sd / np.sqrt(r)
    z = float(-stats.norm.ppf(level(_size(samples, points)) / 2))
    value = samples.mean("replicate", skipna=False)
    return Estimate(value, error, z * error, f"{z:.1f} exact standard errors of {r} replicates")


def median(samples: xr.DataArray, points: int | None = None) -> Estimate:
    """The median over `replicate`; its tolerance is the further of two order statistics that enclose it.

    Raises:
        Refusal: too few replicates for any two order statistics to enclose it this surely.
    """
    r, alpha = samples.sizes["replicate"], level(_size(samples, points))
    # P(fewer than k of r samples lie below the median) ≤ alpha/2
    k = int(stats.binom.ppf(alpha / 2, r, 0.5))
    while k > 0 and stats.binom.cdf(k - 1, r, 0.5) > alpha / 2:
        k -= 1
    if k < 1:
        least = int(np.ceil(np.log2(2 / alpha)))
        raise Refusal(f"replicates {r} < {least}: too few to tell a median from chance")
    ordered = samples.copy(data=np.sort(samples, axis=samples.get_axis_num("replicate")))
    value = samples.median("replicate", skipna=False)
    low = ordered.isel(replicate=k - 1, drop=True)
    high = ordered.isel(replicate=r - k, drop=True)
    tol = np.maximum(value - low, high - value)
    error = samples.std("replicate", ddof=1, skipna=False) * np.sqrt(np.pi / 2 / r)
    return Estimate(value, error, tol, f"order statistics {k} and {r - k + 1} of {r} replicates")


def share(count: Values, trials: int, predicted: Values, points: int | None = None) -> Estimate:
    """count/trials, and how far the binomial law with the predicted share lets it be from that."""
    size = (
        (predicted.size if isinstance(predicted, xr.DataArray) else 1) if points is None else points
    )
    half = level(size) / 2
    p = np.asarray(predicted, float)
    low = stats.binom.ppf(half, trials, p) / trials
    high = stats.binom.isf(half, trials, p) / trials
    tol = np.maximum(p - low, high - p)
    tol = predicted.copy(data=tol) if isinstance(predicted, xr.DataArray) else float(tol)
    error = np.sqrt(predicted * (1 - predicted) / trials)
    return Estimate(count / trials, error, tol, f"binomial law of {trials} trials")
