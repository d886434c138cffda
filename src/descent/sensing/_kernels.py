"""The Gram operator x ↦ Gx of a symmetric matrix, for several vectors at once, reading each entry once.

G (p × p) is kept as the square tiles of its lower triangle, one after another in memory. A tile
serves both its place and the mirrored one while it is in cache, so one application moves half the
bytes of G whatever the number of vectors; a matrix product over skinny blocks moves all of them.
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float
from llvmlite import ir
from numba import get_num_threads, njit, prange, set_num_threads, types
from numba.extending import intrinsic

from descent.maths.device import Array
from descent.sensing._operators import Operator

TILE = 128  # 128 KiB of float64: a tile and its slices of x and y stay in the L2 cache
ROWS = 4  # rows of a tile that share one pass over x and y
AHEAD = 16  # rows between the one in use and the one asked for
LINE = 64  # bytes of a cache line


def tiled(G: Float[np.ndarray, "p p"]) -> Float[np.ndarray, "tiles b b"]:
    """The lower triangle of G as tiles, row by row, padded with zeros; G must be symmetric.

    The mirrored half of a tile on the diagonal is zero and its diagonal halved, so that every
    tile T is used in the same way: y_I += T x_J and y_J += Tᵀ x_I.
    """
    p = len(G)
    blocks = -(-p // TILE)
    tiles = _zeros(blocks * (blocks + 1) // 2, TILE, TILE, dtype=G.dtype)
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


def _zeros(*shape: int, dtype: np.dtype | type = float) -> np.ndarray:
    """Zeros that begin with a cache line; in NumPy's own, a vector register may straddle two."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + LINE, np.uint8)
    first = -memory.ctypes.data % LINE
    return memory[first : first + size].view(dtype).reshape(shape)


def apply(
    tiles: Float[np.ndarray, "tiles b b"] | Operator, x: Float[Array, "a p"], threads: int = 1
) -> Float[Array, "a p"]:
    """Gx for every row x, in float64 whatever G is stored in; G may be another form of the operator.

    The last bits depend on `threads`, so experiments, which run side by side, leave it at 1.
    """
    if isinstance(tiles, Operator):
        return tiles.apply(x)
    count, p = x.shape
    blocks = int((np.sqrt(8 * len(tiles) + 1) - 1) / 2)
    padded = np.zeros((count, blocks * TILE))
    padded[:, :p] = x
    # What a tile meets lies together. Slices of long rows compete for the same places of the cache.
    slices, sums = _zeros(blocks, count, TILE), _zeros(threads, blocks, count, TILE)
    slices[:] = padded.reshape(count, blocks, TILE).swapaxes(0, 1)
    # The triangle in `threads` bands of rows with equal areas; every band adds to a y of its own.
    bands = np.round(blocks * np.sqrt(np.arange(threads + 1) / threads)).astype(int)
    before = get_num_threads()
    set_num_threads(threads)
    _accumulate(tiles, slices, sums, bands)
    set_num_threads(before)
    return sums.sum(0).swapaxes(0, 1).reshape(count, -1)[:, :p]


@no_type_check
@intrinsic
def _prefetch(_, address):
    """Begin to load the cache line of this address: nothing waits for it, and no address is wrong."""

    def generate(context, builder, signature, arguments):
        line = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [line.type, *3 * [ir.IntType(32)]])
        function = builder.module.declare_intrinsic("llvm.prefetch", fnty=kind)
        read, all_caches, data = map(ir.IntType(32), (0, 3, 1))
        builder.call(function, [line, read, all_caches, data])
        return context.get_dummy_value()

    return types.void(address), generate


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True, parallel=True, fastmath={"reassoc", "contract"})
def _accumulate(tiles, x, sums, bands):
    row = TILE * tiles.itemsize
    # While a vector meets some rows, its share of rows to come is on the way from memory: the sums
    # take as long as the loads, and neither waits for the other.
    share = ROWS * row // max(1, x.shape[1])
    for band in prange(len(bands) - 1):
        y = sums[band]
        for I in range(bands[band], bands[band + 1]):
            for J in range(I + 1):
                k = I * (I + 1) // 2 + J
                tile = tiles[k]
                for i in range(0, TILE, ROWS):
                    coming = tiles.ctypes.data + (k * TILE + i + AHEAD) * row
                    r0, r1, r2, r3 = tile[i], tile[i + 1], tile[i + 2], tile[i + 3]
                    for a in range(x.shape[1]):
                        for line in range(a * share, (a + 1) * share, LINE):
                            _prefetch(coming + line)
                        xj, xi = x[J, a], x[I, a]
                        # Alone: through a view out of a tuple numba's parallel pass may lose
                        # writes.
                        yj = y[J, a]
                        x0, x1, x2, x3 = xi[i], xi[i + 1], xi[i + 2], xi[i + 3]
                        s0 = s1 = s2 = s3 = 0.0
                        for j in range(TILE):
                            s0 += r0[j] * xj[j]
                            s1 += r1[j] * xj[j]
                            s2 += r2[j] * xj[j]
                            s3 += r3[j] * xj[j]
                            yj[j] += r0[j] * x0 + r1[j] * x1 + r2[j] * x2 + r3[j] * x3
                        y[I, a, i] += s0
                        y[I, a, i + 1] += s1
                        y[I, a, i + 2] += s2
                        y[I, a, i + 3] += s3
