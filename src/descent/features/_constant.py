"""A network whose weights are small is a constant: its output bias learns alone, and its Jacobian is nearly constant.

    m ≈ b_D:   v ← μv + 2(b_D − ȳ_B),   b_D ← b_D − ηv,   ȳ_B the mean of y over the batch
    ∂m/∂b_D = 1,   ∂m/∂b_{D−1}[u] = w_u 1_{u on at x},   all other derivatives are smaller
    F = [1, w_u 1_{u on}]: (N, 1 + n);   JJᵀ = FFᵀ + C, C ≥ 0, so σ_k(F)² ≤ σ_k(J)² ≤ σ_k(F)² + tr C   (Weyl)

with w the weights of the last layer. What the output is beside b_D is a part s ≤ Σ w_u² of it, and what the layers
below make of x.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from descent.features._jacobian import effective_rank
from descent.features._training import Pace
from descent.maths.network import Shape, forward


def biases(
    y: Float[np.ndarray, "N 1"], order: Integer[np.ndarray, "R T B"], pace: Pace
) -> Float[np.ndarray, "T R"]:
    """b_D after every step, from 0."""
    path, b, v = [], np.zeros(len(order)), np.zeros(len(order))
    for batch in order.swapaxes(0, 1):
        v = pace.momentum * v + 2 * (b - y[batch, 0].mean(-1))
        b = b - pace.rate * v
        path.append(b)
    return np.array(path)


def echo(pace: Pace, steps: int) -> float:
    """By how much a change of every gradient of b_D by up to 1 moves b_D, at the most."""
    b, v, total = 0.0, 1.0, 0.0  # of one gradient of size 1
    for _ in range(steps):
        b = b - pace.rate * v
        total += abs(b)
        v = pace.momentum * v + 2 * b
    return total


class Split(NamedTuple):
    """JJᵀ = FFᵀ + C on n points that stand for `samples`."""

    sigma: Float[np.ndarray, "R k"]  # singular values of F
    rest: Float[np.ndarray, " R"]  # tr C
    on: Float[np.ndarray, " R"]  # share of the units of the last hidden layer, over the points


def split(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "n 1"],
    shape: Shape,
    samples: int,
    sigma: Float[np.ndarray, "R k"],
) -> Split:
    """Of networks whose J, of all `samples`, has the singular values `sigma`."""
    on, w = forward(theta, x, shape).inputs[-1] > 0, shape.layers(theta)[-1][0]
    F = np.concatenate([np.ones((len(theta), len(x), 1)), on * w], axis=2)
    squares = np.linalg.eigvalsh(F.swapaxes(1, 2) @ F)[:, ::-1] * (samples / len(x))
    rest = np.sum(sigma**2, axis=1) - np.sum(squares, axis=1)
    return Split(np.sqrt(np.maximum(squares, 0)), np.maximum(rest, 0.0), on.mean((1, 2)))


def off(found: Split, count: int) -> Float[np.ndarray, " R"]:
    """How far the effective rank of J may be from that of F: a share ε of all squares is elsewhere, of `count` places.

    The entropy of shares then changes by at most ε ln count + h(ε) (Fannes and Audenaert).
    """
    part = found.rest / np.sum(found.sigma**2, axis=1)
    part = np.minimum(part, 0.5)
    h = -part * np.log(np.maximum(part, 1e-300)) - (1 - part) * np.log1p(-part)
    return effective_rank(found.sigma) * np.expm1(part * np.log(count) + h)
