"""With as many factors as the rank, gradient descent from a small random start recovers X* at a linear rate.

    U: (d, r),   U₀ = start · W,   U ← U − η∇f(U),   η = step/λ₁(X*)
    ‖U_tU_tᵀ − X*‖ ~ ρᵗ,   1 − ηλ₊₊ ≤ ρ ≤ 1 − ηλ⁺   (or ηλmax − 1, if that is more)
    λ⁺ … λ₊₊ = the d − r smallest non-zero eigenvalues of ∇²f(U*), all 2λ_r for m = ∞
    ∇²f(U*) has exactly r(r−1)/2 zero modes, the rotations U*Ω, Ω antisymmetric

Source: CS7180 problem set 2, question 2b.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from descent.config import Positive, experiment_config
from descent.maths.replicates import replicate
from descent.result import Check, Result
from descent.sensing import _problem
from descent.sensing._memory import require_memory
from descent.sensing._problem import hessian_spectrum
from descent.sensing._trajectories import (
    Trajectory,
    curves,
    from_random_starts,
    held_out_check,
    labelled,
)


@experiment_config
class Config(_problem.Config):
    start: Positive  # U₀ = start · N(0, 1)
    recovered: Positive  # relative distance that counts as recovered
    fit: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=2)]
    # relative distances between which the rate is read off

    def __post_init__(self):
        super().__post_init__()
        if not self.fit[0] < self.fit[1]:
            raise ValueError(f"fit {list(self.fit)} must be an interval, lower end first")


def _run(rng, config: Config) -> tuple[Trajectory, np.ndarray]:
    problem, trajectory = from_random_starts(rng, config, config.rank, (config.start,))
    return trajectory, hessian_spectrum(problem)


def observed_rate(relative_distance: np.ndarray, fit: tuple[float, float]) -> float:
    """ρ of the fit ρᵗ to the distances within `fit`; nan when the run has fewer than three there."""
    (t,) = np.nonzero((relative_distance > fit[0]) & (relative_distance < fit[1]))
    if len(t) < 3:
        return np.nan
    return float(np.exp(np.polyfit(t, np.log(relative_distance[t]), 1)[0]))


def run(config: Config) -> Result:
    require_memory(config.size, config.measurements, config.held_out, config.replicates)
    trajectories, spectra = zip(
        *replicate(_run, config.seed, [(config,)] * config.replicates), strict=True
    )
    data = labelled(list(trajectories), config, (config.start,)).squeeze("alpha", drop=True)
    relative = data["relative_distance"]
    spectrum = np.stack(spectra)
    zero_modes = config.rank * (config.rank - 1) // 2
    zero = np.abs(spectrum) < 1e-9 * spectrum[:, -1:]  # rounding of an eigenvalue: p ε λmax
    eta = data["eta"].values
    overshoot = eta * spectrum[:, -1] - 1  # of the fastest mode, felt near the critical step
    bound = np.maximum(1 - eta * spectrum[:, zero_modes], overshoot)
    # The d − r directions orthogonal to X* with its smallest eigenvalue, all 2λ_r for m = ∞.
    bundle = zero_modes + max(config.size - config.rank, 1) - 1
    floor = np.maximum(1 - eta * spectrum[:, bundle], overshoot)
    rate = np.array([observed_rate(curve, config.fit) for curve in relative.values])

    data["rate"] = ("replicate", rate, {"long_name": "ρ read off the run"})
    data["rate_bound"] = (
        "replicate",
        bound,
        {"long_name": "1 − ηλ⁺", "role": "prediction"},
    )
    return Result(
        data=data.drop_vars("U"),
        metrics=curves(data, config)
        | {
            "rate": rate.mean(),
            "rate_bound": bound.mean(),
            "measurements": config.measurements,
        },
        checks=(
            Check("recovered", relative.values[:, -1].max(), "<=", 0.0, config.recovered),
            Check("zero_modes", zero.sum(1).mean(), "==", zero_modes, 0),
            # At the upper end of the fit the distance is not quite linear yet.
            Check("rate_at_most_slowest_mode", (rate - bound).max(), "<=", 0.0, 0.001),
            Check("rate_at_least_slow_bundle", (rate - floor).min(), ">=", 0.0, 0.001),
            held_out_check(data, config),
        ),
    )
