"""A regression whose inputs carry fresh noise at every step: m examples, n weights.

X̌ = X + N,   N_ij ~ N(0, σ²),   X: (m, n)
full batch:       w ← w − ηX̌ᵀ(X̌w − y)
single example:   w ← w − ηx̌_i(x̌_iᵀw − y_i),   i uniform
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

MODES = ("full", "single")


class Problem(NamedTuple):
    X: Float[np.ndarray, "m n"]
    y: Float[np.ndarray, " m"]


def draw(seed: int, examples: int, weights: int) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((examples, weights)), rng.standard_normal(examples))


def gradient(
    rng: np.random.Generator,
    problem: Problem,
    w: Float[np.ndarray, "F c n"],
    sigma: float,
    mode: str,
) -> Float[np.ndarray, "F c n"]:
    """X̌ᵀ(X̌w − y), or that of one example, with the noise of chain c the same for every F."""
    X, y = problem
    if mode == "single":
        chosen = rng.integers(len(X), size=w.shape[1])
        noisy = X[chosen] + sigma * rng.standard_normal(w.shape[1:])
        return (np.vecdot(noisy, w) - y[chosen])[..., None] * noisy
    noisy = X + sigma * rng.standard_normal((w.shape[1], *X.shape))
    residual = np.einsum("cmn,fcn->fcm", noisy, w) - y
    return np.einsum("cmn,fcm->fcn", noisy, residual)


def hessians(
    rng: np.random.Generator, problem: Problem, sigma: float, mode: str, draws: int
) -> Float[np.ndarray, "c n n"]:
    """Draws of X̌ᵀX̌, or of x̌_ix̌_iᵀ."""
    X = problem.X
    if mode == "single":
        chosen = rng.integers(len(X), size=draws)
        noisy = X[chosen] + sigma * rng.standard_normal((draws, X.shape[1]))
        return noisy[:, :, None] * noisy[:, None, :]
    noisy = X + sigma * rng.standard_normal((draws, *X.shape))
    return noisy.mT @ noisy


def endings(
    rng: np.random.Generator,
    problem: Problem,
    sigma: float,
    etas: Float[np.ndarray, " F"],
    mode: str,
    runs: int,
    steps: int,
) -> Float[np.ndarray, "F c n"]:
    """w after so many steps of every run and η."""
    w = np.zeros((len(etas), runs, problem.X.shape[1]))
    for _ in range(steps):
        w -= etas[:, None, None] * gradient(rng, problem, w, sigma, mode)
    return w
