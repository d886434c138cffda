"""The rate at which a run falls to X*, read off it, and that of the run linearised at its end.

    Δ ← (1 − ηH)Δ,   H = ∇²f(U*),   U_s = (U* + Δ_s)Ω, Ω the nearest rotation;   ‖UUᵀ − X*‖ = ‖U*Δᵀ + ΔU*ᵀ‖ + O(Δ²)

Source: CS7180 problem set 2, question 2b.
"""

import numpy as np
import xarray as xr


def within_fit(relative_distance: np.ndarray, fit: tuple[float, ...]) -> np.ndarray:
    """The steps at which the distance is within `fit`."""
    return np.flatnonzero((relative_distance > fit[0]) & (relative_distance < fit[1]))


def rate_over(distance: np.ndarray, t: np.ndarray) -> float:
    """ρ of the fit ρᵗ to the distances at the steps t; nan of fewer than three."""
    if len(t) < 3:
        return np.nan
    return float(np.exp(np.polyfit(t, np.log(distance[t]), 1)[0]))


def linearised(given: xr.Dataset, fit: tuple[float, ...]) -> tuple[float, float]:
    """ρ over the fitted steps of Δ ← (1 − ηH)Δ from the last snapshot before them, and how nonlinear that is."""
    relative, kept = given["relative_distance"].values, given["snapshot"].values
    t = within_fit(relative, fit)
    if len(t) < 3:
        return np.nan, np.nan
    s = int(np.searchsorted(kept, t[0], side="right")) - 1
    star, U, H = (given[name].values for name in ("factor_star", "U", "hessian"))
    left, _, right = np.linalg.svd(star.T @ U[s])
    delta = (U[s] @ (left @ right).T - star).T.ravel()  # entry (a, k) at kd + a, as H has it
    path = np.full(t[-1] + 1, np.nan)
    for step in range(kept[s], t[-1] + 1):
        tangent = star @ delta.reshape(star.T.shape)
        path[step] = np.linalg.norm(tangent + tangent.T)
        delta = delta - float(given["eta"]) * H @ delta
    lam = given["eigenvalue"].values
    return rate_over(path, t), float(relative[kept[s]] * np.linalg.norm(lam) / lam[-1])
