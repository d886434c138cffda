"""Averaged over many draws, noise of mean zero does not move the sums.

The mean of the noise is zero, and a mean of many draws is near its expectation.

    s_k(q) + U(−0.1, 0.1)

See: the band around the sums.

Source: XYZ100 problem set 1, question 2.
"""

import numpy as np
import xarray as xr

from descent.alpha._noise import noisy
from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.maths.sampling import mean
from descent.result import Check, Result, measured, predicted, replicates, steps, sweep


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    qs: tuple[Positive, ...]
    steps: Count

    def __post_init__(self):
        require_increasing("qs", self.qs)


def run(config: Config) -> Result:
    tasks = [(q, config.steps) for q in config.qs for _ in range(config.replicates)]
    table = np.array(replicate(noisy, config.seed, tasks))
    shape = (len(config.qs), config.replicates, config.steps + 1)
    k = np.arange(config.steps + 1)
    q = np.array(config.qs)[:, None]
    data = xr.Dataset(
        {
            "sum": measured(("q", "replicate", "k"), table.reshape(shape), "s_k"),
            "sum_predicted": predicted(("q", "k"), (1 - q ** (k + 1)) / (1 - q), "formula"),
        },
        coords={
            "q": sweep(config.qs, "q", "ratio q"),
            "k": steps(k, "k", "step k"),
            "replicate": replicates(config.replicates),
        },
    )
    found = mean(data["sum"])
    return Result(
        data=data,
        metrics={"end": data["sum"].mean("replicate")[:, -1]},
        checks=(Check("mean", found.value, "==", data["sum_predicted"], found.tol, found.why),),
    )
