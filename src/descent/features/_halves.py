"""A ReLU network on the line without biases is two half-lines: what it does at x = 1 and x = −1 is all of it.

    h_l(x) = |x| h_l(s),   δ_l(x) = δ_l(s),   s = sign x,   m(x) = |x| m(s)
    ∂m/∂W_l = |x| δ_l(s) h_{l−1}(s)ᵀ,   ∂m/∂b_l = δ_l(s)
    J = AB,   A = [x₊, x₋, 1_{x>0}, 1_{x<0}]: (N, 4),   B = [∂m(1)/∂W; ∂m(−1)/∂W; ∂m(1)/∂b; ∂m(−1)/∂b]: (4, P)
    so rank J ≤ 4 at any width and depth, and the singular values are those of the 4 rows R_A B, A = Q R_A
    ∇_{W_l} f = c₊ δ_l(1) h_{l−1}(1)ᵀ + c₋ δ_l(−1) h_{l−1}(−1)ᵀ,   c_± = (2/N) Σ_{±x_i>0} (|x_i| m(±1) − y_i)|x_i|

Source: CS182 homework 2, question 6, whose starts have zero biases; ReLU is homogeneous.
"""

import numpy as np
from jaxtyping import Float

from descent.maths.network import Shape, forward
from descent.maths.tangent import jacobian, output_deltas

ENDS = np.array([[1.0], [-1.0]])


def split(x: Float[np.ndarray, "N 1"]) -> Float[np.ndarray, "N 4"]:
    """A."""
    positive = x > 0
    return np.hstack([np.maximum(x, 0), np.maximum(-x, 0), positive, ~positive])


def moments(
    x: Float[np.ndarray, "N 1"], y: Float[np.ndarray, "N 1"]
) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
    """a_± = −(2/N) Σ_± y|x| and b_± = (2/N) Σ_± x², so that c_± = a_± + b_± m(±1)."""
    sides = np.hstack([np.maximum(x, 0), np.maximum(-x, 0)])
    return -2 * np.mean(sides * y, axis=0), 2 * np.mean(sides**2, axis=0)


def _rows(theta: Float[np.ndarray, "R P"], shape: Shape) -> Float[np.ndarray, "R 4 P"]:
    """B."""
    weight = np.ones_like(theta[:1])
    for _, b in shape.layers(weight):
        b[:] = 0
    ends = jacobian(forward(theta, ENDS, shape))  # (R, 2, P)
    return np.concatenate([ends * weight, ends * (1 - weight)], axis=1)


def singular_values(
    theta: Float[np.ndarray, "R P"], x: Float[np.ndarray, "N 1"], shape: Shape
) -> Float[np.ndarray, "R 4"]:
    """Of J at the points x, largest first, from two points."""
    return np.linalg.svd(np.linalg.qr(split(x)).R @ _rows(theta, shape), compute_uv=False)


def features(
    theta: Float[np.ndarray, "1 P"], x: Float[np.ndarray, "N 1"], shape: Shape
) -> Float[np.ndarray, "4 N"]:
    """The four columns of UΣ, from two points; each of either sign."""
    Q, R = np.linalg.qr(split(x))
    U, sigma, _ = np.linalg.svd(R @ _rows(theta, shape)[0], full_matrices=False)
    return (Q @ U * sigma).T


def gradient_norms(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "N 1"],
    y: Float[np.ndarray, "N 1"],
    shape: Shape,
) -> Float[np.ndarray, "R D"]:
    """‖∇_{W_l} f‖, f the mean square over all points, from two points.

    ‖∇‖² = Σ_{s,s′} c_s c_{s′} ⟨δ_l(s), δ_l(s′)⟩ ⟨h_{l−1}(s), h_{l−1}(s′)⟩.
    """
    passed = forward(theta, ENDS, shape)
    a, b = moments(x, y)
    c = (a + b * passed.outputs[..., 0])[:, :, None]  # (R, 2, 1)
    squares = []
    for delta, below in zip(output_deltas(passed), passed.inputs, strict=True):
        gram = (delta @ delta.swapaxes(1, 2)) * (below @ below.swapaxes(-1, -2))
        squares.append((c.swapaxes(1, 2) @ gram @ c)[:, 0, 0])
    return np.sqrt(np.maximum(np.stack(squares, axis=1), 0))
