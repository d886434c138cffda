"""What a network is to first order in its parameters: the Jacobian of an output and the neural tangent kernel.

    ∂m/∂W_l = δ_l h_{l−1}ᵀ,   ∂m/∂b_l = δ_l,   δ_l = ∂m/∂z_l
    K = JJᵀ = Σ_l (δ_l δ_lᵀ) ∘ (h_{l−1} h_{l−1}ᵀ + 1),   without the 1 where there are no biases

Source: arXiv 1806.07572 (the kernel).
"""

import numpy as np
from jaxtyping import Float

from descent.maths.network import Pass, backward


def output_deltas(passed: Pass, output: int = 0) -> list[np.ndarray]:
    """δ_l = ∂m_output/∂z_l for l = 1 … D."""
    seed = np.zeros_like(passed.outputs)
    seed[..., output] = 1
    return backward(passed, seed)


def jacobian(passed: Pass, output: int = 0) -> Float[np.ndarray, "*R N P"]:
    """∂m_output(x_i)/∂θ."""
    shape, scale, z = passed.shape, passed.scale, passed.outputs
    J = np.empty((*z.shape[:-1], shape.parameters), z.dtype)
    arrays = zip(shape.layers(J), output_deltas(passed, output), passed.inputs, strict=True)
    for l, ((JW, Jb), delta, below) in enumerate(arrays):
        np.multiply(delta[..., None], below[..., None, :], out=JW)
        if l == 0 and scale is not None:
            JW *= scale[..., None, None, None]
        if Jb is not None:
            Jb[..., 0, :] = delta
    return J


def kernel(passed: Pass, output: int = 0) -> Float[np.ndarray, "*R N N"]:
    """The neural tangent kernel of one output, without J."""
    K = 0.0
    for l, (delta, h) in enumerate(zip(output_deltas(passed, output), passed.inputs, strict=True)):
        below = h @ h.swapaxes(-1, -2)
        if l == 0 and passed.scale is not None:
            below = below * passed.scale[..., None, None] ** 2
        K = K + (delta @ delta.swapaxes(-1, -2)) * (below + passed.shape.biases)
    return K
