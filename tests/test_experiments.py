"""Every block of params.yaml keeps the contract of an experiment, at toy size."""

import ast
import inspect
from importlib import import_module

import numpy as np
import pytest

from descent.figure import Figure
from descent.lab import svg, vega
from descent.lab.attempt import broken
from faults.seeds import drawn, outcomes
from harness import again, experiments, module_of, toy

NAMES = list(experiments())
QUICK, SEEDS = 0.05, 3  # seconds of a run whose experiment is tried with so many other seeds
LONGEST = 110  # characters of a claim


@pytest.mark.parametrize("name", NAMES)
def test_what_it_returns_keeps_the_contract(name):
    """Labelled, finite, with checks or a reason for none: as `make try` says."""
    assert not broken(toy(name))


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_two_runs_are_equal_to_the_bit(name):
    first, (second, _) = toy(name), again(name)
    assert first.data.identical(second.data)
    for one, other in zip(first.checks, second.checks, strict=True):
        np.testing.assert_equal(one.worst, other.worst)


@pytest.mark.parametrize("name", NAMES)
def test_the_claim_holds(name):
    result = toy(name)
    assert [(check.name, check.worst) for check in result.checks if not check.holds] == []
    assert [erratum for erratum in result.errata if not erratum.stands] == []
    assert result.verdict == "holds", result.no_claim


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in NAMES if drawn(name)])
def test_other_seeds_raise_no_alarm(name):
    """Of the quick experiments; `python tests/faults/seeds.py` tries all of them, and more seeds."""
    _, seconds = again(name)
    if seconds > QUICK:
        pytest.skip(f"one run takes {seconds:.2f} s")
    said = [(seed, kind, what) for kind, seed, what in outcomes(name, SEEDS)]
    assert [one for one in said if one[1] in ("failed", "exception")] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_figure_is_whole(name):
    block = experiments()[name]
    draw = getattr(import_module(f"descent.{block.family}.figures"), block.name)
    shown = draw(toy(name).data)
    assert isinstance(shown, Figure)
    svg.paint(shown)
    vega.panels(shown)
    for panel in shown.panels:
        assert panel.x.label
        assert panel.y.label
        assert panel.title or len(shown.panels) == 1
        assert panel.marks


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_has_a_claim_a_reason_what_to_see_and_a_source(name):
    docstring = inspect.getdoc(module_of(name))
    claim, rest = docstring.split("\n", 1)
    assert len(claim) <= LONGEST, len(claim)
    assert claim.endswith(".")
    assert rest.startswith("\n"), "the claim is one line"
    for part in ("See: ", "Source: "):
        assert f"\n{part}" in rest, part


@pytest.mark.parametrize("name", NAMES)
def test_the_module_is_short_enough_to_read(name):
    text = inspect.getsource(module_of(name))
    assert text.count("\n") <= 200
    assert "fmt: skip" not in text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            most = 40 if node.name == "run" else 60
            assert node.end_lineno - node.lineno < most, node.name
