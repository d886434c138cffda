"""Gradient flow on the factors of 2 × 2 products, balanced or not, and what a step η of descent adds to their imbalance.

Ẇ_j = −G_j,   G_j = ∂ℓ/∂W_j = (W_N⋯W_{j+1})ᵀ ∇ℓ(W) (W_{j−1}⋯W_1)ᵀ,   D_j = W_{j+1}ᵀW_{j+1} − W_jW_jᵀ
W_{j+1}ᵀG_{j+1} = G_jW_jᵀ,   so Ḋ_j = 0,   and a step of descent adds η²(G_{j+1}ᵀG_{j+1} − G_jG_jᵀ) to D_j:
D_j(t) − D_j(0) = η ∫₀ᵗ (G_{j+1}ᵀG_{j+1} − G_jG_jᵀ) + O(η²)
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

from descent.factorisation import _products
from descent.factorisation._two_by_two import Stuck

MOST = 60_000  # evaluations of one flow
Several = Float[np.ndarray, "r N 2 2"]


class Flow(NamedTuple):
    """At the times asked for; nan from where the integration did not come to."""

    W: Float[np.ndarray, "r t 2 2"]
    added: Float[np.ndarray, "r t M 2 2"]  # to D_j, over η; M = N − 1


def stretched(rng: np.random.Generator, W: Float[np.ndarray, "2 2"], depth: int, stretch: float):
    """Factors of the same product that are not balanced: Q_jW_jQ_{j−1}⁻¹, Q_j = R diag(s, 1/s) R', Q_0 = Q_N = I."""
    turns = np.linalg.qr(rng.standard_normal((depth - 1, 2, 2, 2)))[0]
    inner = turns[:, 0] @ np.diag([stretch, 1 / stretch]) @ turns[:, 1]
    Q = np.concatenate([np.eye(2)[None], inner, np.eye(2)[None]])
    return Q[1:] @ _products.balanced(W, depth) @ np.linalg.inv(Q[:-1])


def two(rng: np.random.Generator, start: float, target, depth: int, stretch: float) -> np.ndarray:
    """Balanced and stretched factors of one W₀ of norm `start`, with det W₀ of the sign of ab."""
    W = rng.standard_normal((2, 2))
    W *= start / np.linalg.norm(W)
    if np.linalg.det(W) * target[0, 1] * target[1, 0] < 0:
        W = W[::-1]
    return np.stack([_products.balanced(W, depth), stretched(rng, W, depth, stretch)])


def product(factors: Several) -> Float[np.ndarray, "r 2 2"]:
    W = factors[:, 0]
    for j in range(1, factors.shape[1]):
        W = factors[:, j] @ W
    return W


def imbalances(factors: Several) -> Float[np.ndarray, "r M 2 2"]:
    """D_1, …, D_{N−1}."""
    above, below = factors[:, 1:], factors[:, :-1]
    return above.mT @ above - below @ below.mT


def slopes(factors: Several, mask, target) -> Several:
    """G_1, …, G_N."""
    N = factors.shape[1]
    below = [np.broadcast_to(np.eye(2), factors[:, 0].shape)]  # W_{j−1}⋯W_1
    for j in range(N - 1):
        below.append(factors[:, j] @ below[-1])
    behind = mask * (factors[:, -1] @ below[-1] - target)  # (W_N⋯W_{j+1})ᵀ∇ℓ
    found = []
    for j in range(N - 1, -1, -1):
        found.append(behind @ below[j].mT)
        behind = factors[:, j].mT @ behind
    return np.stack(found[::-1], 1)


def flow(factors: Several, mask, target, t: Float[np.ndarray, " t"]) -> Flow:
    """All runs in one integration."""
    (R, N), count = factors.shape[:2], [0]
    cut = 4 * R * N

    def rate(_, state):
        count[0] += 1
        if count[0] > MOST or not np.isfinite(state[:cut]).all():
            raise Stuck
        G = slopes(state[:cut].reshape(factors.shape), mask, target)
        above, below = G[:, 1:], G[:, :-1]
        return np.concatenate([-G.ravel(), (above.mT @ above - below @ below.mT).ravel()])

    states = np.full((len(t), 4 * R * (2 * N - 1)), np.nan)
    begin = np.concatenate([factors.ravel(), np.zeros(4 * R * (N - 1))])
    try:
        with np.errstate(all="ignore"):
            options = {"method": "DOP853", "rtol": 1e-9, "atol": 1e-12, "t_eval": t}
            found = solve_ivp(rate, (0, t[-1]), begin, **options)
        states[: found.y.shape[1]] = found.y.T
    except (Stuck, ArithmeticError, ValueError):
        pass
    paths = states[:, :cut].reshape(-1, N, 2, 2)
    W = product(paths).reshape(len(t), R, 2, 2).swapaxes(0, 1)
    return Flow(W, states[:, cut:].reshape(len(t), R, N - 1, 2, 2).swapaxes(0, 1))
