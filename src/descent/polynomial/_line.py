"""The line that (k + 1)²(f(θ̄_k) − f*) follows in the end: a + b(k + 1), read off K/2 and K."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.polynomial._problem import Problem


class Line(NamedTuple):
    constant: xr.DataArray
    slope: xr.DataArray


def line(curve: xr.DataArray, at: np.ndarray, counted: np.ndarray) -> Line:
    """Through the last two of the iterations `at`, which are `counted` with 0."""
    low, high = (
        curve.isel(k=i, drop=True) * n**2 for i, n in zip(at[1:], counted[1:], strict=True)
    )
    slope = (high - low) / (counted[2] - counted[1])
    return Line(high - slope * counted[2], slope)


def unsettled(problems: list[Problem], config, curve: xr.DataArray, at: np.ndarray) -> Line:
    """How far constant and slope may still be off, from how the curve bends between K/4 and K.

    A rest that decays like c x^{4k/K}, x = e^{−γλK/4} for the slowest mode, bends by cx(1 − x)²(2 + x); twice
    that, or the bend itself. The rounding of a sum of K iterates comes to that.
    """
    counted = config.ends + 1.0
    quarter, half, last = (
        curve.isel(k=i, drop=True) * n**2 for i, n in zip(at, counted, strict=True)
    )
    early = (half - quarter) / (counted[1] - counted[0])
    bend = abs(last - half - early * (counted[2] - counted[1]))
    slowest = [[s / p.beta * p.eigenvalues[-1] for s in config.steps] for p in problems]
    x = bend.copy(data=np.exp(-np.array(slowest) * counted[2] / 4))
    scale = bend / ((1 - x) ** 2 * (2 + x))
    size = [np.sqrt(p.beta / 2) * np.linalg.norm(p.theta) for p in problems]
    error = xr.DataArray(size, {"degree": bend["degree"]}) * counted[2] ** 2 * 2.0**-53
    rounding = 2 * np.sqrt(abs(last)) * error + error**2 + 1e-9 * abs(last)
    slope = np.maximum(2 * x * (1 - x**2) * scale, bend) / (counted[2] - counted[1])
    rest = np.maximum(2 * x**3 * scale, bend)
    return Line(
        rest + slope * counted[2] + 3 * rounding, slope + 3 * rounding / (counted[2] - counted[1])
    )


def crossover(curve: xr.DataArray) -> xr.DataArray:
    """k + 1 where the slope in log-log paper rises through −3/2 for the last time; nan if it does not."""
    x, table = np.log(curve["k"].values + 1.0), np.log(curve.transpose(..., "k").values)
    slopes, middle = np.diff(table) / np.diff(x), (x[1:] + x[:-1]) / 2
    found = np.full(table.shape[:-1], np.nan)
    for place in np.ndindex(found.shape):
        slope = slopes[place]
        (below,) = np.nonzero(slope < -1.5)
        if len(below) and below[-1] < len(slope) - 1:
            i = below[-1]
            found[place] = np.exp(np.interp(-1.5, slope[i : i + 2], middle[i : i + 2]))
    return curve.isel(k=0, drop=True).copy(data=found)
