"""As few points of a mark as show it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from descent.figure import Mark
from descent.lab.rulers import Ruler

POINTS = 200  # of one curve at the most
CLOUD = 600  # of loose points


def thinned(mark: Mark, x: Ruler, y: Ruler) -> Mark:
    """At most POINTS points of a curve, with its highest and lowest; of loose points those that differ."""
    if mark.kind not in ("line", "band", "points"):
        return mark
    names = ("low", "high") if mark.kind == "band" else ("y",)
    places = [x.place(mark.values["x"]), *(y.place(mark.values[name]) for name in names)]
    kept = _apart(*places) if mark.kind == "points" else turning(places[0], *places[1:])
    return replace(mark, values={key: values[kept] for key, values in mark.values.items()})


def turning(x: np.ndarray, *rest: np.ndarray) -> np.ndarray:
    """Indices of at most POINTS points of a curve that keep its ends, its gaps and its extremes.

    Where x increases, its range from 0 to 1 falls into equal parts, and the lowest and the highest point of
    each are kept; else, in a closed curve say, equal numbers of points do, and their extremes in x count too.
    """
    known = ~np.isnan(x)
    place = x[known]
    increasing = len(place) > 1 and bool(np.all(np.diff(place) >= 0))
    order = np.arange(len(x))
    if increasing:  # nothing beyond the limits but the next point
        first = max(np.searchsorted(place, 0.0, "left") - 1, 0)
        last = min(np.searchsorted(place, 1.0, "right"), len(place) - 1)
        inner = np.flatnonzero(known)
        order = order[inner[first] : inner[last] + 1]
    if len(order) <= POINTS:
        return order
    curves = rest if increasing else (x, *rest)
    gaps = bool(np.isnan(x[order]).any())
    parts = (POINTS - 2) // (2 * len(curves) + gaps)
    filled = np.interp(order, np.flatnonzero(known), place) if increasing else order
    if not filled[-1] > filled[0]:  # all at one place
        filled = np.arange(len(order))
    part = np.floor((filled - filled[0]) / (filled[-1] - filled[0]) * parts)
    bounds = np.flatnonzero(np.diff(part, prepend=-1, append=parts + 1))
    kept = {0, len(order) - 1}
    for start, stop in pairwise(bounds.tolist()):
        kept |= set(_extremes([curve[order[start:stop]] for curve in curves], start))
    return order[sorted(kept)]


def _extremes(curves: list[np.ndarray], start: int) -> Iterator[int]:
    """Where each is lowest and highest, and the first gap."""
    gap = np.isnan(curves[0])
    if gap.any():
        yield start + int(gap.argmax())
    if not gap.all():
        for curve in curves:
            yield start + int(np.nanargmin(np.where(gap, np.nan, curve)))
            yield start + int(np.nanargmax(np.where(gap, np.nan, curve)))


def _apart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Indices of points that do not lie on each other, at most CLOUD of them."""
    known = np.flatnonzero(~np.isnan(x))
    if len(known) <= POINTS:
        return known
    known = known[(np.abs(x[known] - 0.5) < 1) & (np.abs(y[known] - 0.5) < 1)]
    cells = np.round(np.stack([x[known] * 300, y[known] * 200]), 0)
    _, first = np.unique(cells, axis=1, return_index=True)
    kept = known[np.sort(first)]
    return kept[np.unique(np.linspace(0, len(kept) - 1, min(len(kept), CLOUD)).astype(int))]
