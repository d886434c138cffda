"""The document's own run: gradient descent from the start that torch.manual_seed draws.

Source: FRTN50 assignment 3e, which trains from seed 42.
"""

import numpy as np
from jaxtyping import Float64

from descent.maths.networks import Shape
from descent.maths.torch_stream import torch_start
from descent.mlp1d.problem import points
from descent.mlp1d.training import train


def losses_from(
    seed: int, shape: Shape, N: int, rate: float, epochs: int, dtype: type
) -> Float64[np.ndarray, " T"]:
    """Losses of epochs 0, 1, …, epochs of gradient descent in this precision."""
    x, y = (values.astype(dtype) for values in points(N))
    start = torch_start(seed, shape).astype(dtype)
    return train(start, x, y, shape, rate, epochs).losses[:, 0]


def running_means(losses: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
    """What the document prints: sum(losses)/len(losses) so far."""
    return np.cumsum(losses) / np.arange(1, len(losses) + 1)
