"""An axis with everything decided: its scale, its limits, its ticks."""

from typing import NamedTuple

import numpy as np

from descent.figure import Axis
from descent.lab.rounding import rounded
from descent.lab.ticks import Ticks, log_ticks, worded

LOG10 = float(np.log(10))
# a linear axis has no place for larger numbers, whose differences overflow; a logarithmic
FAR = 1e290
# one for 1/FAR and more: below, numbers lose their digits
Numbers = np.ndarray | float


class Ruler(NamedTuple):
    """An axis with everything decided."""

    label: str
    scale: str
    low: float  # left or bottom; larger than `high` on an axis that runs backwards
    high: float
    ticks: Ticks | None  # value and words; None on a linear axis, whose painter chooses
    minor: tuple[float, ...] = ()

    def place(self, values) -> Numbers:
        """From 0 to 1 between the limits, evenly as drawn; a million at the most outside."""
        low, high = stretched(np.array([self.low, self.high]), self.scale)
        with np.errstate(over="ignore"):
            places = (stretched(np.asarray(values, float), self.scale) - low) / (high - low)
        return np.clip(places, -1e6, 1e6)

    def value(self, place: float) -> float:
        """The inverse of `place`."""
        low, high = stretched(np.array([self.low, self.high]), self.scale)
        return float(unstretched(low + place * (high - low), self.scale))

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """To the digits that can be seen: within SEEN of the axis."""
        low, high = stretched(np.array([self.low, self.high]), self.scale)
        return _rounded(values, SEEN * abs(float(high - low)), self.scale)


SEEN = 1e-5  # of an axis; on paper 1/300 of a point
ENDS = {"log": (-305.0, 308.0), "symlog": (-300.0, 300.0)}  # decades in which float64 has a place


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


def _rounded(values: np.ndarray, part: float, scale: str) -> np.ndarray:
    """To the power of ten at or below `part`, which is as long as drawn."""
    values = np.asarray(values, float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slopes = {"log": np.abs(values) * LOG10, "symlog": (1 + np.abs(values)) * LOG10}
        steps = part * slopes.get(scale, np.ones_like(values))
    found = map(rounded, values.ravel().tolist(), steps.ravel().tolist())
    return np.array(list(found), float).reshape(values.shape)


def has_place(values: Numbers, scale: str) -> np.ndarray | np.bool:
    if scale == "log":
        return np.isfinite(values) & (values >= 1 / FAR)
    return np.isfinite(values) & (np.abs(np.nan_to_num(values)) < FAR)


def ruler(axis: Axis, values: np.ndarray, nothing: str) -> Ruler:
    values = values[has_place(values, axis.scale)]
    if not len(values):
        return Ruler(axis.label, "linear", 0.0, 1.0, ())
    low, high = _limits(axis, float(values.min()), float(values.max()))
    ticks, minor = _ticks(axis, *sorted((low, high)))
    return Ruler(axis.label, axis.scale, low, high, ticks, minor)


def _limits(axis: Axis, low: float, high: float) -> tuple[float, float]:
    """Those given as far as they make sense; else those of the data with a margin of 5 %."""
    given = [
        limit if limit is not None and has_place(limit, axis.scale) else None
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
    if axis.scale in ENDS:
        first, last = ENDS[axis.scale]
        low, high = min(max(low, first), last - 1), max(min(high, last), first + 1)
    found = [float(unstretched(end, axis.scale)) for end in (low, high)]
    found = _rounded(np.array(found), SEEN * (high - low), axis.scale).tolist()
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
        at = [float(tick) for tick in axis.ticks if has_place(np.asarray(tick), axis.scale)]
        at = sorted({tick for tick in at if low <= tick <= high})
        return tuple((tick, f"{tick:.6g}".replace("-", "−")) for tick in at), ()
    if axis.scale == "log":
        return log_ticks(low, high)
    if axis.scale == "symlog":
        negative = [-tick for tick, _ in log_ticks(1.0, -low)[0]] if low < -1 else []
        positive = [tick for tick, _ in log_ticks(1.0, high)[0]] if high > 1 else []
        at = [*reversed(negative), 0.0, *positive]
        return worded([tick for tick in at if low <= tick <= high]), ()
    return None, ()
