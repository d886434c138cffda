"""Where the words of a drawing stand: a box for every text of an SVG that Matplotlib wrote."""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple
from xml.etree import ElementTree

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

SVG = "{http://www.w3.org/2000/svg}"
FONT = FT2Font(font_manager.findfont("DejaVu Sans"))
FONT.set_size(100, 72)


class Box(NamedTuple):
    """In points; y points down."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box", by: float = 0.5) -> bool:
        """Whether they share more than a sliver of a width and a height of `by` points."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > by and down > by

    def __or__(self, other: "Box") -> "Box":
        return Box(*map(min, self[:2], other[:2]), *map(max, self[2:], other[2:]))


class Word(NamedTuple):
    """A line of text and the groups that it stands in, from the outermost: axes_1, matplotlib.axis_2, ytick_3."""

    text: str
    groups: tuple[str, ...]
    box: Box

    def within(self, prefix: str) -> bool:
        return any(group.startswith(prefix) for group in self.groups)


@cache
def width(text: str) -> float:
    """Of a text one point high, in points."""
    FONT.set_text(text, 0.0)
    return FONT.get_width_height()[0] / 64 / 100


def words(svg: str) -> list[Word]:
    return list(_words(ElementTree.fromstring(svg), ()))


def _words(element: ElementTree.Element, groups: tuple[str, ...]) -> Iterator[Word]:
    for child in element:
        if child.tag == f"{SVG}text" and (child.text or "").strip():
            yield Word(child.text, groups, _box(child))
        else:
            name = child.get("id")
            yield from _words(child, (*groups, name) if name else groups)


def _box(text: ElementTree.Element) -> Box:
    style, turn = text.get("style", ""), text.get("transform", "")
    size = float(re.search(r"([\d.]+)px", style)[1])
    long, anchor = size * width(text.text), re.search(r"text-anchor: (\w+)", style)
    x, y = (float(text.get(key, 0)) for key in "xy")
    if moved := re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", turn):
        x, y = float(moved[1]), float(moved[2])
    before = {"middle": 0.5, "end": 1.0}.get(anchor[1] if anchor else "start", 0.0) * long
    angle = re.search(r"rotate\(([-\d.]+)", turn)
    up, down = 0.75 * size, 0.2 * size
    if angle and abs(float(angle[1]) + 90) < 1:  # upwards
        return Box(x - up, y + before - long, x + down, y + before)
    return Box(x - before, y - up, x - before + long, y + down)
