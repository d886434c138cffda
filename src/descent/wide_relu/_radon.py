"""Which neurons a given function is a superposition of: the Radon transform of a power of its Laplacian.

    α = −R{(−Δ)^((d+1)/2) f}/(2(2π)^(d−1)),   f(x) = ∫∫ α(v, c) [⟨v, x⟩ − c]₊ dc dv + affine,   v over the unit sphere

For f = exp(−‖x‖²/2) the transform is (2π)^((d−1)/2) exp(−c²/2) in every direction, and −Δ acts on it as −d²/dc²:

    (−d²/dc²)^((d+1)/2) exp(−c²/2) = (2/π)^½ ∫₀^∞ ω^(d+1) exp(−ω²/2) cos(ωc) dω = (2/π)^½ 2^(d/2) Γ(d/2 + 1) ₁F₁(d/2 + 1; ½; −c²/2)

Breakpoints beyond the points add an affine function only, and for an even f a constant.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import gamma, hyp1f1

from descent.wide_relu import _sphere

ANGLES, PLACES = 64, 256  # of the quadrature: to 6e-5 up to d = 3, by halving both


def density(c: Float[np.ndarray, " n"], d: int) -> Float[np.ndarray, " n"]:
    """α of exp(−‖x‖²/2), which is the same in all directions."""
    half = d / 2 + 1
    filtered = np.sqrt(2 / np.pi) * 2 ** (d / 2) * gamma(half) * hyp1f1(half, 0.5, -(c**2) / 2)
    return -((2 * np.pi) ** ((d - 1) / 2)) * filtered / (2 * (2 * np.pi) ** (d - 1))


def superposition(x: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
    """∫∫ α [⟨v, x⟩ − c]₊ dc dv less its value at 0, with breakpoints up to the furthest x."""
    d, far = x.shape[1], np.linalg.norm(x, axis=1).max()
    neurons = _sphere.quadrature(d, far, ANGLES, PLACES)
    area = 2 * np.pi ** (d / 2) / gamma(d / 2)  # of the sphere
    outer = neurons.weight * area * 2 * far * density(neurons.c, d)
    both = _sphere.features(np.vstack([x, np.zeros(d)]), neurons) @ outer
    return both[:-1] - both[-1]
