"""With too few measurements to single out X*, a small start still finds it, and a large one fits something else.

Below δ measurements many positive semidefinite matrices fit all of them, and the loss cannot tell X* from the
others. Which one is found is decided by the start alone, its implicit bias.

    U: (d, d),   U₀ = αW,   m < δ = dr − r(r−1)/2 + (d−r)(d−r+1)/4
    small α:   ‖U_TU_Tᵀ − X*‖ ≤ claim_found · ‖X*‖
    large α, ‖U₀U₀ᵀ‖ > ‖X*‖:   the training loss → 0, at a matrix further from X* than that

The guarantee for small starts is an error of √(α√d) up to a constant, so a start counts as
small where four times that is within the error up to which X* counts as found.

See: on the right the largest start fits the measurements to rounding; on the left it ends further from X* than
U = 0 is, while the smallest one comes close.

Source: CS7180 problem set 2, question 2e, asks for evidence of implicit regularisation at m = 10dr; there the
cone alone makes X* unique (arXiv 1806.02046), so the evidence has to come from m < δ.
"""

import numpy as np
import xarray as xr

from descent.config import Positive, experiment_config
from descent.result import Check, Result, measured, predicted
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

CONSTANT = 4  # of the guarantee: measured from m = 3dr on, theory leaves it open
FEWEST = 3  # m/(dr) below which small starts are known to end elsewhere
ROUNDING = 2.0**-52


@experiment_config
class Config(SweepConfig):
    claim_found: Positive  # relative distance up to which X* is found

    def __post_init__(self):
        super().__post_init__()
        if len(self.alphas) < 2:
            raise ValueError("alphas: a small and a large start are compared, so two at least")
        if self.steps < 2:
            raise ValueError("steps 1: whether a run has settled takes at least 2")
        if not self.claim_found < 1:
            raise ValueError(f"claim_found {self.claim_found:g} ≥ 1: U = 0 is as near to X*")
        promised = CONSTANT * guarantee(self.alphas[0] / self.unit, self.size)
        if promised > self.claim_found:
            raise ValueError(
                f"alphas: the smallest, {self.alphas[0]:g}, may leave {CONSTANT}√(α√d) = {promised:.2g} > claim_found "
                f"{self.claim_found:g}: not a small start"
            )
        d, r, m = self.size, self.rank, self.measurements
        threshold, spread = self.threshold, transition_spread(d, r)
        if not m <= threshold - 2 * spread:
            raise ValueError(
                f"oversampling {self.oversampling:g}: m = {m} > δ − 2 of its spread = {threshold - 2 * spread:.4g}: X* "
                "may be the only fit"
            )
        if m < FEWEST * d * r:
            raise ValueError(
                f"oversampling {self.oversampling:g} < {FEWEST}: a small start does not find X* from so few "
                f"(it has {self.freedom} degrees of freedom)"
            )


def predict(config: Config) -> xr.Dataset:
    """U: (d, d) can fit m < d(d+1)/2 measurements, so the loss of a start that leaves 0 ends at 0."""
    return xr.Dataset(
        {"misfit_predicted": predicted((), 0.0, "training loss of the largest α / f(0)")}
    )


def measure(config: Config) -> xr.Dataset:
    """The runs from every α, and how far the largest start is from a fit."""
    data = overparameterised(config)
    zero = (data["eigenvalue"] ** 2).sum("i") / 2  # E f(0)
    last = data["training_loss"].isel(alpha=-1) / zero
    end, half = (
        data["relative_distance"].isel(alpha=[0]).sel(t=t, drop=True)
        for t in (config.steps, config.steps // 2)
    )
    times = last_emergence(data["eigenvalue"], data["eta"], data["alpha"][[0]], config.size)
    there = settled(half, end, times, config.steps).isel(alpha=0)
    return data.assign(
        misfit=measured(
            "replicate", last.isel(t=-1).values, "training loss of the largest α / f(0)"
        ),
        misfit_halfway=measured(
            "replicate", last.isel(t=config.steps // 2).values, "the same at T/2"
        ),
        settled=measured("replicate", there.values, "the smallest α has settled"),
        last=measured("replicate", times.isel(alpha=0).values, "emergence of the last direction"),
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    reasons = presupposed(config, found)
    checks = held_out_checks(found, config.held_out)
    if not reasons:
        checks += compare(config, found, theory)
    return Result(
        data=found.merge(theory),
        metrics=curves(found, config)
        | {
            "measurements": config.measurements,
            "uniqueness_threshold": config.threshold,
        },
        checks=checks,
        no_claim=reasons,
    )


def rounding(config: Config, found: xr.Dataset) -> xr.DataArray:
    """Of eᵀGe/2 relative to f(0): p terms of the size of ‖e‖², and the largest eigenvalue of G."""
    p = config.size * (config.size + 1) / 2
    largest = (1 + np.sqrt(p / config.measurements)) ** 2
    far = found["relative_distance"].isel(alpha=-1, t=-1, drop=True) ** 2
    return p * ROUNDING * largest * far


def presupposed(config: Config, found: xr.Dataset) -> tuple[str, ...]:
    """Why the claim says nothing here: the starts are not small and large, or have not come to their ends."""
    reasons = lost(found["distance"].isel(t=-1)) + uneven(config.target, config.rank)
    norm = np.sqrt((found["eigenvalue"] ** 2).sum("i"))
    begin = float((found["distance"].isel(alpha=-1, t=0) / norm).min())
    if not begin > 1:
        reasons += (f"alphas: the largest starts {begin:.2g} ‖X*‖ away, no further than U = 0",)
    if not found["settled"].all():
        reasons += (
            f"steps {config.steps}: from the smallest α the last direction emerges by {float(found['last'].max()):.0f}, "
            "and the error of some run still falls faster than 1/t",
        )
    falls = (found["misfit"] > rounding(config, found)) & (
        found["misfit"] < found["misfit_halfway"] / 2
    )
    if falls.any():
        reasons += (
            f"steps {config.steps}: the loss of the largest α is "
            f"{float(found['misfit'].max()):.2g} f(0) and still falls",
        )
    return reasons


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    end = found["relative_distance"].isel(t=-1, drop=True)
    small, large = (end.isel(alpha=k, drop=True) for k in (0, -1))
    misfit, none = found["misfit"], theory["misfit_predicted"]
    near = config.claim_found
    return (
        Check("smallest_start", small, "<=", near, 0, "the claim's own distance"),
        Check(
            "largest_start_fits", misfit, "==", none, rounding(config, found), "rounding of eᵀGe"
        ),
        Check("largest_start_is_elsewhere", large, ">=", near, 0, "the claim's own distance"),
    )
