"""Four rules that make a step of a gradient g, coordinate by coordinate, from memories m and v that start at 0.

    sgd:      θ ← θ − ηg
    momentum: m ← μm − ηg,                           θ ← θ + m
    rmsprop:  v ← ρv + (1 − ρ)g²,                    θ ← θ − ηg/(√v + ε)
    adam:     m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,
              θ ← θ − η (m/(1 − β₁ᵗ))/(√(v/(1 − β₂ᵗ)) + ε),   t = 1 at the first step

μ here is multiplied into a step that has η in it; ε stands outside the root, and only Adam corrects its
memories for having started at 0. So the first step of RMSProp is η/√(1 − ρ), of Adam η, whatever g, and
neither rule sees a factor on every gradient, while both others step in proportion to it.

Source: CS182 homework 2, question 5 (its notebook's optimizers); arXiv 1412.6980 (Adam).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

NAMES = ("sgd", "momentum", "rmsprop", "adam")

Array = Float[np.ndarray, "..."]


class Settings(NamedTuple):
    rates: dict[str, float]  # η of each rule
    momentum: float  # μ
    decay: float  # ρ
    beta1: float
    beta2: float
    epsilon: float


def step(
    name: str, m: Array, v: Array, g: Array, t: int, settings: Settings
) -> tuple[Array, Array, Array]:
    """The change of θ at step t = 1, 2, …, and the memories after it."""
    _, mu, rho, b1, b2, epsilon = settings
    eta = settings.rates[name]
    if name == "sgd":
        return -eta * g, m, v
    if name == "momentum":
        m = mu * m - eta * g
        return m, m, v
    if name == "rmsprop":
        v = rho * v + (1 - rho) * g * g
        return -eta * g / (np.sqrt(v) + epsilon), m, v
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g * g
    root = np.sqrt(v / (1 - b2**t)) + epsilon
    return -eta * (m / (1 - b1**t)) / root, m, v


def first_step(name: str, g: Array, settings: Settings) -> Array:
    """The size of the first change, in closed form."""
    g, eta, epsilon = np.abs(g), settings.rates[name], settings.epsilon
    if name in ("sgd", "momentum"):
        return eta * g
    root = np.sqrt(1 - settings.decay) if name == "rmsprop" else 1.0
    return eta * g / (root * g + epsilon)


def response(
    name: str, factor: float, gradients: Float[np.ndarray, "T n"], settings: Settings
) -> float:
    """How many times as far θ moves over T steps if every gradient is `factor` times as large."""
    lengths = []
    for c in (1.0, factor):
        theta, m, v = np.zeros((3, gradients.shape[1]))
        for t, g in enumerate(gradients):
            change, m, v = step(name, m, v, c * g, t + 1, settings)
            theta = theta + change
        lengths.append(np.linalg.norm(theta))
    return float(lengths[1] / lengths[0])
