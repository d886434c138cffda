"""Reports: strict JSON that says of every check where it is nearest to failing, and words made from it."""

import json

import numpy as np
import pytest
import xarray as xr

from descent.config import Refusal
from descent.lab.results import as_report, dumps, load_report, restored
from descent.lab.words import bound, decimals, finding, outcome, place, words
from descent.result import Check, Erratum, Result

BETAS = xr.DataArray([0.1, 0.3], dims="beta", coords={"beta": [0.1, 0.3]})


def made(checks=(), **more) -> dict:
    """The report of a result, through its file and back."""
    metrics = more.pop("metrics", {})
    text = dumps(as_report(Result(xr.Dataset(), metrics, tuple(checks), **more)))
    assert "NaN" not in text.replace('"NaN"', "")
    return restored(json.loads(text, parse_constant=lambda name: pytest.fail(name)))


def test_a_check_is_shown_at_its_worst_point():
    rate = BETAS.copy(data=[0.9, 0.9 + 3e-8])
    (check,) = made([Check("rate", rate, "==", 0.9, 1e-7, "rounding")])["checks"].values()
    assert check == {
        **{"name": "rate", "relation": "==", "holds": True, "why": "rounding"},
        **{"at": {"beta": 0.3}, "measured": 0.9 + 3e-8, "predicted": 0.9, "tol": 1e-7, "points": 2},
    }
    assert finding(check) == "rate 0.90000003 = 0.9 ± 1e-07 (worst of 2, β = 0.3)"


@pytest.mark.parametrize(
    ("measured", "relation", "predicted", "tol", "said"),
    [
        (1.5, "<=", 2.0, 0.01, "x 1.500 ≤ 2 + 0.01"),
        (1.5, ">=", 1.0, 0.0, "x 1.5 ≥ 1"),
        (3.0, "==", 3.0, 0.0, "x 3 = 3"),
        (np.nan, "==", 3.0, 0.1, "x nan = 3 ± 0.1"),
        (np.inf, "<=", 3.0, 0.1, "x inf ≤ 3 + 0.1"),
        (0.0, "==", 1e-300, 1e-9, "x 0 = 1e-300 ± 1e-09"),
        (1 + 1e-12, "==", 1.0, 1e-12, "x 1.0000000000010 = 1 ± 1e-12"),
    ],
)
def test_a_number_is_said_with_its_bound(measured, relation, predicted, tol, said):
    (check,) = made([Check("x", measured, relation, predicted, tol, "why")])["checks"].values()
    assert finding(check) == said
    assert (bound(check), place(check)) == (said.partition(" ")[2].partition(" ")[2], "")


def test_a_check_of_no_points_says_so():
    empty = BETAS[:0]
    (check,) = made([Check("x", empty, "==", 1.0, 0.1, "why")])["checks"].values()
    assert (check["holds"], check["points"], place(check)) == (False, 0, "no points")


def test_what_json_lacks_is_a_string_and_comes_back_as_a_number():
    numbers = {"a": np.nan, "b": np.inf, "c": -np.inf, "d": np.float32(0.5), "e": np.int64(3)}
    report = as_report(Result(xr.Dataset(), numbers, ()))
    values = list(report["metrics"].values())
    assert values == ["NaN", "Infinity", "-Infinity", 0.5, 3]
    back = restored(report)["metrics"]
    assert np.isnan(back["a"])
    assert (back["b"], back["c"]) == (np.inf, -np.inf)


def test_a_metric_over_a_sweep_is_a_tree_keyed_by_its_points():
    table = xr.DataArray(
        [[1.0, 2.0]], dims=("run", "beta"), coords={"run": ["slow"], "beta": [0.1, 0.3]}
    )
    assert made(metrics={"x": table})["metrics"] == {
        "x": {"run=slow": {"beta=0.1": 1.0, "beta=0.3": 2.0}}
    }
    plain = xr.DataArray([1.0, 2.0], dims="layer")
    assert made(metrics={"x": plain})["metrics"] == {"x": {"layer=0": 1.0, "layer=1": 2.0}}


def test_two_points_that_are_written_alike_are_refused():
    table = xr.DataArray([1.0, 2.0], dims="sigma", coords={"sigma": [0.1, 0.10000001]})
    with pytest.raises(Refusal, match=r"both sigma=0\.1: they must differ in six digits"):
        as_report(Result(xr.Dataset(), {"x": table}, ()))


HOLDS = Check("good", 1.0, "==", 1.0, 0.1, "why")
FAILS = Check("rate_of_all", 2.0, "==", 1.0, 0.1, "why")


@pytest.mark.parametrize(
    ("checks", "reasons", "said"),
    [
        ([HOLDS], (), "holds"),
        ([HOLDS, FAILS], (), "does not hold: rate of all 2.000 = 1 ± 0.1"),
        ([HOLDS], ("3 runs were lost", "and 4"), "no claim: 3 runs were lost; and 4"),
        ([FAILS], ("3 runs were lost",), "does not hold: rate of all 2.000 = 1 ± 0.1"),
        ([], (), "no claim: these settings leave nothing to check"),
    ],
)
def test_the_verdict_has_its_reasons(checks, reasons, said):
    assert outcome(made(checks, no_claim=reasons)) == said


def test_errata_and_what_is_not_checked_are_in_the_report():
    erratum = Erratum("rate", "XYZ100, 1", 3.0, 2.0, 2.0, 0.1)
    report = made([HOLDS], errata=(erratum,), unchecked={"far": "no run goes there"})
    assert report["errata"]["rate"] == erratum._asdict() | {"stands": True}
    assert report["unchecked"] == {"far": "no run goes there"}


def test_a_report_of_another_layout_is_none(tmp_path):
    path = tmp_path / "one.json"
    for text in ('{"metrics": {}, "checks": {}, "errata": {}}', "[]", "", '{"schema": 3}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"schema 2|Expecting value"):
            load_report(path)


def test_digits_are_as_many_as_the_tolerance_tells_apart():
    assert decimals(0.123456789, 1e-2) == "0.1235"
    assert decimals(0.9, 1e-7) == "0.90000000"
    assert decimals(1000.0, 1.0) == "1000.0"
    assert decimals(1000.0, 100.0) == "1000"
    assert decimals(0.123456789123, 1e-9) == "0.1234567891"
    assert decimals(np.nan, 1e-9) == "nan"


def test_a_docstring_is_taken_apart():
    said = words(
        "The claim.\n\nWhy it is\nso.\n\n    x = y\n      = z\n\nSee: the line,\nand its end.\n\n"
        "Source: XYZ100, 1: it\nprints 2."
    )
    assert (said.claim, said.see) == ("The claim.", "the line, and its end.")
    assert said.source == "XYZ100, 1: it prints 2."
    assert said.paragraphs == [(False, "Why it is so."), (True, "x = y\n  = z")]
