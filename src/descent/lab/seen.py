"""What of a panel is seen: the values that its axes have a place for, their limits, their ticks.

Both painters draw what `seen` returns, so that the still picture and the page show the same.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from descent.figure import Axis, Colour, Mark, Panel, text

POINTS = 200  # of one curve at the most
CLOUD = 600  # of loose points
LOG10 = float(np.log(10))
FAR = 1e290  # a linear axis has no place for larger numbers: their differences overflow
LABELS = 6  # of one logarithmic axis at the most
COORDINATES = {"x": ("x", "x2"), "y": ("y", "y2", "low", "high")}
OVER_ALL = ("level", "moment")  # a line over the whole panel
# Okabe and Ito's palette, which colour-blind readers tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
INK, GREY = "#000000", "#999999"
Numbers = np.ndarray | float
Ticks = tuple[tuple[float, str], ...]


class Ruler(NamedTuple):
    """An axis with everything decided."""

    label: str
    scale: str
    low: float  # left or bottom; larger than `high` on an axis that runs backwards
    high: float
    ticks: Ticks | None  # value and words; None on a linear axis, whose painter chooses
    minor: tuple[float, ...] = ()

    def place(self, values) -> Numbers:
        """From 0 to 1 between the limits, evenly as drawn."""
        low, high = stretched(np.array([self.low, self.high]), self.scale)
        return (stretched(np.asarray(values, float), self.scale) - low) / (high - low)

    def value(self, place: float) -> float:
        """The inverse of `place`."""
        low, high = stretched(np.array([self.low, self.high]), self.scale)
        return float(unstretched(low + place * (high - low), self.scale))


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
    x, y = (_ruler(axis, _extent(marks, name), nothing) for name, axis in _axes(panel))
    marks = [part for mark in marks for part in _shown(mark, x, y)]
    if nothing:
        marks.append(text(x.value(0.5), y.value(0.7), nothing, "ink"))
    return Seen(panel.title, x, y, tuple(marks), panel.square, nothing)


def _shown(mark: Mark, x: Ruler, y: Ruler) -> Iterator[Mark]:
    """A mark with as few points as show it; points of a curve without a neighbour as points; no words outside."""
    mark = _thinned(_edged(mark, y), x, y)
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


def _axes(panel: Panel) -> tuple[tuple[str, Axis], ...]:
    return ("x", panel.x), ("y", panel.y)


def stretched(values: Numbers, scale: str = "symlog") -> Numbers:
    """As drawn: the logarithm on a logarithmic axis."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "log":
            return np.log10(np.where(values > 0, values, np.nan))
        if scale == "symlog":
            return np.sign(values) * np.log1p(np.abs(values)) / LOG10
    return values


def unstretched(places: Numbers, scale: str = "symlog") -> Numbers:
    """The inverse of `stretched`."""
    if scale == "log":
        return 10.0**places
    return np.sign(places) * np.expm1(np.abs(places) * LOG10) if scale == "symlog" else places


# ---- Values.


def _has_place(values: Numbers, scale: str) -> np.ndarray | np.bool:
    if scale == "log":
        return np.isfinite(values) & (values > 0)
    return np.isfinite(values) & (np.abs(np.nan_to_num(values)) < FAR)


def _drawable(mark: Mark, panel: Panel) -> Mark:
    """NaN for every point of which the axes have no place for some coordinate."""
    values, x, y = dict(mark.values), panel.x.scale, panel.y.scale
    if mark.kind in OVER_ALL:
        at = values["at"]
        return replace(mark, values={"at": at[_has_place(at, y if mark.kind == "level" else x)]})
    if mark.kind == "heat":
        columns, lines = _has_place(values["x"], x), _has_place(values["y"], y)
        z = np.where(np.isfinite(values["z"]), values["z"], np.nan)[np.ix_(lines, columns)]
        values = {"x": values["x"][columns], "y": values["y"][lines], "z": z}
        return replace(mark, values=values)
    if mark.kind == "band":  # an edge that falls off the axis runs along its end
        low, high = values["low"], values["high"]
        low, high = np.fmin(low, high), np.where(np.isnan(low), np.nan, np.fmax(low, high))
        known = _has_place(values["x"], x) & ~np.isnan(low) & ~np.isnan(high)
        known &= _has_place(low, y) | _has_place(high, y)
        values = {"x": values["x"], "low": low, "high": high}
    else:
        known = np.ones(values["x"].shape, bool)
        for name, scale in (("x", x), ("y", y)):
            for key in COORDINATES[name]:
                if key in values:
                    known = known & _has_place(values[key], scale)
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
    values["low"] = np.where(_has_place(low, y.scale) | gap, low, bottom)
    values["high"] = np.where(_has_place(high, y.scale) | gap, high, top)
    return replace(mark, values=values)


# ---- Fewer points.


def _thinned(mark: Mark, x: Ruler, y: Ruler) -> Mark:
    """At most POINTS points of a curve, with its highest and lowest; of loose points those that differ."""
    if mark.kind not in ("line", "band", "points"):
        return mark
    names = ("low", "high") if mark.kind == "band" else ("y",)
    with np.errstate(over="ignore"):
        places = [x.place(mark.values["x"])]
        places += [y.place(mark.values[name]) for name in names]
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
    if increasing:
        filled = np.interp(order, np.flatnonzero(known), place)
        part = np.floor((filled - filled[0]) / (filled[-1] - filled[0]) * parts)
    else:
        part = np.floor(np.arange(len(order)) / len(order) * parts)
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


# ---- Colours.


def colour(name: Colour) -> str:
    if isinstance(name, str):
        return {"ink": INK, "grey": GREY}[name]
    return COLOURS[int(name) % len(COLOURS)]


def shades(mark: Mark) -> tuple[float, float]:
    """Values of the two ends of the colours of a heat map; around 0 if they diverge."""
    z = mark.values["z"][np.isfinite(mark.values["z"])]
    low, high = float(z.min()), float(z.max())
    if mark.diverging:
        low, high = -max(-low, high, 0.0), max(-low, high, 0.0)
    given = mark.limits or (None, None)
    low, high = (
        float(g) if g is not None and np.isfinite(g) else found
        for g, found in zip(given, (low, high), strict=True)
    )
    low, high = min(low, high), max(low, high)
    return (low - 0.5, high + 0.5) if high == low else (low, high)


def edges(middles: np.ndarray, scale: str) -> np.ndarray:
    """Borders of cells around these middles, halfway as drawn."""
    at = np.log10(middles) if scale == "log" else middles
    if len(at) == 1:
        found = np.array([at[0] - 0.5, at[0] + 0.5])
    else:
        between = (at[1:] + at[:-1]) / 2
        found = np.concatenate([[2 * at[0] - between[0]], between, [2 * at[-1] - between[-1]]])
    return 10 ** found.clip(-323, 308) if scale == "log" else found


# ---- Limits and ticks.


def _ruler(axis: Axis, values: np.ndarray, nothing: str) -> Ruler:
    values = values[_has_place(values, axis.scale)]
    if not len(values):
        return Ruler(axis.label, "linear", 0.0, 1.0, ())
    low, high = _limits(axis, float(values.min()), float(values.max()))
    ticks, minor = _ticks(axis, *sorted((low, high)))
    return Ruler(axis.label, axis.scale, low, high, ticks, minor)


def _limits(axis: Axis, low: float, high: float) -> tuple[float, float]:
    """Those given as far as they make sense; else those of the data with a margin of 5 %."""
    given = [
        limit if limit is not None and _has_place(limit, axis.scale) else None
        for limit in (None if each is None else float(each) for each in axis.limits)
    ]
    fixed = [None if limit is None else float(stretched(limit, axis.scale)) for limit in given]
    if None not in given and _distinct(*fixed, axis.scale):
        return tuple(given)
    low, high = (float(stretched(end, axis.scale)) for end in (low, high))
    if not _distinct(low, high, axis.scale):
        low, high = _widened(low, high, axis.scale)
    size = high - low
    low, high = low - 0.05 * size, high + 0.05 * size
    if fixed[0] is not None and fixed[1] is None:
        low = fixed[0]
        high = high if high > low and _distinct(low, high, axis.scale) else low + size
    elif fixed[1] is not None and fixed[0] is None:
        high = fixed[1]
        low = low if low < high and _distinct(low, high, axis.scale) else high - size
    if not _distinct(low, high, axis.scale):
        low, high = _widened(low, high, axis.scale)
    if axis.scale == "log":
        low, high = max(low, -323.0), min(high, 308.0)
    found = [float(unstretched(end, axis.scale)) for end in (low, high)]
    kept = [
        g if f in (low, high) and g is not None else None for g, f in zip(given, fixed, strict=True)
    ]
    return tuple(k if k is not None else f for k, f in zip(kept, found, strict=True))


def _distinct(low: float, high: float, scale: str) -> bool:
    """Whether there are enough digits between two ends, as drawn."""
    if scale == "log":
        return abs(high - low) > 1e-9
    return abs(high - low) > max(1e-12 * max(abs(low), abs(high)), 1 / FAR)


def _widened(low: float, high: float, scale: str) -> tuple[float, float]:
    """A range around a constant."""
    middle, half = (low + high) / 2, 0.5
    if scale != "log" and abs(middle) > 1 / FAR:
        half = 0.1 * abs(middle)
    return middle - half, middle + half


def _ticks(axis: Axis, low: float, high: float) -> tuple[Ticks | None, tuple[float, ...]]:
    """Labelled ticks between the limits, and those without a label."""
    if axis.ticks is not None:
        at = [float(tick) for tick in axis.ticks if _has_place(np.asarray(tick), axis.scale)]
        at = sorted({tick for tick in at if low <= tick <= high})
        return tuple((tick, f"{tick:.6g}".replace("-", "−")) for tick in at), ()
    if axis.scale == "log":
        return log_ticks(low, high)
    if axis.scale == "symlog":
        negative = [-tick for tick, _ in log_ticks(1.0, -low)[0]] if low < -1 else []
        positive = [tick for tick, _ in log_ticks(1.0, high)[0]] if high > 1 else []
        at = [*reversed(negative), 0.0, *positive]
        return _named([tick for tick in at if low <= tick <= high]), ()
    return None, ()


def log_ticks(low: float | int, high: float | int) -> tuple[Ticks, tuple[float, ...]]:
    """Powers of ten, LABELS of them at the most; over few decades 2 and 5 too; over part of one what fits."""
    around = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 2)
    decades = [k for k in around if -323 <= k <= 308 and low <= _power(k) <= high]
    if len(decades) > 3:
        step = next(
            s for s in (1, 2, 3, 4, 5, 10, 20, 25, 50, 100, 200) if len(decades) <= s * LABELS
        )
        named = [k for k in decades if k % step == 0]
        minor = [_power(k) for k in decades if k % step] if step < 10 else []
        if step == 1:
            minor = _multiples(decades, range(2, 10), low, high)
        return _named([_power(k) for k in named]), tuple(minor)
    every = _multiples(around, range(1, 10), low, high)
    for digits in (range(1, 10), (1, 2, 5), (1, 2, 3, 5)):
        named = _multiples(around, digits, low, high)
        if 3 <= len(named) <= LABELS + 1:
            break
    else:
        named = [_power(k) for k in decades] if len(decades) > 1 else _even(low, high)
    return _named(named), tuple(value for value in every if value not in named)


def _even(low: float | int, high: float | int) -> list[float]:
    """Round numbers at equal distances, for a range so short that a logarithm is straight."""
    raw = (high - low) / 5
    size = 10.0 ** np.floor(np.log10(raw))
    step = next(s * size for s in (1, 2, 2.5, 5, 10, 20) if s * size >= raw * (1 - 1e-9))
    count = np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    return [float(f"{k * step:.12g}") for k in count]


def _power(k: int) -> float:
    return float(f"1e{k}")


def _multiples(
    decades: Iterable[int], digits: Iterable[int], low: float | int, high: float | int
) -> list:
    every = [float(f"{digit}e{k}") for k in decades for digit in digits if -323 < k <= 308]
    return [value for value in every if low <= value <= high]


def _named(ticks: list[float]) -> Ticks:
    """Plain numbers where all of them are short, else powers of ten."""
    short = all(tick == 0 or 1e-3 <= abs(tick) < 1e5 for tick in ticks)
    name: Callable[[float], str] = plain if short else scientific
    return tuple((tick, name(tick)) for tick in ticks)


def plain(value: float) -> str:
    return f"{value:.10g}".replace("-", "−")


def scientific(value: float) -> str:
    """2e-05 as 2·10⁻⁵."""
    if value == 0:
        return "0"
    digits, exponent = f"{value:.9e}".split("e")
    digits = digits.rstrip("0").rstrip(".").replace("-", "−")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    factor = {"1": "", "−1": "−"}.get(digits, f"{digits}·")
    return f"{factor}10{raised}"
