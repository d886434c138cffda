"""Mirror descent on ½‖Xw − y‖² with momentum on the dual weights or on the weights, one compiled loop."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Integer
from numba import njit
from scipy.integrate import solve_ivp

from descent.geometry._data import EPS
from descent.geometry._potentials import Potential
from descent.maths.compiled import assign


class Run(NamedTuple):
    dual: Float[np.ndarray, "kept d"]  # z_k at the steps asked for
    residual: Float[np.ndarray, " n"]  # Xw − y at the end
    largest: float  # |z_j|, and Σ over the steps of
    pushed: float  # max_j η Σ_i |X_ij||r_i|


def follow(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    z: Float[np.ndarray, " d"],
    eta: float,
    momentum: float,
    primal: bool,
    beta: float,
    kept: Integer[np.ndarray, " kept"],
) -> Run:
    """kept[-1] steps from z; the hypentropy of β > 0, else the entropy."""
    return Run(*_follow(X, y, z, eta, momentum, primal, beta, kept))


@no_type_check
@njit(cache=True, error_model="numpy")
def _follow(X, y, start, eta, momentum, primal, beta, kept):
    n, d = X.shape
    z, before, r, g = start.copy(), start.copy(), np.empty(n), np.empty(d)
    largest, pushed = 0.0, 0.0
    w, w_before, v, path, place = np.empty(d), np.empty(d), np.empty(d), np.empty((len(kept), d)), 0
    for k in range(kept[-1] + 1):
        for j in range(d):
            w[j] = beta * np.sinh(z[j]) if beta > 0.0 else np.exp(z[j])
            if k == 0:
                w_before[j] = w[j]
            v[j] = w[j] + momentum * (w[j] - w_before[j]) if primal else w[j]
        for i in range(n):
            r[i] = -y[i]
            for j in range(d):
                r[i] += X[i, j] * v[j]
        if k == kept[place]:
            assign(path[place], z)
            place += 1
            if k == kept[-1]:
                break
        g[:] = 0.0
        push = 0.0
        for j in range(d):
            size = 0.0
            for i in range(n):
                g[j] += r[i] * X[i, j]
                size += abs(r[i] * X[i, j])
            push = max(push, size)
            largest = max(largest, abs(z[j]))
        pushed += eta * push
        for j in range(d):
            old = z[j]
            if primal:
                z[j] = (np.arcsinh(v[j] / beta) if beta > 0.0 else np.log(v[j])) - eta * g[j]
            else:
                z[j] += momentum * (z[j] - before[j]) - eta * g[j]
            before[j], w_before[j] = old, w[j]
    return path, r, largest, pushed


def curved(
    potential: Potential,
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    z0: Float[np.ndarray, " d"],
    last: float,
) -> Float[np.ndarray, " d"]:
    """−∫φ'''(w)ẇ² dt = ∫c g² dt along the flow ż = −g;  c = 1 of the entropy, tanh z of the hypentropy."""
    n, d = X.shape

    def speed(_, state):
        z = z0 + X.T @ state[:n]
        r = X @ potential.weights(z) - y
        c = np.tanh(z) if potential.name == "hypentropy" else 1.0
        return np.concatenate([-r, c * (X.T @ r) ** 2])

    with np.errstate(all="ignore"):
        start = np.zeros(n + d)
        found = solve_ivp(speed, (0.0, last), start, "LSODA", [last], rtol=1e-10, atol=1e-12)
    return found.y[n:, -1] if found.success else np.full(d, np.nan)


def rounding(ran: Run, count: int, n: int, beta: float) -> float:
    """A bound on the rounding of ‖Pz‖ after `count` steps with momentum on z.

    A rounding δ of one step is repeated in the momentum of the later ones, up to δ/(1 − β) in all. Of the size of z
    there are one of the new z and, in the momentum, three of a difference of at most 2|z|; of ηg there are n + 2.
    P itself takes away twice d products of z.
    """
    d, u = ran.dual.shape[1], EPS / 2
    steps = count * (1 + 6 * beta) * ran.largest + (n + 2) * ran.pushed
    return float(np.sqrt(d) * u * (steps / (1 - beta) + 8 * d * ran.largest))
