"""Averaged gradients take the error along a damped cosine, a sum of two powers, or a power times 1 + ct.

Which of them depends on the two roots of one update: complex roots turn and shrink, real ones shrink side by side,
and where they meet the factor t appears, so that the error first grows before it decays.

    x_{t+1} = τx_t − (1 − β)x_{t−1},   τ = 2 − β − 2h,   h = ηβσ²,   x₀ = 1,  x₁ = 1 − 2h  (from z₀ = 0)
    r = √(1 − β),   complex:   x_t = rᵗ[cos tθ + ((cos θ − r)/sin θ) sin tθ],   cos θ = τ/2r
    repeated at h₋:  rᵗ(1 + t(1 − r)),   at h₊:  (−r)ᵗ(1 + t(1 + r))
    real:  ((x₁ − λ₋)λ₊ᵗ − (x₁ − λ₊)λ₋ᵗ)/(λ₊ − λ₋)

See: every simulated error lies on its closed form; the one with the repeated root −r rises before it falls.

Source: CS182 homework 2, questions 2c to 2g.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config
from descent.dynamics._least_squares import EPS
from descent.dynamics._modes import simulated
from descent.maths.limits import require_at_most, require_within
from descent.maths.momentum import repeated, trajectory
from descent.result import Check, Result, measured, predicted, steps


@experiment_config
class Config:
    beta: Positive
    length: Count  # iterations that are followed

    def __post_init__(self):
        if self.beta >= 2:
            raise ValueError(f"beta {self.beta:g} ≥ 2: |det R| ≥ 1, so no step is stable")
        require_within("beta", self.beta, 1e-6, 2, "the roots differ from 1 by rounding")
        if self.length < 2:
            raise ValueError(f"length {self.length}: a trajectory has at least 2 points")
        # A rounding of h is one of Δ, which at a repeated root moves x_t by a part in t²Δ.
        require_at_most(self, "rounding, 2⁻⁵²length², would hide the shape", length=100_000)

    def regimes(self) -> dict[str, float]:
        """One h in every regime of this β, and at its edges."""
        edge = 2 - self.beta
        if self.beta >= 1:
            return {"real": edge / 3, "real near the edge": 0.98 * edge}
        low, high = repeated(self.beta)
        return {
            "real, positive": low / 2,
            "repeated, +r": low,
            "complex": np.sqrt(low * high),
            "repeated, −r": high,
            "real, negative": (high + edge) / 2,
        }


def predict(config: Config) -> xr.Dataset:
    """The closed forms."""
    t = np.arange(config.length)
    found = [trajectory(config.beta, h, 1 - 2 * h, t) for h in config.regimes().values()]
    return xr.Dataset({"error_predicted": predicted(("regime", "t"), found, "closed form")})


def measure(config: Config) -> xr.Dataset:
    """The update itself."""
    regimes = config.regimes()
    found = [simulated(config.beta, h, config.length) for h in regimes.values()]
    return xr.Dataset(
        {"error": measured(("regime", "t"), found, "error x_t")},
        coords={
            "regime": ("regime", list(regimes), {"long_name": "regime"}),
            "h": ("regime", list(regimes.values()), {"long_name": "h = ηβσ²"}),
            "t": steps(np.arange(config.length), "t", "iteration t"),
        },
        attrs={"beta": config.beta},
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    size = np.abs(found["error"])
    # Every step rounds x anew, and a rounding of h is one of Δ.
    tol = 4 * EPS * config.length**2 * size.max("t")
    return Result(
        data=found.merge(theory),
        metrics={
            "peak": size.max("t").max("regime"),
            "peak_at": size.argmax("t").isel(regime=int(size.max("t").argmax("regime"))),
        },
        checks=(
            Check(
                *("error", found["error"], "==", theory["error_predicted"], tol),
                "a rounding of h moves x_t near a repeated root by a part in t²",
            ),
        ),
    )
