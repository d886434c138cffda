"""Gradient descent on the weights of u = w₊ᴰ − w₋ᴰ, L = ½‖Xu − y‖², one compiled loop, and its flow for D = 2.

    w₊ ← w₊ − ηD w₊^{D−1} g,   w₋ ← w₋ + ηD w₋^{D−1} g,   g = Xᵀ(Xu − y);      one-sided: w₋ = 0
    D = 2, one-sided, z = log u:   z_{k+1} = z_k + 2 log(1 − 2ηg) = z_k − 4ηg − 4η²g² + O(η³)

The first order in η of the limit of gradient descent: with q = ∫g² dt along the flow ż = −4g, dual weights end
at z₀ + Xᵀν − 4ηq, so u_∞ moves by −4η(1 − DXᵀ(XDXᵀ)⁻¹X)Dq, D = diag u_∞.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Integer
from numba import njit
from scipy.integrate import solve_ivp

from descent.geometry._loops import mirror
from descent.maths.compiled import assign


class Run(NamedTuple):
    u: Float[np.ndarray, "kept d"]
    plus: Float[np.ndarray, "kept d"]  # w₊
    minus: Float[np.ndarray, "kept d"]  # w₋
    residual: Float[np.ndarray, " n"]  # at the end


def descend(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    start: float,
    depth: int,
    two_sided: bool,
    eta: float,
    kept: Integer[np.ndarray, " kept"],
) -> Run:
    """kept[-1] steps from w₊ = start, w₋ = start or 0."""
    return Run(*_descend(X, y, start, depth, two_sided, eta, kept))


@no_type_check
@njit(cache=True, error_model="numpy")
def _descend(X, y, start, depth, two_sided, eta, kept):
    n, d = X.shape
    p, m = np.full(d, start), np.full(d, start if two_sided else 0.0)
    u, g, r = np.empty(d), np.empty(d), np.empty(n)
    paths, place = np.empty((3, len(kept), d)), 0
    for k in range(kept[-1] + 1):
        for j in range(d):
            u[j] = p[j] ** depth - m[j] ** depth
        for i in range(n):
            r[i] = -y[i]
            for j in range(d):
                r[i] += X[i, j] * u[j]
        if k == kept[place]:
            assign(paths[0, place], u)
            assign(paths[1, place], p)
            assign(paths[2, place], m)
            place += 1
            if k == kept[-1]:
                break
        g[:] = 0.0
        for i in range(n):
            for j in range(d):
                g[j] += r[i] * X[i, j]
        for j in range(d):
            step = eta * depth * g[j]
            p[j] -= step * p[j] ** (depth - 1)
            m[j] += step * m[j] ** (depth - 1)
    return paths[0], paths[1], paths[2], r


class Flow(NamedTuple):
    """The flow of D = 2, one-sided, at some times."""

    u: Float[np.ndarray, "t d"]
    lead: Float[np.ndarray, "t d"]  # (u of gradient descent − u of mirror descent)/η as η → 0
    squares: Float[np.ndarray, " d"]  # q at the last time
    residual: float  # max|Xu − y| there


def flow(X, y, z0: Float[np.ndarray, " d"], times: Float[np.ndarray, " t"]) -> Flow:
    """ν̇ = −4(Xu − y),   u = exp(z₀ + Xᵀν);   δ̇ = −4(XᵀXDδ + g²) between the two iterations, δ = Xᵀξ − 4q.

    Mirror descent with 4η and gradient descent with η differ from the flow by terms of first order; the one
    that they do not share is −4ηg² a unit of time.
    """
    n, d = X.shape

    def speed(_, state):
        nu, xi, q = state[:n], state[n : 2 * n], state[2 * n :]
        u = np.exp(z0 + X.T @ nu)
        r = X @ u - y
        return np.concatenate([-4 * r, -4 * (X @ (u * (X.T @ xi - 4 * q))), (X.T @ r) ** 2])

    with np.errstate(all="ignore"):
        found = solve_ivp(
            speed, (0.0, times[-1]), np.zeros(2 * n + d), "LSODA", times, rtol=1e-10, atol=1e-12
        )
    if not found.success or found.y.shape[1] < len(times):
        nothing = np.full((len(times), d), np.nan)
        return Flow(nothing, nothing, nothing[0], np.nan)
    nu, xi, q = found.y[:n].T, found.y[n : 2 * n].T, found.y[2 * n :].T
    u = np.exp(z0 + nu @ X)
    return Flow(u, u * (xi @ X - 4 * q), q[-1], float(np.abs(X @ u[-1] - y).max()))


class Limit(NamedTuple):
    value: np.ndarray
    error: np.ndarray  # of the value: by how much the largest η changes it


def as_the_step_vanishes(etas: np.ndarray, values: np.ndarray) -> Limit:
    """values(η, …) at η = 0 by the polynomial through all points (Neville), and its error;
    the etas decrease."""
    etas = np.asarray(etas, float)
    tables = [[np.asarray(one, float) for one in values]]
    for order in range(1, len(etas)):
        last = tables[-1]
        tables.append(
            [
                (etas[i] * last[i + 1] - etas[i + order] * last[i]) / (etas[i] - etas[i + order])
                for i in range(len(last) - 1)
            ]
        )
    best, changes = tables[-1][0], [np.abs(tables[-1][0] - one[-1]) for one in tables[-3:-1]]
    # A change may vanish by chance at one point, hence the one before it too.
    return Limit(best, np.maximum(changes[-1], changes[0] / 16))


class Compared(NamedTuple):
    """Gradient descent on w and entropy mirror descent, from u = α1 with every η; axes (η, t, j)."""

    gradient: np.ndarray
    four: np.ndarray  # mirror descent with 4η
    two: np.ndarray  # with 2η
    left: np.ndarray  # ‖Xu − y‖ at the end, (η, the first two)
    speed: np.ndarray  # −Δlog u per ηg in the first step


def compared(X, y, alpha: float, etas: np.ndarray, coarse: np.ndarray) -> Compared:
    """Each η half of the one before; `coarse` are the steps kept of the first."""
    z0, w0 = np.full(X.shape[1], np.log(alpha)), float(np.sqrt(alpha))
    g = X.T @ (alpha * X.sum(1) - y)
    paths, left, speed = [], [], []
    for halved, eta in enumerate(etas.tolist()):
        kept = coarse * 2**halved
        run = descend(X, y, w0, 2, False, eta, kept)
        four, two = (
            mirror(X, y, z0, kept, "square", "entropy", eta=c * eta, search=False) for c in (4, 2)
        )
        paths.append([run.u, four.weights, two.weights])
        left.append([np.linalg.norm(run.residual), np.linalg.norm(four.residual)])
        one = descend(X, y, w0, 2, False, eta, np.array([0, 1])).u[1]
        speed.append(-(np.log(np.maximum(one, 1e-300) / alpha) @ g) / (eta * g @ g))
    return Compared(*np.swapaxes(paths, 0, 1), np.array(left), np.array(speed))
