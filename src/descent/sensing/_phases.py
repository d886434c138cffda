"""How long a run from a small start needs, and what its end can hold, from X*, the start and the step alone.

    emergence     direction i of X* grows from its share ω_i of the start to √λ_i by 1 + 2ηλ_i a step
    linear phase  then every mode falls by 1 − 2ηλ_r a step at the slowest
    a sample      slows both by at most (1 − √(p/m))²,   p = dr − r(r−1)/2

An experiment presupposes by these that its run is long enough; it does not check them.

Source: arXiv 2106.15013 (phases); Davidson and Szarek's bound of Gaussian singular values (the sample);
arXiv 1712.09203, Theorem 1.1 (what a small start reaches).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.maths.emergence import predicted_times
from descent.sensing._curvature import edges
from descent.sensing._problem import degrees_of_freedom

SHORT = 0.01  # a run is too short if more than this share of X* may be left


def overlaps(factor: Float[np.ndarray, "d r"], W: Float[np.ndarray, "d k"]) -> np.ndarray:
    """ω_i, i = 1 … r: the part of v_iᵀW that is orthogonal to those before it; what direction i starts from."""
    V = np.linalg.svd(factor, full_matrices=False)[0]
    return np.abs(np.diagonal(np.linalg.qr((V.T @ W).T)[1]))


def remaining(
    factor: Float[np.ndarray, "d r"],
    start: Float[np.ndarray, "d k"],
    eta: float,
    T: int,
    m: int,
    spectrum: Float[np.ndarray, " dr"],
) -> float:
    """The share of X* that a run with R = r from U₀ = start may have left after T steps; 1 if it may be all.

    Args:
        spectrum: of the Hessian at U* of the sample drawn, increasing: its slowest mode may be slower than the
            edge.
    """
    d, r = factor.shape
    lam = np.linalg.svd(factor, compute_uv=False) ** 2
    slowed = edges(degrees_of_freedom(d, r), m)[0]
    with np.errstate(divide="ignore"):
        folds = np.log(np.sqrt(lam) / overlaps(factor, start)).clip(0)
        emerged = np.max(folds / np.log1p(2 * eta * lam * slowed)) if slowed else np.inf
    if not emerged < T:
        return 1.0
    curved = max(spectrum[r * (r - 1) // 2], 0.0)  # the modes before are those of UQ
    slowest = min(2 * lam[-1] * slowed, curved)
    return float(np.exp((T - emerged) * np.log1p(-eta * slowest)))


def elsewhere(loss: xr.DataArray, left: xr.DataArray) -> tuple[str, ...]:
    """The reason to claim nothing if runs with R = r, long enough to have come to X*, end with a loss.

    No theorem keeps gradient descent from other minima where there are few measurements.

    Args:
        loss: f(U_T)/½‖X*‖², over the mean of f(0).
        left: the share of X* that each run may have left, from `remaining`.
    """
    caught = (left <= SHORT) & (loss > 4 * left**2 + 1e-20)  # 4 ≥ (1 + √(p/m))², and rounding
    number, most = int(caught.sum()), float(loss.where(caught).max())
    runs = f"{number} of {loss.size} runs with R = r end beside X*"
    return (f"{runs}: loss up to {most:.2g} of that of U = 0",) if number else ()


def short(T: int, left: xr.DataArray) -> tuple[str, ...]:
    """The reason to claim nothing if runs with R = r may have much of X* left."""
    most = float(left.max())
    return (f"steps {T}: at R = r {most:.2g} of X* may be left at the end",) if most > SHORT else ()


def unfinished(T: int, loss: xr.DataArray, left: xr.DataArray) -> tuple[str, ...]:
    """The reason to claim nothing of runs with R = r: too short to have come to X*, or not at X*."""
    return short(T, left) or elsewhere(loss, left)


def guarantee(alpha, d: int):
    """√(α√d): the relative error that a start α with R = d ends within, its constant taken for 1."""
    return np.sqrt(alpha * np.sqrt(d))


def settled(
    halfway: xr.DataArray, end: xr.DataArray, last_emergence: xr.DataArray, T: int
) -> xr.DataArray:
    """Whether the last direction of X* was to emerge by T/2, and the error falls no faster than 1/t since then."""
    with np.errstate(divide="ignore", invalid="ignore"):  # a run that is lost has not settled
        fall = np.log(halfway / end) / np.log(T / (T // 2))
    return (last_emergence <= T // 2) & (fall <= 1)


def unsettled(
    config, eigenvalue: xr.DataArray, halfway: xr.DataArray, end: xr.DataArray
) -> tuple[str, ...]:
    """The reason to claim nothing of runs from the small start if some have not settled."""
    small, eta = xr.DataArray([config.small], dims="alpha"), config.step / eigenvalue[:, 0]
    times = last_emergence(eigenvalue, eta, small, config.size).isel(alpha=0)
    if settled(halfway, end, times, config.steps).all():
        return ()
    out = f"steps {config.steps}: from small X* emerges by {float(times.max()):.0f}"
    return (f"{out}, and some error still falls fast",)


def last_emergence(
    eigenvalue: xr.DataArray, eta: xr.DataArray, alpha: xr.DataArray, d: int
) -> xr.DataArray:
    """When the slowest direction of X* emerges from αW, W: (d, d)."""
    return predicted_times(eigenvalue, eta, alpha, d).max("i")


def leftover(lam: Float[np.ndarray, " r"], alpha: float, d: int, m: int, sigma: float) -> float:
    """At the most ‖UUᵀ‖ of what a start α with R = d holds beside X* when all of X* has emerged.

    Direction k emerges after ln(√λ_k/α√d)/λ_k (in 1/2η); until then the rest grows by the edge of the spectrum of
    (1/m) Σ yᵢ sym(Aᵢ) without what has emerged, √(2d/m (‖X* − X_k‖² + σ²)).
    """
    times = np.maximum.accumulate(np.log(np.sqrt(lam) / (alpha * np.sqrt(d))).clip(0) / lam)
    rest = np.cumsum(lam[::-1] ** 2)[::-1] + sigma**2
    growth = np.sum(np.sqrt(2 * d / m * rest) * np.diff(times, prepend=0.0))
    return float(alpha**2 * np.sqrt(2 * d**3) * np.exp(2 * growth))


def first_within(error: Float[np.ndarray, "*n t"], near: float) -> Float[np.ndarray, "*n"]:
    """The first step at which the error is within `near`; nan if it never is."""
    there = error <= near
    return np.where(there.any(-1), there.argmax(-1), np.nan)
