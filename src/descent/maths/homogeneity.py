"""Numbers that belong to the layers of a network, and what the homogeneity of ReLU makes equal.

Where φ(cz) = cφ(z) for c > 0, scaling W_l and every bias from layer l on by c scales the output by c. So

    ⟨W_l, ∂f/∂W_l⟩ + Σ_{k ≥ l} ⟨b_k, ∂f/∂b_k⟩

is the same number for every l: the derivative of f along a growing output. Gradient descent therefore keeps the
differences of ‖W_l‖² + Σ_{k ≥ l} ‖b_k‖² up to the squares of its steps.

Source: arXiv 1806.00900, Theorem 2.1.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.maths.network import Shape

Parameters = Float[np.ndarray, "*R P"]


class ByArray(NamedTuple):
    """One number for every W_l and every b_l; 0 for biases that are not there."""

    weights: Float[np.ndarray, "*R D"]
    biases: Float[np.ndarray, "*R D"]

    def together(self) -> Float[np.ndarray, "*R arrays"]:
        """W₁, b₁, W₂, b₂, …"""
        both = np.stack(self, axis=-1)
        return both.reshape(*both.shape[:-2], -1)


def inner_products(a: Parameters, b: Parameters, shape: Shape) -> ByArray:
    """⟨·, ·⟩ of every array of a with that of b, each added up in their own precision."""
    found, end = np.zeros((2, *a.shape[:-1], len(shape.widths) - 1)), 0
    for l, (fan_in, out) in enumerate(pairwise(shape.widths)):
        start, middle, end = end, end + out * fan_in, end + out * (fan_in + shape.biases)
        found[0, ..., l] = np.vecdot(a[..., start:middle], b[..., start:middle])
        if shape.biases:
            found[1, ..., l] = np.vecdot(a[..., middle:end], b[..., middle:end])
    return ByArray(*found)


def squared_norms(a: Parameters, shape: Shape) -> ByArray:
    """‖·‖² of every array (Frobenius)."""
    return inner_products(a, a, shape)


def along_the_output(numbers: ByArray) -> Float[np.ndarray, "*R D"]:
    """w_l + Σ_{k ≥ l} b_k."""
    return numbers.weights + np.cumsum(numbers.biases[..., ::-1], -1)[..., ::-1]


def products_along_the_output(
    theta: Parameters, gradient: Parameters, shape: Shape
) -> Float[np.ndarray, "*R D"]:
    """⟨W_l, ∂W_l⟩ + Σ_{k ≥ l} ⟨b_k, ∂b_k⟩ of every layer; all equal for ReLU and for linear networks."""
    return along_the_output(inner_products(theta, gradient, shape))


def squared_layer_norms(theta: Parameters, shape: Shape) -> Float[np.ndarray, "*R D"]:
    """‖W_l‖² + Σ_{k ≥ l} ‖b_k‖², added up in float64."""
    return along_the_output(squared_norms(theta.astype(float), shape))
