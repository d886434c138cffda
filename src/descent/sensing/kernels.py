"""The Gram operator x ↦ Gx of a symmetric matrix, for several vectors at once, reading each entry once.

G (p × p) is kept as the square tiles of its lower triangle, one after another in memory. A tile
serves both its place and the mirrored one while it is in cache, so one application moves half the
bytes of G whatever the number of vectors; a matrix product over skinny blocks moves all of them.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

TILE = 128  # 128 KiB of float64: a tile and its slices of x and y stay in the L2 cache
ROWS = 4  # rows of a tile that share one pass over x and y


def tiled(G: Float[np.ndarray, "p p"]) -> Float[np.ndarray, "tiles b b"]:
    """The lower triangle of G as tiles, row by row, padded with zeros; G must be symmetric.

    The mirrored half of a tile on the diagonal is zero and its diagonal halved, so that every
    tile T is used in the same way: y_I += T x_J and y_J += Tᵀ x_I.
    """
    p = len(G)
    blocks = -(-p // TILE)
    tiles = np.zeros((blocks * (blocks + 1) // 2, TILE, TILE), G.dtype)
    k = 0
    for i in range(0, p, TILE):
        for j in range(0, i + 1, TILE):
            tile = G[i : i + TILE, j : j + TILE]
            if i == j:
                tile = np.tril(tile)
                np.fill_diagonal(tile, np.diagonal(tile) / 2)
            tiles[k, : tile.shape[0], : tile.shape[1]] = tile
            k += 1
    return tiles


def apply(
    tiles: Float[np.ndarray, "tiles b b"], x: Float[np.ndarray, "a p"]
) -> Float[np.ndarray, "a p"]:
    """Gx for every row x."""
    blocks = int((np.sqrt(8 * len(tiles) + 1) - 1) / 2)
    padded = np.zeros((len(x), blocks * TILE))
    padded[:, : x.shape[1]] = x
    y = np.zeros_like(padded)
    _accumulate(tiles, padded, y)
    return y[:, : x.shape[1]]


@njit(cache=True, fastmath={"reassoc", "contract"})
@no_type_check  # numba compiles the bare function, not the wrapper that checks shapes
def _accumulate(tiles, x, y):
    count, width = x.shape
    k = 0
    for I in range(0, width, TILE):
        for J in range(0, I + 1, TILE):
            tile = tiles[k]
            k += 1
            for i in range(0, TILE, ROWS):
                r0, r1, r2, r3 = tile[i], tile[i + 1], tile[i + 2], tile[i + 3]
                for a in range(count):
                    xj, yj = x[a, J : J + TILE], y[a, J : J + TILE]
                    x0, x1, x2, x3 = x[a, I + i], x[a, I + i + 1], x[a, I + i + 2], x[a, I + i + 3]
                    s0 = s1 = s2 = s3 = 0.0
                    for j in range(TILE):
                        s0 += r0[j] * xj[j]
                        s1 += r1[j] * xj[j]
                        s2 += r2[j] * xj[j]
                        s3 += r3[j] * xj[j]
                        yj[j] += r0[j] * x0 + r1[j] * x1 + r2[j] * x2 + r3[j] * x3
                    y[a, I + i] += s0
                    y[a, I + i + 1] += s1
                    y[a, I + i + 2] += s2
                    y[a, I + i + 3] += s3
