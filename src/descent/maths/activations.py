"""The activations of the networks: φ(z), and φ′ and φ″ as functions of h = φ(z).

relu      max(z, 0)            φ′ = 1[h > 0], so 0 at the kink, as in torch     φ″ = 0
tanh      tanh z               φ′ = 1 − h²                                      φ″ = −2h(1 − h²)
sigmoid   1/(1 + e^{−z})       φ′ = h(1 − h)                                    φ″ = (1 − 2h) h(1 − h)
sigmoid4  4/(1 + e^{−z})       φ′ = h(1 − h/4)                                  φ″ = (1 − h/2) h(1 − h/4)
linear    z                    φ′ = 1                                           φ″ = 0
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

Activation = Literal["relu", "tanh", "sigmoid", "sigmoid4", "linear"]

Array = Float[np.ndarray, "*n"]


def activate(z: Array, activation: Activation, out: np.ndarray | None = None) -> Array:
    """φ(z), written into `out` (which may be z itself) if it is given; nothing overflows."""
    if activation == "relu":
        return np.maximum(z, 0, out=out)
    if activation == "tanh":
        return np.tanh(z, out=out)
    if activation == "linear":
        return z if out is None or out is z else np.positive(z, out=out)
    height = 1.0 if activation == "sigmoid" else 4.0
    h = np.multiply(z, 0.5, out=out)
    np.tanh(h, out=h)
    h *= height / 2
    h += height / 2
    return h


def slope(h: Array, activation: Activation) -> Shaped[np.ndarray, "*n"] | float:
    """φ′(z) from h = φ(z); true and false for ReLU, the number 1 for linear."""
    if activation == "relu":
        return h > 0
    if activation == "tanh":
        return 1 - h * h
    if activation == "sigmoid":
        return h * (1 - h)
    return h * (1 - 0.25 * h) if activation == "sigmoid4" else 1.0


def bends(activation: Activation) -> bool:
    """Whether φ″ is not 0 everywhere."""
    return activation not in ("relu", "linear")


def turn(h: Array, activation: Activation) -> Array | float:
    """φ″/φ′ from h = φ(z), finite where φ saturates; the number 0 for ReLU and linear."""
    if activation == "tanh":
        return -2 * h
    if activation == "sigmoid":
        return 1 - 2 * h
    return 1 - 0.5 * h if activation == "sigmoid4" else 0.0


def curvature(h: Array, activation: Activation) -> Array | float:
    """φ″(z) from h = φ(z); the number 0 for ReLU and linear."""
    return slope(h, activation) * turn(h, activation) if bends(activation) else 0.0
