"""The still pictures: valid, complete, the same bytes everywhere."""

import os
import re
import subprocess
import sys
import warnings
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from matplotlib.markers import TICKLEFT

from descent.figure import Axis, Figure, band, heat, level, line, panel, points
from descent.lab import svg
from descent.lab.colours import shades
from descent.lab.seen import seen
from descent.lab.svg import paint, save, text_of
from descent.lab.thinning import POINTS, turning
from descent.lab.ticks import LABELS, log_ticks
from gallery import WORDS, of_every_kind, pictures
from toy import ROOT


def texts(path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.long
@pytest.mark.parametrize("name", pictures())
def test_a_picture_is_a_small_valid_svg(name, tmp_path):
    picture = tmp_path / "picture.svg"
    save(pictures()[name], picture)
    ElementTree.parse(picture)
    assert picture.stat().st_size < 250_000
    for shown in map(seen, pictures()[name].panels):
        for word in filter(None, [shown.title, shown.x.label, *shown.nothing.splitlines()]):
            assert any(word[:6] in text for text in texts(picture)), word


def test_words_are_drawn_as_they_are_written(tmp_path):
    picture = tmp_path / "picture.svg"
    x = Axis("$x^2$ _a_")
    save(Figure((panel("$\\frac$", x, x, line([1, 2], [1, 2], "_law $")),), "See <this>."), picture)
    assert {"$x^2$ _a_", "$\\frac$", "_law $"} <= set(texts(picture))
    root = ElementTree.parse(picture).getroot()
    said = [root.find(f"{{http://www.w3.org/2000/svg}}{tag}").text for tag in ("title", "desc")]
    assert said == ["$\\frac$", "See <this>."]


@pytest.mark.long
def test_every_mark_with_a_label_is_in_the_legend(tmp_path):
    picture = tmp_path / "picture.svg"
    save(pictures()["maps"], picture)
    assert {"e", "circle", "sample", "law", *(f"n = {k}" for k in range(14))} <= set(texts(picture))


HOSTILE = """
backend: svg
text.usetex: True
savefig.bbox: tight
savefig.dpi: 33
savefig.transparent: True
figure.dpi: 250
figure.facecolor: red
font.family: serif
font.size: 30
lines.linewidth: 9
lines.dashed_pattern: 1, 1
axes.formatter.limits: -1, 1
axes.formatter.use_mathtext: True
axes.unicode_minus: False
axes.prop_cycle: cycler('color', ['r'])
legend.loc: center
svg.fonttype: path
svg.hashsalt: other
path.sketch: 3, 100, 2
image.cmap: jet
this is no line of such a file
"""


@pytest.mark.long
def test_the_settings_of_the_user_change_no_byte(tmp_path):
    script = """
import sys
sys.path[:0] = ["src", "tests"]
from pathlib import Path
from descent.lab.svg import save
from gallery import pictures
for name in ("maps", "little"):
    save(pictures()[name], Path(sys.argv[1], f"{name}.svg"))
"""
    (tmp_path / "hostile").write_text(HOSTILE, encoding="utf-8")
    for folder, more in {
        "usual": {},
        "other": {"MATPLOTLIBRC": str(tmp_path / "hostile"), "MPLBACKEND": "module://nowhere"},
    }.items():
        (tmp_path / folder).mkdir()
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / folder)],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": str(len(more))} | more,
            check=True,
            capture_output=True,
        )
    for name in ("maps.svg", "little.svg"):
        usual, other = ((tmp_path / folder / name).read_bytes() for folder in ("usual", "other"))
        assert usual == other


def test_painting_leaves_the_settings_of_matplotlib_alone():
    before = dict(matplotlib.rcParams)
    paint(pictures()["decades"])
    assert dict(matplotlib.rcParams) == before


numbers = st.lists(
    st.one_of(
        st.floats(allow_nan=True, allow_infinity=True),
        st.sampled_from([0.0, -0.0, 1.0, 1e-310, 1e300, -1e300, np.nan, np.inf, -np.inf]),
    ),
    max_size=8,
)
limits = st.tuples(
    *2 * [st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))],
)
scales = st.sampled_from(["linear", "log", "symlog"])


@pytest.mark.long
@given(values=numbers, scale=scales, given_limits=limits)
@settings(deadline=None, max_examples=150)
def test_whatever_a_panel_holds_its_axes_have_limits(values, scale, given_limits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = seen(of_every_kind(np.array(values, float), scale, given_limits))
    for ruler in (shown.x, shown.y):
        assert np.isfinite([ruler.low, ruler.high]).all()
        assert ruler.low != ruler.high
        assert ruler.scale != "log" or min(ruler.low, ruler.high) > 0
        low, high = sorted((ruler.low, ruler.high))
        assert all(low <= tick <= high for tick, _ in ruler.ticks or ())
        assert np.isfinite([ruler.place(tick) for tick, _ in ruler.ticks or ()]).all()


@pytest.mark.long
@given(values=numbers, scale=scales, given_limits=limits)
@example(values=[5e16, -1e300], scale="symlog", given_limits=(-7.68e-165, -4.72e-23))
@example(values=[1e300, 1e-3], scale="log", given_limits=(1.0, 1.0000000100001))
@settings(deadline=None, max_examples=12, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_whatever_a_panel_holds_it_is_drawn(values, scale, given_limits, tmp_path_factory):
    picture = tmp_path_factory.mktemp("any") / "picture.svg"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(Figure((of_every_kind(np.array(values, float), scale, given_limits),)), picture)
    coordinates = re.findall(r"[ML] (\S+) (\S+)", picture.read_text(encoding="utf-8"))
    assert np.all(np.abs(np.array(coordinates, float)) < 1e6)
    ElementTree.parse(picture)


@pytest.mark.parametrize(
    "z", [[1e308, 1e308], [-1e308, 1e308], [1.7e308, 1.0], [-1e308, np.nan], [1e20, 1e20]]
)
@pytest.mark.parametrize("diverging", [False, True])
def test_a_map_of_numbers_near_the_largest_has_colours(z, diverging):
    """Matplotlib adds and subtracts the ends of its bar."""
    mark = heat([1, 2], [1, 2], np.array([z, z]), "z", diverging=diverging)
    low, high = shades(mark)
    assert np.isfinite([high - low, high + low]).all()
    assert low < high
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paint(Figure((panel("", Axis("x"), Axis("y"), mark),))).canvas.draw()


@pytest.mark.long
@given(st.floats(-300, 307), st.floats(0.001, 620))
@settings(deadline=None, max_examples=500)
def test_a_logarithmic_axis_has_some_labels_and_not_too_many(low, decades):
    bottom, top = 10.0**low, 10.0 ** min(low + decades, 308.0)
    ticks, minor = log_ticks(bottom, top)
    assert 2 <= len(ticks) <= LABELS + 3
    assert len({name for _, name in ticks}) == len(ticks)
    assert not {value for value, _ in ticks} & set(minor)
    assert all(bottom <= value <= top for value in [*minor, *(value for value, _ in ticks)])


@pytest.mark.parametrize(
    ("low", "high", "names"),
    [
        (0.9, 110, ["1", "2", "5", "10", "20", "50", "100"]),
        (1e-6, 1e-3, ["10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³"]),
        (1, 1e5, ["10⁰", "10¹", "10²", "10³", "10⁴", "10⁵"]),
        (1e-20, 1, ["10⁻²⁰", "10⁻¹⁶", "10⁻¹²", "10⁻⁸", "10⁻⁴", "10⁰"]),
        (3e-7, 3e-6, ["5·10⁻⁷", "10⁻⁶", "2·10⁻⁶"]),
        (1, 4.1, ["1", "2", "3", "4"]),
        (1, 1.1, ["1", "1.02", "1.04", "1.06", "1.08", "1.1"]),
    ],
)
def test_labels_of_a_logarithmic_axis(low, high, names):
    assert [name for _, name in log_ticks(low, high)[0]] == names


def place(values, scale):
    values = np.log(values) if scale == "log" else values
    return (values - values[0]) / (values[-1] - values[0])


@pytest.mark.parametrize("name", ["decades", "kinds", "nothing"])
def test_ticks_are_worked_out_once_and_are_those_of_matplotlib(name, monkeypatch):
    once = text_of(pictures()[name])
    monkeypatch.setattr(svg, "decided", lambda axis: None)
    assert text_of(pictures()[name]) == once


def test_bare_ticks_stand_where_a_logarithmic_axis_has_them():
    shown = panel("", Axis("x"), Axis("y", "log"), line([1, 2], [1e-3, 1e1]))
    axes = paint(Figure((shown,))).axes[0]
    bare = next(each for each in axes.lines if each.get_marker() == TICKLEFT)
    at = axes.transData.inverted().transform(bare.get_transform().transform(bare.get_xydata()))
    low, high = axes.get_ylim()
    _, minor = log_ticks(low, high)
    assert minor
    np.testing.assert_allclose(at, [(axes.get_xlim()[0], value) for value in minor], rtol=1e-9)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_long_curve_is_thinned_evenly_as_it_is_drawn(scale):
    x = place(np.arange(1, 100_001.0), scale)
    kept = x[turning(x, x)]
    assert len(kept) <= POINTS
    assert (kept[0], kept[-1]) == (0, 1)
    assert np.diff(kept[kept > 0.4]).max() < 0.02


def test_a_spike_and_a_gap_survive():
    x = np.linspace(0, 1, 50_001)
    y = np.sin(9 * x)
    y[12_345] = 40
    y[30_000:31_000] = x[30_000:31_000] = np.nan
    kept = turning(x, y)
    assert len(kept) <= POINTS
    assert 40 in y[kept]
    assert np.isnan(y[kept]).any()
    inside = kept[(kept > 29_000) & (kept < 32_000)]
    assert np.isnan(y[inside]).sum() >= 1


def test_a_closed_curve_keeps_its_order():
    angle = np.linspace(0, 2 * np.pi, 1001)
    kept = turning(np.cos(angle), np.sin(angle))
    assert 100 < len(kept) <= POINTS
    assert np.all(np.diff(kept) > 0)


def test_only_what_the_limits_show_counts_among_the_points_of_a_curve():
    t = np.arange(100_000.0)
    shown = seen(panel("start", Axis("t", limits=(0, 100)), Axis("y"), line(t, t, "y")))
    assert 100 <= len(shown.marks[0].values["x"]) <= 103


def test_what_an_axis_has_no_place_for_is_left_out():
    y = Axis("y", "log")
    shown = seen(
        panel(
            "some",
            Axis("x"),
            y,
            line([0, 1, 2, 3], [0.0, np.nan, 1e-3, np.inf], "y"),
            level(0, "no"),
        )
    )
    assert [mark.kind for mark in shown.marks] == ["line", "points"]  # a point without a neighbour
    assert (shown.marks[1].values["x"], shown.marks[1].values["y"]) == ([2], [1e-3])


def test_a_band_reaches_the_end_of_the_axis_where_its_edge_is_off_it():
    edges = ([1, 2, 3], [0, 1, np.nan], [1, np.inf, 2])
    shown = seen(panel("band", Axis("x"), Axis("y", "log"), band(*edges), points([1], [0.1])))
    values = shown.marks[0].values
    assert values["low"][:2].tolist() == [shown.y.low, 1]
    assert values["high"][:2].tolist() == [1, shown.y.high]
    assert len(values["x"]) == 2


def test_a_panel_with_nothing_left_says_so():
    zero = panel("t", Axis("x", "log"), Axis("y", "log"), line([1, 2], [0, 0], "y"))
    assert seen(zero).nothing == "nothing to show here:\nno finite positive value"
    assert (seen(zero).x.scale, seen(zero).y.scale) == ("linear", "linear")
    lost = panel("t", Axis("x"), Axis("y"), line([1, 2], [np.nan, np.inf], "y"))
    assert seen(lost).nothing == "nothing to show here:\nno finite value"


@pytest.mark.long
def test_a_legend_never_lies_on_points(tmp_path):
    drawing = paint(pictures()["maps"])
    beside = drawing.axes[2]
    assert beside.get_title() == "cloud"
    assert beside.get_legend() is None
    assert sum(axes.get_legend() is not None for axes in drawing.axes) == 4


def test_words_may_hold_anything(tmp_path):
    save(
        Figure((panel(WORDS, Axis(WORDS), Axis(WORDS), line([1, 2], [1, 2], WORDS)),)),
        tmp_path / "a",
    )
    ElementTree.parse(tmp_path / "a")
