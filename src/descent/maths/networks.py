"""Many small networks at once, each a row of parameters: outputs, loss, gradient, Jacobian, kernel, Hessian times a vector.

    h₀ = x,   z_l = W_l h_{l−1} + b_l,   h_l = φ(z_l)  for l < D,   m(x; θ) = z_D
    loss = (1/N) Σ_i ‖m(x_i; θ) − y_i‖²,   without a ½ and, unlike torch's MSELoss, a sum over outputs

θ: (R, P) holds W₁, b₁, W₂, b₂, … one after another, as torch orders them; x: (N, n) and y: (N, k) are
shared by the R networks; outputs, losses and gradients take (R, N, n) and (R, N, k), points of its own for each, too. float32 in, float32 out. At a kink of ReLU φ′ = 0, as in torch; φ″ = 0 everywhere, so
that the Hessian is that of the piece that θ lies in.

Source: Pearlmutter, Fast exact multiplication by the Hessian (1994), for the product Hv.
"""

import numpy as np
from jaxtyping import Float

from descent.maths.activations import Activation
from descent.maths.network import Shape


def draw(rng: np.random.Generator, shape: Shape, count: int) -> Float[np.ndarray, "R P"]:
    """`count` networks with torch's default: weights and biases U(±1/√fan_in)."""
    theta = rng.uniform(-1, 1, (count, shape.parameters))
    for (W, b), fan_in in zip(shape.layers(theta), shape.widths, strict=False):
        W /= np.sqrt(fan_in)
        b /= np.sqrt(fan_in)
    return theta


def activate(z: np.ndarray, activation: Activation) -> np.ndarray:
    """φ(z)."""
    if activation == "relu":
        return np.maximum(z, 0)
    return np.tanh(z) if activation == "tanh" else 2 * np.tanh(0.5 * z) + 2  # no overflow


def slope(h: np.ndarray, activation: Activation) -> np.ndarray:
    """φ′(z) from h = φ(z); for ReLU true and false."""
    if activation == "relu":
        return h > 0
    return 1 - h * h if activation == "tanh" else h * (1 - 0.25 * h)


def curvature(h: np.ndarray, activation: Activation) -> np.ndarray | float:
    """φ″(z) from h = φ(z)."""
    if activation == "relu":
        return 0.0
    return slope(h, activation) * (-2 * h if activation == "tanh" else 1 - 0.5 * h)


def forward(
    theta: Float[np.ndarray, "R P"], x: Float[np.ndarray, "*batch N n"], shape: Shape
) -> list:
    """h₀ = x, h₁, …, h_{D−1}: (R, N, f_l) and the outputs m: (R, N, k)."""
    h = [x]
    for W, b in shape.layers(theta):
        z = h[-1] @ W.swapaxes(1, 2)
        z += b
        h.append(activate(z, shape.activation) if len(h) < len(shape.widths) - 1 else z)
    return h


def outputs(
    theta: Float[np.ndarray, "R P"], x: Float[np.ndarray, "*batch N n"], shape: Shape
) -> Float[np.ndarray, "R N k"]:
    return forward(theta, x, shape)[-1]


def losses(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "*batch N n"],
    y: Float[np.ndarray, "*batch N k"],
    shape: Shape,
) -> Float[np.ndarray, " R"]:
    r = outputs(theta, x, shape) - y
    return np.sum(r * r, axis=(1, 2)) / x.shape[-2]


def gradients(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "*batch N n"],
    y: Float[np.ndarray, "*batch N k"],
    shape: Shape,
) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, "R P"]]:
    """The losses and their gradients."""
    h = forward(theta, x, shape)
    r = h[-1] - y
    gradient = np.empty_like(theta)
    into, layers = shape.layers(gradient), shape.layers(theta)
    delta = r * (2 / x.shape[-2])  # ∂ loss/∂z_l
    for l in range(len(layers) - 1, -1, -1):
        gW, gb = into[l]
        np.matmul(delta.swapaxes(1, 2), h[l], out=gW)
        delta.sum(1, keepdims=True, out=gb)
        if l:
            delta = delta @ layers[l][0]
            delta *= slope(h[l], shape.activation)
    return np.sum(r * r, axis=(1, 2)) / x.shape[-2], gradient


def deltas(theta: Float[np.ndarray, "R P"], h: list, shape: Shape) -> list:
    """δ_l = ∂m/∂z_l: (R, N, f_l) for l = 1 … D, of networks with one output and the h of `forward`."""
    layers, back = shape.layers(theta), [np.ones_like(h[-1])]
    for l in range(len(layers) - 1, 0, -1):
        back.append((back[-1] @ layers[l][0]) * slope(h[l], shape.activation))
    return back[::-1]


def jacobians(
    theta: Float[np.ndarray, "R P"], x: Float[np.ndarray, "N n"], shape: Shape
) -> Float[np.ndarray, "R N P"]:
    """∂m(x_i)/∂θ of networks with one output: δ_l h_{l−1}ᵀ for W_l, δ_l for b_l."""
    h = forward(theta, x, shape)
    R, N = len(theta), len(x)
    J, end = np.empty((R, N, theta.shape[1]), theta.dtype), 0
    for delta, below in zip(deltas(theta, h, shape), h, strict=False):
        out, fan_in = delta.shape[-1], below.shape[-1]
        start, middle, end = end, end + out * fan_in, end + out * (fan_in + 1)
        products = delta[..., None] * below[..., None, :]  # (R, N, out, in)
        J[:, :, start:middle] = products.reshape(R, N, -1)
        J[:, :, middle:end] = delta
    return J


def kernels(
    theta: Float[np.ndarray, "R P"], x: Float[np.ndarray, "N n"], shape: Shape
) -> Float[np.ndarray, "R N N"]:
    """The neural tangent kernel JJᵀ of networks with one output, without J.

    K = Σ_l (δ_l δ_lᵀ) ∘ (h_{l−1} h_{l−1}ᵀ + 1)
    """
    h = forward(theta, x, shape)
    K = np.zeros((len(theta), len(x), len(x)), theta.dtype)
    for delta, below in zip(deltas(theta, h, shape), h, strict=False):
        K += (delta @ delta.swapaxes(1, 2)) * (below @ below.swapaxes(-1, -2) + 1)
    return K


def hessian_products(
    theta: Float[np.ndarray, "R P"],
    v: Float[np.ndarray, "V P"],
    x: Float[np.ndarray, "N n"],
    y: Float[np.ndarray, "N k"],
    shape: Shape,
) -> Float[np.ndarray, "_ P"]:
    """∇²loss(θ)·v row by row; one network takes many v, and one v many networks.

    A dot is the derivative along v:  ż_l = W_l ḣ_{l−1} + V_l h_{l−1} + v_l,  ḣ_l = φ′ż_l;  backwards
    δ_l = φ′ W_{l+1}ᵀδ_{l+1},  δ̇_l = φ′(W_{l+1}ᵀδ̇_{l+1} + V_{l+1}ᵀδ_{l+1}) + φ″ż_l W_{l+1}ᵀδ_{l+1}.
    """
    h, phi = forward(theta, x, shape), shape.activation
    layers, tangents = shape.layers(theta), shape.layers(v)
    dz, dh = [], [np.zeros_like(x)]
    for l, ((W, _), (V, vb)) in enumerate(zip(layers, tangents, strict=True)):
        dz.append(dh[-1] @ W.swapaxes(1, 2) + h[l] @ V.swapaxes(1, 2) + vb)
        dh.append(dz[-1] * slope(h[l + 1], phi) if l < len(layers) - 1 else dz[-1])
    product = np.empty((max(len(theta), len(v)), v.shape[1]), v.dtype)
    into = shape.layers(product)
    delta, ddelta = (h[-1] - y) * (2 / len(x)), dz[-1] * (2 / len(x))
    for l in range(len(layers) - 1, -1, -1):
        into[l][0][:] = ddelta.swapaxes(1, 2) @ h[l] + delta.swapaxes(1, 2) @ dh[l]
        into[l][1][:] = ddelta.sum(1, keepdims=True)
        if l:
            back, steep = delta @ layers[l][0], slope(h[l], phi)
            ddelta = (ddelta @ layers[l][0] + delta @ tangents[l][0]) * steep
            ddelta += back * curvature(h[l], phi) * dz[l - 1]
            delta = back * steep
    return product


def hessians(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "N n"],
    y: Float[np.ndarray, "N k"],
    shape: Shape,
) -> Float[np.ndarray, "R P P"]:
    """∇²loss of every network; symmetric to rounding."""
    basis = np.eye(theta.shape[1], dtype=theta.dtype)
    return np.array([hessian_products(one[None], basis, x, y, shape) for one in theta])
