"""What a run says about its limit, and how far it is from having reached it.

A run that has separated the classes goes along a straight line up to what dies out, w = ℓγŵ + ρ, so

    min_n z_nᵀw = γℓ − c − e/ℓ   with ℓ = ‖w‖,   and w(ℓ) − w(ℓ/2) has the direction of the limit

Three lengths ℓ, ℓ/2, ℓ/4 give γ, c and e. Half-way the run gives them a first time, and twice what has changed since
then is the error of a reading. That holds of what dies out like a power of ℓ. What dies out exponentially has to
be gone already at a quarter of the margin: the samples, not the run, say how fast that goes (`_machine.rates`).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.check import with_points
from descent.margin._problem import EPS
from descent.result import Check, measured

CLOSE = 0.01  # the error of a direction or, relative, of γ from which on a run has not converged
CLOSE_OFFSET = 0.05  # the same of c
EXACT = 1e-10  # the accuracy of the programme that gives ŵ, relative
GONE = 12.0  # exponents of what is left at a quarter of the margin: e⁻¹²
LONGER = 1.3  # the least ratio of two of the lengths
ERROR = "twice its change over the last half, and rounding"


def read(w: Float[np.ndarray, "s d"], margins: Float[np.ndarray, " s"]) -> xr.Dataset:
    """The limit of a path with the least margins `margins`; NaN of a path that did not grow eightfold."""
    lengths = np.linalg.norm(w, axis=1)
    last, before = (_through(w, margins, lengths, lengths[-1] / 2**j) for j in (0, 1))
    turn = 2 * np.linalg.norm(last[0] - before[0]) + 10 * EXACT
    slope_error = 2 * abs(last[1] - before[1]) + EXACT * abs(last[1])
    offset_error = 2 * abs(last[2] - before[2]) + 1e4 * EPS * np.abs(margins[-1])
    return xr.Dataset(
        {
            "reached": measured((), margins[-1], "least margin at the end"),
            "growth": measured("i", last[0], "direction in which w grows"),
            "growth_error": measured((), turn, "its error"),
            "slope": measured((), last[1], "growth of the margin per length of w"),
            "slope_error": measured((), slope_error, "its error"),
            "offset": measured((), last[2], "offset c of the margin"),
            "offset_error": measured((), offset_error, "its error"),
        },
        coords={"i": ("i", np.arange(1, w.shape[1] + 1), {"long_name": "coordinate i"})},
    )


def _through(w, margins, lengths, length: float) -> tuple[np.ndarray, float, float]:
    """Direction, γ and c by the three points that are nearest to this length, its half and its quarter."""
    nothing = np.full(w.shape[1], np.nan), np.nan, np.nan
    if not (np.isfinite(w).all() and np.isfinite(margins).all() and length > 0):
        return nothing
    places = [int(np.abs(lengths - length / 2**j).argmin()) for j in range(3)]
    ell = lengths[places]
    if not (ell[:-1] > LONGER * ell[1:]).all():
        return nothing
    step = w[places[0]] - w[places[1]]
    x = ell / ell[0]
    slope, offset, _ = np.linalg.solve(np.stack([x, -np.ones(3), -1 / x], 1), margins[places])
    return step / np.linalg.norm(step), float(slope / ell[0]), float(offset)


def converged(found: xr.Dataset, slow: list[float]) -> xr.DataArray:
    """Of every run, whether what dies out at the rate `slow` of its problem is gone, and all errors are small."""
    rate = xr.DataArray(slow, dims="problem")
    return (
        (rate * found["reached"] / 4 >= GONE)
        & (found["growth_error"] <= CLOSE)
        & (found["slope_error"] <= CLOSE * abs(found["slope"]))
        & (found["offset_error"] <= CLOSE_OFFSET)
    )


def not_converged(there: xr.DataArray, found: xr.Dataset, slow: list[float]) -> tuple[str, ...]:
    """Why nothing is claimed of the runs that have not; nothing if all have."""
    if there.all():
        return ()
    late, least = int((~there).sum()), float(found["reached"].where(~there).min())
    rates = np.array(slow)[(~there).any([d for d in there.dims if d != "problem"]).values]
    with np.errstate(divide="ignore"):
        needed = float((4 * GONE / rates).max())
    reached = f"from margins of {least:.3g} on, where the slowest needs {needed:.3g}"
    return (f"not converged: {late} of {there.size} runs, {reached} and steps that settle",)


def limits(there: xr.DataArray, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    """Direction, γ and c of the runs that have converged."""
    checks = []
    for name, key in {"growth": "growth", "slope": "gamma", "offset": "offset"}.items():
        if f"{key}_predicted" in theory:
            law, error = theory[f"{key}_predicted"], found[f"{name}_error"]
            checks.append(Check(name, found[name], "==", law, error, ERROR, there))
    return with_points(*checks)
