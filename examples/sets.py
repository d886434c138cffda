"""Data sets made by a function, to be named in blocks of `probe`: `examples/sets.py:patterns`."""

import numpy as np


def patterns(count: int = 320, side: int = 28, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """X: (count, side, side) uint8, y: (count,): a random pattern a class, under noise of half its contrast."""
    rng = np.random.default_rng(0)
    pattern = rng.integers(0, 2, (classes, side, side))
    y = rng.permutation(np.arange(count) % classes)
    X = 170 * pattern[y] + rng.integers(0, 86, (count, side, side))
    return X.astype(np.uint8), y
