"""Matrix sensing has no scale of its own, so the two readings of the published starts are one experiment.

    (U*, U₀, η) → (sU*, sU₀, η/s²):   U_t → sU_t,   ‖U_tU_tᵀ − X*‖ → s²‖U_tU_tᵀ − X*‖

The gradient (1/m) Σ (⟨Aᵢ, UUᵀ⟩ − yᵢ)(Aᵢ + Aᵢᵀ)U is of third order in (U*, U), so the step has to be of
order −2. U* ~ N(0, 1) is s = √d times U* ~ N(0, 1/d): a start αW on the second is √d αW on the first.

Source: CS7180 problem set 2, question 2d: α "from 10E-5 … to 10E-1", U* of unspecified scale. Read as
decimals the starts are 1e-5 … 1e-1; as Python's literals, which its notebook runs, 1e-4 … 1. At its d = 100
the literals on U* ~ N(0, 1) are the decimals on U* ~ N(0, 1/d).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, steps, sweep
from descent.sensing._problem import Measured, measured, require_stable
from descent.sensing._trajectories import distances


@experiment_config
class Config(Measured):
    alphas: tuple[Positive, ...]  # starts on U* ~ N(0, 1/d)
    literals: tuple[Positive, ...]  # the same starts on U* ~ N(0, 1)
    step: Positive  # η λ₁(X*)
    steps: Count

    def __post_init__(self):
        super().__post_init__()
        require_stable(self.step)
        require_increasing("alphas", self.alphas)
        require_increasing("literals", self.literals)
        if len(self.alphas) != len(self.literals):
            raise ValueError(f"{len(self.alphas)} alphas, {len(self.literals)} literals: not pairs")


def _run(rng, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Distances with U* ~ N(0, 1/d) and with √d times this U*, on the same measurements."""
    small = measured(rng, config)
    s = np.sqrt(config.size)
    large = small._replace(factor=s * small.factor, target=s**2 * small.target)
    W = rng.standard_normal((config.size, config.size))
    return tuple(
        distances(
            problem,
            np.multiply.outer(scales, W),
            np.full(len(scales), config.step / problem.eigenvalues[0]),
            config.steps,
        )
        for problem, scales in ((small, config.alphas), (large, config.literals))
    )


def run(config: Config) -> Result:
    runs = replicate(_run, config.seed, [(config,)] * config.replicates)
    small, large = map(np.array, zip(*runs, strict=True))
    s = np.sqrt(config.size)
    apart = np.abs(large / (s**2 * small) - 1)
    mismatch = np.abs(np.array(config.literals) / (s * np.array(config.alphas)) - 1).max()
    curve = ("replicate", "alpha", "t")
    data = xr.Dataset(
        {
            "small": (curve, small, {"long_name": "‖U_tU_tᵀ − X*‖, U* ~ N(0, 1/d)"}),
            "large": (curve, large, {"long_name": "‖U_tU_tᵀ − X*‖, U* ~ N(0, 1)"}),
            "large_predicted": (
                curve,
                s**2 * small,
                {"long_name": "d times that of U* ~ N(0, 1/d)", "role": "prediction"},
            ),
            "apart": (curve, apart, {"long_name": "relative deviation from the law"}),
            "literal": ("alpha", list(config.literals), {"long_name": "start on U* ~ N(0, 1)"}),
        },
        coords={
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "t": steps(np.arange(config.steps + 1), "t", "step t"),
            "replicate": replicates(config.replicates),
        },
        attrs={"measurements": config.measurements},
    )
    # Every step and every sum over d rounds by ε = 2.2e-16 at worst, of what it rounds: that grows
    # no faster than U itself, and counts for more once the distance is a small difference.
    rounding = 2.2e-16 * (config.steps + config.size) * (1 + small[..., :1] / small)
    return Result(
        data=data,
        metrics={
            "final_small": data["small"].isel(t=-1, drop=True).mean("replicate", skipna=False),
            "final_large": data["large"].isel(t=-1, drop=True).mean("replicate", skipna=False),
            "largest_deviation": apart.max(),
        },
        checks=(
            Check("literals_are_root_d_alphas", mismatch, "<=", 0.0, 1e-12),
            Check("distances_scale_by_d", (apart / rounding).max(), "<=", 0.0, 1.0),
        ),
    )
