"""Sine waves and the modes of a beam with free ends: how much of each mode is in a wave, and how soon half is gone."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from descent.wide_relu._beam import roots
from descent.wide_relu._network import free, polynomials


def shapes(M: int, count: int) -> Float[np.ndarray, "M j"]:
    """Modes of the beam of length M at the middles of its M parts, with Σ u² = 1; to the left end's side and back.

    u = cos βs + (odd j: the even function cosh) …, s from the middle in parts of the length: even modes
    cos βs/cos(β/2) + cosh βs/cosh(β/2), odd ones sin βs/sin(β/2) + sinh βs/sinh(β/2).
    """
    s = (np.arange(M) + 0.5) / M - 0.5
    beta, found = roots(count), np.empty((M, count))
    for j, one in enumerate(beta):
        sign = np.where(s < 0, -1.0, 1.0)
        near = np.exp(one * (np.abs(s) - 0.5))  # cosh βs/cosh(β/2) without its overflow
        far = np.exp(-one * (np.abs(s) + 0.5))
        if j % 2 == 0:
            u = np.cos(one * s) / np.cos(one / 2) + (near + far) / (1 + np.exp(-one))
        else:
            u = np.sin(one * s) / np.sin(one / 2) + sign * (near - far) / (1 - np.exp(-one))
        found[:, j] = u / np.linalg.norm(u)
    N = free(polynomials(np.arange(M) / (M - 1)))
    # orthogonal to lines and to each other at the points too, or a large share leaks
    return N @ np.linalg.qr(N.T @ found)[0]


def shares(k: int, M: int, count: int) -> Float[np.ndarray, " j"]:
    """(u_jᵀy)² of y_i = sin 2πk i/(M − 1), the line in it taken out."""
    x = np.arange(M) / (M - 1)
    N = free(polynomials(x))
    y = N @ (N.T @ np.sin(2 * np.pi * k * x))
    return (y @ shapes(M, count)) ** 2


def half_times(mu: Float[np.ndarray, " j"], share: Float[np.ndarray, " j"]) -> float:
    """The τ at which Σ e^{−2μτ} share is a quarter of what it was at 0."""
    total = share.sum()

    def left(log: float) -> float:
        return float(np.exp(-2 * np.minimum(mu * np.exp(log), 400)) @ share) / total - 0.25

    slowest = np.log(1 / mu[share > 1e-9 * total].min())
    return float(np.exp(brentq(left, np.log(1 / mu.max()) - 5, slowest + 5, xtol=1e-13)))
