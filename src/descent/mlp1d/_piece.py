"""Steps of gradient descent within one linear piece of a ReLU network, and points on its kinks.

Within a piece m is a polynomial of degree D in the step, so D Gauss points give an
integral along it exactly.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from descent.maths.curvature import hessian_products, hessians
from descent.maths.network import Shape, differentiate, forward, losses, value_and_gradient

EPS = float(np.finfo(float).eps)


class Steps(NamedTuple):
    """Of all steps that stay within a piece and are long enough for the change of the loss to be known."""

    change: Float[np.ndarray, " k"]  # (f(θ − ηg) − f(θ))/(η‖g‖²)
    rounding: Float[np.ndarray, " k"]  # of it
    curved: Float[np.ndarray, " k"]  # η/‖g‖² ∫₀¹ (1 − s) gᵀ∇²f(θ − sηg)g ds
    switched: float  # share of the steps that leave their piece


class Kinks(NamedTuple):
    """Of networks at the end of training."""

    share: float  # of those with a kink within h of them along the top eigenvector
    gap: float  # median of |second difference/λ_max − 1| of those


def same_piece(a: np.ndarray, b: np.ndarray, x: np.ndarray, shape: Shape) -> Bool[np.ndarray, " R"]:
    """Whether the same units are on at all points in networks a and b."""
    patterns = ([h > 0 for h in forward(theta, x, shape).inputs[1:]] for theta in (a, b))
    return np.all([(p == q).all((1, 2)) for p, q in zip(*patterns, strict=True)], axis=0)


def steps_within_a_piece(
    theta: Float[np.ndarray, "S R P"],
    lam: Float[np.ndarray, "S R"],
    eta: Float[np.ndarray, " R"],
    x: np.ndarray,
    y: np.ndarray,
    shape: Shape,
) -> Steps:
    """The steps from θ whose ηλ_max is between 0 and 2."""
    nodes, weights = np.polynomial.legendre.leggauss(len(shape.widths) - 1)
    nodes, weights = (nodes + 1) / 2, weights / 2
    change, rounding, curved, switched = [], [], [], []
    for at, l in zip(theta, lam, strict=True):
        below = (l > 0) & (eta * l < 2)
        at, step = at[below], eta[below]
        f, g = value_and_gradient(at, x, y, shape, "square")
        moved = -step[:, None] * g
        first = np.sum(g * g, 1) * step
        same = same_piece(at, at + moved, x, shape)
        second = np.zeros(len(at))
        for s, w in zip(nodes, weights, strict=True):
            here = at + s * moved
            same &= same_piece(at, here, x, shape)
            product = hessian_products(differentiate(forward(here, x, shape), y, "square"), moved)
            second += w * (1 - s) * np.sum(moved * product, 1)
        used = same & (first > 1e-7 * np.sqrt(f))  # else the rounding of residuals, 1e-16, shows
        f, first = f[used], first[used]
        ahead = losses((at + moved)[used], x, y, shape, "square")
        change.append((ahead - f) / first)
        rounding.append(16 * EPS * np.sqrt(f) / first)
        curved.append(second[used] / first)
        switched.append(~same)
    share = np.concatenate(switched)
    parts = (np.concatenate(part) for part in (change, rounding, curved))
    return Steps(*parts, float(share.mean()) if len(share) else 0.0)


def kinks(
    end: Float[np.ndarray, "R P"], h: float, x: np.ndarray, y: np.ndarray, shape: Shape
) -> Kinks:
    """Differences of gradients along the top eigenvector against the Hessian of the piece."""
    if not len(end):
        return Kinks(0.0, 0.0)
    values, vectors = np.linalg.eigh(hessians(end, x, y, shape, "square"))
    values, v = values[:, -1], vectors[:, :, -1]
    ahead, back = (value_and_gradient(end + s * h * v, x, y, shape, "square")[1] for s in (1, -1))
    gap = np.abs(np.sum((ahead - back) * v, 1) / (2 * h) / values - 1)
    on = ~same_piece(end + h * v, end - h * v, x, shape)
    return Kinks(float(on.mean()), float(np.median(gap[on])) if on.any() else 0.0)
