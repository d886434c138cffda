"""Averages of an activation over Gaussian pre-activations, which is all that mean field needs of a wide layer."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

LARGEST = 1e4  # variance of z up to which the integrals are cheap


def activate(z: Float[np.ndarray, "*shape"], activation: str) -> tuple[np.ndarray, np.ndarray]:
    """φ(z) and φ′(z)."""
    if activation == "relu":
        return np.maximum(z, 0), (z > 0).astype(float)
    if activation == "tanh":
        h = np.tanh(z)
        return h, 1 - h * h
    h = 0.5 * np.tanh(0.5 * z) + 0.5  # the sigmoid, without overflow
    return h, h * (1 - h)


class Moments(NamedTuple):
    """Of z ~ N(0, q)."""

    value: Float[np.ndarray, " b"]  # E φ²
    slope: Float[np.ndarray, " b"]  # E φ′²
    slope4: Float[np.ndarray, " b"]  # E φ′⁴


def moments(q: Float[np.ndarray, " b"], activation: str) -> Moments:
    """Exact for ReLU; else by the trapezoidal rule, which errs by e^(−2π·distance/spacing).

    The distance of the poles of φ from the real line is π/2 or more, the spacing at most 1/4.
    """
    if activation == "relu":
        return Moments(q / 2, np.full_like(q, 0.5), np.full_like(q, 0.5))
    half = int(np.ceil(40 * max(1.0, np.sqrt(q.max()))))
    g = np.linspace(-10, 10, 2 * half + 1)
    weight = np.exp(-g * g / 2) / np.exp(-g * g / 2).sum()
    value, slope = activate(np.sqrt(q)[:, None] * g, activation)
    return Moments(value**2 @ weight, slope**2 @ weight, slope**4 @ weight)
