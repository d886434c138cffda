"""What of a panel is seen: the values that its axes have a place for, their limits, their ticks.

Both painters draw what `seen` returns, so that the still picture and the page show the same.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from descent.figure import Axis, Mark, Panel, text
from descent.lab.colours import shades
from descent.lab.rulers import Ruler, has_place, ruler
from descent.lab.thinning import thinned

COORDINATES = {"x": ("x", "x2"), "y": ("y", "y2", "low", "high")}
OVER_ALL = ("level", "moment")  # a line over the whole panel
UNPRINTABLE = r"[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


@dataclass(frozen=True)
class Seen:
    title: str
    x: Ruler
    y: Ruler
    marks: tuple[Mark, ...]  # those of which something is left
    square: bool
    nothing: str  # why there is nothing to show; empty if there is something


def seen(panel: Panel) -> Seen:
    """The panel without what its axes have no place for, with limits and ticks."""
    marks = [_drawable(mark, panel) for mark in panel.marks]
    marks = [mark for mark in marks if _values(mark).size]
    nothing = ""
    if not any(mark.kind not in OVER_ALL for mark in marks):
        log = "log" in (panel.x.scale, panel.y.scale)
        nothing = f"nothing to show here:\nno finite {'positive ' if log else ''}value"
    x, y = (ruler(axis, _extent(marks, name), nothing) for name, axis in _axes(panel))
    marks = [part for mark in marks for part in _shown(mark, x, y)]
    if nothing:
        marks.append(text(x.value(0.5), y.value(0.7), nothing, "ink"))
    return Seen(panel.title, x, y, tuple(marks), panel.square, nothing)


def _shown(mark: Mark, x: Ruler, y: Ruler) -> Iterator[Mark]:
    """A mark with as few points as show it; points of a curve without a neighbour as points; no words outside."""
    mark = thinned(_rounded(_edged(mark, y), x, y), x, y)
    if mark.kind == "text":
        at = np.stack([x.place(mark.values["x"]), y.place(mark.values["y"])])
        inside = ((at >= 0) & (at <= 1)).all(0)
        mark = replace(mark, values={key: v[inside] for key, v in mark.values.items()})
    yield mark
    if mark.kind == "line":
        known = np.pad(~np.isnan(mark.values["x"]), 1)
        alone = known[1:-1] & ~known[:-2] & ~known[2:]
        if alone.any():
            values = {key: v[alone] for key, v in mark.values.items()}
            yield replace(mark, kind="points", values=values, size=3.0)


def _rounded(mark: Mark, x: Ruler, y: Ruler) -> Mark:
    """With the digits that can be seen, so that the roundings of another machine draw the same picture."""
    values = dict(mark.values)
    if mark.kind == "heat":
        low, high = shades(mark)
        shade = Ruler("", "linear", low, high, None)
        return replace(mark, values=values | {"z": shade.rounded(values["z"])})
    for name, along, over in (("x", x, "moment"), ("y", y, "level")):
        keys = ("at",) if mark.kind == over else COORDINATES[name]
        values |= {key: along.rounded(values[key]) for key in keys if key in values}
    return replace(mark, values=values)


def _axes(panel: Panel) -> tuple[tuple[str, Axis], ...]:
    return ("x", panel.x), ("y", panel.y)


def plain(words: str) -> str:
    """Without what XML has no place for, and without line ends that only some programs know."""
    return re.sub(UNPRINTABLE, " ", words)


def words(text: str, width: int = 0) -> str:
    """Plain, in lines of `width` characters."""
    text = plain(text)
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False)) if width else text


def _drawable(mark: Mark, panel: Panel) -> Mark:
    """NaN for every point of which the axes have no place for some coordinate."""
    values, x, y = dict(mark.values), panel.x.scale, panel.y.scale
    if mark.kind in OVER_ALL:
        at = values["at"]
        return replace(mark, values={"at": at[has_place(at, y if mark.kind == "level" else x)]})
    if mark.kind == "heat":
        columns, lines = has_place(values["x"], x), has_place(values["y"], y)
        z = np.where(np.isfinite(values["z"]), values["z"], np.nan)[np.ix_(lines, columns)]
        values = {"x": values["x"][columns], "y": values["y"][lines], "z": z}
        return replace(mark, values=values)
    if mark.kind == "band":  # an edge that falls off the axis runs along its end
        low, high = values["low"], values["high"]
        low, high = np.fmin(low, high), np.where(np.isnan(low), np.nan, np.fmax(low, high))
        known = has_place(values["x"], x) & ~np.isnan(low) & ~np.isnan(high)
        known &= has_place(low, y) | has_place(high, y)
        values = {"x": values["x"], "low": low, "high": high}
    else:
        known = np.ones(values["x"].shape, bool)
        for name, scale in (("x", x), ("y", y)):
            for key in COORDINATES[name]:
                if key in values:
                    known = known & has_place(values[key], scale)
    return replace(mark, values={key: np.where(known, v, np.nan) for key, v in values.items()})


def _values(mark: Mark) -> np.ndarray:
    """The numbers of a mark that decide whether it is seen."""
    key = "at" if mark.kind in OVER_ALL else "z" if mark.kind == "heat" else "x"
    values = mark.values[key]
    return values[~np.isnan(values)]


def _extent(marks: Iterable[Mark], name: str) -> np.ndarray:
    """All coordinates along one axis."""
    found = [np.empty(0)]
    for mark in marks:
        if mark.kind in OVER_ALL:
            if (mark.kind == "level") == (name == "y"):
                found.append(mark.values["at"])
        elif mark.kind == "heat":
            found.append(mark.values[name])
        else:
            found += [mark.values[key] for key in COORDINATES[name] if key in mark.values]
    return np.concatenate([values.ravel() for values in found])


def _edged(mark: Mark, y: Ruler) -> Mark:
    """Edges of a band that fall off the axis, at the end of it."""
    if mark.kind != "band":
        return mark
    values, (bottom, top) = dict(mark.values), sorted((y.low, y.high))
    low, high, gap = values["low"], values["high"], np.isnan(values["x"])
    values["low"] = np.where(has_place(low, y.scale) | gap, low, bottom)
    values["high"] = np.where(has_place(high, y.scale) | gap, high, top)
    return replace(mark, values=values)
