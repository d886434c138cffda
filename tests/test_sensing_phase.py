"""The plane of measurements and starts: a slow twin of a point, wrong borders, and grids of other shapes."""

from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError

from descent.sensing import _plane, phase
from descent.sensing._problem import draw_factor
from harness import config_of, run

NAME = "sensing@phase"
SMALL = {"size": 10, "replicates": 1, "steps": 500}


@cache
def measured():
    """The toy plane, run once: what is predicted of it is wrong in several tests."""
    return phase.measure(config_of(NAME))


def broken(monkeypatch) -> set[str]:
    found = measured()
    monkeypatch.setattr(phase, "measure", lambda config: found)
    return {check.name for check in run(NAME).checks if not check.holds}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"oversampling": [4.5, 4.5]}, "oversampling.* strictly increasing"),
        ({"oversampling": [4.5, 4.51]}, "m of oversampling.* strictly increasing"),
        ({"alphas": [1e-3, 1e-4]}, "alphas.* strictly increasing"),
        ({"rank": 2}, "rank 2: 4dr = 112 ≥ 105"),
        ({"steps": 1}, "steps 1: whether a run has settled"),
        ({"claim_found": 0.4}, "claim_found 0.4 > 0.3"),
        ({"step": 0.5}, "step 0.5 ≥ 0.5"),
    ],
)
def test_planes_that_make_no_sense_are_refused(change, rule):
    with pytest.raises(ValidationError, match=rule):
        config_of(NAME, **change)


def test_an_error_of_the_plane_is_that_of_a_sum_over_measurements():
    config = config_of(NAME, **SMALL, oversampling=[3], alphas=[1e-3, 0.05])
    d, m = config.size, config.count(3)
    found = phase._measure_one(np.random.default_rng(5), config, m)
    rng = np.random.default_rng(5)
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    upper, A = np.triu_indices(d), np.zeros((m, d, d))
    A[:, upper[0], upper[1]] = rng.standard_normal((m, len(upper[0])))
    A = np.where(np.eye(d) == 1, A, (A + A.mT) / np.sqrt(2))  # off the diagonal, √½ is the norm's
    target = factor @ factor.T
    eta = config.step / np.linalg.eigvalsh(target)[-1]
    for k, alpha in enumerate(config.alphas):
        U = alpha * W
        for _ in range(config.steps):
            residual = ((U @ U.T - target) * A).sum((1, 2))
            U = U - eta * 2 / m * (residual[:, None, None] * A).sum(0) @ U
        error = np.linalg.norm(U @ U.T - target) / np.linalg.norm(target)
        assert found["error"][k] == pytest.approx(error, rel=1e-6)


def everywhere(config, given):
    every, none = RIGHT(config, given)
    return every | none, none & False


def nowhere(config, given):
    every, none = RIGHT(config, given)
    return every & False, none | ~every


RIGHT = _plane.regions


@pytest.mark.long
@pytest.mark.parametrize("wrong", [everywhere, nowhere])
def test_borders_in_another_place_are_caught(monkeypatch, wrong):
    monkeypatch.setattr(phase, "regions", wrong)
    assert "recovery" in broken(monkeypatch)


@pytest.mark.parametrize("constant", [1e-4, 1e-3])
def test_a_guarantee_below_the_errors_is_caught(monkeypatch, constant):
    monkeypatch.setattr(phase, "CONSTANT", constant)
    assert "most_bound" in broken(monkeypatch)


def test_the_plane_as_it_is_holds(monkeypatch):
    assert broken(monkeypatch) == set()


def test_measurements_that_leave_less_than_the_least_are_caught(monkeypatch):
    right = phase._measure_one

    def closer(rng, config, m):
        found = right(rng, config, m)
        return found | {"error": found["error"] * 1e-9}

    monkeypatch.setattr(phase, "_measure_one", closer)
    result = run(NAME, **SMALL, oversampling=[4.5], alphas=[1e-5, 1e-3])
    assert {check.name for check in result.checks if not check.holds} == {"least_bound"}


FLOODED = {"oversampling": [0.4, 4.5], "alphas": [1e-5, 1e-4, 50]}


def test_points_that_leave_float64_are_named_and_the_others_judged():
    result = run(NAME, **SMALL | FLOODED)
    assert result.verdict == "holds"
    assert {check.name for check in result.checks} == {"recovery", "least_bound", "most_bound"}
    assert result.unchecked["left_float64"] == (
        "2 of 6 runs left float64: the start or the step is too large; "
        "not judged: m/(dr) 0.4, alpha 50; m/(dr) 4.5, alpha 50"
    )
    for check in result.checks:
        assert np.isfinite(check.measured.where(check.there, 0)).all()
        assert not check.there.sel(alpha=50).any()


def test_a_wrong_point_beside_those_that_left_float64_is_caught(monkeypatch):
    right = phase._measure_one

    def astray(rng, config, m):
        found = right(rng, config, m)
        return found | {"error": found["error"] + [0.0, 0.5, 0.0]}

    monkeypatch.setattr(phase, "_measure_one", astray)
    result = run(NAME, **SMALL | FLOODED)
    wrong = {check.name for check in result.checks if not check.holds}
    assert wrong == {"recovery", "most_bound"}
    assert result.verdict == "does not hold"


def test_a_plane_of_nothing_but_lost_runs_claims_nothing():
    result = run(NAME, **SMALL | {"oversampling": [4.5], "alphas": [50, 60]})
    assert (result.verdict, result.checks) == ("no claim", ())
    assert result.no_claim == ("2 of 2 runs left float64: the start or the step is too large",)


@pytest.mark.parametrize(
    ("change", "checked"),
    [
        ({"oversampling": [4.5], "alphas": [1e-5]}, {"recovery", "least_bound", "most_bound"}),
        ({"oversampling": [0.4, 0.5], "alphas": [1e-5]}, {"recovery"}),
        ({"oversampling": [2.5], "alphas": [1e-5]}, set()),
        ({"oversampling": [4.5, 8], "alphas": [1e-5], "steps": 2}, set()),
    ],
)
def test_a_plane_says_which_of_its_points_are_not_decided(change, checked):
    result = run(NAME, **SMALL | change)
    assert {check.name for check in result.checks} == checked
    assert checked | set(result.unchecked) == {"recovery", "least_bound", "most_bound"}
    assert result.verdict == ("holds" if checked else "no claim")
