"""What stands around the axes of every committed picture: labels enough, and no word upon another."""

import json
from itertools import combinations
from pathlib import Path

import pytest

from descent.figure import Axis, Figure, line, panel
from descent.lab import svg, vega
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


def test_powers_of_ten_have_their_labels_before_their_neighbours():
    assert [name for _, name in log_ticks(0.65, 3.1)[0]] == ["1", "2", "3"]  # 0.9 is too close to 1
    close = Ruler("", "log", 0.65, 3.1, ((0.93, "0.93"), (0.97, "0.97"), (1.0, "1"), (2.0, "2")))
    assert svg._apart(close, 0.0) == ["", "", "1", "2"]
    assert is_power(1e-300)
    assert not is_power(1.1)
