"""With far too many factors, gradient descent from a small start still finds X*, the better the smaller the start.

    U: (d, d),   U₀ = αW,   U ← U − η∇f(U),   η = step/λ₁(X*)
    error ~ α^s with ½ ≤ s ≤ 2:  ½ is the guarantee for finite m, 2 the exponent at m = ∞

Source: CS7180 problem set 2, question 2d; arXiv 1712.09203, Theorem 1.1 (guarantee); arXiv
2106.15013 (small random starts). The handout prints α = 10E-5 … 10E-1; its notebook runs 1e-4 … 1.
With its U* ~ N(0, 1) that is the sweep 1e-5 … 1e-1 here, because (U*, U₀, η) → (sU*, sU₀, η/s²)
multiplies every distance by s².
"""

from itertools import pairwise

import numpy as np

from descent.config import experiment_config
from descent.result import Check, Result
from descent.sensing._problem import uniqueness_threshold
from descent.sensing._trajectories import SweepConfig, curves, held_out_check, overparameterised


@experiment_config
class Config(SweepConfig):
    pass


def run(config: Config) -> Result:
    data = overparameterised(config)
    final = data["relative_distance"].isel(t=-1).values
    slopes = np.diff(np.log(final)) / np.diff(np.log(config.alphas))
    checks = [held_out_check(data, config)]
    for k, (low, high) in enumerate(pairwise(config.alphas)):
        name = f"alpha_{low:g}_to_{high:g}"
        checks.append(Check(f"error_grows/{name}", slopes[:, k].min(), ">=", 0.0, 0.0))
    metrics = curves(data, config) | {
        "measurements": config.measurements,
        "uniqueness_threshold": uniqueness_threshold(config.size, config.rank),
    }
    if slopes.size:
        smallest = slopes[:, 0].mean()  # where the limit α → 0 is nearest
        metrics["slope_smallest"] = smallest
        checks += [
            Check("slope_at_least_guarantee", smallest, ">=", 0.5, 0.0),
            Check("slope_at_most_population", smallest, "<=", 2.0, 0.0),
        ]
    return Result(data=data, metrics=metrics, checks=tuple(checks))
