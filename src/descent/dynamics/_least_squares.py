"""Gradient descent on L(w) = ‖Xw − y‖², no ½ and no mean, with X = UΣVᵀ: (rows, columns).

w ← w − 2ηXᵀ(Xw − y),   Vᵀ(w_t − w*) = diag(1 − 2ησ_i²)ᵗ Vᵀ(w₀ − w*),   κ = (σ₁/σ_n)²
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Count, Refusal, Seed, experiment_config
from descent.maths.given import Column, Rows, given_or_drawn, require_given

EPS = np.finfo(float).eps


class Regression(NamedTuple):
    """A drawn problem, its minimum of least norm, and the modes that move."""

    X: Float[np.ndarray, "m n"]
    y: Float[np.ndarray, " m"]
    solution: Float[np.ndarray, " n"]  # w* = pinv(X)y
    squares: Float[np.ndarray, " k"]  # σ_i² > 0, decreasing
    Vt: Float[np.ndarray, "k n"]  # their directions

    @property
    def condition(self) -> float:
        """κ."""
        return float(self.squares[0] / self.squares[-1])

    @property
    def rounding(self) -> float:
        """How far rounding moves w in one step: sums of m + n products of |w| and of |y|/σ₁."""
        size = np.linalg.norm(self.solution) + np.linalg.norm(self.y) / np.sqrt(self.squares[0])
        return float(4 * sum(self.X.shape) * EPS * size)


@experiment_config
class Data:
    """X and y: given, or drawn from N(0, 1)."""

    seed: Seed
    rows: Count
    columns: Count
    inputs: Rows
    targets: Column

    def __post_init__(self):
        require_given(self.inputs, self.targets, self.rows, self.columns)

    def draw(self) -> "Regression":
        """The problem.

        Raises:
            Refusal: w* is all rounding, or y has no part along the first direction.
        """
        rng = np.random.default_rng(self.seed)
        X, y = given_or_drawn(self.inputs, self.targets, rng, self.rows, self.columns)
        given = regression(X, y)
        if given.condition > 1e12:
            raise Refusal(f"inputs: κ = {given.condition:.1e} > 1e12, so w* is rounding")
        start = abs(given.Vt[0] @ given.solution)
        if start * np.sqrt(given.squares[0]) <= 1e-9 * np.linalg.norm(given.y):
            raise Refusal("targets: y has no part in the direction of the largest singular value")
        return given


def regression(X: Float[np.ndarray, "m n"], y: Float[np.ndarray, " m"]) -> Regression:
    _, s, Vt = np.linalg.svd(X, full_matrices=False)
    alive = s > s[0] * max(X.shape) * EPS
    return Regression(X, y, np.linalg.pinv(X) @ y, s[alive] ** 2, Vt[alive])


def require_decreasing(name: str, squares: tuple[float, ...]) -> None:
    """Refuse fewer than two squares of singular values, or such that do not strictly decrease.

    Raises:
        ValueError: naming the field and the values.
    """
    listed = ", ".join(f"{value:g}" for value in squares)
    if len(squares) < 2:
        raise ValueError(f"{name} [{listed}]: a largest and a smallest are at least 2")
    if any(a <= b for a, b in pairwise(squares)):
        raise ValueError(f"{name} [{listed}] must be strictly decreasing values")


def best_step(squares: Float[np.ndarray, " n"]) -> float:
    """η* for the squares of the singular values that are not 0."""
    return float(1 / (squares.max() + squares.min()))


def best_rate(squares: Float[np.ndarray, " n"]) -> float:
    """(κ − 1)/(κ + 1)."""
    return float((squares.max() - squares.min()) / (squares.max() + squares.min()))


def descend(
    given: Regression, starts: Float[np.ndarray, "r n"], eta: Float[np.ndarray, " r"], count: int
) -> Float[np.ndarray, "t r n"]:
    """w₀ … w_count from every start with its step."""
    path = np.empty((count + 1, *starts.shape))
    path[0] = starts
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(count):
            residual = path[t] @ given.X.T - given.y
            path[t + 1] = path[t] - 2 * eta[:, None] * (residual @ given.X)
    return path
