"""What torch draws on the CPU after manual_seed, without torch: the starts of documents that name their seeds.

    uniform: the low 24 bits of one 32-bit number of the Mersenne Twister, times 2⁻²⁴, in [low, high)
    normal, 16 or more at once: Box and Muller on blocks of 16 such uniforms,
        √(−2 ln(1 − u_j)) cos 2πu_{j+8} and … sin 2πu_{j+8}, j < 8; the last 16 are drawn anew if a block is not full
    normal, fewer: the same pair by pair on 53 bits of two numbers, angle first; a spare is kept for the next such call

Uniform numbers are bit-equal to torch's: the affine map is rounded once (a fused multiply-add). Normal ones agree to
1e-6, the error of its float32 logarithm and cosine.

Source: at::uniform_real_distribution, at::normal_distribution and normal_fill of PyTorch.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float32

from descent.maths.network import Shape


class Stream:
    """The generator after manual_seed(seed)."""

    def __init__(self, seed: int):
        self._twister = np.random.RandomState(seed)
        self._spare: list[float] = []

    def _bits(self, count: int) -> np.ndarray:
        return self._twister.randint(0, 2**32, count, dtype=np.uint32)

    def uniform(self, count: int, low: float, high: float) -> Float32[np.ndarray, " n"]:
        u = (self._bits(count) & np.uint32(2**24 - 1)) * 2.0**-24
        low, high = np.float32(low), np.float32(high)
        return (u * float(high - low) + float(low)).astype(np.float32)

    def normal(self, count: int) -> Float32[np.ndarray, " n"]:
        """N(0, 1)."""
        if count < 16:
            return np.array([self._one() for _ in range(count)], np.float32)
        full = count // 16 * 16
        u = self.uniform(count, 0.0, 1.0)
        numbers = np.append(_blocks(u[:full]), u[full:])
        if full < count:
            numbers[-16:] = _blocks(self.uniform(16, 0.0, 1.0))
        return numbers.astype(np.float32)

    def _one(self) -> float:
        if self._spare:
            return self._spare.pop()
        high, low = self._bits(4).astype(np.uint64).reshape(2, 2).T
        u = ((high << np.uint64(32) | low) & np.uint64(2**53 - 1)) * 2.0**-53
        radius, angle = np.sqrt(-2 * np.log1p(-u[1])), 2 * np.pi * u[0]
        self._spare.append(float(radius * np.sin(angle)))
        return float(radius * np.cos(angle))


def _blocks(u: np.ndarray) -> np.ndarray:
    """Blocks of 16 uniform numbers as normal ones."""
    a, b = u.reshape(-1, 2, 8).astype(float).swapaxes(0, 1)
    radius, angle = np.sqrt(-2 * np.log1p(-a)), 2 * np.pi * b
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)


def torch_start(seed: int, shape: Shape) -> Float32[np.ndarray, "1 P"]:
    """Linear layers with their default, from a seed of their own: see `torch_network`."""
    return torch_network(Stream(seed), shape)[None]


def torch_network(stream: Stream, shape: Shape) -> Float32[np.ndarray, " P"]:
    """Linear layers with their default, the next that a stream draws: weights and biases U(±1/√fan_in)."""
    parts = [
        stream.uniform(count, -1 / np.sqrt(fan_in), 1 / np.sqrt(fan_in))
        for fan_in, out in pairwise(shape.widths)
        for count in (out * fan_in, out)
    ]
    return np.concatenate(parts)
