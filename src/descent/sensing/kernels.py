"""The Gram operator x ↦ Gx of a symmetric matrix, for several vectors at once, reading each entry once.

G (p × p) is kept as the square tiles of its lower triangle, one after another in memory. A tile
serves both its place and the mirrored one while it is in cache, so one application moves half the
bytes of G whatever the number of vectors; a matrix product over skinny blocks moves all of them.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import get_num_threads, njit, prange, set_num_threads

from descent.maths.device import Array
from descent.sensing.operators import Operator

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
    tiles: Float[np.ndarray, "tiles b b"] | Operator, x: Float[Array, "a p"], threads: int = 1
) -> Float[Array, "a p"]:
    """Gx for every row x, in float64 whatever G is stored in; G may be another form of the operator.

    The last bits depend on `threads`, so experiments, which run side by side, leave it at 1.
    """
    if isinstance(tiles, Operator):
        return tiles.apply(x)
    blocks = int((np.sqrt(8 * len(tiles) + 1) - 1) / 2)
    padded = np.zeros((len(x), blocks * TILE))
    padded[:, : x.shape[1]] = x
    # The triangle in `threads` bands of rows with equal areas; every band adds to a y of its own.
    bands = np.round(blocks * np.sqrt(np.arange(threads + 1) / threads)).astype(int)
    y = np.zeros((threads, *padded.shape))
    before = get_num_threads()
    set_num_threads(threads)
    _accumulate(tiles, padded, y, bands)
    set_num_threads(before)
    return y.sum(0)[:, : x.shape[1]]


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True, parallel=True, fastmath={"reassoc", "contract"})
def _accumulate(tiles, x, sums, bands):
    for band in prange(len(bands) - 1):
        y = sums[band]
        for block in range(bands[band], bands[band + 1]):
            I, k = block * TILE, block * (block + 1) // 2
            for J in range(0, I + 1, TILE):
                tile = tiles[k]
                k += 1
                for i in range(0, TILE, ROWS):
                    r0, r1, r2, r3 = tile[i], tile[i + 1], tile[i + 2], tile[i + 3]
                    for a in range(len(x)):
                        xj, yj, xi = (
                            x[a, J : J + TILE],
                            y[a, J : J + TILE],
                            x[a, I + i : I + i + ROWS],
                        )
                        x0, x1, x2, x3 = xi[0], xi[1], xi[2], xi[3]
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
