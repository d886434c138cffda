"""The panels of the page: strict JSON of what is seen, drawn by a browser without a complaint."""

import json
import math
import re

import numpy as np
import pytest

from browser import browser, listen, needs_chromium
from descent.figure import Axis, Figure, band, heat, level, line, moment, panel, points, text
from descent.lab import page
from descent.lab.curves import rows
from descent.lab.seen import plain
from descent.lab.vega import CELLS, embedded, main_panel, numbers, panels
from gallery import WORDS, pictures

X, Y = Axis("step", limits=(0, 4)), Axis("error", limits=(0, 9))


def one(*marks, x=X, y=Y) -> dict:
    (found,) = panels(Figure((panel("title", x, y, *marks),)))
    return found


@pytest.mark.parametrize("name", pictures())
def test_panels_are_strict_json_that_stands_in_a_page(name):
    said = panels(pictures()[name])
    written = embedded(said)
    assert json.loads(written) == said
    assert not set(written) & set("<>&\u2028\u2029")
    written.encode("utf-8")
    assert len(written) < 100_000  # of curves with 140,000 points


def test_six_significant_digits_or_as_many_as_the_axis_shows():
    assert numbers(np.array([1 / 3, np.nan])) == [0.333333, None]
    near = 1 + np.array([0, 1e-9, 2e-9, 1e-9])
    found = one(line([0, 1, 2, 3], near, "near"), y=Axis("y"))["marks"][0]["y"]
    assert np.allclose(found, near, rtol=0, atol=1e-14)


def test_every_mark_says_what_it_is():
    said = one(
        line([1, 2], [3, 4], "measured"),
        line([1, 2], [3, 5], "law", role="predicted"),
        level(2, "floor", role="bound"),
        moment(np.inf, "never"),
        points([1], [2], "ends", 1, marker="star", hollow=True),
        band([1, 2], [1, 1], [2, 2], "5–95 %"),
        text(1, 2, "words", raised=True),
    )
    kinds = [(mark["kind"], mark["stroke"], mark["role"]) for mark in said["marks"]]
    assert kinds == [
        ("line", "solid", "measured"),
        ("line", "dashed", "predicted"),
        ("level", "dotted", "bound"),
        ("points", "solid", "measured"),
        ("band", "solid", "measured"),
        ("text", "solid", "measured"),
    ]
    legend = {entry["label"]: entry for entry in said["legend"]}
    assert list(legend) == ["measured", "law", "floor", "ends", "5–95 %"]
    assert (legend["law"]["stroke"], legend["law"]["colour"]) == ("dashed", "#000000")
    assert (legend["ends"]["marker"], legend["ends"]["stroke"]) == ("star", "")


def test_a_map_of_colours_is_drawn_unless_it_is_too_large():
    small = one(heat([1, 2], [1, 2, 3], np.arange(6).reshape(3, 2), "z"), y=Axis("y", "log"))
    (mark,) = small["marks"]
    assert small["whole"]
    assert (len(mark["x"]), len(mark["y"]), mark["limits"]) == (3, 4, [0, 5])
    assert np.allclose(mark["y"][1], math.sqrt(2))  # halfway as drawn
    side = np.arange(math.isqrt(CELLS) + 2)
    large = one(heat(side, side, np.add.outer(side, side), "z"))
    assert (large["whole"], large["marks"][0]["z"]) == (False, [])


def test_values_beyond_the_limits_are_as_they_are():
    (mark,) = one(line([0, 1], [0.5, 1e200], "y"))["marks"]
    assert mark["y"] == [0.5, 1e200]


def test_the_main_panel_is_the_first_with_named_curves_or_the_one_that_is_named():
    loose = panel("loose", X, Y, line([1], [1]), level(1, "floor"))
    dots = panel("dots", X, Y, points([1], [1], "ends"))
    curves = panel("curves", X, Y, [line([1], [k]) for k in range(9)], line([1], [1], "law"))
    assert main_panel(Figure((loose, dots, curves))) == 2
    assert main_panel(Figure((loose, dots))) == 1
    assert main_panel(Figure((loose,))) is None
    assert main_panel(Figure((loose, dots, curves), main=1)) == 1


def test_the_table_of_dvc_plots_has_every_named_curve_once():
    said = one(
        line([1, 2], [3, np.nan], "measured"),
        points([1, 2], [3, np.nan], "measured"),
        line([1, 2], [5, 6], "law", role="predicted"),
        line([1, 2], [7, 8]),
        points([3], [4], "ends"),
    )
    assert sorted(set(rows(said))) == [
        ("ends", "solid", 3, 4, "step", "error"),
        ("law", "dashed", 1, 5, "step", "error"),
        ("law", "dashed", 2, 6, "step", "error"),
        ("measured", "solid", 1, 3, "step", "error"),
    ]
    assert len(rows(said)) == 4


# ---- In a browser.


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """A page that is nothing but the figures of the gallery."""
    import vl_convert

    safe = re.compile("</(script)|<!--", re.IGNORECASE)
    vega = safe.sub(lambda found: "<\\" + found[0][1:], vl_convert.javascript_bundle())
    chart = page.__file__.replace("__init__.py", "chart.js")
    drawn = "".join(
        f'<figure data-live id="{name}"><img alt=""><div class="chart"></div>'
        f'<script type="application/json">{embedded(panels(figure))}</script></figure>'
        for name, figure in pictures().items()
    )
    with open(chart, encoding="utf-8") as script:
        scripts = f"<script>{vega}</script><script>{script.read()}</script>"
    path = tmp_path_factory.mktemp("vega") / "index.html"
    path.write_text(
        f"<!doctype html><meta charset=utf-8><title>x</title>{drawn}{scripts}", encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module", params=[1280, 375])
def opened(document, request):
    with browser() as chromium:
        tab = chromium.new_page(viewport={"width": request.param, "height": 900})
        wrong = listen(tab)
        tab.goto(document.as_uri())
        tab.evaluate("document.querySelectorAll('figure').forEach(drawOnce)")
        tab.wait_for_function("document.querySelectorAll('figure:not(.live)').length === 0")
        yield tab
        assert wrong == []


@needs_chromium
def test_every_panel_is_drawn(opened):
    for name, figure in pictures().items():
        assert opened.locator(f"#{name} .chart > div").count() == len(figure.panels)
        assert opened.locator(f"#{name} .chart > div > div > svg").count() == len(figure.panels)
    assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"]
    assert "NaN" not in opened.locator("#kinds").inner_html()


@needs_chromium
def test_the_page_has_the_words_and_the_legend_as_they_are(opened):
    assert opened.locator("#kinds .chart p").all_text_contents() == [plain(WORDS)]
    legend = opened.locator("#kinds li")
    assert legend.count() == len(panels(pictures()["kinds"])[0]["legend"])
    dashed = (
        opened.locator("#kinds li").first.locator("path").first.get_attribute("stroke-dasharray")
    )
    assert dashed == "6 4"
    star = opened.locator("#kinds li", has_text="points")
    assert star.locator("path").count() == 1  # a point, no line


@needs_chromium
def test_a_map_of_colours_has_a_cell_a_value(opened):
    cells = opened.locator("#maps .mark-rect.role-mark path")
    assert cells.count() == 40 * 30
    assert len(set(cells.evaluate_all("all => all.map(cell => cell.getAttribute('fill'))"))) > 50


@needs_chromium
def test_a_square_panel_is_square(opened):
    second = opened.locator("#maps .chart > div").nth(1)
    circle = second.locator(".mark-line path").first
    box = circle.bounding_box()
    assert abs(box["width"] - box["height"]) < 4
