"""Networks side by side: one forward and one backward pass, and what is read off them.

    h₀ = s x,   z_l = W_l h_{l−1} + b_l,   h_l = φ(z_l)  for l < D,   m(x; θ) = z_D
    f = (1/N) Σ_i loss(m(x_i), y_i),   δ_l = ∂f/∂z_l:  δ_{l−1} = φ′(z_{l−1}) ∘ δ_l W_l
    ∂f/∂W_l = δ_lᵀ h_{l−1},   ∂f/∂b_l = Σ_i δ_l,i

θ: (R, P) holds W₁, b₁, W₂, b₂, … one after another, as torch orders them, or W₁, W₂, … without biases;
θ: (P,) is one network, and costs the bare matrix products, as does R = 1. x: (N, n) and the target are
shared by the R networks or have a leading R of their own. s, one number a network, is 1 if it is not given.
float32 in, float32 out.

The losses are in `losses`, the activations in `activations`, Jacobian and kernel in `tangent`, second derivatives in
`curvature`, what homogeneity makes equal in `homogeneity`, starts in `initialise`.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.maths import losses as _losses
from descent.maths.activations import Activation, activate, slope
from descent.maths.losses import Loss, Target

Parameters = Float[np.ndarray, "*R P"]
Inputs = Float[np.ndarray, "*S N n"]
Outputs = Float[np.ndarray, "*R N k"]
Losses = Float[np.ndarray, "*R"] | np.floating


class Shape(NamedTuple):
    """f₀ (inputs), f₁, …, f_D (outputs), φ, and whether there are biases."""

    widths: tuple[int, ...]
    activation: Activation
    biases: bool = True

    @property
    def parameters(self) -> int:
        """P = Σ f_l (f_{l−1} + 1), or without the 1."""
        return sum(out * (fan_in + self.biases) for fan_in, out in pairwise(self.widths))

    def layers(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """Views of W_l: (*R, out, in) and b_l: (*R, 1, out), or None, in θ: (*R, P)."""
        parts, end, leading, biases = [], 0, theta.shape[:-1], self.biases
        for fan_in, out in pairwise(self.widths):
            start, middle, end = end, end + out * fan_in, end + out * (fan_in + biases)
            W = theta[..., start:middle].reshape((*leading, out, fan_in))
            parts.append((W, theta[..., None, middle:end] if biases else None))
        return parts


class Pass(NamedTuple):
    """What a forward pass leaves behind."""

    theta: Parameters
    shape: Shape
    scale: Float[np.ndarray, "*R"] | None  # s
    layers: list[tuple[np.ndarray, np.ndarray | None]]  # W_l and b_l
    inputs: list[np.ndarray]  # x: (N, n) without its scale, then h_1 … h_{D−1}: (*R, N, f_l)
    outputs: Outputs  # z_D


class Backward(NamedTuple):
    """What a backward pass adds: everything about the loss to first order."""

    passed: Pass
    loss: Loss
    target: Target
    fit: Outputs  # z_D − y, or log p
    deltas: list[np.ndarray]  # δ_1 … δ_D: (*R, N, f_l)
    each: bool  # whether these are without the 1/N of the mean


def forward(
    theta: Parameters, x: Inputs, shape: Shape, scale: Float[np.ndarray, "*R"] | None = None
) -> Pass:
    layers, inputs = shape.layers(theta), [x]
    for l, (W, b) in enumerate(layers):
        z = inputs[-1] @ W.swapaxes(-1, -2)
        if l == 0 and scale is not None:
            z *= scale[..., None, None]
        if b is not None:
            z += b
        if l < len(layers) - 1:
            inputs.append(activate(z, shape.activation, out=z))
    return Pass(theta, shape, scale, layers, inputs, z)


def outputs(theta: Parameters, x: Inputs, shape: Shape) -> Outputs:
    """m(x; θ)."""
    return forward(theta, x, shape).outputs


def _downwards(passed: Pass, delta: Outputs) -> Iterator[tuple[int, np.ndarray]]:
    """(D, δ_D), …, (1, δ_1), the numbers of the layers less 1."""
    for l in range(len(passed.layers) - 1, -1, -1):
        yield l, delta
        if l:
            delta = delta @ passed.layers[l][0]
            delta *= slope(passed.inputs[l], passed.shape.activation)


def backward(passed: Pass, delta: Outputs) -> list[np.ndarray]:
    """δ_1 … δ_D from a δ_D: derivatives of Σ_i ⟨δ_D,i, m(x_i)⟩ by z_1 … z_D."""
    return [delta for _, delta in _downwards(passed, delta)][::-1]


def differentiate(passed: Pass, target: Target, loss: Loss, each: bool = False) -> Backward:
    """Backward from the mean loss; with `each` the deltas are those of the samples one by one.

    Of both the same is read off; the roundings of the gradient differ.
    """
    fit = _losses.fitted(loss, passed.outputs, target)
    deltas = backward(passed, _losses.slopes(loss, fit, target, not each))
    return Backward(passed, loss, target, fit, deltas, each)


def mean_loss(back: Backward) -> Losses:
    """f."""
    return _losses.mean(back.loss, back.fit, back.target)


def sample_losses(back: Backward) -> Float[np.ndarray, "*R N"]:
    return _losses.of_samples(back.loss, back.fit, back.target)


def gradient(back: Backward) -> Parameters:
    """∇f of every network."""
    downwards = reversed(list(enumerate(back.deltas)))
    return _gradient(back.passed, downwards, 1 / back.fit.shape[-2] if back.each else None)


def _gradient(
    passed: Pass, downwards: Iterator[tuple[int, np.ndarray]], share: float | None
) -> Parameters:
    shape, scale, z = passed.shape, passed.scale, passed.outputs
    found = np.empty((*z.shape[:-2], shape.parameters), z.dtype)
    into = shape.layers(found)
    for l, delta in downwards:
        weighted = delta if share is None else delta * share
        np.matmul(weighted.swapaxes(-1, -2), passed.inputs[l], out=into[l][0])
        if l == 0 and scale is not None:
            into[l][0][...] *= scale[..., None, None]
        if into[l][1] is not None:
            delta.sum(-2, keepdims=True, out=into[l][1])
            if share is not None:
                into[l][1][...] *= share
    return found


def losses(theta: Parameters, x: Inputs, target: Target, shape: Shape, loss: Loss) -> Losses:
    """f(θ), with a forward pass only."""
    fit = _losses.fitted(loss, forward(theta, x, shape).outputs, target)
    return _losses.mean(loss, fit, target)


def value_and_gradient(
    theta: Parameters, x: Inputs, target: Target, shape: Shape, loss: Loss
) -> tuple[Losses, Parameters]:
    """f(θ) and ∇f(θ); no δ is kept longer than it is needed, which is faster for small networks."""
    passed = forward(theta, x, shape)
    fit = _losses.fitted(loss, passed.outputs, target)
    downwards = _downwards(passed, _losses.slopes(loss, fit, target, averaged=True))
    return _losses.mean(loss, fit, target), _gradient(passed, downwards, None)


def sample_squared_norms(back: Backward) -> Float[np.ndarray, "D *R N"]:
    """‖∂ loss_i/∂W_l‖² = ‖δ_l,i‖² ‖h_{l−1,i}‖²: the gradient of one sample is an outer product."""
    squares = [
        np.vecdot(d, d) * h for d, h in zip(back.deltas, input_squares(back.passed), strict=True)
    ]
    return np.array(squares) if back.each else np.array(squares) * back.fit.shape[-2] ** 2


def input_squares(passed: Pass) -> list[np.ndarray]:
    """‖h_{l−1,i}‖² for l = 1 … D, with the scale."""
    squares = [np.vecdot(h, h) for h in passed.inputs]
    if passed.scale is not None:
        squares[0] = squares[0] * passed.scale[..., None] ** 2
    return squares
