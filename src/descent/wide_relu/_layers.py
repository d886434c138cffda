"""Gradient descent on all layers of wide networks, many seeds at once, beside a line that is fitted freely.

f = s √½ (f₁ − f₂) + Pβ,   f_k = Σ_i a_ki [w_ki x + b_ki]₊,   f₂ a copy of f₁ at the start, so that f = Pβ there
L = Σ_j (f(x_j) − y_j)²,   β the best at every step, so that residuals are projected by Π = NNᵀ
s = 1 and a ~ n^(−1/2): the standard scale;   s = n^(−1/2) and a ~ 1: the tangent-kernel scale
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.wide_relu import _network
from descent.wide_relu._data import Points
from descent.wide_relu._initial import Neurons

ROOT = 0.5**0.5
SIGN = np.array([1.0, -1.0])[:, None]
DIVERGED = 1e3  # of the data


class Trained(NamedTuple):
    """After training: weights (s, 2, n), f on a grid (s, p), the largest residual, and how far weights moved."""

    a: np.ndarray
    w: np.ndarray
    b: np.ndarray
    curves: np.ndarray
    residual: (
        np.ndarray
    )  # (s,): max |f(x_j) − y_j|; ∞ where a run left float64, whose weights are NaN
    steps: int

    def moved(self, drawn: Neurons, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """‖Δa‖ and ‖Δ(w, b)‖ of each seed."""
        outer = np.sqrt(((self.a - a[:, None]) ** 2).sum((1, 2)))
        pairs = ((self.w, drawn.w), (self.b, drawn.b))
        return outer, np.sqrt(sum(((new - old[:, None]) ** 2).sum((1, 2)) for new, old in pairs))


def train(
    data: Points,
    drawn: Neurons,
    outer: np.ndarray,
    at: Float[np.ndarray, " p"],
    scale: float | int = 1,
    limit: int = 2000,
    close: float = 1e-7,
) -> Trained:
    """Until every residual is below `close` of the data, or `limit` steps, with 2η times the kernel's norm = ½."""
    x, y = data
    P, P_at = _network.polynomials(x), _network.polynomials(at, 1, x)
    N = _network.free(P)
    project = N @ N.T
    a, w, b = (np.repeat(one[:, None], 2, 1) for one in (outer, *drawn))
    eta = 0.25 / _largest(x, drawn, outer, scale, N)[:, None, None]
    size, s = np.abs(project @ y).max(), scale * ROOT
    with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges, which is told below
        for k in range(limit + 1):
            on = np.array([w * one + b for one in x])  # (M, s, 2, n)
            np.maximum(on, 0, out=on)
            out = s * (np.einsum("mskn,skn->mks", on, a) * SIGN).sum(1).T  # (s, M)
            r = (out - y) @ project
            worst = np.abs(r).max(-1)
            if k == limit or not (worst > close * size).any() or not np.isfinite(worst).all():
                break
            pull = 2 * s * eta * SIGN  # (s, 2, 1)
            slope = np.einsum("sm,mskn->skn", r, on)
            gate = on > 0
            height = np.einsum("sm,mskn->skn", r, gate)
            lift = np.einsum("sm,mskn->skn", r * x, gate)
            a, w, b = a - pull * slope, w - pull * a * lift, b - pull * a * height
    lost = ~(worst < DIVERGED * size)
    worst, out = np.where(lost, np.inf, worst), np.where(lost[:, None], 0.0, out)
    a, w, b = (np.where(lost[:, None, None], np.nan, one) for one in (a, w, b))
    beta = np.linalg.lstsq(P, (y - out).T)[0]
    flat = [one.reshape(len(a), -1) for one in (w, b, s * SIGN * a)]
    curves = _network.outputs(at, *flat) + (P_at @ beta).T
    return Trained(a, w, b, curves, worst, k)


def _largest(x, drawn: Neurons, outer: np.ndarray, scale: float | int, N: np.ndarray) -> np.ndarray:
    """The norm of the kernel at the start, (s,)."""
    found = []
    for w, b, a in zip(*drawn, outer, strict=True):
        J = N.T @ gradients(x, w, b, a, scale)
        found.append(np.linalg.norm(J @ J.T, 2))
    return np.array(found)


def gradients(
    x: Float[np.ndarray, " m"], w: np.ndarray, b: np.ndarray, a: np.ndarray, scale: float | int = 1
) -> Float[np.ndarray, "m p"]:
    """Of the network by all of its weights; the two halves together have the kernel of one."""
    on = np.maximum(x[:, None] * w + b, 0)
    gate = (on > 0) * a
    return scale * np.hstack([on, gate * x[:, None], gate])
