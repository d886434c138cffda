"""The same experiment over independent random draws, side by side."""

from collections.abc import Callable, Sequence

import numpy as np
from joblib import Parallel, cpu_count, delayed
from threadpoolctl import threadpool_limits

from descent.maths import elsewhere
from descent.maths.limits import CALL, require_time

BEGIN = 50 * CALL  # operations that a replicate takes beside its own


def seen(done: int, of: int) -> None:
    """Called when so many of the replicates are there; whoever runs an experiment may put another function here."""


@threadpool_limits.wrap(limits=1)  # which looks for libraries again only where modules were loaded
def alone(function: Callable, seed: int, replicate: int, arguments: tuple):
    """One replicate on one BLAS thread, so that its bits do not depend on the number of cores."""
    return function(np.random.default_rng([seed, replicate]), *arguments)


def replicate(function: Callable, seed: int, arguments: Sequence[tuple]) -> list:
    """[function(rng₀, *arguments[0]), function(rng₁, *arguments[1]), …] with independent generators.

    One process a core, or wherever `elsewhere` says. `function` must be importable; large arrays among the arguments
    arrive read-only.

    Raises:
        Refusal: to begin so many, whatever they do, takes a core more than an hour.
    """
    begun = f"{len(arguments)} replicates in all, each with a generator of its own"
    require_time(begun, BEGIN * len(arguments))
    tasks = [(function, seed, k, given) for k, given in enumerate(arguments)]
    if run := elsewhere.runner():
        return run(alone, tasks, seen)
    found, several = [], Parallel(n_jobs=beside(len(tasks)), return_as="generator")
    for one in several(delayed(alone)(*task) for task in tasks):
        found.append(one)
        seen(len(found), len(tasks))
    return found


def beside(count: int) -> int:
    """How many of so many replicates are in the memory of one machine at once; one where they run elsewhere."""
    return min(count, 1 if elsewhere.runner() else cpu_count())
