"""Points to fit, and what infinitely many neurons make of them by their kernel: a second way to the same functions.

K(x, y) = ∫ ζ_k(c) [x − c]₊ᵏ[y − c]₊ᵏ/k!² dc over the points' range: the kernel once polynomials are free
g = Σ_j l_j K(·, x_j) + P β,    Kl + Pβ = y,  Pᵀl = 0
K₀(x, y) = ½ ∫ ζ_k(c) ([x − c]₊ᵏ[y − c]₊ᵏ + [c − x]₊ᵏ[c − y]₊ᵏ)/k!² dc over all c: E φ(wx + b)φ(wy + b)
g₀ = K₀(·, X) K₀⁻¹ y: without a free part
"""

from math import factorial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.wide_relu._initial import Initial
from descent.wide_relu._network import polynomials
from descent.wide_relu._saddle import Saddle
from descent.wide_relu._spline import Zeta, nodes, panels

MOST = 200  # points that a Config lists


class Points(NamedTuple):
    x: np.ndarray
    y: np.ndarray


def points(config) -> Points:
    """Of the fields `points` and `values` of a Config."""
    return Points(np.array(config.points, float), np.array(config.values, float))


def require_points(config, least: int = 3) -> None:
    """Refuse points that are not increasing, too few of them, or a value too many.

    Raises:
        ValueError: naming the field and the rule.
    """
    x, y = config.points, config.values
    if len(x) != len(y):
        raise ValueError(f"values: {len(y)} for {len(x)} points")
    if len(x) < least:
        raise ValueError(f"points: {len(x)} < {least}, and a straight line fits two")
    gaps = np.diff(x)
    if not (gaps > 0).all():
        raise ValueError(f"points {list(x)} must increase, each by more than nothing")
    if gaps.min() < 1e-6 * (x[-1] - x[0]):
        raise ValueError(f"points: a gap of {gaps.min():.2g} is too little of {x[-1] - x[0]:.3g}")


def require_bent(config) -> None:
    """Refuse values on a straight line, where every curvature is 0 and nothing is to be told.

    Raises:
        ValueError: naming the field.
    """
    x, y = points(config)
    P = polynomials(x)
    rest = y - P @ np.linalg.lstsq(P, y)[0]
    if np.abs(rest).max() <= 1e-9 * np.abs(y).max():
        raise ValueError("values: they lie on a straight line, which every network fits alike")


def kernel(
    x: Float[np.ndarray, " p"], y: Float[np.ndarray, " M"], zeta: Zeta, power: int = 1
) -> Float[np.ndarray, "p M"]:
    """K between any x and the points y, over the range of y."""
    low, high = y.min(), y.max()
    c, weight = (one.ravel() for one in nodes(panels(low, high, x, y, zeta.edges)))
    left, right = (np.maximum(one[:, None] - c, 0) ** power for one in (x, y))
    return (left * (weight * zeta.value(c))) @ right.T / factorial(power) ** 2


def whole_kernel(
    x: Float[np.ndarray, " p"], y: Float[np.ndarray, " M"], initial: Initial, power: int = 1
) -> Float[np.ndarray, "p M"]:
    """K₀ between any x and the points y, over all breakpoints."""
    zeta = initial.zeta(power)
    most = max(np.abs(x).max(), np.abs(y).max())
    far = max(np.abs(zeta.edges).max(), most)
    out = most * 2.0 ** np.arange(60) if np.isinf(initial.support[1]) else np.zeros(0)
    far = max(far, out.max(initial=0))
    c, weight = (one.ravel() for one in nodes(panels(-far, far, x, y, zeta.edges, out, -out)))
    bend, K = weight * zeta.value(c) / 2, np.zeros((len(x), len(y)))
    for sign in (1, -1):
        left, right = (np.maximum(sign * (one[:, None] - c), 0) ** power for one in (x, y))
        K += (left * bend) @ right.T
    return K / factorial(power) ** 2


class Representer(NamedTuple):
    """Σ_j l_j K(·, x_j) + Pβ."""

    x: np.ndarray
    weights: np.ndarray  # l
    beta: np.ndarray
    zeta: Zeta
    power: int
    condition: float  # of the saddle system

    def __call__(self, at: np.ndarray) -> np.ndarray:
        K = kernel(at, self.x, self.zeta, self.power)
        return K @ self.weights + polynomials(at, self.power, self.x) @ self.beta


def represent(data: Points, zeta: Zeta, power: int = 1, lam: float | int = 0) -> Representer:
    """g* from the saddle system of its kernel; with λ > 0 the smoothing spline."""
    x, y = data
    K, P = kernel(x, x, zeta, power), polynomials(x, power)
    system = Saddle.of(K + lam * np.eye(len(x)), P)
    weights, beta = system.solve(y)
    return Representer(x, weights, beta, zeta, power, float(np.linalg.cond(system.matrix)))


def without_line(
    data: Points, initial: Initial, at: Float[np.ndarray, " p"], power: int = 1
) -> np.ndarray:
    """g₀, the limit of networks without a free part."""
    K = whole_kernel(data.x, data.x, initial, power)
    return whole_kernel(at, data.x, initial, power) @ np.linalg.solve(K, data.y)
