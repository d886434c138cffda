"""Sums of powers."""

import numpy as np

SCALE = 1.0  # another tree of the code has another one


def partial(q: float, count: int) -> np.ndarray:
    """SCALE · (q⁰ + … + qᵏ) for k = 0, …, count."""
    return SCALE * np.cumsum(q ** np.arange(count + 1.0))
