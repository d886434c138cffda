"""When the singular values of a factor emerge along gradient descent from a small start."""

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


def delay(
    t: xr.DataArray,
    eigenvalue: xr.DataArray,
    relative: xr.DataArray,
    overlap: xr.DataArray | float = 1.0,
) -> xr.DataArray:
    """Steps by which the rows after row i hold it up, to first order: each takes 4ηp_j cos² off its growth.

    Args:
        t: when p_i = λ_i/2 without that; p_j/λ_j = 1/(1 + (1 + 4ηλ_j)^{2(t_j − t)}).
        relative: by how much of itself row i grows in a step at first, 4ηλ_i where the step is 4η.
        overlap: cos² of row j > i with what row i has alone, over (…, i, j); at most 1.
    """
    later, rate, t_later = (x.rename(i="j") for x in (eigenvalue, np.log1p(relative), t))
    ahead = (2 * rate * (t - t_later)).fillna(-np.inf)  # NaN: one of the two has not come yet
    so_far = np.logaddexp(0, ahead) / (2 * rate)  # ∫ p_j/λ_j dt up to t_i
    each = (overlap * later / eigenvalue * so_far).where(later["j"] > eigenvalue["i"], 0.0)
    return each.sum("j")


def due(
    measured: xr.DataArray, predicted: xr.DataArray, tol: xr.DataArray, end: float | int
) -> xr.DataArray:
    """Whether a direction has emerged, or should have before `end` (it has the time NaN then, which no check holds)."""
    return measured.notnull() | (predicted + tol < end) | predicted.isnull()
