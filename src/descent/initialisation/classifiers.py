"""Many ReLU classifiers at once on one minibatch: loss, gradient, and the norms of its arrays.

    h₀ = s x,   z_l = W_l h_{l−1} + b_l,   h_l = max(z_l, 0)  for l < L,   log p = log softmax z_L
    loss = (1/B) Σ_i −log p[label_i];   δ_l = ∂ loss/∂z_l,  ∂ loss/∂W_l = Σ_i δ_l h_{l−1}ᵀ

θ: (R, P) holds W₁, b₁, W₂, b₂, … as `maths.networks` orders them; x: (B, n) is shared by the R networks,
each of which sees it times a scale s of its own. float32 in, float32 out: the training here is in
float32, which rounds a gradient by about 1e-6 of its norm, far less than the noise of a minibatch.
log softmax is formed without its exponentials, so a loss is finite as long as the outputs are.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from descent.maths.networks import Shape

LOST = 1e30  # recorded for a network whose loss is no number any more: its square is one


class Pass(NamedTuple):
    losses: Float[np.ndarray, " R"]
    inputs: list[np.ndarray]  # h_{l−1}: x: (B, n) without its scale, then (R, B, f_l)
    logits: Float[np.ndarray, "R B C"]
    deltas: list[Float[np.ndarray, "R B _"]]  # of the mean loss


def outputs(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "B n"],
    scale: Float[np.ndarray, " R"],
    shape: Shape,
) -> tuple[list[np.ndarray], Float[np.ndarray, "R B C"]]:
    """The inputs of all layers, and z_L."""
    layers, inputs = shape.layers(theta), [x]
    for l, (W, b) in enumerate(layers):
        z = inputs[-1] @ W.swapaxes(1, 2)
        if not l:
            z *= scale[:, None, None]
        z += b
        if l < len(layers) - 1:
            inputs.append(np.maximum(z, 0, out=z))
    return inputs, z


def log_softmax(z: Float[np.ndarray, "R B C"]) -> Float[np.ndarray, "R B C"]:
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def differentiate(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "B n"],
    scale: Float[np.ndarray, " R"],
    labels: Integer[np.ndarray, " B"],
    shape: Shape,
) -> Pass:
    """Forward and backward."""
    inputs, z = outputs(theta, x, scale, shape)
    log_p, rows = log_softmax(z), np.arange(len(x))
    delta = np.exp(log_p)
    delta[:, rows, labels] -= 1
    delta /= len(x)
    deltas, layers = [delta], shape.layers(theta)
    for l in range(len(layers) - 1, 0, -1):
        delta = delta @ layers[l][0]
        delta *= inputs[l] > 0
        deltas.insert(0, delta)
    return Pass(-log_p[:, rows, labels].mean(1, dtype=float), inputs, z, deltas)


def gradients(
    passed: Pass, scale: Float[np.ndarray, " R"], shape: Shape
) -> Float[np.ndarray, "R P"]:
    """∂ loss/∂θ of every network."""
    gradient = np.empty((len(scale), shape.parameters), passed.deltas[0].dtype)
    arrays = zip(shape.layers(gradient), passed.deltas, passed.inputs, strict=True)
    for l, ((gW, gb), delta, h) in enumerate(arrays):
        np.matmul(delta.swapaxes(1, 2), h, out=gW)
        if not l:
            gW *= scale[:, None, None]
        delta.sum(1, keepdims=True, out=gb)
    return gradient


def array_norms(gradient: Float[np.ndarray, "R P"], shape: Shape) -> Float[np.ndarray, "R arrays"]:
    """‖∂W₁‖, ‖∂b₁‖, ‖∂W₂‖, …, added up in float64."""
    sizes = [part[0].size for layer in shape.layers(gradient[:1]) for part in layer]
    starts = np.cumsum([0, *sizes[:-1]])
    return np.sqrt(np.add.reduceat(np.square(gradient), starts, axis=1, dtype=float))


def log_squares(
    passed: Pass, scale: Float[np.ndarray, " R"]
) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, "R L"]]:
    """Means over the images of ln ‖z_L‖²/‖x‖² and of ln ‖∂ loss_i/∂W_l‖²/(‖x‖² ‖∂ loss_i/∂z_L‖²).

    The gradient of an image is an outer product, ‖δ_l‖ ‖h_{l−1}‖. Images that switch a whole layer off, or
    that have no loss to rounding, are left out; nan where all are.
    """
    h = np.array(
        [np.broadcast_to(np.vecdot(a, a), passed.deltas[0].shape[:2]) for a in passed.inputs]
    )
    h[0] *= scale[:, None] ** 2
    delta = np.array([np.vecdot(a, a) for a in passed.deltas])  # (L, R, B)
    z = np.vecdot(passed.logits, passed.logits)
    with np.errstate(divide="ignore", invalid="ignore"):
        outputs, products = np.log(z / h[0]), np.log(h / h[0] * (delta / delta[-1]))
    return _mean(outputs, z * h[0] > 0), _mean(products, (delta * h > 0).all(0)).T


def _mean(
    values: Float[np.ndarray, "*n B"], where: Bool[np.ndarray, "R B"]
) -> Float[np.ndarray, "*n"]:
    """Over the images of `where`; nan without any."""
    count = np.where(where.any(-1), where.sum(-1), np.nan)
    return np.where(where, values, 0).sum(-1) / count


def evaluate(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "N n"],
    scale: Float[np.ndarray, " R"],
    labels: Integer[np.ndarray, " N"],
    shape: Shape,
) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, " R"]]:
    """Loss and accuracy of every network on N images."""
    log_p = log_softmax(outputs(theta, x, scale, shape)[1])
    loss = -log_p[:, np.arange(len(x)), labels].mean(1, dtype=float)
    return loss, (log_p.argmax(-1) == labels).mean(1)
