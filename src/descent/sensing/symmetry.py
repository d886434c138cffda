"""Target and start s times as large, and a step 1/s² as long, give the same run of matrix sensing, s² as far.

The gradient is of third order in the target's factor and the iterate together, so the step has to be of order −2.
So a start αW for a target of one size is sα W for one that is s times as large, and two readings of a text that does
not say how large the target is may be one experiment.

    (U*, U₀, η) → (sU*, sU₀, η/s²):   U_t → sU_t,   ‖U_tU_tᵀ − X*‖ → s²‖U_tU_tᵀ − X*‖;   U*: (d, r), U: (d, d)
    ∇f(U) = (1/m) Σ (⟨Aᵢ, UUᵀ⟩ − yᵢ)(Aᵢ + Aᵢᵀ)U

See: the dashed curves, s² times the dotted ones, lie on the curves of the larger targets; on the right, what is left
of the difference is rounding.

Source: CS7180 problem set 2, question 2d: α "from 10E-5 … to 10E-1", U* of unspecified scale. Read as
decimals the starts are 1e-5 … 1e-1; as Python's literals, which its notebook runs, 1e-4 … 1. At its d = 100, with
s = √d = 10, the literals for U* with N(0, 1) entries are the decimals for U* with N(0, 1/d) entries.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.limits import SMALL, require_cost
from descent.maths.replicates import replicate
from descent.result import Check, Result, measured, predicted, replicates, steps, sweep
from descent.sensing import _problem
from descent.sensing._memory import require_memory
from descent.sensing._problem import require_stable
from descent.sensing._trajectories import distances

EPSILON = 2.0**-52


@experiment_config
class Config(_problem.Measured):
    alphas: tuple[Positive, ...]  # starts for U* with N(0, 1/d) entries
    scale: Positive  # s, of the other target and its starts
    step: Positive  # η λ₁(X*)
    steps: Count

    def __post_init__(self):
        super().__post_init__()
        require_stable(self.step)
        require_increasing("alphas", self.alphas)
        if self.scale == 1:
            raise ValueError("scale 1: the run would be compared with itself")
        if not 1e-30 <= self.scale <= 1e30:
            raise ValueError(
                f"scale {self.scale:g}: the fourth power of more than 1e30 leaves float64"
            )


def predict(config: Config, reference: xr.DataArray) -> xr.Dataset:
    """Where the law carries the run on the smaller target."""
    far = (config.scale**2 * reference).values
    return xr.Dataset(
        {"scaled_predicted": predicted(reference.dims, far, "s² times the reference")}
    )


def measure(config: Config) -> xr.Dataset:
    """Distances for a target and for `scale` times it, on the same measurements."""
    a, d = len(config.alphas), config.size
    p = d * (d + 1) // 2
    work = 4 * SMALL * a * p**2 * config.replicates * config.steps
    numbers = 4.0 * config.replicates * a * (config.steps + d**2)
    require_cost(config, "size, alphas, steps, replicates", numbers, work, free=True)
    require_memory(d, config.measurements, replicates=config.replicates)
    runs = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    reference, scaled = map(np.array, zip(*runs, strict=True))
    curve = ("replicate", "alpha", "t")
    return xr.Dataset(
        {
            "reference": measured(curve, reference, "‖U_tU_tᵀ − X*‖ for U*"),
            "scaled": measured(curve, scaled, "‖U_tU_tᵀ − s²X*‖ for sU*"),
        },
        coords={
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "t": steps(np.arange(config.steps + 1), "t", "step t"),
            "replicate": replicates(config.replicates),
        },
        attrs={"measurements": config.measurements, "scale": config.scale},
    )


def _measure_one(rng: np.random.Generator, config: Config) -> tuple[np.ndarray, np.ndarray]:
    small, s = _problem.measured(rng, config), config.scale
    large = small._replace(factor=s * small.factor, target=s**2 * small.target)
    W = rng.standard_normal((config.size, config.size))
    starts = np.multiply.outer(config.alphas, W)
    return tuple(
        distances(
            problem,
            times * starts,
            np.full(len(starts), config.step / problem.eigenvalues[0]),
            config.steps,
        )
        for problem, times in ((small, 1.0), (large, s))
    )


def run(config: Config) -> Result:
    found = measure(config)
    reference, scaled = found["reference"], found["scaled"]
    theory = predict(config, reference)
    apart = abs(scaled / theory["scaled_predicted"] - 1)
    apart = apart.assign_attrs(long_name="relative deviation from the law")
    kept = np.isfinite(reference).all("t")
    lost = int((~kept).sum())
    last = found.isel(t=-1, drop=True)
    return Result(
        data=found.merge(theory).assign(apart=apart),
        metrics={
            "final_small": last["reference"].mean("replicate", skipna=False),
            "final_large": last["scaled"].mean("replicate", skipna=False),
            "largest_deviation": apart.max(),
        },
        checks=compare(config, found, theory, kept) if kept.any() else (),
        no_claim=(f"{lost} of {kept.size} runs diverge",) if lost else (),
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, kept: xr.DataArray
) -> tuple[Check, ...]:
    """Of the runs that stay in float64.

    Every step and every sum over d rounds by ε at worst, of what it rounds: that grows no faster than U
    itself, and counts for more once the distance is a small difference.
    """
    whole = found["reference"]
    terms = EPSILON * (config.steps + config.size)
    tol = terms * config.scale**2 * (whole + whole.isel(t=0, drop=True))
    expected, why = theory["scaled_predicted"], f"{terms / EPSILON:.0f} roundings"
    return (Check("distance", found["scaled"], "==", expected, tol, why, kept),)
