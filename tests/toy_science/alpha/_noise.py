"""Noisy sums."""

import numpy as np

from descent.alpha._sums import partial


def noisy(rng: np.random.Generator, q: float, count: int) -> np.ndarray:
    """Partial sums and bounded noise."""
    from descent.maths.ladder import rungs  # inside a function, and used all the same

    return partial(q, count) + rng.uniform(-0.1, 0.1, len(rungs(count)))
