"""R = r needs as many measurements as X* has degrees of freedom; R = d needs δ, unless the start is small.

    relative error at t = T against m/(dr), by the number of factors and the start U₀ = αW
    R = r:             m ≥ dof = dr − r(r−1)/2, below which other matrices of rank r fit as well
    R = d, large α:    m ≥ δ = dof + (d−r)(d−r+1)/4, below which other positive semidefinite ones do
    R = d, small α:    in between, by implicit regularisation alone
    both far below the d(d+1)/2 unknowns of a linear solver

Source: CS7180 problem set 2, questions 2b and 2d, which fix m = 10dr; arXiv 1712.09203, Theorem 1.1 (small α).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Positive, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, sweep
from descent.sensing._problem import (
    DescentConfig,
    degrees_of_freedom,
    draw_factor,
    sense,
    uniqueness_threshold,
)
from descent.sensing._trajectories import descend, narrowed

METHODS = ("exact", "small", "large")


@experiment_config
class Config(DescentConfig):
    oversampling: tuple[Positive, ...]  # m/(dr)
    start: Positive  # U₀ = start · W for R = r
    small: Positive  # α for R = d
    large: Positive  # α for R = d
    recovered: Positive  # median relative error that counts as recovered
    to_rounding: Positive  # relative error that R = r reaches where it recovers

    def __post_init__(self):
        super().__post_init__()
        require_increasing("oversampling", self.oversampling)
        require_increasing("m of oversampling", self.measurements)
        require_increasing("small, large", (self.small, self.large))

    @property
    def measurements(self) -> tuple[int, ...]:
        return tuple(map(self.count, self.oversampling))


def _run(rng, config: Config) -> Float[np.ndarray, "m 3"]:
    """Relative error at T of the three methods for every m, each a part of the same rows."""
    d = config.size
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    S = rng.standard_normal((config.measurements[-1], d * (d + 1) // 2))
    starts = np.stack([config.start * narrowed(W, config.rank), config.small * W, config.large * W])
    errors = []
    for m in config.measurements:
        problem = sense(factor, S[:m])
        eta = config.step / problem.eigenvalues[0]
        end = descend(problem, starts, eta, config.steps, np.array([config.steps]))
        errors.append(end.distance[:, -1] / np.linalg.norm(problem.target))
    return np.array(errors)


def needed(m: np.ndarray, median: np.ndarray, recovered: float) -> float:
    """The smallest m from which on every median is recovered; inf if the largest is not."""
    lost = np.flatnonzero(~(median <= recovered))
    return float(m[0] if not len(lost) else m[lost[-1] + 1] if lost[-1] + 1 < len(m) else np.inf)


def run(config: Config) -> Result:
    d, r = config.size, config.rank
    errors = np.array(replicate(_run, config.seed, [(config,)] * config.replicates))
    m, freedom = np.array(config.measurements), degrees_of_freedom(d, r)
    threshold = uniqueness_threshold(d, r)
    data = xr.Dataset(
        {
            name: (("replicate", "oversampling"), errors[:, :, k], {"long_name": label})
            for k, (name, label) in enumerate(
                zip(
                    METHODS,
                    ("R = r", f"R = d, α = {config.small:g}", f"R = d, α = {config.large:g}"),
                    strict=True,
                )
            )
        }
        | {"measurements": ("oversampling", m, {"long_name": "m"})},
        coords={
            "oversampling": sweep(config.oversampling, "oversampling", "m/(dr)"),
            "replicate": replicates(config.replicates),
        },
        attrs={
            "degrees_of_freedom": freedom / (d * r),
            "uniqueness_threshold": threshold / (d * r),
            "unknowns": (d + 1) / (2 * r),
        },
    )
    medians = data[list(METHODS)].median("replicate", skipna=False)
    enough = {k: needed(m, medians[k].values, config.recovered) for k in METHODS}
    checks = [
        Check("exact_to_rounding", medians["exact"].values[-1], "<=", 0.0, config.to_rounding),
        Check("exact_needs_its_degrees_of_freedom", enough["exact"], ">=", freedom, 0.0),
        Check("small_alpha_needs_at_least_as_many", enough["small"], ">=", enough["exact"], 0.0),
        Check("small_alpha_needs_fewer_than_threshold", enough["small"], "<=", threshold, 0.0),
        Check("large_alpha_needs_the_threshold", enough["large"], ">=", threshold, 0.0),
        Check("large_alpha_recovers", medians["large"].values[-1], "<=", 0.0, config.recovered),
    ]
    below = np.flatnonzero(m < freedom)
    if len(below):
        nearest = data["exact"].values[:, below].min()
        checks.append(Check("exact_fails_below", nearest, ">=", config.recovered, 0.0))
    return Result(
        data=data,
        metrics=dict(medians.data_vars)
        | {"uniqueness_threshold": threshold, "degrees_of_freedom": freedom}
        | {f"needed_{k}": value for k, value in enough.items() if np.isfinite(value)},
        checks=tuple(checks),
    )
