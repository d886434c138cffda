"""What a figure shows, read back from Matplotlib: the numbers that were drawn, and nothing made up."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from chart import POINTS, chart, numbers, thinned
from words import cited, words

from curves import main_panel, rows
from descent.style import against, figure, level


@pytest.fixture
def axes():
    drawing, (axes,) = figure()
    yield axes
    plt.close(drawing)


def marks(axes, kind):
    (panel,) = chart(axes.figure)
    return [mark for mark in panel["marks"] if mark["kind"] == kind]


def curve(values, **attrs):
    t = xr.Variable("t", np.arange(values.shape[-1]) + 1.0, {"long_name": "step t"})
    dims = ("replicate", "t")[2 - values.ndim :]
    return xr.DataArray(values, dims=dims, coords={"t": t}, attrs={"long_name": "error"} | attrs)


def test_a_line_is_its_points_and_a_prediction_is_dashed(axes):
    against(axes, curve(np.array([4.0, 2.0, 1.0])))
    against(axes, curve(np.array([4.0, 2.0, 1.0]), role="prediction"), "law")
    measured, predicted = marks(axes, "line")
    assert (measured["x"], measured["y"]) == ([1, 2, 3], [4, 2, 1])
    assert (measured["label"], measured["stroke"]) == ("error", "solid")
    assert (predicted["label"], predicted["stroke"]) == ("law", "dashed")


def test_the_band_over_replicates_is_read_back(axes):
    values = np.random.default_rng(0).random((40, 7))
    against(axes, curve(values))
    (band,) = marks(axes, "band")
    assert np.allclose(band["low"], np.quantile(values, 0.05, 0), rtol=1e-5)
    assert np.allclose(band["high"], np.quantile(values, 0.95, 0), rtol=1e-5)
    assert band["x"] == [1, 2, 3, 4, 5, 6, 7]


def test_levels_moments_and_points_are_told_apart(axes):
    level(axes, 0.5, "floor")
    axes.axvline(3, label="when")
    axes.axvline(np.inf, label="never")
    axes.plot([1, 2], [3, 4], "o", label="ends")
    axes.scatter([1, 2], [3, 4], s=50, color="white", edgecolors="black")
    assert [(m["at"], m["label"]) for m in marks(axes, "level")] == [(0.5, "floor")]
    assert [(m["at"], m["label"]) for m in marks(axes, "moment")] == [(3, "when")]
    assert [m.get("hollow") for m in marks(axes, "points")] == [None, True]
    assert marks(axes, "line") == []


def test_what_no_scale_can_show_is_left_out(axes):
    axes.plot([0, 1, 2], [0.0, np.nan, 1e-3], label="error")
    axes.set(xscale="log", yscale="log")
    (line,) = marks(axes, "line")
    assert line["x"] == [None, 1, 2]
    assert line["y"] == [None, None, 1e-3]
    assert numbers([np.inf, 1 / 3]) == [None, 0.333333]


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_long_curve_is_thinned_evenly_as_it_is_drawn(scale):
    x = np.arange(100_001.0)
    kept = x[thinned(x, scale)]
    place = np.log(kept) if scale == "log" else kept
    assert len(kept) <= POINTS
    assert kept[-1] == x[-1]
    gaps = np.diff(place)
    assert gaps.max() < 1.5 * np.median(gaps[-50:]) or scale == "log"


def test_a_closed_curve_keeps_its_order(axes):
    angle = np.linspace(0, 2 * np.pi, 1001)
    axes.plot(np.cos(angle), np.sin(angle), label="circle")
    (line,) = marks(axes, "line")
    assert 100 < len(line["x"]) <= POINTS
    assert np.allclose(np.hypot(line["x"], line["y"]), 1, atol=1e-5)
    assert np.all(np.diff(np.unwrap(np.arctan2(line["y"], line["x"]))) > 0)


def test_a_heat_map_is_not_whole(axes):
    axes.pcolormesh(np.arange(4.0).reshape(2, 2))
    assert [panel["whole"] for panel in chart(axes.figure)] == [False]


def test_the_table_of_dvc_plots_has_every_named_curve_once(axes):
    axes.plot([1, 2], [3.0, np.nan], "o-", label="measured")
    axes.plot([1, 2], [5, 6], "--", label="law")
    axes.plot([1, 2], [7, 8])
    axes.set(xlabel="step", ylabel="error")
    panels = chart(axes.figure)
    assert rows(main_panel(panels)) == [
        ("measured", "solid", 1, 3, "step", "error"),
        ("law", "dashed", 1, 5, "step", "error"),
        ("law", "dashed", 2, 6, "step", "error"),
    ]


def test_a_docstring_is_taken_apart():
    said = words(
        "A claim\nin two lines.\n\n    x = 1\n      y\n\nWords\nmore.\n\nSource: CS1 sheet 2,\nquestion 3."
    )
    assert said.claim == "A claim in two lines."
    assert [tuple(p) for p in said.paragraphs] == [(True, "x = 1\n  y"), (False, "Words more.")]
    assert said.source == "CS1 sheet 2, question 3."


@pytest.mark.parametrize(
    ("where", "document", "question"),
    [
        ("FRTN50 assignment 2b", "FRTN50 assignment", "2b"),
        ("FRTN50 assignment, exercise 5: x", "FRTN50 assignment", "exercise 5: x"),
        ("CS7180 problem set 2, answer to 2c", "CS7180 problem set 2", "answer to 2c"),
        ("CS182 homework 2, question 3a: λ", "CS182 homework 2", "question 3a: λ"),
        ("somewhere", "somewhere", ""),
    ],
)
def test_a_citation_is_a_document_and_a_place(where, document, question):
    assert cited(where) == {"document": document, "question": question}
