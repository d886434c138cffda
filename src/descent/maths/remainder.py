"""The remainder of an extrapolation along a run: at one time it may vanish by chance, and what it leaves out does not."""

import numpy as np


def of_neighbours(rest: np.ndarray) -> np.ndarray:
    """The largest of each three that follow each other along the last axis; NaN, what is not compared, counts for none."""
    found = rest.copy()
    found[..., 1:] = np.fmax(found[..., 1:], rest[..., :-1])
    found[..., :-1] = np.fmax(found[..., :-1], rest[..., 1:])
    return found
