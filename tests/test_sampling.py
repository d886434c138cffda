"""The rule for noise: the tolerances have the false-alarm rate they claim, and too few replicates are refused."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from descent.config import Refusal
from descent.maths import sampling

RUNS = 4000


@pytest.fixture
def coarse(monkeypatch):
    """Alarms of 5 % a check, so that they can be counted."""
    monkeypatch.setattr(sampling, "FALSE_ALARM", 0.05)
    monkeypatch.setattr(sampling, "CHECKS", 1)


def draws(values: np.ndarray, *dims: str) -> xr.DataArray:
    return xr.DataArray(values, dims=("replicate", *dims))


def alarms(found: sampling.Estimate, exact: float) -> float:
    """In how many of the runs the estimate is off by more than its tolerance at some point."""
    off = abs(found.value - exact) > found.tol
    return float(off.any([dim for dim in off.dims if dim != "run"]).mean())


def within(rate: float, level: float = 0.05) -> bool:
    return abs(rate - level) < 5 * np.sqrt(level * (1 - level) / RUNS)


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("replicates", [6, 12])
def test_a_mean_of_normal_samples_raises_alarm_as_often_as_it_says(replicates):
    samples = draws(np.random.default_rng(1).normal(3.0, 2.0, (replicates, RUNS)), "run")
    assert within(alarms(sampling.mean(samples, points=1), 3.0))


@pytest.mark.usefixtures("coarse")
def test_the_points_of_a_check_share_its_rate():
    samples = draws(np.random.default_rng(1).standard_normal((8, RUNS, 10)), "run", "point")
    assert within(alarms(sampling.mean(samples, points=10), 0.0))


@pytest.mark.usefixtures("coarse")
def test_a_known_spread_needs_no_samples_to_estimate_it():
    samples = draws(np.random.default_rng(1).standard_normal((1, RUNS)), "run")
    assert within(alarms(sampling.mean_of_known_spread(samples, 1.0, points=1), 0.0))


def test_a_mean_of_few_squares_is_off_as_rarely_as_its_skewed_law_says(monkeypatch):
    """χ² with 4 degrees of freedom: beyond 3.1 standard deviations 12 times as often as a normal law."""
    monkeypatch.setattr(sampling, "FALSE_ALARM", 0.002)
    monkeypatch.setattr(sampling, "CHECKS", 1)
    samples = draws(np.random.default_rng(1).chisquare(4, (1, 50 * RUNS)), "run")
    one, skewed = (
        sampling.mean_of_known_spread(samples, np.sqrt(8), points=1, squares=squares)
        for squares in (None, 4.0)
    )
    assert alarms(one, 4.0) > 0.01
    assert 0.0005 < alarms(skewed, 4.0) < 0.0015


@pytest.mark.usefixtures("coarse")
def test_a_median_of_heavy_tails_raises_alarm_at_most_as_often_as_it_says():
    samples = draws(np.random.default_rng(1).standard_cauchy((31, RUNS)), "run")
    assert alarms(sampling.median(samples, points=1), 0.0) < 0.06


@pytest.mark.usefixtures("coarse")
def test_a_share_raises_alarm_at_most_as_often_as_it_says():
    counts = np.random.default_rng(1).binomial(60, 0.2, RUNS)
    tol = sampling.share(12, 60, 0.2).tol
    assert 0.001 < np.mean(np.abs(counts / 60 - 0.2) > tol + 1e-12) < 0.05


def test_a_wrong_mean_is_noticed():
    samples = draws(np.random.default_rng(0).normal(1.0, 0.1, 30))
    found = sampling.mean(samples)
    assert abs(found.value - 1.2) > found.tol
    assert abs(found.value - 1.0) <= found.tol


def test_the_tolerance_is_the_quantile_of_its_share_of_the_rate():
    samples = draws(np.random.default_rng(0).standard_normal((10, 5)), "point")
    t = -stats.t.ppf(sampling.FALSE_ALARM / sampling.CHECKS / 5 / 2, 9)
    error = samples.std("replicate", ddof=1) / np.sqrt(10)
    np.testing.assert_allclose(sampling.mean(samples).tol, t * error)
    np.testing.assert_allclose(sampling.mean(samples, points=10).tol > t * error, True)


@pytest.mark.parametrize(
    ("estimate", "replicates"), [(sampling.mean, 5), (sampling.median, 10)], ids=["mean", "median"]
)
def test_too_few_replicates_are_refused_with_their_number(estimate, replicates):
    with pytest.raises(Refusal, match=f"replicates {replicates} <"):
        estimate(draws(np.arange(float(replicates))))


def test_the_fewest_replicates_of_a_median_are_enough():
    with pytest.raises(Refusal) as refusal:
        sampling.median(draws(np.arange(5.0)))
    least = int(str(refusal.value).split("< ")[1].split(":")[0])
    assert sampling.median(draws(np.arange(float(least)))).tol > 0
    with pytest.raises(Refusal):
        sampling.median(draws(np.arange(float(least - 1))))


@pytest.mark.parametrize("points", [1, 7, 300])
def test_a_mean_is_told_within_the_widest_tolerance_or_refused(points):
    least = sampling.fewest("mean", points)
    samples = draws(np.random.default_rng(0).standard_normal(least))
    found = sampling.mean(samples, points)
    assert 0.5 * sampling.WIDEST < float(found.tol / found.error) <= sampling.WIDEST
    at = f" at {points} points" if points > 1 else ""
    with pytest.raises(Refusal, match=f"replicates {least - 1} < {least}: too few .*chance{at}$"):
        sampling.mean(samples[:-1], points)
    assert sampling.of_error(0.0, 1.0, least - 1, points).tol <= sampling.WIDEST
    with pytest.raises(Refusal, match=f"{least - 2} degrees of freedom < {least - 1}"):
        sampling.of_error(0.0, 1.0, least - 2, points)


def test_six_replicates_are_the_fewest_of_all():
    assert sampling.fewest("mean") == 6


@pytest.mark.parametrize("points", [1, 10])
@pytest.mark.parametrize("p", [1e-9, 0.01, 0.3, 0.5, 0.7, 1 - 1e-9])
def test_enough_trials_tell_every_share_from_0_or_from_1(points, p):
    least = sampling.fewest("share", points)
    tol = sampling.share(0, least, p, points).tol
    assert abs(0 - p) > tol or abs(1 - p) > tol
    with pytest.raises(Refusal, match=f"replicates {least - 1} < {least}"):
        sampling.share(0, least - 1, p, points)
    half = sampling.level(points) / 2
    assert stats.binom.ppf(half, least - 1, 0.5) == 0, "with fewer, every count would be chance"


@pytest.mark.filterwarnings("error")
def test_a_median_of_infinite_samples_does_not_warn():
    some = np.append(np.arange(29.0), [np.inf] * 2)
    found = sampling.median(draws(np.stack([some, np.full(31, np.inf)], 1), "point"))
    assert found.value.values.tolist() == [15, np.inf]
    assert found.tol.values[1] == 0
    assert np.isfinite(found.tol.values[0])
    assert np.isfinite(found.error.values[0])
    many = sampling.median(draws(np.append(np.arange(17.0), [np.inf] * 14)))
    assert many.tol == np.inf, "which no check holds with"


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("freedom", [1, 8])
def test_a_mean_of_squares_raises_alarm_at_most_as_often_as_it_says(freedom):
    squares = np.random.default_rng(3).standard_normal((24, freedom, RUNS)) ** 2
    samples = draws(squares.sum(1), "run")
    found = sampling.mean_of_squares(samples, 2.0 * freedom, points=1)
    assert alarms(found, float(freedom)) < 0.06
    assert alarms(found, 3.0 * freedom) > 0.9


def test_squares_of_too_few_errors_are_refused():
    least = sampling.fewest("mean of squares", 3)
    samples = draws(np.random.default_rng(0).standard_normal((least, 3)) ** 2, "point")
    found = sampling.mean_of_squares(samples, 2.0)
    assert abs(1 - found.value).max() <= found.tol.max()
    with pytest.raises(Refusal, match=f"< {least}: too few to tell a mean of squares from chance"):
        sampling.mean_of_squares(samples[:-1], 2.0)
