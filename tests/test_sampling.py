"""The rule for noise: the tolerances have the false-alarm rate they claim, and too few replicates are refused."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from descent.config import Refusal
from descent.maths import sampling
from harness import experiments, toy

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
@pytest.mark.parametrize("replicates", [4, 12])
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
    ("estimate", "replicates"), [(sampling.mean, 3), (sampling.median, 10)], ids=["mean", "median"]
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


def test_no_more_stochastic_checks_than_share_the_rate():
    words = ("standard errors", "order statistics", "binomial law")
    whys = [check.why for name in experiments() for check in toy(name).checks]
    assert sum(any(word in why for word in words) for why in whys) <= sampling.CHECKS
