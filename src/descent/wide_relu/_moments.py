"""Means of ζ, ζ itself from the densities of w and b, and the size of a wide network's error."""

import numpy as np
from jaxtyping import Float
from scipy.integrate import quad

from descent.wide_relu._data import Points
from descent.wide_relu._initial import Initial
from descent.wide_relu._spline import Zeta, interpolate, nodes, panels

FINE = 8  # panels between two neighbouring kinks


def averages(initial: Initial, edges: Float[np.ndarray, " e"], power: int) -> np.ndarray:
    """Means of ζ_k over bins between neighbours in `edges`, in closed form but for Gauss points."""
    zeta = initial.zeta(power)
    c, weight = nodes(panels(edges[0], edges[-1], edges, zeta.edges))
    mass = (weight * zeta.value(c)).sum(1)
    place = np.searchsorted(edges, c[:, 0], "right") - 1
    return np.bincount(place, mass, len(edges) - 1) / np.diff(edges)


def integral(initial: Initial, x: float | np.floating) -> float:
    """∫ |w|³ p(w, −wx) dw by quadrature of the densities of w and b."""
    law, s, beta = initial.law, initial.weight, initial.bias
    if law == "binary_uniform":
        return s**3 / (2 * beta) * float(abs(s * x) <= beta)
    if law == "uniform":
        end = min(s, beta / abs(x)) if x else s
        return 2 * quad(lambda w: w**3 / (4 * s * beta), 0, end)[0]
    decay = 1 / s**2 + (x / beta) ** 2
    return (
        2
        * quad(
            lambda w: w**3 * np.exp(-decay * w**2 / 2) / (2 * np.pi * s * beta), 0, 12 / decay**0.5
        )[0]
    )


def constant(data: Points, zeta: Zeta, fourth: Zeta, at: Float[np.ndarray, " p"]) -> float:
    """√n times the root mean square of f_n − g* over seeds and the points `at`, to first order; fourth = p_C E[w⁴ | c]."""
    x, y = data
    g, cardinal = interpolate(x, y, zeta), interpolate(x, np.eye(len(x)), zeta)(at)
    ends = panels(x[0], x[-1], x, zeta.edges)
    shares = np.arange(FINE) / FINE
    ends = np.r_[(ends[:-1, None] + np.diff(ends)[:, None] * shares).ravel(), ends[-1]]
    c, weight = (one.ravel() for one in nodes(ends))
    q = g.second(c) / np.where(zeta.value(c) > 0, zeta.value(c), 1)
    left = np.maximum(at[:, None] - c, 0) - cardinal @ np.maximum(x[:, None] - c, 0)
    return float(np.sqrt((left**2 @ (weight * fourth.value(c) * q**2)).mean()))
