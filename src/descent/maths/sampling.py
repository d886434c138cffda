"""What random replicates say about an exact value: the estimate, its standard error, and how far off chance may put it.

There is one false-alarm rate for the whole lab: a run of every experiment with fresh seeds fails by chance at most
once in a hundred times. `CHECKS` stochastic checks share that equally, and the points of a check share its part
(Bonferroni), so a point may be off by chance once in `CHECKS · points / FALSE_ALARM` runs.

    mean        |x̄ − μ| ≤ t · s/√r,    Student's t with r − 1 degrees of freedom
    known sd    |x̄ − μ| ≤ z · σ/√r,    where theory gives σ
    share       the binomial quantiles of r trials
    median      the order statistics between which it lies (no moments needed, so for heavy tails)
    squares     the gamma law of a mean of sums of squares

`points` is how many share a check, by default as many as the samples have. What could tell nothing is refused, by rules
that ask for the number of replicates and of points only, so that a refusal cannot depend on how the samples fell:

    mean            t ≤ `WIDEST`: a check that allows more standard errors holds whatever happens
    median, share   2⁻ʳ ≤ level/2: with fewer trials no order statistics enclose the median, and for some share none
                    of the trials and all of them would both be chance
    squares         the gamma law of r squares of one normal error lets them off by `WIDEST` standard errors
"""

from itertools import count
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from descent.config import Refusal

FALSE_ALARM = 0.01  # of one run of the whole lab
CHECKS = 400  # stochastic checks that share it, at the most; tests/test_sampling.py counts them
WIDEST = 20.0  # standard errors; of the six samples that reach it for one point, eight deviations

Values = float | int | np.number | xr.DataArray
Kind = Literal["mean", "mean of squares", "median", "share"]


class Estimate(NamedTuple):
    """An average over replicates, and the tolerance for comparing it with its exact value."""

    value: Values
    error: Values  # its standard error
    tol: Values
    why: str  # for a Check


def level(points: int) -> float:
    """The chance of a false alarm, on both sides together, that one of `points` points may have."""
    return FALSE_ALARM / (CHECKS * max(points, 1))


def _student(points: int, freedom: int) -> float:
    return float(-stats.t.ppf(level(points) / 2, freedom))


def _ends(half: float, shape: Values) -> tuple[Values, Values]:
    """Below and above which a gamma law of mean 1 is with the chance `half` each."""
    return stats.gamma.ppf(half, shape) / shape, stats.gamma.isf(half, shape) / shape


def _gamma(half: float, shape: Values) -> Values:
    """How far, in parts of a measured mean, the exact one of a gamma law may be from it."""
    low, high = _ends(half, shape)
    return np.maximum(1 / low - 1, 1 - 1 / high)  # μ = mean/(1 ∓ …)


def fewest(kind: Kind, points: int = 1) -> int:
    """Replicates, or trials, from which so many points of this kind can be told from chance."""
    half = level(points) / 2
    if kind in ("median", "share"):
        return int(np.ceil(-np.log2(half)))

    def errors(r: int) -> float:
        return _student(points, r - 1) if kind == "mean" else np.sqrt(r / 2) * _gamma(half, r / 2)

    return next(r for r in count(2) if errors(r) <= WIDEST)


def require_fewest(kind: Kind, replicates: int, points: int = 1) -> None:
    """Refuse fewer.

    Raises:
        Refusal: with the number that would do.
    """
    if replicates < (least := fewest(kind, points)):
        few = f"{kind} from chance" + (f" at {points} points" if points > 1 else "")
        raise Refusal(f"replicates {replicates} < {least}: too few to tell a {few}")


def _size(values: Values, points: int | None) -> int:
    """How many points share a check: those given, or all of the values."""
    many = isinstance(values, xr.DataArray) and points is None
    return values.size // values.sizes.get("replicate", 1) if many else points or 1


def mean(samples: xr.DataArray, points: int | None = None) -> Estimate:
    """The mean over the dimension `replicate`, with Student's t from the samples' own spread.

    For samples whose mean is near normal: bounded ones, or many; use `median` for heavy tails.

    Raises:
        Refusal: too few replicates.
    """
    r, size = samples.sizes["replicate"], _size(samples, points)
    require_fewest("mean", r, size)
    t, error = _student(size, r - 1), samples.std("replicate", ddof=1, skipna=False) / np.sqrt(r)
    value = samples.mean("replicate", skipna=False)
    return Estimate(value, error, t * error, f"{t:.1f} standard errors of {r} replicates")


def mean_of_known_spread(
    samples: xr.DataArray, sd: Values, points: int | None = None, squares: Values | None = None
) -> Estimate:
    """The mean over `replicate` of samples whose standard deviation theory gives; any number of replicates.

    Of sums of squares `squares` is the mean that theory gives; their law is nearly gamma's, which is skewed.
    """
    r, half = samples.sizes["replicate"], level(_size(samples, points)) / 2
    value, error = samples.mean("replicate", skipna=False), sd / np.sqrt(r)
    if squares is None:
        z = float(-stats.norm.ppf(half))
        return Estimate(value, error, z * error, f"{z:.1f} exact standard errors of {r} replicates")
    low, high = _ends(half, (squares / error) ** 2)
    tol = squares * np.maximum(1 - low, high - 1)
    return Estimate(value, error, tol, f"gamma law of the mean of {r} replicates")


def mean_of_squares(samples: xr.DataArray, variance: Values, points: int | None = None) -> Estimate:
    """The mean over `replicate` of sums of squares, and the quantiles of the gamma law of its mean and variance.

    A sum of squares of normal errors has nearly that law, which is skewed where few errors matter. `variance`
    is that of normal errors; the samples' own is taken where it is larger.

    Raises:
        Refusal: too few replicates for the squares of one normal error each.
    """
    r, size = samples.sizes["replicate"], _size(samples, points)
    require_fewest("mean of squares", r, size)
    value, half = samples.mean("replicate", skipna=False), level(size) / 2
    spread = np.maximum(variance, samples.var("replicate", ddof=1)) / r
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = value**2 / spread  # as measured, so that the tolerance does not know the prediction
    reach = np.minimum(_gamma(half, shape), 1e3)
    error = np.sqrt(spread)
    tol = xr.where(shape < 1e8, abs(value) * reach, -stats.norm.ppf(half) * error)
    return Estimate(value, error, tol, f"gamma law of the mean of {r} replicates")


def of_error(value: Values, error: Values, freedom: int, points: int | None = None) -> Estimate:
    """A mean whose standard error was estimated with `freedom` degrees of freedom: pooled, or propagated.

    Raises:
        Refusal: too few degrees of freedom.
    """
    size = _size(error, points)
    if freedom < (least := fewest("mean", size) - 1):
        raise Refusal(f"{freedom} degrees of freedom < {least}: too few to tell it from chance")
    t, why = _student(size, freedom), f"standard errors, {freedom} degrees of freedom"
    return Estimate(value, error, t * error, f"{t:.1f} {why}")


def median(samples: xr.DataArray, points: int | None = None) -> Estimate:
    """The median over `replicate`; its tolerance is the further of two order statistics that enclose it.

    Samples may be infinite; where one of those two is, so is the tolerance, and no check holds there.

    Raises:
        Refusal: too few replicates for any two order statistics to enclose it this surely.
    """
    r, size = samples.sizes["replicate"], _size(samples, points)
    require_fewest("median", r, size)
    alpha = level(size)
    # P(fewer than k of r samples lie below the median) ≤ alpha/2
    k = int(stats.binom.ppf(alpha / 2, r, 0.5))
    while k > 0 and stats.binom.cdf(k - 1, r, 0.5) > alpha / 2:
        k -= 1
    ordered = samples.copy(data=np.sort(samples, axis=samples.get_axis_num("replicate")))
    value = samples.median("replicate", skipna=False)
    low, high = (ordered.isel(replicate=i, drop=True) for i in (k - 1, r - k))
    with np.errstate(invalid="ignore"):  # ∞ − ∞, of equal ones
        below, above = (xr.where(a == b, 0, b - a) for a, b in ((low, value), (value, high)))
    tol = np.maximum(below, above)
    error = (below + above) / (-2 * stats.norm.ppf(alpha / 2))
    return Estimate(value, error, tol, f"order statistics {k} and {r - k + 1} of {r} replicates")


def share(successes: Values, trials: int, predicted: Values, points: int | None = None) -> Estimate:
    """successes/trials, and how far the binomial law with the predicted share lets it be from that.

    Raises:
        Refusal: too few trials.
    """
    size, p = _size(predicted, points), np.asarray(predicted, float)
    require_fewest("share", trials, size)
    low, high = (find(level(size) / 2, trials, p) for find in (stats.binom.ppf, stats.binom.isf))
    tol = np.maximum(p - low / trials, high / trials - p)
    tol = predicted.copy(data=tol) if isinstance(predicted, xr.DataArray) else float(tol)
    error, why = np.sqrt(predicted * (1 - predicted) / trials), f"binomial law of {trials} trials"
    return Estimate(successes / trials, error, tol, why)
