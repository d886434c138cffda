"""Multilayer perceptrons with a softmax output: losses and the gradient of every layer, by hand.

    h₀ = x,   h_l = φ(W_l h_{l−1} + b_l)  for l < L,   log p = log softmax(W_L h_{L−1} + b_L)
    loss = mean over the batch of −log p[label]

Forward and backward are the bare matrix products, so that the norms of the gradients cost nothing.
Layers are numbered from 1; `tests/oracles.py` has the same through autograd.
"""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

Activation = Literal["relu", "tanh", "sigmoid"]
Initialisation = Literal["uniform", "lecun", "xavier", "he", "zero"]

Array = Float[np.ndarray, "..."]


class Network(NamedTuple):
    """Weights W_l: (out, in) and biases b_l: (out,), or no biases at all."""

    weights: list[Float[np.ndarray, "_ _"]]
    biases: list[Float[np.ndarray, " _"]]

    def parameters(self) -> list[Array]:
        return [*self.weights, *self.biases]


def flattened(network: Network) -> Float[np.ndarray, " P"]:
    """All parameters as one vector, weights first."""
    return np.concatenate([p.ravel() for p in network.parameters()])


def unflattened(vector: Float[np.ndarray, " P"], widths: list[int], bias: bool) -> Network:
    """The network of these widths (input to output) that `flattened` made this vector of."""
    shapes = list(zip(widths[1:], widths, strict=False))
    shapes += [(out,) for out in widths[1:]] if bias else []
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    parts = [v.reshape(s) for v, s in zip(np.split(vector, ends[:-1]), shapes, strict=True)]
    return Network(parts[: len(widths) - 1], parts[len(widths) - 1 :])


class Pass(NamedTuple):
    """What one forward and backward pass over B samples leaves behind, for the sum of their losses."""

    losses: Float[np.ndarray, " B"]
    inputs: list[Float[np.ndarray, "B _"]]  # h_{l−1}
    deltas: list[Float[np.ndarray, "B _"]]  # ∂ loss_i / ∂ (pre-activation of layer l)


def initialise(
    rng: np.random.Generator,
    widths: list[int],
    scheme: Initialisation,
    bias: bool,
    dtype: type = np.float32,
) -> Network:
    """A random network; Var W = 1/(3 fan_in) for "uniform" (U(±1/√fan_in), torch's default, biases
    included), 1/fan_in for "lecun", 2/(fan_in + fan_out) for "xavier", 2/fan_in for "he", 0 for
    "zero". The last four are Gaussian with zero biases.
    """
    weights, biases = [], []
    for fan_in, fan_out in pairwise(widths):
        bound = 1 / np.sqrt(fan_in)
        variance = {
            "uniform": None,
            "lecun": 1 / fan_in,
            "xavier": 2 / (fan_in + fan_out),
            "he": 2 / fan_in,
            "zero": 0.0,
        }[scheme]
        if variance is None:
            W, b = (
                rng.uniform(-bound, bound, (fan_out, fan_in)),
                rng.uniform(-bound, bound, fan_out),
            )
        else:
            W, b = np.sqrt(variance) * rng.standard_normal((fan_out, fan_in)), np.zeros(fan_out)
        weights.append(W.astype(dtype))
        biases.append(b.astype(dtype))
    return Network(weights, biases if bias else [])


def _activate(z: Array, activation: Activation) -> Array:
    if activation == "relu":
        return np.maximum(z, 0, out=z)
    if activation == "tanh":
        return np.tanh(z, out=z)
    return 0.5 * np.tanh(0.5 * z) + 0.5  # the sigmoid, without overflow


def _slope(h: Array, activation: Activation) -> Array | Bool[np.ndarray, "..."]:
    """φ′ from h = φ(z)."""
    if activation == "relu":
        return h > 0
    return 1 - h * h if activation == "tanh" else h * (1 - h)


def forward(
    network: Network, x: Float[np.ndarray, "B n"], activation: Activation
) -> tuple[list[Array], Float[np.ndarray, "B classes"]]:
    """The inputs h₀ … h_{L−1} of the layers, and log p."""
    inputs, depth = [x], len(network.weights)
    for layer in range(depth):
        z = inputs[-1] @ network.weights[layer].T
        if network.biases:
            z += network.biases[layer]
        if layer < depth - 1:
            inputs.append(_activate(z, activation))
    z -= z.max(1, keepdims=True)
    return inputs, z - np.log(np.exp(z).sum(1, keepdims=True))


def differentiate(
    network: Network,
    x: Float[np.ndarray, "B n"],
    labels: Integer[np.ndarray, " B"],
    activation: Activation,
) -> Pass:
    """Forward and backward."""
    inputs, log_p = forward(network, x, activation)
    rows = np.arange(len(x))
    losses = -log_p[rows, labels]
    delta = np.exp(log_p)
    delta[rows, labels] -= 1
    deltas = [delta]
    for layer in range(len(network.weights) - 1, 0, -1):
        delta = (delta @ network.weights[layer]) * _slope(inputs[layer], activation)
        deltas.insert(0, delta)
    return Pass(losses, inputs, deltas)


def gradients(network: Network, passed: Pass) -> Network:
    """∂ mean loss / ∂ W_l and ∂ b_l, in the shape of the network."""
    scale = passed.losses.dtype.type(1 / len(passed.losses))
    weights = [(delta * scale).T @ h for delta, h in zip(passed.deltas, passed.inputs, strict=True)]
    biases = [delta.sum(0) * scale for delta in passed.deltas] if network.biases else []
    return Network(weights, biases)


def squared_norms(arrays: list[Array]) -> Float[np.ndarray, " L"]:
    """‖A‖² of every array (Frobenius)."""
    return np.array([float(np.vdot(a, a)) for a in arrays])


def per_sample_squared_norms(passed: Pass) -> Float[np.ndarray, "L B"]:
    """‖∂ loss_i/∂W_l‖² = ‖δ_i‖² ‖h_i‖² of every sample: its gradient is the outer product δ_i h_iᵀ."""
    return np.array(
        [
            np.vecdot(delta, delta) * np.vecdot(h, h)
            for delta, h in zip(passed.deltas, passed.inputs, strict=True)
        ]
    )


def along_the_output(
    weights: Float[np.ndarray, " L"], biases: Float[np.ndarray, " _"]
) -> Float[np.ndarray, " L"]:
    """w_l + Σ_{k ≥ l} b_k of numbers that belong to the weights and the biases of each layer.

    Where φ(cz) = cφ(z) for c > 0, scaling W_l and every bias from layer l on by c scales the output
    by c. So ⟨W_l, ∂W_l⟩ + Σ_{k ≥ l} ⟨b_k, ∂b_k⟩ is the same number for every l: the derivative of
    the loss along a growing output.
    """
    return weights + np.cumsum(biases[::-1])[::-1] if len(biases) else weights


def homogeneity(network: Network, gradient: Network) -> Float[np.ndarray, " L"]:
    """⟨W_l, ∂W_l⟩ (with the biases from l on) for every layer; all equal for ReLU."""
    products = np.array(
        [
            float(np.vdot(p, g))
            for p, g in zip(network.parameters(), gradient.parameters(), strict=True)
        ]
    )
    depth = len(network.weights)
    return along_the_output(products[:depth], products[depth:])


def squared_layer_norms(network: Network) -> Float[np.ndarray, " L"]:
    """‖W_l‖² + Σ_{k ≥ l} ‖b_k‖², summed in float64."""
    squares = squared_norms([p.astype(float) for p in network.parameters()])
    depth = len(network.weights)
    return along_the_output(squares[:depth], squares[depth:])
