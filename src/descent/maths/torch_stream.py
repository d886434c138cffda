"""What torch draws on the CPU after manual_seed, without torch: the starts of documents that name their seeds.

    uniform: the low 24 bits of one 32-bit number of the Mersenne Twister, times 2⁻²⁴, in [low, high)
    normal, 16 or more at once: Box and Muller on blocks of 16 such uniforms,
        √(−2 ln(1 − u_j)) cos 2πu_{j+8} and … sin 2πu_{j+8}, j < 8; a last block that is not full is drawn anew

Uniform numbers are bit-equal to torch's: the affine map is rounded once (a fused multiply-add). Normal ones agree to
1e-6, the error of its float32 logarithm and cosine.

Source: at::uniform_real_distribution and normal_fill of PyTorch.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float32

from descent.config import Refusal
from descent.maths.networks import Shape


def uniform(
    stream: np.random.RandomState, count: int, low: float, high: float
) -> Float32[np.ndarray, " n"]:
    bits = stream.randint(0, 2**32, count, dtype=np.uint32) & np.uint32(2**24 - 1)
    low, high = np.float32(low), np.float32(high)
    return (bits * 2.0**-24 * float(high - low) + float(low)).astype(np.float32)


def normal(stream: np.random.RandomState, count: int) -> Float32[np.ndarray, " n"]:
    """N(0, 1).

    Raises:
        Refusal: fewer than 16, which torch draws in another way.
    """
    if count < 16:
        raise Refusal(f"{count} normal numbers: torch draws fewer than 16 in another way")

    def pairs(u):
        """Blocks of 16 uniform numbers as normal ones."""
        a, b = u.reshape(-1, 2, 8).astype(float).swapaxes(0, 1)
        radius, angle = np.sqrt(-2 * np.log1p(-a)), 2 * np.pi * b
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)

    u, full = uniform(stream, count, 0.0, 1.0), count // 16 * 16
    numbers = np.append(pairs(u[:full]), u[full:])
    if full < count:
        numbers[-16:] = pairs(uniform(stream, 16, 0.0, 1.0))
    return numbers.astype(np.float32)


def torch_start(seed: int, shape: Shape) -> Float32[np.ndarray, "1 P"]:
    """Linear layers with their default: weights and biases U(±1/√fan_in)."""
    stream = np.random.RandomState(seed)
    return np.concatenate(
        [
            uniform(stream, count, -1 / np.sqrt(fan_in), 1 / np.sqrt(fan_in))
            for fan_in, out in pairwise(shape.widths)
            for count in (out * fan_in, out)
        ]
    )[None]
