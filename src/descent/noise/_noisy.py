"""A regression whose inputs carry fresh noise at every step: m examples, n weights.

X̌ = X + N,   N_ij ~ N(0, σ²),   X: (m, n)
full batch:       w ← w − ηX̌ᵀ(X̌w − y)
single example:   w ← w − ηx̌_i(x̌_iᵀw − y_i),   i uniform

Both are steps z ← (I − ηPĤ)z of descent.maths.second_moment with z = (w, 1), rows a_i = (x̌_i, −y_i) ~ N(μ_i, C),

    Ĥ = Σ a_ia_iᵀ or a_ia_iᵀ,   H_i = E a_ia_iᵀ = μ_iμ_iᵀ + C
    E a aᵀSa aᵀ = 2H_iSH_i + tr(SH_i)H_i − 2(μ_iᵀSμ_i)μ_iμ_iᵀ    (Isserlis)
    single example: E ĤSĤ is their mean;   full batch: their sum, plus HSH − Σ H_iSH_i
"""

from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field
from scipy.linalg import eigh

from descent.config import Count, Seed, experiment_config
from descent.maths import second_moment
from descent.maths.given import Column, Rows, given_or_drawn, require_given
from descent.maths.second_moment import Gradients, congruence, matrices, matrix_of, vectors

MODES = ("full", "single")


class Problem(NamedTuple):
    X: Float[np.ndarray, "m n"]
    y: Float[np.ndarray, " m"]


@experiment_config
class Examples:
    """Every experiment with several examples has these."""

    seed: Seed  # of X, y ~ N(0, 1) too
    examples: Count  # m
    weights: Count  # n
    inputs: Rows
    targets: Column
    sigma: Annotated[float, Field(ge=1e-3, le=1e3, strict=True)]  # of the noise on every input

    def __post_init__(self):
        require_given(self.inputs, self.targets, self.examples, self.weights)
        largest = max((abs(x) for x in sum(self.inputs, ())), default=0.0)
        if largest > 1e4 * self.sigma:
            raise ValueError(f"inputs: {largest:g} > 10⁴ sigma, beside which the noise is nothing")

    def draw(self) -> Problem:
        rng = np.random.default_rng(self.seed)
        return Problem(*given_or_drawn(self.inputs, self.targets, rng, self.examples, self.weights))


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


def of_rows(mu: Float[np.ndarray, "m k"], C: Float[np.ndarray, "k k"], mode: str) -> Gradients:
    """Ĥ of rows a_i ~ N(μ_i, C)."""
    outer = mu[:, :, None] * mu[:, None, :]
    each, k = outer + C, len(C)
    squares = matrix_of(lambda S: sum(H @ S @ H for H in each), k)
    along, of_means = vectors(each), vectors(outer)
    M, H = 2 * squares + along.T @ along - 2 * of_means.T @ of_means, each.sum(0)
    if mode == "single":
        return Gradients(H / len(mu), M / len(mu))
    return Gradients(H, M + congruence(H) - squares)


def gradients(problem: Problem, sigma: float, mode: str) -> Gradients:
    """Ĥ of z = (w, 1)."""
    X, y = problem
    noise = np.diag([sigma**2] * X.shape[1] + [0.0])
    return of_rows(np.column_stack([X, -y]), noise, mode)


def after(found: Gradients, eta: float, steps: int) -> Float[np.ndarray, "k k"]:
    """E zzᵀ after so many steps from w = 0."""
    one = second_moment.evolution(found, eta, len(found.H) - 1)
    return matrices(np.linalg.matrix_power(one, steps)[:, -1])


def of_draws(H: Float[np.ndarray, "c n n"]) -> Gradients:
    """The mean of Ĥ, and of S ↦ ĤSĤ, over draws of Ĥ."""
    n = H.shape[-1]
    flat = H.reshape(len(H), n * n)
    pairs = (flat.T @ flat / len(H)).reshape(n, n, n, n)  # E Ĥ_ia Ĥ_jb
    return Gradients(H.mean(0), matrix_of(lambda S: np.einsum("iajb,sab->sij", pairs, S), n))


def drawn_limits(found: list[Gradients]) -> Float[np.ndarray, " r"]:
    """The limit of the average over replicates, as the mean over their pseudo-values.

    For MR = ρKR, RᵀKR = 1, K: S ↦ HS + SH, the ρ of one replicate is ρ + Rᵀ(M_r − ρK_r)R to first order.
    """
    K = np.array([matrix_of(lambda S, H=one.H: H @ S + S @ H, len(one.H)) for one in found])
    M = np.array([one.M for one in found])
    values, directions = eigh(M.mean(0), K.mean(0))
    rho, R = values[-1], directions[:, -1]
    return 1 / rho - ((M - rho * K) @ R @ R) / rho**2
