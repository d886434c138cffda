"""The flow of a balanced 2 × 2 product in its singular coordinates, in which no determinant can change its sign.

    W = σ₁u₁v₁ᵀ + σ₂u₂v₂ᵀ,   u₁ = (cos θ, sin θ),   v₁ = (cos φ, sin φ),   det W = ±σ₁σ₂,   g_rs = u_rᵀGv_s
    σ̇₁ = −Nσ₁^{2−2/N}g₁₁,   (ln σ₂)˙ = −Nσ₂^{1−2/N}g₂₂,   k = σ₁^{2/N} − σ₂^{2/N}
    θ̇ = −(σ₁g₂₁ + σ₂g₁₂)/k,   φ̇ = ∓(σ₂g₂₁ + σ₁g₁₂)/k

σ₂ falls like exp(−ct^{2/3}) for two factors, which leaves float64 soon; its logarithm does not. Time is logarithmic,
s = ln(1 + t), and the equations are stiff: LSODA.

Source: arXiv 1905.13655, theorem 3 and lemma 2.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

DECADE = 10  # times in one
MOST = 200_000  # evaluations of one flow
ACCURACY = 1e-9  # relative, of one step


class Stuck(Exception):
    """A flow took more than `MOST` evaluations."""


class Path(NamedTuple):
    """W and ln σ₂ at the times asked for; nan from where the integration did not come to."""

    W: Float[np.ndarray, "t 2 2"]
    sigma: Float[np.ndarray, "t 2"]


def _turned(angle):
    return np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])


def _matrix(state, sign: float):
    (u1, u2), (v1, v2) = _turned(state[2]), _turned(state[3])
    first = state[0] * u1[:, None] * v1
    return first + sign * np.exp(min(state[1], 700.0)) * u2[:, None] * v2


def flow(
    start: Float[np.ndarray, "2 2"],
    target: Float[np.ndarray, "2 2"],
    depth: int,
    t: Float[np.ndarray, " t"],
) -> Path:
    """From a matrix of two different singular values; W₁₁ is not observed."""
    U, (large, small), Vt = np.linalg.svd(start)
    U[:, 1] *= np.sign(np.linalg.det(U))
    Vt[1] *= np.sign(np.linalg.det(Vt))
    sign = float(np.sign(np.linalg.det(start)))
    angles = np.arctan2(U[1, 0], U[0, 0]), np.arctan2(Vt[0, 1], Vt[0, 0])
    count = [0]

    def rate(s, state):
        count[0] += 1
        if count[0] > MOST:
            raise Stuck
        one, two = float(state[0]), math.exp(min(state[1], 700.0))
        c, d, p, q = math.cos(state[2]), math.sin(state[2]), math.cos(state[3]), math.sin(state[3])
        # u₁ = (c, d), u₂ = (−d, c), v₁ = (p, q), v₂ = ±(−q, p)
        r = sign * two
        above = one * c * q - r * d * p - target[0, 1]  # G₁₂
        left = one * d * p - r * c * q - target[1, 0]
        last = one * d * q + r * c * p - target[1, 1]
        g11 = c * above * q + d * (left * p + last * q)
        g12 = sign * (c * above * p + d * (last * p - left * q))
        g21 = -d * above * q + c * (left * p + last * q)
        g22 = sign * (-d * above * p + c * (last * p - left * q))
        k = one ** (2 / depth) - two ** (2 / depth)
        scale = math.exp(s)
        return [
            -scale * depth * one ** (2 - 2 / depth) * g11,
            -scale * depth * two ** (1 - 2 / depth) * g22,
            -scale * (one * g21 + two * g12) / k,
            -scale * sign * (two * g21 + one * g12) / k,
        ]

    at = np.log1p(t)
    begin = [large, np.log(small), *angles]
    states = np.full((len(t), 4), np.nan)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a step too small; the end is missing then
            options = {"method": "LSODA", "rtol": ACCURACY, "atol": 1e-14, "t_eval": at}
            found = solve_ivp(rate, (0, at[-1]), begin, **options)
        states[: found.y.shape[1]] = found.y.T
    except (Stuck, ArithmeticError, ValueError, np.linalg.LinAlgError, TypeError):
        pass
    W = np.array([_matrix(one, sign) for one in states])
    with np.errstate(over="ignore"):
        return Path(W, np.stack([states[:, 0], np.exp(np.minimum(states[:, 1], 700))], 1))


def pair(
    rng: np.random.Generator,
    start: float,
    target: Float[np.ndarray, "2 2"],
    depths: tuple[int, ...],
    t: Float[np.ndarray, " t"],
) -> Path:
    """Over (depth, sign, t): from W₀ of norm `start` with det W₀ of the sign of ab, and with its rows exchanged."""
    W = rng.standard_normal((2, 2))
    W *= start / np.linalg.norm(W)
    if np.linalg.det(W) * target[0, 1] * target[1, 0] < 0:
        W = W[::-1]
    pairs = [[flow(V, target, N, t) for V in (W, W[::-1])] for N in depths]
    return Path(*(np.array([[getattr(p, x) for p in two] for two in pairs]) for x in Path._fields))


def power(values: Float[np.ndarray, "n t"], back: int) -> Float[np.ndarray, " n"]:
    """Of t, over the last decade or the one `back` decades before it."""
    with np.errstate(all="ignore"):  # of flows that were lost
        return np.log10(values[:, -1 - back * DECADE] / values[:, -1 - (back + 1) * DECADE])
