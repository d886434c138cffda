"""Second derivatives of a network's loss: Hessian times a vector, the whole Hessian, its largest eigenvalue.

A dot is the derivative along v = (V₁, v₁, V₂, v₂, …):

    ż_l = W_l ḣ_{l−1} + V_l h_{l−1} + v_l,   ḣ_l = φ′ż_l
    δ̇_l = φ′(W_{l+1}ᵀδ̇_{l+1} + V_{l+1}ᵀδ_{l+1}) + φ″ż_l W_{l+1}ᵀδ_{l+1},   φ″ż_l = (φ″/φ′) ḣ_l
    (Hv)_l = (δ̇_lᵀ h_{l−1} + δ_lᵀ ḣ_{l−1},  Σ_i δ̇_l,i)

For ReLU φ″ = 0: the Hessian is that of the piece that θ lies in.

Source: Pearlmutter, Fast exact multiplication by the Hessian (1994).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.maths import losses
from descent.maths.activations import bends, slope, turn
from descent.maths.losses import Loss, Target
from descent.maths.network import Backward, Inputs, Shape, differentiate, forward

Vectors = Float[np.ndarray, "*V P"]


def _tangents(back: Backward, v: Vectors) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """ż_1 … ż_D, and ḣ_1 … ḣ_{D−1}."""
    _, shape, scale, layers, h, _ = back.passed
    dz, dh = [], []
    for l, ((W, _), (V, vb)) in enumerate(zip(layers, shape.layers(v), strict=True)):
        moved = h[l] @ V.swapaxes(-1, -2)
        if l == 0 and scale is not None:
            moved *= scale[..., None, None]
        if l:
            moved = dh[-1] @ W.swapaxes(-1, -2) + moved
        if vb is not None:
            moved += vb
        dz.append(moved)
        if l < len(h) - 1:
            dh.append(moved * slope(h[l + 1], shape.activation))
    return dz, dh


def hessian_products(back: Backward, v: Vectors) -> Float[np.ndarray, "*W P"]:
    """∇²f(θ)·v row by row; one network takes many v, one v many networks, or R networks R vectors."""
    _, shape, scale, layers, h, _ = back.passed
    (dz, dh), share = _tangents(back, v), 1 / back.fit.shape[-2] if back.each else None
    ddelta = losses.curvature_times(back.loss, back.fit, dz[-1])
    product = np.empty((*ddelta.shape[:-2], shape.parameters), ddelta.dtype)
    along, into = shape.layers(v), shape.layers(product)
    for l in range(len(layers) - 1, -1, -1):
        delta = back.deltas[l] if share is None else back.deltas[l] * share
        np.matmul(ddelta.swapaxes(-1, -2), h[l], out=into[l][0])
        if l:
            into[l][0][...] += delta.swapaxes(-1, -2) @ dh[l - 1]
        elif scale is not None:
            into[l][0][...] *= scale[..., None, None]
        if into[l][1] is not None:
            ddelta.sum(-2, keepdims=True, out=into[l][1])
        if l:
            ddelta = ddelta @ layers[l][0] + delta @ along[l][0]
            ddelta *= slope(h[l], shape.activation)
            if bends(shape.activation):
                ddelta += (delta @ layers[l][0]) * turn(h[l], shape.activation) * dh[l - 1]
    return product


def hessians(
    theta: Float[np.ndarray, "R P"], x: Inputs, target: Target, shape: Shape, loss: Loss
) -> Float[np.ndarray, "R P P"]:
    """∇²f of every network on the same samples; symmetric to rounding."""
    basis = np.eye(theta.shape[1], dtype=theta.dtype)
    passes = (differentiate(forward(one[None], x, shape), target, loss) for one in theta)
    return np.array([hessian_products(back, basis) for back in passes])


class Top(NamedTuple):
    """A Ritz value, never above the largest eigenvalue; its vector; the residual, which an eigenvalue is within."""

    value: float
    vector: Float[np.ndarray, " P"]
    residual: float


def largest_eigenvalue(times: Callable, start: Float[np.ndarray, " P"], products: int) -> Top:
    """Lanczos with full reorthogonalisation: v ↦ times(v) so many times, from `start`.

    From the eigenvector of a step ago few products do: the value errs by the square of the residual.
    All numbers are nan where a product is not finite.
    """
    basis, diagonal, beside = np.empty((products, len(start))), [], []
    basis[0] = start / np.linalg.norm(start)
    for k in range(1, products + 1):
        Q = basis[:k]
        w = times(Q[-1])
        diagonal.append(float(Q[-1] @ w))
        for _ in range(2):  # once is not enough in floating point
            w = w - Q.T @ (Q @ w)
        size = float(np.linalg.norm(w))
        beside.append(size)
        if k == products or not size > 1e-12 * max(abs(d) for d in diagonal):
            break
        basis[k] = w / size
    k = len(diagonal)
    if not np.isfinite(diagonal + beside).all():
        return Top(np.nan, start, np.nan)
    T = np.diag(diagonal) + np.diag(beside[: k - 1], 1) + np.diag(beside[: k - 1], -1)
    values, vectors = np.linalg.eigh(T)
    top = vectors[:, -1]
    return Top(float(values[-1]), basis[:k].T @ top, float(abs(beside[k - 1] * top[-1])))
