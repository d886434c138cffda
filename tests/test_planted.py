"""Every check can fail: an error planted in the theory, or in the measurement, makes a check fail.

`run` is repeated with what its `predict…` and `measure…` returned, one variable of it changed. Each error in a
predicted variable has to make some check fail (of a bound: a factor 2 one way or the other), and each check has
to fail for an error in some measured variable. What survives stands with its reason in tests/survivors/<family>.yaml:

    experiment:
      predict.variable: why no check depends on it (it is only drawn, say)
      check_name: why no error in the measurement makes this check fail
"""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from descent.lab.results import load_report
from descent.maths import sampling
from harness import experiments, is_part, leaves, recorded, replayed
from toy import ROOT

SURVIVORS = Path(__file__).with_name("survivors")


def doubled(values: np.ndarray) -> np.ndarray:
    """Twice the values; where all are 0, one more."""
    if values.dtype.kind == "b":
        return ~values
    return 2 * values if np.any(values) else values + np.ones((), values.dtype)


def halved(values: np.ndarray) -> np.ndarray:
    return values / 2


def negated(values: np.ndarray) -> np.ndarray:
    return doubled(values) if values.dtype.kind in "bu" or not np.any(values) else -values


def raised(values: np.ndarray) -> np.ndarray:
    """All of them larger by their largest size."""
    return values + np.max(np.abs(values), initial=0).astype(values.dtype)


def lost(values: np.ndarray) -> np.ndarray:
    return np.full(values.shape, np.nan)


THEORY = {"doubled": doubled, "negated": negated, "lost": lost}
MEASURED = {"doubled": doubled, "negated": negated, "raised": raised}


def survivors(name: str) -> dict[str, str]:
    family, experiment = name.split("@")
    return _survivors(family).get(experiment) or {}


@cache
def _survivors(family: str) -> dict:
    path = SURVIVORS / f"{family}.yaml"
    return (YAML(typ="safe").load(path) if path.exists() else None) or {}


def failing(name: str, part: str, path: tuple[str, ...], error) -> set[str]:
    """The checks that fail with this error; "a refusal" if the comparison itself refuses the values."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():  # logarithms of negative norms
            warnings.simplefilter("ignore", RuntimeWarning)
            result = replayed(name, part, path, error)
    except ValueError:  # a negative tolerance, say
        return {"a refusal"}
    return {check.name for check in result.checks if not check.holds}


def unnoticed_errors(name: str, part: str, path: tuple[str, ...], value) -> list[str]:
    """Errors in a predicted variable that no check notices."""
    if getattr(value, "attrs", {}).get("role") == "bound":
        tighter = any(failing(name, part, path, error) for error in (doubled, halved))
        return ([] if tighter else ["a factor 2"]) + (
            [] if failing(name, part, path, lost) else ["lost"]
        )
    whole = np.asarray(value).dtype.kind in "biu"
    kinds = ["doubled", "negated"] if whole else ["doubled", "negated", "lost"]
    return [kind for kind in kinds if not failing(name, part, path, THEORY[kind])]


def planted(name: str, kind: str):
    """(variable, part, path, its first value) of everything that predict… or measure… returned."""
    for part, outputs in recorded(name).outputs.items():
        if part.startswith(kind):
            for path, value in leaves(outputs[0]):
                yield ".".join((part, *path)), part, path, value


@pytest.mark.parametrize("name", experiments())
def test_an_experiment_has_theory_and_measurement_apart(name):
    parts = recorded(name).outputs
    assert any(part.startswith("measure") for part in parts), "run calls no measure…"
    assert any(part.startswith("predict") for part in parts), "run calls no predict…"
    assert all(map(is_part, parts))


@pytest.mark.long
@pytest.mark.parametrize("name", experiments())
def test_an_error_in_the_theory_makes_a_check_fail(name):
    excused, unnoticed, needless = survivors(name), [], []
    for variable, part, path, value in planted(name, "predict"):
        unseen = unnoticed_errors(name, part, path, value)
        if unseen and variable not in excused:
            unnoticed.append(f"{variable}: {', '.join(unseen)}")
        if not unseen and variable in excused:
            needless.append(variable)
    assert not unnoticed, "no check notices"
    assert not needless, "excused, but a check does notice"


@pytest.mark.long
@pytest.mark.parametrize("name", experiments())
def test_every_check_fails_for_some_error_in_the_measurement(name):
    excused = survivors(name)
    left = {check.name for check in recorded(name).result.checks} - excused.keys()
    for _, part, path, _ in planted(name, "measure"):
        for error in MEASURED.values():
            if left:
                left -= failing(name, part, path, error)
    assert not left, "no error in the measurement makes these fail"


def test_survivors_stand_under_experiments_with_a_reason():
    for path in SURVIVORS.glob("*.yaml"):
        for experiment, reasons in (YAML(typ="safe").load(path) or {}).items():
            assert f"{path.stem}@{experiment}" in experiments()
            assert all(isinstance(reason, str) and len(reason) > 10 for reason in reasons.values())


@pytest.mark.parametrize("name", [name for name in experiments() if survivors(name)])
def test_survivors_name_what_there_is(name):
    there = {variable for variable, *_ in planted(name, "predict")}
    there |= {check.name for check in recorded(name).result.checks}
    assert survivors(name).keys() <= there


def test_no_more_stochastic_checks_than_share_the_rate():
    words = ("standard errors", "order statistics", "binomial law", "gamma law")
    reports = [load_report(ROOT / f"metrics/{b.path}.json") for b in experiments().values()]
    whys = [check["why"] for report in reports for check in report["checks"].values()]
    assert 0 < sum(any(word in why for word in words) for why in whys) <= sampling.CHECKS
