"""x ↦ SᵀSx/m on a CUDA device, reading (or making) each row of S once for residual and adjoint.

A block of threads takes ROWS rows at a time: it forms the residuals Sx of all vectors while it keeps
the rows in shared memory, then adds Sᵀ(Sx) to sums of its own. Columns beyond what shared memory
holds are read again, then mostly from the L2 cache, or made again. The sums of the blocks are added
in their order and nothing is atomic, so that two runs agree to the bit, also on different devices
but for the last bits of log, sin and cos.

`_operators.py` has the NumPy twins; `_philox.py` that of the generator, with its definition.
"""

from string import Template

import numpy as np
from jaxtyping import Float

from descent.maths import device
from descent.maths.device import Array

THREADS = 256
ROWS = 8  # rows in flight in a block
VECTORS = 4  # vectors that share one pass over S
# two for each of the 132 multiprocessors of an H100; a constant, so that bits do not depend on the
# device
BLOCKS = 264
SCRATCH = (THREADS // 32 + 1) * ROWS * VECTORS  # doubles of shared memory beside the rows

SOURCE = Template(r"""
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

enum { THREADS = $THREADS, ROWS = $ROWS, VECTORS = $VECTORS, WARPS = THREADS / 32 };

extern __shared__ double shared[];

// Where columns 2j and 2j + 1 of a row come from; beyond the last column they are 0.
struct Stored {
    const double* S;
    i64 p;
    __device__ void pair(i64 row, i64 j, double& s0, double& s1) const {
        const double* s = S + row * p + 2 * j;
        s0 = s[0];
        s1 = 2 * j + 1 < p ? s[1] : 0.0;
    }
};

struct Gaussian {
    u64 seed;
    i64 first, p;
    __device__ void pair(i64 row, i64 j, double& s0, double& s1) const {
        u64 i = (u64)(first + row);
        u32 c0 = (u32)i, c1 = (u32)(i >> 32), c2 = (u32)j, c3 = (u32)((u64)j >> 32);
        u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
        for (int r = 0; r < 10; ++r) {
            u64 a = (u64)c0 * 0xD2511F53u, b = (u64)c2 * 0xCD9E8D57u;
            c0 = (u32)(b >> 32) ^ c1 ^ k0;
            c1 = (u32)b;
            c2 = (u32)(a >> 32) ^ c3 ^ k1;
            c3 = (u32)a;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        double u1 = ((double)((u64)(c0 >> 6) << 26 | c1 >> 6) + 0.5) * 0x1p-52;
        double u2 = ((double)((u64)(c2 >> 6) << 26 | c3 >> 6) + 0.5) * 0x1p-52;
        double radius = sqrt(-2.0 * log(u1));
        sincospi(2.0 * u2, &s1, &s0);
        s0 *= radius;
        s1 = 2 * j + 1 < p ? s1 * radius : 0.0;
    }
};

// sums (block, VECTORS, p): what the rows of each block add to m y. x: (a, p), a <= VECTORS.
// Of every row the first `kept` pairs of columns stay in shared memory.
template <class Rows>
__device__ void accumulate(Rows rows, const double* x, double* sums, i64 m, i64 p, i64 a, i64 kept) {
    const int t = threadIdx.x;
    const i64 pairs = (p + 1) / 2;
    double* residual = shared;                        // (ROWS, VECTORS)
    double* of_warp = residual + ROWS * VECTORS;      // (WARPS, ROWS, VECTORS)
    double* stage = of_warp + WARPS * ROWS * VECTORS; // (ROWS, kept, 2)
    double* y = sums + (i64)blockIdx.x * VECTORS * p;

    // A thread owns the same columns throughout, so y, x and stage need no barrier.
    for (i64 j = t; j < pairs; j += THREADS)
        for (int v = 0; v < VECTORS; ++v) {
            y[v * p + 2 * j] = 0.0;
            if (2 * j + 1 < p) y[v * p + 2 * j + 1] = 0.0;
        }

    for (i64 row = (i64)blockIdx.x * ROWS; row < m; row += (i64)gridDim.x * ROWS) {
        double dot[ROWS][VECTORS];
        #pragma unroll
        for (int r = 0; r < ROWS; ++r)
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v) dot[r][v] = 0.0;
        for (i64 j = t; j < pairs; j += THREADS) {
            double x0[VECTORS], x1[VECTORS];
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v) {
                x0[v] = v < a ? x[v * p + 2 * j] : 0.0;
                x1[v] = v < a && 2 * j + 1 < p ? x[v * p + 2 * j + 1] : 0.0;
            }
            #pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                double s0 = 0.0, s1 = 0.0;
                if (row + r < m) rows.pair(row + r, j, s0, s1);
                if (j < kept) {
                    stage[2 * (r * kept + j)] = s0;
                    stage[2 * (r * kept + j) + 1] = s1;
                }
                #pragma unroll
                for (int v = 0; v < VECTORS; ++v) dot[r][v] += s0 * x0[v] + s1 * x1[v];
            }
        }
        #pragma unroll
        for (int r = 0; r < ROWS; ++r)
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v) {
                for (int lanes = 16; lanes; lanes /= 2)
                    dot[r][v] += __shfl_down_sync(0xffffffffu, dot[r][v], lanes);
                if (t % 32 == 0) of_warp[(t / 32 * ROWS + r) * VECTORS + v] = dot[r][v];
            }
        __syncthreads();
        if (t < ROWS * VECTORS) {
            double all = 0.0;
            for (int w = 0; w < WARPS; ++w) all += of_warp[w * ROWS * VECTORS + t];
            residual[t] = all;
        }
        __syncthreads();
        for (i64 j = t; j < pairs; j += THREADS) {
            double y0[VECTORS], y1[VECTORS];
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v) y0[v] = y1[v] = 0.0;
            #pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                double s0 = 0.0, s1 = 0.0;
                if (j < kept) {
                    s0 = stage[2 * (r * kept + j)];
                    s1 = stage[2 * (r * kept + j) + 1];
                } else if (row + r < m)
                    rows.pair(row + r, j, s0, s1);
                #pragma unroll
                for (int v = 0; v < VECTORS; ++v) {
                    y0[v] += residual[r * VECTORS + v] * s0;
                    y1[v] += residual[r * VECTORS + v] * s1;
                }
            }
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v) {
                y[v * p + 2 * j] += y0[v];
                if (2 * j + 1 < p) y[v * p + 2 * j + 1] += y1[v];
            }
        }
        // The next residuals are written only after its first barrier, which every thread reaches
        // when it has read these.
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) stored(
    const double* S, const double* x, double* sums, i64 m, i64 p, i64 a, i64 kept) {
    accumulate(Stored{S, p}, x, sums, m, p, a, kept);
}

extern "C" __global__ void __launch_bounds__(THREADS) gaussian(
    u64 seed, i64 first, const double* x, double* sums, i64 m, i64 p, i64 a, i64 kept) {
    accumulate(Gaussian{seed, first, p}, x, sums, m, p, a, kept);
}

// y (a, p) = sums over the blocks, in their order, over m.
extern "C" __global__ void total(const double* sums, double* y, i64 blocks, i64 m, i64 p, i64 a) {
    for (i64 i = (i64)blockIdx.x * THREADS + threadIdx.x; i < a * p; i += (i64)gridDim.x * THREADS) {
        double all = 0.0;
        for (i64 b = 0; b < blocks; ++b) all += sums[b * VECTORS * p + i];
        y[i] = all / (double)m;
    }
}

// The rows themselves: S (m, p).
extern "C" __global__ void normals(u64 seed, i64 first, double* S, i64 m, i64 p) {
    const i64 pairs = (p + 1) / 2;
    const Gaussian rows{seed, first, p};
    for (i64 i = (i64)blockIdx.x * THREADS + threadIdx.x; i < m * pairs; i += (i64)gridDim.x * THREADS) {
        const i64 row = i / pairs, j = i % pairs;
        double s0, s1;
        rows.pair(row, j, s0, s1);
        S[row * p + 2 * j] = s0;
        if (2 * j + 1 < p) S[row * p + 2 * j + 1] = s1;
    }
}
""").substitute(THREADS=THREADS, ROWS=ROWS, VECTORS=VECTORS)


def stored(S: Float[Array, "m p"], x: Float[Array, "a p"]) -> Float[Array, "a p"]:
    """SᵀSx/m for every row x, by one pass over S for each VECTORS of them."""
    return _gram("stored", (device.namespace(S).ascontiguousarray(S),), len(S), x)


def gaussian(seed: int, first: int, m: int, x: Float[Array, "a p"]) -> Float[Array, "a p"]:
    """The same with S = normals(seed, first, m, p), made anew in every pass and never stored."""
    return _gram("gaussian", (np.uint64(seed), np.int64(first)), m, x)


def normals(seed: int, first: int, count: int, p: int) -> Float[Array, "count p"]:
    """`_philox.normals` on the device."""
    S = device.module().empty((count, p))
    launch = device.launcher(SOURCE)
    launch(
        "normals", BLOCKS, THREADS, 0, np.uint64(seed), np.int64(first), S, *map(np.int64, S.shape)
    )
    return S


def _gram(kernel: str, rows: tuple, m: int, x: Array) -> Array:
    xp, launch, p = device.namespace(x), device.launcher(SOURCE), x.shape[1]
    blocks = min(BLOCKS, -(-m // ROWS))
    # Half of what a multiprocessor has, so that two blocks run on it.
    room = device.shared_memory() // 2 // 8 - SCRATCH
    kept = min((p + 1) // 2, max(0, room // (2 * ROWS)))
    shared = 8 * (SCRATCH + 2 * ROWS * kept)
    sums, y = xp.empty((blocks, VECTORS, p)), xp.empty(x.shape)
    for v in range(0, len(x), VECTORS):
        some = xp.ascontiguousarray(x[v : v + VECTORS])
        m_, p_, a, kept_ = map(np.int64, (m, p, len(some), kept))
        launch(kernel, blocks, THREADS, shared, *rows, some, sums, m_, p_, a, kept_)
        launch("total", BLOCKS, THREADS, 0, sums, y[v : v + VECTORS], np.int64(blocks), m_, p_, a)
    return y
