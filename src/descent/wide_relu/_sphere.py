"""Neurons [⟨v, x⟩ − c]₊ with v on the unit sphere of ℝ^d: draws, quadrature, and the kernel r³.

v uniform on the sphere, c ~ U(−a, a):   E [s − c]₊[t − c]₊ = |s − t|³/(24a) + what the free linear part takes
E |⟨v, z⟩|³ = m r³,   r = ‖z‖,   m = Γ(d/2)/(√π Γ((d + 3)/2)):   K = m r³/(24a)
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import gamma


class Directed(NamedTuple):
    """Directions (n, d) and breakpoints, with probabilities if they are a quadrature."""

    v: np.ndarray
    c: np.ndarray
    weight: np.ndarray


def draw(rng: np.random.Generator, n: int, d: int, a: float) -> Directed:
    v = rng.standard_normal((n, d))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    return Directed(v, rng.uniform(-a, a, n), np.full(n, 1 / n))


def quadrature(d: int, a: float, angles: int, places: int) -> Directed:
    """Evenly spaced angles, Gauss points of their cosines for d = 3, and Gauss points of the breakpoints."""
    c, weight = np.polynomial.legendre.leggauss(places)
    phi = 2 * np.pi * (np.arange(angles) + 0.5) / angles
    if d == 1:
        v, share = np.array([[1.0], [-1.0]]), np.full(2, 0.5)
    elif d == 2:
        v, share = np.column_stack([np.cos(phi), np.sin(phi)]), np.full(angles, 1 / angles)
    else:
        z, w = np.polynomial.legendre.leggauss(angles // 2)
        z, phi = (one.ravel() for one in np.meshgrid(z, phi, indexing="ij"))
        r = np.sqrt(1 - z**2)
        v = np.column_stack([r * np.cos(phi), r * np.sin(phi), z])
        share = np.repeat(w / 2, angles) / angles
    return Directed(
        np.repeat(v, places, axis=0),
        np.tile(a * c, len(v)),
        np.outer(share, weight / 2).ravel(),
    )


def features(x: Float[np.ndarray, "m d"], neurons: Directed) -> Float[np.ndarray, "m n"]:
    return np.maximum(x @ neurons.v.T - neurons.c, 0)


def affine(x: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m p"]:
    return np.column_stack([np.ones(len(x)), x])


def cubic_kernel(
    x: Float[np.ndarray, "m d"], y: Float[np.ndarray, "M d"], a: float
) -> Float[np.ndarray, "m M"]:
    d = x.shape[1]
    m = gamma(d / 2) / (np.sqrt(np.pi) * gamma((d + 3) / 2))
    return m * np.linalg.norm(x[:, None] - y, axis=2) ** 3 / (24 * a)
