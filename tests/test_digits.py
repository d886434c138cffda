"""What git keeps has the digits that say something: those of reports, figures and drawings."""

import json
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given
from hypothesis import strategies as st

from descent.figure import Axis, Figure, heat, level, line, panel, points
from descent.lab import svg, vega
from descent.lab.digits import of_report
from descent.lab.gate.reports import Move, parse
from descent.lab.gate.rules import Tolerance
from descent.lab.results import as_report, dumps
from descent.lab.rounding import rounded
from descent.lab.rulers import Ruler
from descent.lab.svg_digits import with_few_digits
from descent.result import Check, Erratum, Result
from gallery import pictures

RULES = [
    Tolerance(pattern="a/one:count", relative=0, absolute=0, reason="a count"),
    Tolerance(pattern="a/one:noisy.*", relative=0.1, absolute=0, reason="noise"),
    Tolerance(pattern="*", relative=1e-9, absolute=1e-13, reason="float64"),
]
DIMS = {"n": [1, 2]}


def report(*checks, metrics=(), errata=()) -> dict:
    found = as_report(Result(xr.Dataset(), dict(metrics), checks, errata))
    return json.loads(dumps(of_report(found, "a/one", RULES)))


@pytest.mark.long
@given(st.floats(allow_nan=True), st.floats(0, 1e308))
@example(1.7976931348500002e308, 1e298)  # rounded up it would be no float
@example(-1.7976931348500002e308, 1e298)
@example(5e-324, 5e-324)
def test_a_number_moves_by_half_a_step_at_the_most(value, step):
    found = rounded(value, step)
    if not math.isfinite(value):
        assert found is value
    elif step == 0:
        assert found == value
    else:
        assert abs(found - value) <= 0.5 * step + abs(value) * 1e-15
        assert math.copysign(1, found) == 1 or found < 0  # no −0


@pytest.mark.parametrize("scale", ["linear", "log", "symlog"])
def test_a_place_of_an_axis_is_rounded_up_to_the_largest_number(scale):
    values = np.array([1.7976931348500002e308, 1.0, 5e-324, np.nan, np.inf])
    found = Ruler("", scale, 1e-300, 1e300, None).rounded(values)
    assert np.isfinite(found[:3]).all()
    assert np.isnan(found[3])
    assert found[4] == np.inf


def test_a_metric_has_the_digits_that_its_tolerance_allows():
    metrics = {
        "count": 1 / 3,
        "noisy": xr.DataArray([12.345678, 0.00012345678], dims="n", coords=DIMS),
        "exact": 1 / 3,
        "tiny": 3e-17,
        "whole": 7,
        "lost": math.nan,
    }
    assert report(metrics=metrics)["metrics"] == {
        "count": 1 / 3,
        "noisy": {"n=1": 12.35, "n=2": 0.0001235},
        "exact": 0.333333333333,
        "tiny": 0.0,
        "whole": 7,
        "lost": "NaN",
    }


@given(st.floats(-1e6, 1e6))
def test_fewer_digits_are_no_failure_of_the_gate(value):
    (now,) = report(metrics={"x": value})["metrics"].values()
    rule = RULES[-1]
    assert not Move("a/one:x", value, now, rule.allows(value)).fails
    assert abs(now - value) <= rule.allows(value) / 100


@pytest.mark.parametrize(
    ("check", "measured", "predicted", "tol"),
    [
        (Check("x", 0.1 + 3e-9, "==", 0.1 - 3e-9, 1.234e-6, "why"), 0.1, 0.1, 1.2e-6),
        (Check("x", -3e-18, "==", 0.0, 5e-15, "why"), 0.0, 0.0, 5e-15),
        (Check("x", 1 / 3, "<=", 2 / 3, 0.0, "why"), 0.33333, 0.66667, 0.0),
        (Check("x", 0.5, "==", 0.5 + 1e-9, 0.0, "why"), 0.5, 0.500000001, 0.0),
        (Check("x", 3, "==", 3, 0, "why"), 3.0, 3.0, 0.0),
        (Check("x", math.nan, "==", 3, 0.1, "why"), "NaN", 3.0, 0.1),
    ],
)
def test_a_check_has_the_digits_that_its_tolerance_allows(check, measured, predicted, tol):
    (found,) = report(check)["checks"].values()
    assert (found["measured"], found["predicted"], found["tol"]) == (measured, predicted, tol)


def test_an_erratum_has_the_digits_that_its_tolerance_allows():
    (found,) = report(errata=(Erratum("x", "y", 2 / 3, 1 / 3, 1 / 3 + 1e-9, 1e-3),))[
        "errata"
    ].values()
    numbers = [found[key] for key in ("printed", "correct", "measured", "tol")]
    assert numbers == [0.6667, 0.3333, 0.3333, 1e-3]
    assert found["stands"]


def test_the_gate_reads_what_is_written():
    text = json.dumps(report(Check("x", 1, "==", 1, 0.1, "why"), metrics={"y": 1 / 3}))
    assert parse(text.encode()).metrics == {"y": 0.333333333333}


# ---- Figures.


def off(values, size: float = 1e-13) -> np.ndarray:
    """The same numbers on another machine."""
    values = np.asarray(values, float)
    return values * (1 + size * np.random.default_rng(1).uniform(-1, 1, values.shape))


def figure(change) -> Figure:
    t, log = np.linspace(1, 50, 3001), Axis("error", "log")
    flat = change(np.full(3001, 0.7))
    y, z = change(np.exp(-t)), change(np.add.outer(np.sin(t[:9]), np.cos(t[:9])))
    return Figure(
        (
            panel("decay", Axis("t"), log, line(t, y, "y"), level(float(change(1e-9)), "floor")),
            panel("flat", Axis("t", "log"), Axis("y"), line(t, flat, "y"), points([3.0], [0.5])),
            panel("map", Axis("t"), Axis("t"), heat(t[:9], t[:9], z, "z", diverging=True)),
        )
    )


@pytest.mark.long
def test_the_roundings_of_another_machine_draw_the_same_picture():
    here, there = (figure(change) for change in (np.asarray, off))
    assert vega.embedded(vega.panels(here)) == vega.embedded(vega.panels(there))
    assert svg.text_of(here) == svg.text_of(there)
    assert svg.text_of(here) != svg.text_of(figure(lambda values: off(values, 0.1)))


def places(text: str) -> list[float]:
    tags = re.findall(r'\s(?:d|x|y|width|height|transform|viewBox)="([^"]*)"', text)
    return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", " ".join(tags))]


@pytest.mark.long
def test_a_drawing_keeps_its_places_to_a_hundredth_its_words_and_its_names(monkeypatch):
    painted = []
    monkeypatch.setattr(svg, "with_few_digits", lambda text: painted.append(text) or text)
    for one in pictures().values():
        svg.text_of(one)
    assert len(painted) == len(pictures())
    for long in painted:
        short = with_few_digits(long)
        assert np.allclose(places(short), places(long), rtol=0, atol=0.0051)
        words = [
            [element.text for element in ElementTree.fromstring(text).iter()]
            for text in (short, long)
        ]
        assert words[0] == words[1]
        named = [set(re.findall(r'\sid="([^"]*)"', text)) for text in (short, long)]
        assert len(named[0]) == len(named[1])
        for used in re.findall(r'"#([^"]*)"|url\(#([^)]*)\)', short):
            assert "".join(used) in named[0]
        assert not re.search(r'(?:id="|#)\w*[0-9a-f]{10}', short)
    assert (
        with_few_digits('<a d="M 1.005001 -0.001"/>x="1.23456"') == '<a d="M 1.01 0"/>x="1.23456"'
    )
