"""The document's own runs: gradient descent from the start that torch draws after manual_seed, in float32.

Source: FRTN50 assignment, exercises 3a and 3e; its networks train from seed 42 on seven points.
"""

import numpy as np
from jaxtyping import Float

from descent.maths import rules
from descent.maths.initialise import from_torch
from descent.maths.network import Shape
from descent.maths.training import train
from descent.mlp1d import _problem

POINTS, SEED, RATE = 7, 42, 0.05
WIDTHS = (1, 10, 10, 1)


def losses_from(
    seed: int, shape: Shape, N: int, rate: float, epochs: int, dtype: type
) -> Float[np.ndarray, " T"]:
    """Losses of epochs 0, 1, …, epochs of gradient descent in this precision."""
    x, y = (values.astype(dtype) for values in _problem.points(N))
    start = from_torch(seed, "uniform", shape).astype(dtype)
    return train(start, _problem.slope(x, y, shape), rules.descent(), rate, epochs).losses[:, 0]


def running_means(losses: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """The mean of the losses so far: sum(losses)/len(losses)."""
    return np.cumsum(losses) / np.arange(1, len(losses) + 1)


def recovered_loss(
    epochs: tuple[int, ...] | np.ndarray, means: tuple[float, ...] | np.ndarray
) -> Float[np.ndarray, " k"]:
    """Mean loss between neighbouring epochs, from the means of all losses up to them."""
    counts = np.array(epochs) + 1
    return np.diff(counts * np.array(means)) / np.diff(counts)
