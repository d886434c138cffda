"""Loss, gradient and Hessian–vector product of a tanh network under squared error, by hand, and the sharpness.

    h₀ = x,   z_l = W_l h_{l−1} + b_l,   h_l = tanh z_l for l < L,   f = z_L
    loss = ½ mean over the n samples of ‖f − y‖²      (a sum over the outputs)

The product Hv is the derivative of the gradient along v, carried through the same two passes (Pearlmutter, 1994).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.maths.mlp import Network


class State(NamedTuple):
    """What one forward and backward pass leaves behind."""

    loss: float
    inputs: list[Float[np.ndarray, "n _"]]  # h_{l−1}
    deltas: list[Float[np.ndarray, "n _"]]  # ∂ loss/∂z_l
    gradient: Network


def _gradient(deltas: list, inputs: list) -> Network:
    weights = [delta.T @ h for delta, h in zip(deltas, inputs, strict=True)]
    return Network(weights, [delta.sum(0) for delta in deltas])


def differentiate(
    network: Network, x: Float[np.ndarray, "n p"], y: Float[np.ndarray, "n c"]
) -> State:
    inputs = [x]
    for W, b in zip(network.weights, network.biases, strict=True):
        z = inputs[-1] @ W.T + b
        inputs.append(np.tanh(z))
    inputs.pop()
    error = z - y
    deltas = [error / len(x)]
    for W, h in zip(network.weights[:0:-1], inputs[:0:-1], strict=True):
        deltas.insert(0, (deltas[0] @ W) * (1 - h * h))
    loss = float(np.vdot(error, error)) / (2 * len(x))
    return State(loss, inputs, deltas, _gradient(deltas, inputs))


def hessian_times(network: Network, state: State, along: Network) -> Network:
    """Hv for v in the shape of the network, whose passes `state` holds."""
    n, moved, z = len(state.inputs[0]), [], None
    for layer, (W, V, v) in enumerate(
        zip(network.weights, along.weights, along.biases, strict=True)
    ):
        h = state.inputs[layer]
        if layer:
            moved.append((1 - h * h) * z)
        z = h @ V.T + v + (moved[-1] @ W.T if layer else 0)
    turned = [z / n]
    weights, biases = [], []
    for layer in range(len(network.weights) - 1, -1, -1):
        h, delta = state.inputs[layer], state.deltas[layer]
        slope = turned[0].T @ h
        if layer:
            slope += delta.T @ moved[layer - 1]
            W, V = network.weights[layer], along.weights[layer]
            tangent = 1 - h * h
            back = (turned[0] @ W + delta @ V) * tangent
            back -= 2 * (delta @ W) * h * moved[layer - 1]
        weights.insert(0, slope)
        biases.insert(0, turned[0].sum(0))
        if layer:
            turned.insert(0, back)
    return Network(weights, biases)


class Top(NamedTuple):
    """A Ritz value, never above the largest eigenvalue; its vector; the residual, which an eigenvalue is within."""

    value: float
    vector: Float[np.ndarray, " P"]
    residual: float


def largest_eigenvalue(times, start: Float[np.ndarray, " P"], products: int) -> Top:
    """Lanczos with full reorthogonalisation: v ↦ times(v) so many times, from `start`.

    From the eigenvector of a step ago few products do: the value errs by the square of the residual.
    """
    basis, diagonal, beside = [start / np.linalg.norm(start)], [], []
    for _ in range(products):
        w = times(basis[-1])
        diagonal.append(float(basis[-1] @ w))
        Q = np.array(basis)
        for _ in range(2):  # once is not enough in floating point
            w = w - Q.T @ (Q @ w)
        size = float(np.linalg.norm(w))
        beside.append(size)
        if not size > 1e-12 * max(abs(d) for d in diagonal):
            break
        basis.append(w / size)
    k = len(diagonal)
    if not np.isfinite(diagonal + beside).all():
        return Top(np.nan, start, np.nan)
    T = np.diag(diagonal) + np.diag(beside[: k - 1], 1) + np.diag(beside[: k - 1], -1)
    values, vectors = np.linalg.eigh(T)
    top = vectors[:, -1]
    return Top(float(values[-1]), np.array(basis[:k]).T @ top, float(abs(beside[k - 1] * top[-1])))
