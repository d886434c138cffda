"""With far too many factors, a small start still finds X*, and the smaller the start, the closer it comes.

From a small start the directions of X* grow first, one after another, while all others stay near the start's
size. What they keep is the error at the end, and a smaller start leaves less of it.

    U: (d, d),   U₀ = αW,   U ← U − η∇f(U),   η = step/λ₁(X*),   more measurements than δ: only X* fits
    ‖U_TU_Tᵀ − X*‖/‖X*‖ ≤ √(α√d):  the guarantee, its constant taken for 1; α in units of √λ₁ for a given target
    error ~ α^s with 0 < s ≤ 2:  2 is the exponent of m = ∞

The guarantee bounds the error and not its rise between two starts: few measurements leave single runs with
s < ½, the exponent of the guarantee (sensing@plateau has the mean). The exponent is read off while the end still depends on the start: α² d 4ηT ≤ 1. Beyond, the error is a tail
of 1/t, the same for all starts.

See: on the left the smaller starts take longer and end lower; on the right the error at the end rises with α,
but never faster than α².

Source: CS7180 problem set 2, question 2d; arXiv 1712.09203, Theorem 1.1 (guarantee); arXiv 2106.15013 (small
random starts). The handout prints α = 10E-5 … 10E-1; its notebook runs 1e-4 … 1. With its U* ~ N(0, 1) that is
the sweep 1e-5 … 1e-1 here, because (U*, U₀, η) → (sU*, sU₀, η/s²) multiplies every distance by s².
"""

import numpy as np
import xarray as xr

from descent.config import experiment_config
from descent.result import Check, Result, bound, measured
from descent.sensing._phases import guarantee, last_emergence, settled
from descent.sensing._sample import transition_spread
from descent.sensing._target import uneven
from descent.sensing._trajectories import (
    SweepConfig,
    curves,
    held_out_checks,
    lost,
    overparameterised,
)

ENOUGH = 3  # m/(dr) of the guarantee
# relative error up to which X* counts as found: the guarantee of the smallest start has to say so
NEAR = 0.1


@experiment_config
class Config(SweepConfig):
    def __post_init__(self):
        super().__post_init__()
        if self.steps < 2:
            raise ValueError("steps 1: whether a run has settled takes at least 2")
        promised = guarantee(self.alphas[0] / self.unit, self.size)
        if promised > NEAR:
            raise ValueError(
                f"alphas: from the smallest, {self.alphas[0]:g}, the guarantee is an error of {promised:.2g} > "
                f"{NEAR:g}: not a small start"
            )


def predict(config: Config) -> xr.Dataset:
    """The guarantee, and the limits of the exponent."""
    limits = guarantee(np.array(config.alphas) / config.unit, config.size)
    return xr.Dataset(
        {
            "relative_distance_bound": bound("alpha", limits, "√(α√d)"),
            "slope_lowest_bound": bound((), 0.0, "no rise"),
            "slope_highest_bound": bound((), 2.0, "m = ∞"),
        },
        coords={"alpha": list(config.alphas)},
    )


def measure(config: Config) -> xr.Dataset:
    """The runs from every α, which of them have settled, and the exponents between neighbours."""
    return read(overparameterised(config), config)


def read(data: xr.Dataset, config: Config) -> xr.Dataset:
    """Labelled trajectories with what the claim speaks about: which runs have settled, and the exponents."""
    end, half = (
        data["relative_distance"].sel(t=t, drop=True) for t in (config.steps, config.steps // 2)
    )
    times = last_emergence(data["eigenvalue"], data["eta"], data["alpha"], config.size)
    there = settled(half, end, times, config.steps)
    if len(config.alphas) > 1:
        rise = np.diff(np.log(end), axis=-1) / np.diff(np.log(config.alphas))
        data["slope"] = measured(("replicate", "pair"), rise, "exponent s to the next α")
        data.coords["pair"] = ("pair", list(config.alphas[:-1]), {"long_name": "lower α"})
    return data.assign(
        settled=measured(there.dims, there.values, "settled"),
        last=measured(times.dims, times.values, "emergence of the last direction"),
    )


def run(config: Config) -> Result:
    return judged(config, measure(config), predict(config))


def judged(config: Config, found: xr.Dataset, theory: xr.Dataset) -> Result:
    """What was found, held against the claim."""
    reasons = presupposed(config, found)
    metrics = curves(found, config) | {
        "measurements": config.measurements,
        "uniqueness_threshold": config.threshold,
    }
    if "slope" in found:
        # Where the limit α → 0 is nearest.
        metrics["slope_smallest"] = found["slope"].isel(pair=0, drop=True).mean()
    sloped = pairs(config, found)
    checks = held_out_checks(found, config.held_out)
    if not reasons:
        checks += compare(found, theory, sloped)
    return Result(
        data=found.merge(theory),
        metrics=metrics,
        checks=checks,
        no_claim=reasons,
        unchecked={}
        if sloped
        else {"slope": "no two starts that have settled and still depend on α"},
    )


def presupposed(config: Config, found: xr.Dataset) -> tuple[str, ...]:
    """Why the claim says nothing here: too few measurements, or the smallest start has not come to its end."""
    reasons, d, r = uneven(config.target, config.rank), config.size, config.rank
    least = max(config.threshold + 3 * transition_spread(d, r), ENOUGH * d * r)
    if config.measurements < least:
        reasons += (
            f"m = {config.measurements} < max(δ + 3 of its spread, {ENOUGH}dr) = {least:.4g}: X* need not be the only "
            "fit, or a small start need not find it",
        )
    if not found["settled"].isel(alpha=0).all():
        waited = float(found["last"].isel(alpha=0).max())
        reasons += (
            f"steps {config.steps}: from the smallest α the last direction emerges by {waited:.0f}, and the error "
            "of some run still falls faster than 1/t",
        )
    return reasons + lost(found["distance"].isel(alpha=0, t=-1))


def pairs(config: Config, found: xr.Dataset) -> list[int]:
    """Neighbours of which both have settled, and the larger still depends on its α."""
    there = found["settled"].all("replicate").values
    eta = float(found["eta"].max())
    depends = np.square(config.alphas) * config.size * 4 * eta * config.steps <= 1
    return [k for k in range(len(there) - 1) if there[k : k + 2].all() and depends[k + 1]]


def compare(found: xr.Dataset, theory: xr.Dataset, sloped: list[int]) -> tuple[Check, ...]:
    there = np.flatnonzero(found["settled"].all("replicate"))
    end = found["relative_distance"].isel(t=-1, drop=True)
    promised = theory["relative_distance_bound"]
    why = "the settled runs"
    checks = (Check("relative_distance", end[:, there], "<=", promised[there], 0, why),)
    if sloped:
        slope, why = found["slope"][:, sloped], "starts that have settled and depend on α"
        checks += (
            Check("slope_above_zero", slope, ">=", theory["slope_lowest_bound"], 0, why),
            Check("slope_below_population", slope, "<=", theory["slope_highest_bound"], 0, why),
        )
    return checks
