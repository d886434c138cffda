"""Painter of the page and of `dvc plots`: the panels of a figure as JSON, which chart.js draws with Vega-Lite.

    panel    title, whole, square, x, y, legend, marks
    x, y     label, scale, domain [from, to], ticks [[value, words], …] or null, digits
    legend   label, colour, stroke, marker, hollow, area
    mark     kind, role, stroke, label, colour, width of lines, and by its kind
                 line, band      x, y or low, high              level, moment   at
                 points          x, y, marker, size, hollow     segments        x, y, x2, y2
                 text            x, y, words, raised            heat            x, y: edges of cells, z, limits, diverging

A panel that is not `whole` has a map of more cells than a page draws; only its still picture shows all of it.
"""

import json
from collections.abc import Iterator

import numpy as np

from descent.figure import Figure, Mark
from descent.lab.colours import colour, edges, shades
from descent.lab.legend import legend
from descent.lab.rulers import Ruler
from descent.lab.seen import Seen, plain, seen

CELLS = 6400  # of a map of colours that a page draws


def panels(figure: Figure) -> list[dict]:
    """The panels from left to right, ready for strict JSON."""
    return [panel(seen(each)) for each in figure.panels]


def panel(shown: Seen) -> dict:
    marks = [mark for each in shown.marks for mark in _mark(each, shown)]
    return {
        "title": plain(shown.title),
        "whole": all(each.values["z"].size <= CELLS for each in shown.marks if each.kind == "heat"),
        "square": shown.square,
        "x": _axis(shown.x),
        "y": _axis(shown.y),
        "legend": [
            {
                "label": plain(entry.label),
                "colour": colour(entry.colour).lower(),
                "stroke": entry.stroke,
                "marker": entry.marker,
                "hollow": entry.hollow,
                "area": entry.area,
            }
            for entry in legend(shown.marks)
        ],
        "marks": marks,
    }


def embedded(data: object) -> str:
    """Strict JSON that cannot end the element of a page in which it stands."""
    found = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":  # many times faster than `translate`
        found = found.replace(character, f"\\u{ord(character):04x}")
    return found


def main_panel(figure: Figure) -> int | None:
    """Which panel stands for the figure: the one it names, else the first with named curves or points."""
    if figure.main is not None:
        return figure.main
    for kind in ("line", "points"):
        for place, each in enumerate(figure.panels):
            if any(mark.label and mark.kind == kind for mark in each.marks):
                return place
    return None


def numbers(values: np.ndarray, digits: int = 6) -> list[float | None]:
    """Rounded to so many significant digits; None for NaN."""
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in values]


def _digits(ruler: Ruler) -> int:
    """Six significant digits, more where an axis shows a small part of large numbers."""
    if ruler.scale != "linear":
        return 6
    largest = max(abs(ruler.low), abs(ruler.high))
    return int(np.clip(5 + np.ceil(np.log10(largest / abs(ruler.high - ruler.low))), 6, 17))


def _axis(ruler: Ruler) -> dict:
    return {
        "label": plain(ruler.label),
        "scale": ruler.scale,
        "domain": [ruler.low, ruler.high],
        "ticks": None if ruler.ticks is None else [[at, name] for at, name in ruler.ticks],
        "digits": _digits(ruler),
    }


def _mark(mark: Mark, shown: Seen) -> Iterator[dict]:
    named = {
        "kind": mark.kind,
        "role": mark.role,
        "stroke": mark.stroke,
        "label": "" if mark.kind == "text" else plain(mark.label),
        "colour": colour(mark.colour).lower(),
    }
    if mark.kind in ("line", "level", "moment", "segments"):
        named["width"] = float(mark.width)
    if mark.kind in ("level", "moment"):
        for at in mark.values["at"]:
            yield named | {"at": float(f"{at:.17g}")}
        return
    if mark.kind == "heat":
        yield named | _heat(mark, shown)
        return
    digits = {"x": _digits(shown.x), "x2": _digits(shown.x)}
    places = {
        key: numbers(values, digits.get(key, _digits(shown.y)))
        for key, values in mark.values.items()
    }
    looks = {
        "points": {"marker": mark.marker, "size": float(mark.size), "hollow": mark.hollow},
        "text": {"words": plain(mark.label), "raised": mark.raised},
    }
    yield named | places | looks.get(mark.kind, {})


def _heat(mark: Mark, shown: Seen) -> dict:
    """Nothing of a map that is too large for a page."""
    x, y, z = (mark.values[key] for key in "xyz")
    fits = z.size <= CELLS
    return {
        "x": numbers(edges(x, shown.x.scale)) if fits else [],
        "y": numbers(edges(y, shown.y.scale)) if fits else [],
        "z": [numbers(line, 4) for line in z] if fits else [],
        "limits": list(shades(mark)),
        "diverging": mark.diverging,
    }
