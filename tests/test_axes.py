"""What stands around the axes of every committed picture: labels enough, and no word upon another."""

import json
from itertools import combinations
from pathlib import Path

import pytest

from browser import browser, needs_chromium
from descent.figure import Axis, Figure, line, panel
from descent.lab import svg, svg_axis, vega
from descent.lab.rulers import Ruler
from descent.lab.ticks import is_power, log_ticks
from drawn_words import Word, words
from toy import ROOT

PICTURES = sorted((ROOT / "plots").glob("*/*.svg"))


def of_axis(found: list[Word], place: int, tick: str) -> list[str]:
    """The labels of an axis of a panel."""
    return [one.text for one in found if f"axes_{place}" in one.groups and one.within(tick)]


def complaints(picture: str, panels: list[dict]) -> list[str]:
    """Logarithmic axes with fewer than two labels, and words that lie upon each other."""
    found, said = words(picture), []
    for place, shown in enumerate(panels, start=1):
        for name in "xy":
            labels = of_axis(found, place, f"{name}tick")
            if shown[name]["scale"] == "log" and len(labels) < 2:
                said.append(f"panel {place}, {name}: {labels}")
    for one, other in combinations(found, 2):
        if one.box.overlaps(other.box) and one.groups[-1] != other.groups[-1]:
            said.append(f"{one.text!r} lies on {other.text!r}")
    return said


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_axes_have_labels_and_no_word_lies_on_another(picture: Path):
    panels = json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))["panels"]
    assert complaints(picture.read_text(encoding="utf-8"), panels) == []


def test_what_is_wrong_is_seen():
    error = Axis("error", "log", ticks=(1.0,))
    few = Figure((panel("few", Axis("t"), error, line([1, 2], [0.1, 10.0], "y")),))
    assert complaints(svg.text_of(few), vega.panels(few)) == ["panel 1, y: ['1']"]
    close = Axis("t", limits=(0, 10), ticks=(4.0, 4.1))
    dense = Figure((panel("dense", close, Axis("y"), line([0, 10], [0, 1], "y")),))
    assert complaints(svg.text_of(dense), vega.panels(dense)) == []  # the second is left out
    ticks = [word for word in words(svg.text_of(dense)) if word.within("xtick")]
    moved = svg.text_of(dense).replace(">t</text>", ">4</text>")
    assert [word.text for word in ticks] == ["4"]
    title = next(word for word in words(moved) if word.text == "4" and not word.within("xtick"))
    assert not title.box.overlaps(ticks[0].box)
    assert title.box.overlaps(title.box)
    across = next(word for word in words(svg.text_of(few)) if word.text == "error")
    assert across.box.bottom - across.box.top > 2 * (across.box.right - across.box.left)


CHART = ROOT / "src/descent/lab/page/chart.js"


def logarithmic() -> list[dict]:
    """The logarithmic axes of the committed figures whose ticks nobody chose by hand."""
    shown = [json.loads(p.with_suffix(".json").read_text(encoding="utf-8")) for p in PICTURES]
    axes = [p[name] for each in shown for p in each["panels"] for name in "xy"]
    chosen = [a for a in axes if a["scale"] == "log" and a["ticks"]]
    return [a for a in chosen if [t for t, _ in a["ticks"]] == [t for t, _ in automatic(a)[0]]]


def automatic(one: dict):
    return log_ticks(*sorted(one["domain"]))


@needs_chromium
def test_a_live_figure_has_the_short_ticks_of_the_still_one():
    """Where labels are a power of ten apart the page may go on into the power that the axis cuts."""
    axes = logarithmic()
    assert len(axes) > 100
    with browser() as chromium:
        page = chromium.new_page()
        page.set_content(f"<script>{CHART.read_text(encoding='utf-8')}</script>")
        found = page.evaluate("axes => axes.map(minorTicks)", axes)
        by_hand = {"scale": "log", "domain": [2, 256], "ticks": [[16, "16"], [128, "128"]]}
        assert page.evaluate("minorTicks", by_hand) == []
        assert page.evaluate("minorTicks", by_hand | {"scale": "linear"}) == []
    for one, live in zip(axes, found, strict=True):
        named, still = (set(values) for values in (dict(one["ticks"]), automatic(one)[1]))
        low, high = sorted(one["domain"])
        assert still <= set(live), one
        assert not named & set(live), one
        cut = [v for v in set(live) - still if not (v < min(named) or v > max(named))]
        assert not cut, one
        assert all(low <= value <= high for value in live), one


def test_powers_of_ten_have_their_labels_before_their_neighbours():
    assert [name for _, name in log_ticks(0.65, 3.1)[0]] == ["1", "2", "3"]  # 0.9 is too close to 1
    close = Ruler("", "log", 0.65, 3.1, ((0.93, "0.93"), (0.97, "0.97"), (1.0, "1"), (2.0, "2")))
    assert svg_axis._apart(close, 0.0) == ["", "", "1", "2"]
    assert is_power(1e-300)
    assert not is_power(1.1)
