"""Where the ticks of a logarithmic axis stand, and their words."""

from collections.abc import Callable, Iterable

import numpy as np

LABELS = 6  # of one axis, or hardly more
GAP = 0.08  # of an axis, between two labels at the least
Ticks = tuple[tuple[float, str], ...]


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
        return worded([_power(k) for k in named]), tuple(minor)
    every = _multiples(around, range(1, 10), low, high)
    for digits in (range(1, 10), (1, 2, 5), (1, 2, 3, 5)):
        named = _multiples(around, digits, low, high)
        if 3 <= len(named) <= LABELS + 1 and _apart(named, low, high):
            break
    else:
        named = [_power(k) for k in decades] if len(decades) > 1 else _even(low, high)
    return worded(named), tuple(value for value in every if value not in named)


def _apart(ticks: list[float], low: float | int, high: float | int) -> bool:
    """Whether none of the labels would run into the next."""
    return bool((np.diff(np.log10(ticks)) > GAP * np.log10(high / low)).all())


def _even(low: float | int, high: float | int) -> list[float]:
    """Round numbers at equal distances, for a range so short that a logarithm is straight."""
    raw = (high - low) / 5
    size = 10.0 ** np.floor(np.log10(raw))
    step = next(s * size for s in (1, 2, 2.5, 5, 10, 20) if s * size >= raw * (1 - 1e-9))
    count = np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    return [float(f"{k * step:.12g}") for k in count]


def _power(k: int) -> float:
    return float(f"1e{k}")


def is_power(value: float) -> bool:
    """Of ten."""
    return f"{abs(value):e}".startswith("1.000000e")


def _multiples(
    decades: Iterable[int], digits: Iterable[int], low: float | int, high: float | int
) -> list:
    every = [float(f"{digit}e{k}") for k in decades for digit in digits if -323 < k <= 308]
    return [value for value in every if low <= value <= high]


def worded(ticks: list[float]) -> Ticks:
    """Plain numbers where all of them are short, else powers of ten."""
    short = all(tick == 0 or 1e-3 <= abs(tick) < 1e5 for tick in ticks)
    name: Callable[[float], str] = decimal if short else scientific
    return tuple((tick, name(tick)) for tick in ticks)


def decimal(value: float) -> str:
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
