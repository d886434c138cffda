"""Figures as data: marks, what they say of themselves, and their legend."""

import numpy as np
import pytest
import xarray as xr

from descent.figure import (
    Axis,
    axis,
    curve,
    heat,
    level,
    line,
    moment,
    panel,
    points,
    text,
)
from descent.lab.legend import legend


def array(values, **attrs):
    t = xr.Variable("t", np.arange(values.shape[-1]) + 1.0, {"long_name": "step t"})
    dims = ("replicate", "t")[2 - values.ndim :]
    return xr.DataArray(values, dims=dims, coords={"t": t}, attrs={"long_name": "error"} | attrs)


@pytest.mark.parametrize(
    ("role", "stroke"), [("measurement", "solid"), ("prediction", "dashed"), ("bound", "dotted")]
)
def test_a_curve_is_what_its_array_says(role, stroke):
    (mark,) = curve(array(np.array([4.0, 2.0, 1.0]), role=role))
    assert (mark.kind, mark.label, mark.stroke) == ("line", "error", stroke)
    assert (mark.values["x"].tolist(), mark.values["y"].tolist()) == ([1, 2, 3], [4, 2, 1])
    assert (mark.colour == "ink") == (role != "measurement")


def test_a_curve_over_replicates_is_their_median_and_a_band():
    values = np.random.default_rng(0).random((40, 7))
    values[3] = np.nan  # one run was lost
    values[:, 6] = np.nan  # all were
    band, median, dots = curve(array(values), marker=True)
    kept = np.delete(values, 3, 0)[:, :6]
    assert np.allclose(band.values["low"][:6], np.quantile(kept, 0.05, 0))
    assert np.allclose(band.values["high"][:6], np.quantile(kept, 0.95, 0))
    assert np.allclose(median.values["y"][:6], np.median(kept, 0))
    assert np.isnan(median.values["y"][6])
    assert (dots.kind, dots.label) == ("points", median.label)


def test_curves_of_nothing_and_of_one_run_are_curves():
    assert curve(array(np.empty(0)))[0].values["x"].size == 0
    band, _ = curve(array(np.array([[np.inf, 1.0]])))
    assert np.all(band.values["low"][1:] == 1)


def test_a_dashed_line_without_a_label_is_refused():
    for mark in (line([1], [2], role="predicted"), level(1, ""), moment(1, "", role="bound")):
        with pytest.raises(ValueError, match="without a label"):
            panel("title", Axis("x"), Axis("y"), mark)


def test_a_heat_map_whose_values_do_not_fit_its_axes_is_refused():
    """Where the figures are made, so that the picture says why, and not where they are painted."""
    heat([0, 1, 2], [0, 1], np.zeros((2, 3)), "z")
    with pytest.raises(ValueError, match="its values have shapes"):
        heat([0, 1], [0, 1], np.zeros((2, 3)), "z")


def test_an_axis_is_named_by_its_coordinate():
    eta = xr.DataArray([1.0], dims="eta", attrs={"long_name": "step size η", "units": "1/L"})
    assert axis(eta, "log") == Axis("step size η (1/L)", "log")


def test_a_legend_has_one_entry_a_label():
    one, two, other = legend(
        [
            *curve(array(np.random.default_rng(0).random((9, 3))), "error", marker=True),
            line([1], [1], "law", 1, "predicted"),
            line([1], [2], "law", 2, "predicted"),
            line([1], [3]),
            text(1, 1, "words"),
            points([1], [1], "ends", marker="star", hollow=True),
        ]
    )
    assert (one.label, one.colour, one.stroke, one.marker) == ("error", 0, "solid", "circle")
    assert (two.label, two.colour, two.stroke, two.marker) == ("law", "ink", "dashed", None)
    assert (other.label, other.stroke, other.marker, other.hollow) == ("ends", "", "star", True)


def test_a_band_with_a_label_is_an_area_in_the_legend():
    from descent.figure import band

    (entry,) = legend([band([1], [0], [1], "5–95 %")])
    assert (entry.area, entry.stroke, entry.marker) == (True, "", None)
