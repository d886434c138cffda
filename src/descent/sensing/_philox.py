"""Gaussian rows of S from a counter: any entry at any time, without the others.

    words = Philox4x32-10(counter = (row, column pair), key = seed)
    k₁ from words 0 and 1, k₂ from words 2 and 3, 52 bits each;  u = (k + ½)/2⁵² ∈ (0, 1)
    S[row, 2j], S[row, 2j + 1] = √(−2 log u₁) (cos 2πu₂, sin 2πu₂)

Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011 (Philox); Box–Muller.
k + ½ has 53 bits, so u is exact and never 0 or 1. The normals end at √(−2 log 2⁻⁵³) = 8.57.
`_cuda.py` holds the same in CUDA.
"""

import numpy as np
from jaxtyping import Float, UInt64

LOW = np.uint64(0xFFFFFFFF)
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = 0x9E3779B9, 0xBB67AE85  # what a round adds to the key
ROUNDS = 10


def philox(
    counter: tuple[UInt64[np.ndarray, "*n"], ...], key: tuple[int, int]
) -> tuple[UInt64[np.ndarray, "*n"], ...]:
    """Philox4x32-10: four 32-bit words, each in a uint64, for every counter of four such words."""
    c0, c1, c2, c3 = counter
    for r in range(ROUNDS):
        k0, k1 = (np.uint64(k + r * w & 0xFFFFFFFF) for k, w in zip(key, WEYL, strict=True))
        a, b = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & LOW, (a >> 32) ^ c3 ^ k1, a & LOW
    return c0, c1, c2, c3


def normals(seed: int, first: int, count: int, p: int) -> Float[np.ndarray, "count p"]:
    """Rows first, …, first + count − 1 of the infinite matrix S of this seed (below 2⁶⁴)."""
    row = np.arange(first, first + count, dtype=np.uint64)[:, None]
    pair = np.arange((p + 1) // 2, dtype=np.uint64)
    words = np.broadcast_arrays(row & LOW, row >> 32, pair & LOW, pair >> 32)
    w = philox(tuple(words), (seed & 0xFFFFFFFF, seed >> 32))
    u1, u2 = (((w[i] >> 6 << 26 | w[i + 1] >> 6) + 0.5) * 2.0**-52 for i in (0, 2))
    radius, angle = np.sqrt(-2 * np.log(u1)), 2 * np.pi * u2
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
    return both.reshape(count, -1)[:, :p]
