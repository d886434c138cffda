"""How far a network of n neurons is from its limit, to first order in 1/√n.

    f − g* = (1/n) Σ_i φ̃_i(x) (φ_i(X)·l) + O(1/n),   K l + P β = y,  Pᵀl = 0
    φ̃_i = φ_i − the limit's interpolation of its values at the points

f depends on the kernel of the network, which is the mean of n independent terms; g* is f at its expectation, and its
derivative at a change δK is δk(x)l − s(x)δK l, s(x) the weights with which the limit interpolates.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.wide_relu._saddle import Saddle


class Limit(NamedTuple):
    """g* at the points `at`, the weights s (p, M) with which it interpolates, and l."""

    value: np.ndarray
    interpolation: np.ndarray
    dual: np.ndarray


def limit(
    K: Float[np.ndarray, "M M"],
    at: Float[np.ndarray, "p M"],
    P: Float[np.ndarray, "M d"],
    P_at: Float[np.ndarray, "p d"],
    y: Float[np.ndarray, " M"],
) -> Limit:
    """By the saddle system of the kernel."""
    system = Saddle.of(K, P)
    s = system.solve(at.T, P_at.T)[0].T
    return Limit(s @ y, s, system.solve(y)[0])


def variance(
    found: Limit,
    Phi: Float[np.ndarray, "M c"],
    at: Float[np.ndarray, "p c"],
    probability: Float[np.ndarray, " c"],
) -> float:
    """n E mean_x (f − g*)², by a quadrature over neurons: columns of Φ, and their probabilities."""
    left = at - found.interpolation @ Phi
    return float(probability @ ((left**2).mean(0) * (found.dual @ Phi) ** 2))
