"""A check compares at every point, by the names of the dimensions, and shows the worst."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from descent.check import with_points
from descent.result import Check, Erratum, Result, bound, predicted

WHY = "for the test"
NAN, INF = np.nan, np.inf


def over(dim: str, *values: float) -> xr.DataArray:
    return xr.DataArray(list(values), coords={dim: range(len(values))}, dims=dim)


@pytest.mark.parametrize(
    ("measured", "relation", "exact", "tol", "holds"),
    [
        (1.0, "==", 1.1, 0.11, True),
        (1.0, "==", 1.1, 0.09, False),
        (1.2, "==", 1.1, 0.09, False),
        (1.0, "<=", 1.0, 0, True),
        (-5.0, "<=", 1.0, 0, True),
        (1.1, "<=", 1.0, 0.2, True),
        (1.1, "<=", 1.0, 0, False),
        (1.1, ">=", 1.0, 0, True),
        (0.9, ">=", 1.0, 0, False),
        (INF, ">=", 1.0, 0, True),  # a run that diverges does exceed
        (-INF, "<=", 1.0, 0, True),
        (INF, "==", INF, 0, False),
        (INF, ">=", INF, 0, False),
        (1.0, "<=", INF, 0, False),  # everything is below that
        (1.0, "==", 2.0, INF, False),
        (NAN, "==", 1.0, 1, False),
        (NAN, "<=", 1.0, 1, False),
        (1.0, ">=", NAN, 1, False),
        (1.0, "==", 1.0, NAN, False),
    ],
)
def test_a_number_holds_within_the_tolerance_and_what_is_no_number_never(
    measured, relation, exact, tol, holds
):
    assert Check("x", measured, relation, exact, tol, WHY).holds is holds


def test_one_bad_point_is_enough_and_is_the_one_shown():
    measured = over("beta", 1.0, 2.5, 3.0)
    check = Check("x", measured, "==", over("beta", 1.0, 2.0, 3.0), 0.1, WHY)
    assert not check.holds
    assert check.worst == ({"beta": 1}, 2.5, 2.0, 0.1, 3)


@pytest.mark.parametrize("elsewhere", [NAN, INF, -INF, 1e300])
def test_only_points_that_are_there_are_compared_and_counted(elsewhere):
    measured, tol = over("beta", 1.0, elsewhere, 3.0, 4.0), over("beta", 0.1, -1, 0.2, NAN)
    there = over("beta", True, False, True, False)
    check = Check("x", measured, "==", over("beta", 1.0, 2.0, 3.1, NAN), tol, WHY, there)
    assert check.holds
    assert check.worst == ({"beta": 2}, 3.0, 3.1, 0.2, 2)
    assert not Check("x", measured, "==", over("beta", 1, 2, 3.5, NAN), tol, WHY, there).holds
    assert not Check("x", measured, "==", over("beta", 1, 2, 3, 4), 0.1, WHY).holds
    with pytest.raises(ValueError, match="negative"):
        Check("x", measured, "==", 1.0, tol, WHY)


def test_what_is_there_broadcasts_and_nothing_to_compare_does_not_hold():
    row = over("beta", 1.0, 2.0)
    there = xr.DataArray([True, False, True], dims="replicate")
    assert Check("x", row, "==", row, 0, WHY, there).worst.points == 4
    nothing = Check("y", row, "==", row, 0, WHY, there & False)
    assert not nothing.holds
    assert [one.name for one in with_points(nothing, Check("x", 1, "==", 1, 0, WHY))] == ["x"]


def test_dimensions_broadcast_by_name():
    measured = xr.DataArray(np.ones((2, 3)), dims=("replicate", "beta"))
    check = Check("x", measured, "==", over("beta", 1, 1, 1.5), over("replicate", 0.1, 1.0), WHY)
    worst = check.worst
    assert not check.holds
    assert (worst.at, worst.points) == ({"replicate": 0, "beta": 2}, 6)


def test_the_worst_point_is_the_one_off_by_most_tolerances():
    check = Check(
        "x", over("n", 1.0, 100.0), "==", over("n", 1.05, 101.0), over("n", 0.1, 10.0), WHY
    )
    assert check.holds
    assert check.worst.at == {"n": 0}
    exact = Check("x", over("n", 1.0, 2.0), "==", over("n", 1.0, 2.5), over("n", 1.0, 0.0), WHY)
    assert exact.worst.at == {"n": 1}


def test_a_point_that_is_no_number_is_worse_than_any_that_fails():
    check = Check("x", over("n", 9.0, NAN), "==", 1.0, 0.1, WHY)
    assert check.worst.at == {"n": 1}


def test_nothing_compared_does_not_hold():
    check = Check("x", over("n"), "==", 1.0, 0.1, WHY)
    assert not check.holds
    assert check.worst.points == 0


@pytest.mark.parametrize(
    "change",
    [{"tol": -1.0}, {"why": ""}, {"predicted": over("beta", 1.0, 2.0)}],
    ids=str,
)
def test_a_check_that_makes_no_sense_is_refused(change):
    given = {"measured": over("beta", 1.0), "relation": "==", "predicted": 1.0, "tol": 1.0}
    with pytest.raises(ValueError, match=r"x: |beta"):
        Check("x", **(given | {"why": WHY} | change))


@pytest.mark.long
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=6), st.floats(-10, 10), st.floats(0, 5))
def test_worst_is_a_point_that_fails_whenever_the_check_fails(values, exact, tol):
    for relation, passes in (
        ("==", lambda m: abs(m - exact) <= tol),
        ("<=", lambda m: m - exact <= tol),
        (">=", lambda m: exact - m <= tol),
    ):
        check = Check("x", over("n", *values), relation, exact, tol, WHY)
        assert check.holds == all(map(passes, values)) == passes(check.worst.measured)


def result(*checks, **rest) -> Result:
    return Result(xr.Dataset(), {}, checks, **rest)


def test_the_verdict_has_three_values_and_a_failed_check_decides():
    good, bad = Check("a", 1, "==", 1, 0, WHY), Check("b", 1, "==", 2, 0, WHY)
    assert result(good).verdict == "holds"
    assert result(good, unchecked={"c": "too short"}).verdict == "holds"
    assert result(good, no_claim=("2 of 3 runs diverged",)).verdict == "no claim"
    assert result().verdict == "no claim"
    assert result(good, bad, no_claim=("2 of 3 runs diverged",)).verdict == "does not hold"


def test_two_checks_of_one_name_are_refused():
    with pytest.raises(ValueError, match="a"):
        result(Check("a", 1, "==", 1, 0, WHY), Check("a", 1, "==", 2, 0, WHY))


@pytest.mark.parametrize(
    ("measured", "stands"), [(2.0, True), (2.05, True), (2.2, False), (3.0, False), (NAN, False)]
)
def test_an_erratum_stands_on_a_measurement_that_agrees_with_the_correct_value_only(
    measured, stands
):
    assert Erratum("x", "question 1", 3.0, 2.0, measured, 0.1).stands is stands


def test_an_erratum_whose_tolerance_reaches_the_printed_value_does_not_stand():
    assert not Erratum("x", "question 1", 2.1, 2.0, 2.0, 0.2).stands


def test_theory_says_that_it_is_theory():
    assert predicted("n", [1.0], "rate").attrs == {"long_name": "rate", "role": "prediction"}
    assert bound("n", [1.0], "rate", "1/s").attrs["role"] == "bound"
