"""A figure as plain data: what its panels show, thin enough for a page and for `dvc plots`.

Every mark is {"kind", "label", "colour", "stroke", …} with lists of numbers in the axes' own units; the stroke
is "solid", "dashed" or "dotted":

    line, points    x, y            band   x, low, high
    level, moment   at (a horizontal or vertical line over the whole panel)
    segments        x, y, x2, y2    text   x, y, text

A panel with anything else, a heat map say, is not `whole`: only its drawing shows all of it.
"""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text

POINTS = 200  # of one curve at the most
STROKES = {"--": "dashed", ":": "dotted", "-.": "dotted"}


def numbers(values, scale: str = "linear") -> list[float | None]:
    """Six significant digits; None where the scale has no place for the value."""
    values = np.ma.filled(np.ma.asarray(values, float), np.nan)
    shown = np.isfinite(values) & ((values > 0) | (scale != "log"))
    return [float(f"{value:.6g}") if ok else None for value, ok in zip(values, shown, strict=True)]


def thinned(x: np.ndarray, scale: str) -> np.ndarray:
    """Indices of at most POINTS points, evenly spaced as they are drawn where x increases."""
    if len(x) <= POINTS:
        return np.arange(len(x))
    place = np.log(np.where(x > 0, x, np.nan)) if scale == "log" else np.asarray(x, float)
    usable = np.flatnonzero(np.isfinite(place))
    if np.any(np.diff(place[usable]) <= 0):  # a closed curve, say
        return usable[np.unique(np.linspace(0, len(usable) - 1, POINTS).astype(int))]
    even = np.linspace(place[usable[0]], place[usable[-1]], POINTS)
    return usable[np.unique(np.searchsorted(place[usable], even).clip(max=len(usable) - 1))]


def _line(line: Line2D, axes: Axes) -> Iterator[dict]:
    x, y = (np.atleast_1d(values) for values in line.get_data(orig=False))
    look = {
        "colour": to_hex(line.get_color()),
        "stroke": STROKES.get(line.get_linestyle(), "solid"),
    }
    named = look | {"label": label(line)}
    across = line.get_transform() == axes.get_yaxis_transform(which="grid")
    upright = line.get_transform() == axes.get_xaxis_transform(which="grid")
    if across or upright:
        at = float(y[0] if across else x[0])
        if np.isfinite(at):  # it is where something never happened, say
            yield {"kind": "level" if across else "moment", "at": at} | named
    else:
        kept = thinned(x, axes.get_xscale())
        places = {
            "x": numbers(x[kept], axes.get_xscale()),
            "y": numbers(y[kept], axes.get_yscale()),
        }
        if line.get_linestyle() != "None":
            yield {"kind": "line"} | places | named
        if line.get_marker() not in ("None", None, "", " "):
            yield {"kind": "points"} | places | named


def _band(band: FillBetweenPolyCollection, axes: Axes) -> Iterator[dict]:
    for path in band.get_paths():
        vertices = path.vertices[:-1]  # start, the one edge, end, the other edge backwards
        n = len(vertices) // 2 - 1
        one, other = vertices[1 : n + 1], vertices[n + 2 : 2 * n + 2][::-1]
        kept = thinned(one[:, 0], axes.get_xscale())
        low, high = np.sort([one[kept, 1], other[kept, 1]], axis=0)
        yield {
            "kind": "band",
            "x": numbers(one[kept, 0], axes.get_xscale()),
            "low": numbers(low, axes.get_yscale()),
            "high": numbers(high, axes.get_yscale()),
            "colour": to_hex(band.get_facecolor()[0]),
            "stroke": "solid",
            "label": label(band),
        }


def _points(points: PathCollection, axes: Axes) -> Iterator[dict]:
    x, y = np.ma.filled(np.ma.asarray(points.get_offsets(), float), np.nan).T
    edge, face = points.get_edgecolor(), points.get_facecolor()
    yield {
        "kind": "points",
        "x": numbers(x, axes.get_xscale()),
        "y": numbers(y, axes.get_yscale()),
        "size": float(points.get_sizes()[0]),
        "hollow": not len(face) or to_hex(face[0]) == "#ffffff",
        "colour": to_hex((edge if len(edge) else face)[0]),
        "stroke": "solid",
        "label": label(points),
    }


def _segments(lines: LineCollection) -> Iterator[dict]:
    ends = np.array([segment[[0, -1]] for segment in lines.get_segments() if len(segment)])
    if len(ends):
        yield {
            "kind": "segments",
            **dict(zip(("x", "y", "x2", "y2"), map(numbers, ends.reshape(-1, 4).T), strict=True)),
            "colour": to_hex(lines.get_color()[0]),
            "stroke": "solid",
            "label": label(lines),
        }


def _text(text: Text) -> dict:
    x, y = getattr(text, "xy", text.get_position())
    return {
        "kind": "text",
        "x": [float(x)],
        "y": [float(y)],
        "raised": isinstance(text, Annotation) and text.xyann != text.xy,  # off its point, or on it
        "text": text.get_text(),
        "colour": to_hex(text.get_color()),
        "stroke": "solid",
        "label": "",
    }


def label(artist) -> str:
    """What the legend calls it; empty for what has no entry."""
    name = str(artist.get_label())
    return "" if name.startswith("_") else name


def panel(axes: Axes) -> dict:
    """One axes: its title, its two axes, its marks, and whether these are all there is."""
    marks, whole = [], not (axes.images or axes.patches)
    for line in axes.lines:
        marks.extend(_line(line, axes))
    for collection in axes.collections:
        if isinstance(collection, FillBetweenPolyCollection):
            marks.extend(_band(collection, axes))
        elif isinstance(collection, LineCollection):
            marks.extend(_segments(collection))
        elif isinstance(collection, PathCollection):
            marks.extend(_points(collection, axes))
        else:
            whole = False
    for text in axes.texts:
        marks.append(_text(text))
        placed = getattr(text, "xycoords", None) == "data" or text.get_transform() is axes.transData
        whole = whole and placed
    return {
        "title": axes.get_title(),
        "whole": whole,
        "x": {
            "label": axes.get_xlabel(),
            "scale": axes.get_xscale(),
            "domain": list(map(float, axes.get_xlim())),
        },
        "y": {
            "label": axes.get_ylabel(),
            "scale": axes.get_yscale(),
            "domain": list(map(float, axes.get_ylim())),
        },
        "marks": marks,
    }


def chart(drawing: Figure) -> list[dict]:
    """The panels of a figure, left to right; colour bars are none."""
    return [panel(axes) for axes in drawing.axes if axes.get_label() != "<colorbar>"]
