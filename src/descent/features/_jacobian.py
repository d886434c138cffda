"""Singular values and principal features of a network's Jacobian J = UΣVᵀ, and how many of them matter.

    principal features: the columns of UΣ, functions of x;   effective rank exp(−Σ p_k ln p_k),  p_k = σ_k²/Σσ²

A subset of n points stands for all N: σ_k √(N/n).

Source: CS182 homework 2, question 6; Roy and Vetterli, The effective rank (2007), here of σ².
"""

import numpy as np
from jaxtyping import Float, Integer

from descent.maths.network import Shape, backward, forward
from descent.maths.tangent import kernel


def singular_values(
    theta: Float[np.ndarray, "R P"], x: Float[np.ndarray, "n 1"], shape: Shape, samples: int
) -> Float[np.ndarray, "R n"]:
    """Of J at n points, scaled to `samples`, largest first; those below 1e-7 σ₁ are rounding."""
    squares = np.array([np.linalg.eigvalsh(kernel(forward(one, x, shape)))[::-1] for one in theta])
    return np.sqrt(np.maximum(squares, 0) * (samples / len(x)))


def features(
    theta: Float[np.ndarray, "1 P"], x: Float[np.ndarray, "n 1"], shape: Shape, count: int
) -> Float[np.ndarray, "k n"]:
    """The first columns of UΣ, each with a positive largest entry."""
    squares, U = np.linalg.eigh(kernel(forward(theta[0], x, shape)))
    columns = (U * np.sqrt(np.maximum(squares, 0)))[:, ::-1][:, :count].T
    return upright(columns)


def upright(columns: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "k n"]:
    """Each with the sign that makes its largest entry positive."""
    top = np.abs(columns).argmax(axis=1)[:, None]
    return columns * np.where(np.take_along_axis(columns, top, 1) < 0, -1.0, 1.0)


def beside_lines(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "n 1"],
    shape: Shape,
    squares: Float[np.ndarray, " R"],
) -> Float[np.ndarray, " R"]:
    """The share of all `squares` of J, so of UΣ, that no straight lines a + bx make up: 1 − ‖QᵀJ‖²/‖J‖²."""
    passed, lines = forward(theta, x, shape), 0.0
    for q in np.linalg.qr(np.hstack([np.ones_like(x), x]))[0].T:
        seed = np.broadcast_to(q[:, None], passed.outputs.shape).copy()
        for delta, below in zip(backward(passed, seed), passed.inputs, strict=True):
            lines = lines + np.square(delta.swapaxes(-1, -2) @ below).sum((-2, -1))
            lines = lines + np.square(delta.sum(-2)).sum(-1)
    return 1 - lines / np.maximum(squares, 1e-300)


def effective_rank(sigma: Float[np.ndarray, "R n"]) -> Float[np.ndarray, " R"]:
    p = sigma**2 / np.sum(sigma**2, axis=1, keepdims=True)
    return np.exp(-np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=1))


def kinks(
    theta: Float[np.ndarray, "R P"], shape: Shape, low: float, high: float
) -> Integer[np.ndarray, " R"]:
    """How often the slope of m changes on (low, high), exactly.

    Layer by layer, the zeros of the pre-activations are added to the ends of the pieces on which the layers
    below are linear; then the slopes of neighbouring pieces are compared, to 1e-6 of the largest.
    """
    counts = []
    for one in theta:
        one, x = one[None], np.array([[low], [high]])
        for l in range(1, len(shape.widths) - 1):
            W, b = shape.layers(one)[l - 1]
            z = (forward(one, x, shape).inputs[l - 1] @ W.swapaxes(-1, -2) + b)[0]  # (n, f_l)
            piece, unit = np.nonzero(z[:-1] * z[1:] < 0)
            left, right = z[piece, unit], z[piece + 1, unit]
            zeros = x[piece, 0] + (x[piece + 1, 0] - x[piece, 0]) * left / (left - right)
            x = np.unique(np.append(x[:, 0], zeros))[:, None]
        slopes = gradient_in_x(one, (x[1:] + x[:-1]) / 2, shape)
        change = np.abs(np.diff(slopes))
        counts.append(np.sum(change > 1e-6 * max(np.abs(slopes).max(), 1e-300)))
    return np.array(counts)


def gradient_in_x(
    theta: Float[np.ndarray, "1 P"], x: Float[np.ndarray, "n 1"], shape: Shape
) -> Float[np.ndarray, " n"]:
    """dm/dx of a ReLU network."""
    passed, dh = forward(theta, x, shape), np.ones_like(x)
    for l, (W, _) in enumerate(passed.layers):
        dh = dh @ W.swapaxes(1, 2)
        if l < len(passed.layers) - 1:
            dh = dh * (passed.inputs[l + 1] > 0)
    return dh[0, :, 0]


def elbows(theta: np.ndarray, shape: Shape, x: np.ndarray) -> Integer[np.ndarray, " R"]:
    """1 + 2g + e for one hidden layer: units turn on or off in g of the gaps between the points.

    e = 1 where x itself is in the span: a unit is on at every point, or two are on on either side of one gap.
    """
    bounds = []
    for on in forward(theta, x, shape).inputs[1] > 0:  # (n, W)
        turning = on[:, on.any(axis=0) & ~on.all(axis=0)]
        sides = {(column ^ column[0]).tobytes() for column in turning.T}
        both = len({column.tobytes() for column in turning.T}) > len(sides)
        bounds.append(1 + 2 * len(sides) + (on.all(axis=0).any() or both))
    return np.array(bounds)


def span_rank(
    theta: np.ndarray, shape: Shape, x: np.ndarray, share: float
) -> Integer[np.ndarray, " R"]:
    """Dimension of span {1, 1_{z_j>0}, x·1_{z_j>0}} on the points, for one hidden layer."""
    on = (forward(theta, x, shape).inputs[1] > 0).astype(float)
    basis = np.concatenate([np.ones((len(theta), len(x), 1)), on, on * x], axis=2)
    return np.linalg.matrix_rank(basis, rtol=share)
