"""Linear networks: the predictor β(θ) that their layers multiply to, and the gradient of cᵀβ(θ).

    full       β = (W_L ⋯ W₁)ᵀ,   W₁: (h, d), W_l: (h, h), W_L: (1, h)
    diagonal   β = w₁ ∘ ⋯ ∘ w_L,   w_l: (d,)
    circular   Fβ = Fw₁ ∘ ⋯ ∘ Fw_L,   F the unitary discrete Fourier transform: layers of circular convolutions
               as wide as the input

All take θ with any leading dimensions, so that a Jacobian is one call.

Source: arXiv 1806.00468, section 2 (with convolutions up to factors √d and complex conjugates).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Array = np.ndarray


class Network(NamedTuple):
    size: int  # weights in all
    predictor: Callable[[Array], Array]  # θ: (*batch, size) → β: (*batch, d)
    gradient: Callable[[Array, Array], Array]  # θ, c: (*batch, d) → ∇_θ cᵀβ: (*batch, size)
    layers: Callable[[Array], list[Array]]


def full(d: int, h: int, depth: int) -> Network:
    shapes = [(h, d), *[(h, h)] * (depth - 2), (1, h)] if depth > 1 else [(1, d)]
    cuts = np.cumsum([0] + [a * b for a, b in shapes])

    def layers(theta):
        parts = (theta[..., a:b] for a, b in pairwise(cuts))
        return [
            part.reshape(*theta.shape[:-1], *shape)
            for part, shape in zip(parts, shapes, strict=True)
        ]

    def heads(W):
        """W_L ⋯ W_{l+1} for every l, from the last to the first; then β."""
        rows = [np.ones((*W[-1].shape[:-2], 1, 1))]
        for w in W[::-1]:
            rows.append(rows[-1] @ w)
        return rows

    def gradient(theta, c):
        W = layers(theta)
        above, below, parts = heads(W), c[..., :, None], []
        for w, head in zip(W, above[-2::-1], strict=True):
            part = head.swapaxes(-1, -2) * below.swapaxes(-1, -2)
            parts.append(part.reshape(*theta.shape[:-1], -1))
            below = w @ below
        return np.concatenate(parts, -1)

    return Network(
        int(cuts[-1]), lambda theta: heads(layers(theta))[-1][..., 0, :], gradient, layers
    )


def _others(W: Array) -> Array:
    """For every layer the product of all the others. W: (*batch, L, d)."""
    before, after = np.ones_like(W), np.ones_like(W)
    for k in range(1, W.shape[-2]):
        before[..., k, :] = before[..., k - 1, :] * W[..., k - 1, :]
        after[..., -k - 1, :] = after[..., -k, :] * W[..., -k, :]
    return before * after


def diagonal(d: int, depth: int) -> Network:
    def rows(theta):
        return theta.reshape(*theta.shape[:-1], depth, d)

    def gradient(theta, c):
        return (_others(rows(theta)) * c[..., None, :]).reshape(theta.shape)

    return Network(
        d * depth,
        lambda theta: rows(theta).prod(-2),
        gradient,
        lambda theta: list(np.moveaxis(rows(theta), -2, 0)),
    )


def circular(d: int, depth: int) -> Network:
    F = transform(d)
    back = copies(d)[:, None] * F.conj()  # of a half spectrum: x = Re Σ_k back_k (Fx)_k

    def spectra(theta):
        return theta.reshape(*theta.shape[:-1], depth, d) @ F.T

    def gradient(theta, c):
        others = _others(spectra(theta)).conj() * (c @ F.T)[..., None, :]
        return (others @ back).real.reshape(theta.shape)

    return Network(
        d * depth,
        lambda theta: (spectra(theta).prod(-2) @ back).real,
        gradient,
        lambda theta: list(np.moveaxis(theta.reshape(*theta.shape[:-1], depth, d), -2, 0)),
    )


def transform(d: int) -> np.ndarray:
    """F of the frequencies 0 … d/2; the rest are their conjugates. Shape (⌊d/2⌋ + 1, d)."""
    k = np.arange(d // 2 + 1)
    return np.exp(-2j * np.pi * np.outer(k, np.arange(d)) / d) / np.sqrt(d)


def copies(d: int) -> Float[Array, " G"]:
    """How often each of these frequencies stands in the whole spectrum: once or twice."""
    k = np.arange(d // 2 + 1)
    return np.where((k == 0) | (2 * k == d), 1.0, 2.0)
