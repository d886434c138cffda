"""Filter normalisation: a direction with the norms of the network it is added to.

Source: arXiv 1712.09913, with the biases as rows of their own.
"""

import numpy as np
from jaxtyping import Float

from descent.maths.network import Shape


def filtered(
    delta: Float[np.ndarray, "R P"], theta: Float[np.ndarray, "1 P"], shape: Shape
) -> Float[np.ndarray, "R P"]:
    """Δ with the norms of θ: every row of weights, and each bias."""
    scaled = delta.copy()
    for (dW, db), (W, b) in zip(shape.layers(scaled), shape.layers(theta), strict=True):
        dW *= np.linalg.norm(W, axis=2, keepdims=True) / np.linalg.norm(dW, axis=2, keepdims=True)
        db *= np.abs(b) / np.abs(db)
    return scaled
