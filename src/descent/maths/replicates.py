"""The same experiment over independent random draws, side by side."""

from collections.abc import Callable, Sequence

import numpy as np
from joblib import Parallel, cpu_count, delayed
from threadpoolctl import threadpool_limits


def _alone(function: Callable, seed: int, replicate: int, arguments: tuple):
    """One replicate on one BLAS thread, so that its bits do not depend on the number of cores."""
    with threadpool_limits(1):
        return function(np.random.default_rng([seed, replicate]), *arguments)


def replicate(function: Callable, seed: int, arguments: Sequence[tuple]) -> list:
    """[function(rng₀, *arguments[0]), function(rng₁, *arguments[1]), …] with independent generators.

    One process a core. `function` must be importable; large arrays among the arguments arrive read-only.
    """
    tasks = (delayed(_alone)(function, seed, k, given) for k, given in enumerate(arguments))
    return Parallel(n_jobs=min(len(arguments), cpu_count()))(tasks)
