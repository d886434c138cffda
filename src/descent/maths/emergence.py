"""When the singular values of a factor emerge along gradient descent from a small start."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Real


def emergence_times(
    t: Real[np.ndarray, " s"], s: Float[np.ndarray, "s i"], level: Float[np.ndarray, " i"]
) -> Float[np.ndarray, " i"]:
    """First time at which s_i reaches level_i, log-linear between snapshots; nan if it never does."""
    times = np.full(len(level), np.nan)
    with np.errstate(divide="ignore"):
        height = np.log(s) - np.log(level)
    for i, h in enumerate(height.T):
        above = np.flatnonzero(h >= 0)
        if len(above):
            k = above[0]
            times[i] = t[0] if k == 0 else np.interp(0, h[k - 1 : k + 1], t[k - 1 : k + 1])
    return times


def first_passage(caught: np.ndarray, lam: np.ndarray) -> np.ndarray:
    """First t at which ‖v_iᵀU_t‖² ≥ λ_i/2; nan where it does not come to that."""
    above = caught >= lam / 2
    return np.where(above.any(0), above.argmax(0), np.nan)


def predicted_times(
    eigenvalue: xr.DataArray, eta: xr.DataArray, alpha: xr.DataArray, d: int
) -> xr.DataArray:
    """t_i over (replicate, alpha, i); negative where α is too large for a first phase."""
    start = alpha * np.sqrt(d)
    times = np.log(np.sqrt(eigenvalue / 2) / start) / np.log1p(2 * eta * eigenvalue)
    return times.transpose("replicate", "alpha", "i")


class Arrived(NamedTuple):
    """The times that can be compared, named by their place."""

    measured: xr.DataArray
    predicted: xr.DataArray
    tol: xr.DataArray


def arrived(
    measured: xr.DataArray, predicted: xr.DataArray, tol: xr.DataArray, end: float | int
) -> Arrived:
    """The times of what has emerged, and of what should have before `end` (it has the time NaN, which no check holds)."""
    measured, predicted, tol = xr.broadcast(measured, predicted, tol)
    compared = measured.notnull() | (predicted + tol < end) | predicted.isnull()
    places = np.argwhere(compared.values)
    names = [
        ", ".join(
            f"{d} = {measured[d].values[k]:g}" for d, k in zip(measured.dims, one, strict=True)
        )
        for one in places
    ]
    parts = (part.values[compared.values] for part in (measured, predicted, tol))
    return Arrived(*(xr.DataArray(part, dims="time", coords={"time": names}) for part in parts))
