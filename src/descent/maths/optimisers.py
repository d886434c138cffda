"""Gradient descent and its relatives on least squares, from sample to full batch, one compiled loop.

    g_k = (2/b) Σ_{i in batch k} φ_i(φ_iᵀθ_k − y_i)                       (the mean, no ½)
    descent:  θ_{k+1} = θ_k − γ ∘ g_k                                     γ: one rate a coordinate
    adaptive: m ← b_m m + (1 − b_m)g,   v ← b_v v + w g²                  (coordinate by coordinate)
              θ_{k+1} = θ_k − γ (m/(1 − b_mᵏ⁺¹)) / (√(v/c_k) + ε)

    Adam: w = 1 − b_v, c_k = 1 − b_vᵏ⁺¹;   RMSProp: b_m = 0, w = 1 − b_v, c_k = 1;
    AdaGrad: b_m = 0, b_v = w = c_k = 1.   ε stands outside the root, as in all three papers but RMSProp's.

A batch is a row of indices; the rows are used in turn, from the first again when they run out. So one
row 0 … N − 1 is the full gradient, and γ = γ diag H⁻¹ is descent in the norm of H.

Division by 0 gives inf, as in NumPy. Without fast maths every bit is the same on every CPU.

Source: FRTN50 assignment, exercises 4b, 4c, 4d, 4f; arXiv 1412.6980 (Adam), JMLR 12:2121 (AdaGrad).
"""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Integer
from numba import njit

from descent.maths.compiled import assign

NEVER = -1


class Path(NamedTuple):
    theta: Float[np.ndarray, "kept p"]  # θ_k at the steps asked for
    first: Integer[
        np.ndarray, " levels"
    ]  # first k with ‖θ_k − target‖² at most each level, or NEVER


class Memory(NamedTuple):
    """How an adaptive method remembers its gradients."""

    momentum: float  # b_m
    decay: float  # b_v
    weight: float  # w
    corrected: bool  # c_k = 1 − b_vᵏ, else 1


def adam(momentum: float, decay: float) -> Memory:
    return Memory(momentum, decay, 1 - decay, True)


def rmsprop(decay: float) -> Memory:
    return Memory(0.0, decay, 1 - decay, False)


def adagrad() -> Memory:
    return Memory(0.0, 1.0, 1.0, False)


def full_batch(N: int) -> Integer[np.ndarray, "1 N"]:
    return np.arange(N, dtype=np.min_scalar_type(N))[None]


def drawn(rng: np.random.Generator, N: int, steps: int, b: int) -> Integer[np.ndarray, "steps b"]:
    """Batches of b samples, uniform with replacement."""
    return rng.integers(N, size=(steps, b), dtype=np.min_scalar_type(N))


def descend(
    X: Float[np.ndarray, "N p"],
    y: Float[np.ndarray, " N"],
    start: Float[np.ndarray, " p"],
    rates: Float[np.ndarray, " p"],
    batches: Integer[np.ndarray, "rows b"],
    kept: Integer[np.ndarray, " kept"],
    target: Float[np.ndarray, " p"],
    levels: Float[np.ndarray, " levels"],
) -> Path:
    """kept[-1] steps; `kept` increasing, `levels` decreasing."""
    return Path(*_descend(X, y, start.copy(), rates, batches, kept, target, levels))


def adapt(
    X: Float[np.ndarray, "N p"],
    y: Float[np.ndarray, " N"],
    start: Float[np.ndarray, " p"],
    rate: float,
    epsilon: float,
    memory: Memory,
    batches: Integer[np.ndarray, "rows b"],
    kept: Integer[np.ndarray, " kept"],
) -> Float[np.ndarray, "kept p"]:
    """θ_k at the steps `kept` of an adaptive method."""
    return _adapt(X, y, start.copy(), rate, epsilon, *memory, batches, kept)


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True, error_model="numpy")
def _gradient(X, y, theta, batch, g):
    b, p = len(batch), len(theta)
    g[:] = 0.0
    for i in batch:
        residual = -y[i]
        for j in range(p):
            residual += X[i, j] * theta[j]
        residual *= 2.0 / b
        for j in range(p):
            g[j] += residual * X[i, j]


@no_type_check
@njit(cache=True, error_model="numpy")
def _descend(X, y, theta, rates, batches, kept, target, levels):
    p, g = len(theta), np.empty(len(theta))
    path, first = np.empty((len(kept), p)), np.full(len(levels), NEVER)
    place = level = 0
    for k in range(kept[-1] + 1):
        if k == kept[place]:
            assign(path[place], theta)
            place += 1
        if level < len(levels):
            squared = 0.0
            for j in range(p):
                squared += (theta[j] - target[j]) ** 2
            while level < len(levels) and squared <= levels[level]:
                first[level] = k
                level += 1
        _gradient(X, y, theta, batches[k % len(batches)], g)
        for j in range(p):
            theta[j] -= rates[j] * g[j]
    return path, first


@no_type_check
@njit(cache=True, error_model="numpy")
def _adapt(X, y, theta, rate, epsilon, momentum, decay, weight, corrected, batches, kept):
    p, g = len(theta), np.empty(len(theta))
    m, v, path = np.zeros(p), np.zeros(p), np.empty((len(kept), p))
    forgotten_m = forgotten_v = 1.0  # b_mᵏ, b_vᵏ
    place = 0
    for k in range(kept[-1] + 1):
        if k == kept[place]:
            assign(path[place], theta)
            place += 1
        _gradient(X, y, theta, batches[k % len(batches)], g)
        forgotten_m *= momentum
        forgotten_v *= decay
        step = rate / (1.0 - forgotten_m)
        scale = 1.0 / (1.0 - forgotten_v) if corrected else 1.0
        for j in range(p):
            m[j] = momentum * m[j] + (1.0 - momentum) * g[j]
            v[j] = decay * v[j] + weight * g[j] * g[j]
            theta[j] -= step * m[j] / (np.sqrt(v[j] * scale) + epsilon)
    return path
