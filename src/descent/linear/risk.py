"""The shortest solution of n samples in d > n dimensions misses 1 − n/d of the truth on average.

It agrees with the truth in the n directions that the samples span and is 0 in the others. Normal samples span
each direction as likely as any other, so of the squared length of the truth they see the share n/d.

    X: (n, d) of N(0, 1) entries,   t = Xw*,   ŵ = Xᵀ(XXᵀ)⁻¹t,   P = 1 − X⁺X
    ‖ŵ − w*‖²/‖w*‖² = ‖Pw*‖²/‖w*‖² ~ Beta((d − n)/2, n/2),   with the mean 1 − n/d

See: the median over problems and its band fall along the line 1 − n/d.

Source: CSE 891 homework 2, question 3.4, beyond what it asks. The mean of draws of Beta(a, b) deviates no more than that of normal
draws of the variance 1/(4(a + b + 1)) does: Electronic Communications in Probability 22 (2017) 54.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.maths.sampling import level
from descent.result import Check, Result, measured, predicted, replicates, sweep


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # problems
    features: Count  # d
    samples: tuple[Count, ...]  # n

    def __post_init__(self):
        require_increasing("samples", self.samples)
        n, d = self.samples[-1], self.features
        if n >= d:
            raise ValueError(f"samples {n} ≥ features {d}: one w fits, and nothing is missed")
        require_cost(self, "replicates, samples, features", 3.0 * self.replicates * n * d)


def predict(config: Config) -> xr.Dataset:
    share = 1 - np.array(config.samples) / config.features
    return xr.Dataset({"missed_predicted": predicted("n", share, "1 − n/d")})


def measure(config: Config) -> xr.Dataset:
    """‖ŵ − w*‖²/‖w*‖² of problems drawn anew at every n."""
    rng, rows = np.random.default_rng(config.seed), []
    R, d = config.replicates, config.features
    for n in config.samples:
        X, truth = rng.standard_normal((R, n, d)), rng.standard_normal((R, d, 1))
        shortest = X.mT @ np.linalg.solve(X @ X.mT, X @ truth)
        rows.append(np.square(shortest - truth).sum((1, 2)) / np.square(truth).sum((1, 2)))
    coords = {"n": sweep(config.samples, "n", "samples n"), "replicate": replicates(R)}
    missed = measured(("n", "replicate"), rows, "‖ŵ − w*‖²/‖w*‖²")
    return xr.Dataset({"missed": missed}, coords)


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    data = found.merge(theory)
    missed, expected = found["missed"].mean("replicate"), data["missed_predicted"]
    # Of a mean of R draws whose variance is 1/(2(d + 2)) at the most, at every point of the sweep.
    surely = np.log(2 / level(len(config.samples)))
    chance = np.sqrt(surely / (config.replicates * (config.features + 2)))
    why = f"Beta(a, b) with a + b = d/2, {config.replicates} draws"
    return Result(
        data=data,
        metrics={"missed": missed, "missed_predicted": expected},
        checks=(Check("missed", missed, "==", expected, float(chance), why),),
    )
