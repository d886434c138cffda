"""Smooth functions on [0, 1] with their derivatives, and how a natural cubic spline errs on evenly spaced points.

    h = 1/N,  t the place in a cell of length h, from 0 to 1
    g* − g₀ = −h⁴ g₀⁗ t²(1 − t)²/24 + both ends' modes + O(h⁵)
    left end:  δ₁ = −g₀″(0) + h²g₀⁗(0)/12,  δ_{j+1} = ρδ_j,  ρ = √3 − 2:  second derivatives at the points, and in a cell
               h²/6 (δ_j ((1 − t)³ − (1 − t)) + δ_{j+1}(t³ − t)),   largest 0.049092 h² |δ₁|;  the right end alike

The spline's second derivatives m solve m_{j−1} + 4m_j + m_{j+1} = 6 second differences of g₀, with m = 0 at the
ends. In the interior m = g₀″ − h²g₀⁗/12 + O(h⁴); what that has at an end decays by ρ a cell.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

Target = Literal["sine", "quartic", "square", "exponential", "cosine"]
RHO = np.sqrt(3) - 2


class Derivatives(NamedTuple):
    """g₀ and its derivatives of order 2 and 4, and the largest of orders 5 and 6."""

    value: np.ndarray
    second: np.ndarray
    fourth: np.ndarray
    fifth: float
    sixth: float


def target(name: Target, x: Float[np.ndarray, " p"]) -> Derivatives:
    zero, e = np.zeros_like(x), float(np.e)
    if name == "sine":
        s = np.sin(np.pi * x)
        return Derivatives(s, -(np.pi**2) * s, np.pi**4 * s, np.pi**5, np.pi**6)
    if name == "quartic":
        return Derivatives(x**4 - 2 * x**3 + x, 12 * x**2 - 12 * x, zero + 24, 0.0, 0.0)
    if name == "square":
        return Derivatives(x**2, zero + 2, zero, 0.0, 0.0)
    if name == "exponential":
        return Derivatives(np.exp(x), np.exp(x), np.exp(x), e, e)
    c = np.cos(3 * x)
    return Derivatives(c, -9 * c, 81 * c, 243.0, 729.0)


def is_flat(name: Target) -> bool:
    """Whether g₀″ vanishes at both ends."""
    return name in ("sine", "quartic")


def leading_error(name: Target, N: int, parts: int) -> Float[np.ndarray, " p"]:
    """g* − g₀ at i/(N parts), i = 0 … N parts, up to O(h⁵)."""
    h, i = 1 / N, np.arange(N * parts + 1)
    x, cell = i / (N * parts), np.minimum(i // parts, N - 1)
    t = i / parts - cell
    _, second, fourth, *_ = target(name, x)
    error = -(h**4) * fourth * t**2 * (1 - t) ** 2 / 24
    for end, j, s in ((0, cell, t), (-1, N - 1 - cell, 1 - t)):
        first = -second[end] + h**2 * fourth[end] / 12
        left, right = first * RHO**j, first * RHO ** (j + 1)
        error += h**2 / 6 * (left * ((1 - s) ** 3 - (1 - s)) + right * (s**3 - s))
    return error


def neglected(name: Target, N: int) -> float:
    """More than what `leading_error` leaves out: h⁵ max |g₀⁽⁵⁾|/1000 + h⁶ max |g₀⁽⁶⁾|/400, and the ends' on each other.

    The odd part of a cell has 0.00085 h⁵; second derivatives at the points are off by h⁴ max |g₀⁽⁶⁾|/120.
    """
    found = target(name, np.array([0.0, 1.0]))
    ends = np.abs(found.second).max() + np.abs(found.fourth).max() / N**2
    far = ends * np.abs(RHO) ** (N - 1) / N**2
    return found.fifth / N**5 / 1000 + found.sixth / N**6 / 400 + far
