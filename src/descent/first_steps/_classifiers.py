"""ReLU classifiers side by side on one task: slopes for the training loop, losses, and logarithms of norms.

Each of the R networks sees the pixels times a scale of its own. Training is in float32, which rounds a gradient by
about 1e-6 of its norm, far less than the noise of a minibatch.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from descent.maths import losses
from descent.maths.network import (
    Pass,
    Shape,
    backward,
    differentiate,
    forward,
    gradient,
    input_squares,
    mean_loss,
)
from descent.maths.training import HIGHEST, Slope


def slope(
    x: Float[np.ndarray, "N n"],
    labels: Integer[np.ndarray, " N"],
    batches: Integer[np.ndarray, "T B"],
    shape: Shape,
    scale: Float[np.ndarray, " R"],
    seen: Float[np.ndarray, " R"] | None = None,
) -> Slope:
    """Of the minibatch of step t. Into `seen` goes the largest rms ‖z − b_L‖ that a network had."""

    def on_minibatch(theta, active, t):
        batch = batches[t]
        passed = forward(theta, x[batch], shape, scale[active])
        if seen is not None:
            beside = passed.outputs - passed.layers[-1][1]
            moved = np.sqrt(np.vecdot(beside, beside).mean(-1)).astype(float)
            seen[active] = np.fmax(seen[active], np.minimum(moved, HIGHEST))
        back = differentiate(passed, labels[batch], "softmax")
        return mean_loss(back), gradient(back)

    return on_minibatch


class Evaluated(NamedTuple):
    loss: Float[np.ndarray, " R"]
    accuracy: Float[np.ndarray, " R"]


def evaluate(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "N n"],
    labels: Integer[np.ndarray, " N"],
    shape: Shape,
    scale: Float[np.ndarray, " R"],
) -> Evaluated:
    """On N images; a loss that is no number is the highest one."""
    log_p = losses.log_softmax(forward(theta, x, shape, scale).outputs)
    loss = np.nan_to_num(losses.mean("softmax", log_p, labels), nan=HIGHEST, posinf=HIGHEST)
    return Evaluated(np.minimum(loss, HIGHEST), losses.accuracy(log_p, labels))


class LogSquares(NamedTuple):
    """Means over the images of logarithms; nan where no image has one."""

    output: Float[np.ndarray, " R"]  # ln ‖z_L‖²/‖x‖²
    gradient: Float[np.ndarray, "R L"]  # ln ‖∂(u·z_L)/∂W_l‖²/(‖x‖² ‖u‖²)


def log_squares(passed: Pass, u: Float[np.ndarray, "B C"]) -> LogSquares:
    """Images that switch a whole layer off are left out.

    The gradient of an image is an outer product, of length ‖δ_l‖ ‖h_{l−1}‖.
    """
    z = passed.outputs
    deltas = backward(passed, np.broadcast_to(u, z.shape).astype(z.dtype))
    h = np.array([np.broadcast_to(square, z.shape[:-1]) for square in input_squares(passed)])
    delta = np.array([np.vecdot(one, one) for one in deltas])  # (L, R, B)
    z = np.vecdot(z, z)
    with np.errstate(divide="ignore", invalid="ignore"):
        outputs, products = np.log(z / h[0]), np.log(h / h[0] * (delta / delta[-1]))
    return LogSquares(_mean(outputs, z * h[0] > 0), _mean(products, (delta * h > 0).all(0)).T)


def _mean(
    values: Float[np.ndarray, "*n B"], where: Bool[np.ndarray, "R B"]
) -> Float[np.ndarray, "*n"]:
    """Over the images of `where`; nan without any."""
    count = np.where(where.any(-1), where.sum(-1), np.nan)
    return np.where(where, values, 0).sum(-1) / count
