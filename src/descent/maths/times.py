"""Which steps of a run are kept, and when something happens first."""

import numpy as np
from jaxtyping import Bool, Float, Int, Real, Shaped


def log_spaced(last: int, count: int) -> Int[np.ndarray, " s"]:
    """0, 1, …, last: about `count` steps, evenly spaced on a logarithmic axis."""
    inner = np.geomspace(1, max(last, 1), count).round().astype(int)
    return np.unique(np.concatenate([[0], inner[inner <= last], [last]]))


def evenly_spaced(last: int, count: int) -> Int[np.ndarray, " s"]:
    """0, …, last: `count` + 1 steps, or all of them if there are fewer."""
    return np.unique(np.linspace(0, last, min(last, count) + 1).round().astype(int))


def first_true(condition: Bool[np.ndarray, "*n t"], axis: int = -1) -> Shaped[np.ndarray, "..."]:
    """The first place along `axis` at which it holds; nan where it never does."""
    return np.where(condition.any(axis), condition.argmax(axis), np.nan)


def first_below(
    values: Float[np.ndarray, "..."], level: Float[np.ndarray, "..."] | float, axis: int = -1
) -> Shaped[np.ndarray, "..."]:
    """The first place at which values ≤ level; nan where there is none. A nan is below nothing."""
    return first_true(values <= level, axis)


def first_above(
    values: Float[np.ndarray, "..."], level: Float[np.ndarray, "..."] | float, axis: int = -1
) -> Shaped[np.ndarray, "..."]:
    """The first place at which values ≥ level; nan where there is none."""
    return first_true(values >= level, axis)


def upcrossing(
    t: Real[np.ndarray, " s"], height: Float[np.ndarray, " s"], level: float = 0.0
) -> float:
    """The t at which `height` first comes up to `level`, by the chord between its neighbours.

    t[0] if it begins there; nan if it never comes to it. For a fall take −height and −level.
    """
    k = first_above(height, level)
    if np.isnan(k):
        return np.nan
    k = int(k)
    return float(t[0] if k == 0 else np.interp(level, height[k - 1 : k + 1], t[k - 1 : k + 1]))
