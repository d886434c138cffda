"""One gradient step of matrix sensing with U: (d, d), every way of doing it, per start."""

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from descent.sensing._kernels import apply, tiled
from descent.sensing._problem import pack, unpack
from machine import gemm_peak, read_bandwidth, timed

STARTS = 5


def published_loop(A, X, U):
    """The notebook's operations in its order: matrices where inner products should be, one at a time."""
    total = np.zeros_like(U)
    for a in A:
        residual = np.inner(a, np.dot(U, U.T)) - np.inner(a, X)
        total = np.add(total, 2 * np.dot(np.dot(residual, a + a.T), U))
    return total / len(A)


def einsum(A, y, U):
    residual = np.einsum("kij,ij->k", A, U @ U.T) - y
    M = np.einsum("k,kij->ij", residual, A) / len(y)
    return (M + M.T) @ U


def autograd(A, y, U):
    U = U.clone().requires_grad_()
    residual = A.reshape(len(A), -1) @ (U @ U.T).ravel() - y
    (residual @ residual / (2 * len(y))).backward()
    return U.grad


def two_pass(S, target, U):
    error = pack(U @ U.mT) - target
    return 2 * unpack(error @ S.T @ S / len(S)) @ U


def gram(G, target, U):
    return 2 * unpack((pack(U @ U.mT) - target) @ G) @ U


def ours(tiles, target, U, threads):
    return 2 * unpack(apply(tiles, pack(U @ U.mT) - target, threads)) @ U


def timed_ours(tiles, target, U, threads, runs: int = 15) -> float:
    """Seconds a step; BLAS threads, which spin after a product, would take the kernel's cores."""
    with threadpool_limits(1, "blas"):
        return timed(lambda: ours(tiles, target, U, threads), runs)


def problem(d, r, rng):
    """Dense measurements, their packed form, and the Gram matrix; U = αW for several α."""
    factor = rng.standard_normal((d, r)) / np.sqrt(d)
    S = rng.standard_normal((10 * d * r, d * (d + 1) // 2))
    W = rng.standard_normal((d, d))
    U = np.multiply.outer(np.geomspace(1e-5, 1e-1, STARTS), W)
    return S, S.T @ S / len(S), pack(factor @ factor.T), U


def ways(d: int = 100, r: int = 5, threads: int = 2) -> list[dict]:
    """Milliseconds a step and start."""
    rng = np.random.default_rng(0)
    S, G, target, U = problem(d, r, rng)
    A = rng.standard_normal((len(S), d, d))
    X = unpack(target)
    y = A.reshape(len(A), -1) @ X.ravel()
    tiles = tiled(G)
    narrow = tiles.astype(np.float32)
    At, yt, Ut = torch.from_numpy(A), torch.from_numpy(y), torch.from_numpy(U[0])
    rows = [
        ("the notebook's loop", 1, timed(lambda: published_loop(A, X, U[0]), 3)),
        ("dense einsum", 1, timed(lambda: einsum(A, y, U[0]), 5)),
        ("torch autograd", 1, timed(lambda: autograd(At, yt, Ut), 5)),
        ("packed, two passes", STARTS, timed(lambda: two_pass(S, target, U))),
        ("Gram by BLAS", STARTS, timed(lambda: gram(G, target, U))),
        ("ours, 1 start", 1, timed_ours(tiles, target, U[:1], threads)),
        ("ours, 5 starts", STARTS, timed_ours(tiles, target, U, threads)),
        ("ours, 5 starts, float32 G", STARTS,
         timed_ours(narrow, target, U, threads)),
    ]  # fmt: skip
    p = G.shape[0]
    moved, flops = p * (p + 1) / 2 * 8, 2 * p * p * STARTS
    floor = max(moved / read_bandwidth(threads), flops / gemm_peak(np.float64))
    rows.append(("floor", STARTS, floor))
    slowest = rows[0][2]
    return [
        {
            "way": way,
            "ms_per_step_and_start": 1e3 * seconds / starts,
            "ratio_to_loop": slowest * starts / seconds,
        }
        for way, starts, seconds in rows
    ]


def growth(sizes=(50, 100, 200), r: int = 5, threads: int = 2) -> list[dict]:
    """Seconds a step of all starts against d at m = 10dr; p² ~ d⁴ entries of G are read."""
    rows = []
    for d in sizes:
        p = d * (d + 1) // 2
        rng = np.random.default_rng(0)
        tiles = tiled(np.eye(p))
        target, U = rng.standard_normal(p), rng.standard_normal((STARTS, d, d))
        seconds = timed_ours(tiles, target, U, threads, 5)
        rows.append({"d": d, "p": p, "gram_bytes": 8 * p * (p + 1) / 2, "seconds": seconds})
    for row in rows:
        row["predicted_seconds"] = rows[-1]["seconds"] * (row["p"] / rows[-1]["p"]) ** 2
    return rows
