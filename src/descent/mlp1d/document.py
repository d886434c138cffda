"""The start that torch.manual_seed and torch's Linear layers draw, bit by bit, without torch.

Weights and biases of a layer are U(±1/√fan_in) in float32, each from the low 24 bits of one 32-bit number of the
Mersenne Twister, times 2⁻²⁴; the affine map to ±1/√fan_in is rounded once (a fused multiply-add).

Source: FRTN50 assignment 3e, which trains from seed 42; at::uniform_real_distribution of PyTorch.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Float64

from descent.maths.networks import Shape
from descent.mlp1d.problem import points
from descent.mlp1d.training import train


def torch_start(seed: int, shape: Shape) -> Float32[np.ndarray, "1 P"]:
    stream = np.random.RandomState(seed)
    layers = []
    for fan_in, out in pairwise(shape.widths):
        for count in (out * fan_in, out):
            bits = stream.randint(0, 2**32, count, dtype=np.uint32) & np.uint32(2**24 - 1)
            low = np.float32(-1 / np.sqrt(fan_in))
            width = float(-low - low)
            layers.append((bits * 2.0**-24 * width + float(low)).astype(np.float32))
    return np.concatenate(layers)[None]


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
