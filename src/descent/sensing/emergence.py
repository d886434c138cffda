"""A start ten times smaller delays the first singular value by ln 10/ln(1 + 2ηλ₁) steps, whatever was drawn.

    U: (d, d),   U₀ = αW;    emergence t_i: s_i(U_t)² = λ_i/2
    t_i = ln(√(λ_i/2)/(α√d))/ln(1 + 2ηλ_i),   so dt₁/d log₁₀(1/α) = ln 10/ln(1 + 2·step)

What m measurements add is known for the first direction: while U is small, U ← (1 + 2ηM)U with
M = (1/m) Σ yᵢ sym(Aᵢ) = unpack(G pack(X*)), whose top eigenvalue λ̂₁ ≈ λ₁ + (ν/2)²/λ₁, ν = ‖X*‖√(2d/m), replaces λ₁;
and the start's part along its eigenvector v, ‖vᵀW‖, replaces √d. Then s² → λ/(1 + (λ/s₀²)e^{−4ηλt}) saturates:
it reaches λ/2 half a doubling late,

    t₁ = ln(√λ̂₁/(α‖vᵀW‖))/ln(1 + 2ηλ̂₁)

Source: CS7180 problem set 2, question 2e; arXiv 2106.15013 (small random starts), 2301.11500 (one by one).
"""

import numpy as np
import xarray as xr

from descent.config import Positive, experiment_config, require_increasing
from descent.maths.emergence import emergence_times, predicted_times
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, sweep
from descent.sensing._kernels import apply
from descent.sensing._problem import DescentConfig, draw_factor, sense, unpack
from descent.sensing._trajectories import descend


@experiment_config
class Config(DescentConfig):
    oversampling: Positive  # m/(dr)
    alphas: tuple[Positive, ...]  # scales of the start

    def __post_init__(self):
        super().__post_init__()
        require_increasing("alphas", self.alphas)
        if len(self.alphas) < 2:
            raise ValueError(f"alphas [{self.alphas[0]:g}]: a shift needs at least 2")


def _run(rng, config: Config) -> tuple:
    """t_i (alpha, i), λ_i(X*), and of M the largest eigenvalue and the start's part along its eigenvector."""
    d, r = config.size, config.rank
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    problem = sense(
        factor, rng.standard_normal((config.count(config.oversampling), d * (d + 1) // 2))
    )
    values, vectors = np.linalg.eigh(unpack(apply(problem.gram, problem.target[None])[0]))
    eigenvalues, t = problem.eigenvalues, np.arange(config.steps + 1)
    starts = np.multiply.outer(config.alphas, W)
    U = descend(problem, starts, config.step / eigenvalues[0], config.steps, t).factors
    finite = np.isfinite(U).all((-2, -1))
    s = np.full((*finite.shape, r), np.nan)
    s[finite] = np.linalg.svd(U[finite], compute_uv=False)[:, :r]
    times = [emergence_times(t, one, np.sqrt(eigenvalues / 2)) for one in s]
    return np.array(times), eigenvalues, values[-1], np.linalg.norm(vectors[:, -1] @ W)


def first_time(top: xr.DataArray, overlap: xr.DataArray, eta: xr.DataArray, alpha: xr.DataArray):
    """t₁ over (replicate, alpha) from M and the start."""
    return np.log(np.sqrt(top) / (alpha * overlap)) / np.log1p(2 * eta * top)


def run(config: Config) -> Result:
    times, eigenvalues, top, overlap = map(
        np.array, zip(*replicate(_run, config.seed, [(config,)] * config.replicates), strict=True)
    )
    m, decades = config.count(config.oversampling), np.log10(config.alphas)
    data = xr.Dataset(
        {
            "measured": (("replicate", "alpha", "i"), times, {"long_name": "emergence of s_i"}),
            "eigenvalue": (("replicate", "i"), eigenvalues, {"long_name": "λ_i(X*)"}),
            "eta": ("replicate", config.step / eigenvalues[:, 0], {"long_name": "η"}),
            "top": ("replicate", top, {"long_name": "λ̂₁, largest eigenvalue of M"}),
            "overlap": ("replicate", overlap, {"long_name": "‖vᵀW‖"}),
        },
        coords={
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "i": ("i", np.arange(config.rank) + 1, {"long_name": "index i"}),
            "replicate": replicates(config.replicates),
        },
    )
    eta, lam = data["eta"], data["eigenvalue"]
    predicted = predicted_times(lam, eta, data["alpha"], config.size)
    sharp = first_time(data["top"], data["overlap"], eta, data["alpha"]).transpose(
        "replicate", "alpha"
    )
    data["predicted"] = predicted.assign_attrs(
        long_name="predicted emergence of s_i", role="prediction"
    )
    data["first_predicted"] = sharp.assign_attrs(
        long_name="t₁ from λ̂₁ and ‖vᵀW‖", role="prediction"
    )

    shift = -np.array([np.polyfit(decades, t, 1)[0] for t in times[:, :, 0]])
    exact = np.log(10) / np.log1p(2 * eta.values * top)
    free = np.log(10) / np.log1p(2 * config.step)
    data["shift"] = ("replicate", shift, {"long_name": "steps per decade of α"})
    data["shift_predicted"] = (
        "replicate",
        exact,
        {"long_name": "ln 10/ln(1 + 2ηλ̂₁)", "role": "prediction"},
    )

    n = config.replicates
    left = (lam**2)[:, ::-1].cumsum("i")[:, ::-1]  # ‖X*‖² without what emerged before
    noise = 2 * config.size / m * left / (2 * lam) ** 2  # (ν/2λ_i)²
    # What λ̂₁ exceeds λ₁ by, relative to it, and four standard errors of its fluctuation √(2/m).
    drift = float(noise.sel(i=1).mean()) + 4 * np.sqrt(2 / (m * n))
    delay = (data["measured"] - predicted).isel(alpha=0) * np.log1p(2 * eta * lam)
    folds = (predicted.isel(alpha=0) * np.log1p(2 * eta * lam)).mean("replicate")
    checks = [
        # Exact as α → 0; over the sweep t₁ − ln(…)/ln(…) moves by a twentieth of a step (measured).
        Check("shift_over_exact", float((shift / exact).mean()), "==", 1.0, 0.003),
        Check("shift_per_decade", float(shift.mean()), "==", free, free * drift),
        # Half a step of the discrete saturation, half of the others' presence.
        Check(
            "first_time",
            float(np.abs(data["measured"].sel(i=1) - sharp).isel(alpha=0).max()),
            "<=",
            0.0,
            1.0,
        ),
    ]
    for i in lam["i"].values:
        E = float(folds.sel(i=i))
        if E > 0:
            # Of E e-folds: an unknown overlap, the drift and fluctuation of the sample, the wait for the earlier ones.
            waiting = 0.15 * E if i > 1 else 0.0
            tol = (
                np.log(1.75)
                + E * (float(noise.sel(i=i).mean()) + 4 * np.sqrt(2 / (m * n)))
                + waiting
            )
            checks.append(
                Check(f"delay_of_s{i}_in_e_folds", float(delay.sel(i=i).mean()), "==", 0.0, tol)
            )
    means = data[["measured", "predicted", "first_predicted"]].mean("replicate", skipna=False)
    return Result(
        data=data,
        metrics=dict(means.data_vars)
        | {"shift": shift.mean(), "shift_exact": exact.mean(), "shift_predicted": free},
        checks=tuple(checks),
    )
