"""The notebook's regression: points in the plane with labels 0 and 1, and averaged gradients from z₀ = g₀.

    L(w) = ‖Xw − y‖², X: (points, 2), y_k = 1 where n·x_k > 0, else 0, n = (0, 1): two labels on the sides of a line
    z ← (1 − β)z + βg,   w ← w − ηz,   w₀ = 0, z₀ = g₀: the first step is that of gradient descent
    x_i = v_iᵀ(w − w*),   v_iᵀ∇L = 2σ_i² x_i,   L − L* = Σ σ_i² x_i²

Source: CS182 homework 2, questions 2h and 2i.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Count, Number, Positive, Refusal, Seed, experiment_config
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.maths.momentum import trajectory

EPS = np.finfo(float).eps
HUGE = 1e100  # size of an error up to which it is compared; its square is a number
POINTS = {"seed": 0, "points": 500, "centre": (-3.0, 0.0), "spread": (3.0, 1.0)} | {
    "normal": (0.0, 1.0),
    "labels": (0.0, 1.0),
}  # the notebook's


@experiment_config
class Points:
    seed: Seed  # of numpy's RandomState, as in the notebook
    points: Count
    centre: tuple[float, float]
    spread: tuple[Positive, Positive]  # standard deviations
    normal: tuple[Number, Number]  # n
    labels: tuple[Number, Number]  # where n·x ≤ 0, and where it is > 0
    beta: Positive
    step: Positive  # η
    steps: Count

    def __post_init__(self):
        if self.points < 3:
            raise ValueError(f"points {self.points}: two directions and a residual take at least 3")
        if self.beta >= 2:
            raise ValueError(f"beta {self.beta:g} ≥ 2: no step is stable")
        require_at_most(self, "the points fill the memory", points=10_000_000)
        require_at_most(self, "rounding, 2⁻⁵²steps², would hide the error", steps=100_000)
        require_cost(self, "points, steps", operations=100.0 * self.points * self.steps)
        if self.normal == (0, 0):
            raise ValueError("normal [0, 0]: no point is on its positive side")
        for name in ("normal", "labels"):
            require_within(name, getattr(self, name), -1e12, 1e12, "squares leave float64")
        if max(map(abs, self.labels)) < 1e-12:
            raise ValueError(f"labels {list(self.labels)}: all are 0, so w* = w₀ = 0")
        require_within("spread", self.spread, 1e-12, 1e12, "squares of σ leave float64")
        require_within("centre", self.centre, -1e12, 1e12, "squares of σ leave float64")

    @property
    def is_the_notebooks(self) -> bool:
        return all(getattr(self, name) == value for name, value in POINTS.items())


class Problem(NamedTuple):
    X: Float[np.ndarray, "k 2"]
    y: Float[np.ndarray, " k"]
    solution: Float[np.ndarray, " 2"]  # w*
    squares: Float[np.ndarray, " 2"]  # σ_i²
    Vt: Float[np.ndarray, "2 2"]

    @property
    def condition(self) -> float:
        """κ."""
        return float(self.squares[0] / self.squares[1])

    @property
    def least_loss(self) -> float:
        return float(np.square(self.X @ self.solution - self.y).sum())


def draw(config: Points) -> Problem:
    """The points and labels.

    Raises:
        Refusal: all labels are 0, or the points lie on a line to rounding.
    """
    rng = np.random.RandomState(config.seed)
    X = rng.normal(config.centre, config.spread, (config.points, 2))
    y = np.where(X @ config.normal > 0, *config.labels[::-1])
    if not y.any():
        raise Refusal(f"centre {list(config.centre)}: all labels are 0, so w* = w₀ = 0")
    _, s, Vt = np.linalg.svd(X, full_matrices=False)
    if not s[1] > 1e-6 * s[0]:
        raise Refusal(
            f"spread {list(config.spread)}: the points lie on a line, κ = {s[0] / s[1]:.1g}²"
        )
    return Problem(X, y, np.linalg.lstsq(X, y)[0], s**2, Vt)


class Path(NamedTuple):
    """w_t and ∇L(w_t), t = 0 … count."""

    w: Float[np.ndarray, "t 2"]
    gradient: Float[np.ndarray, "t 2"]


def descend(given: Problem, beta: float, eta: float, count: int) -> Path:
    w, z, path, slopes = np.zeros(2), None, [], []
    for _ in range(count + 1):
        g = 2 * given.X.T @ (given.X @ w - given.y)
        path.append(w)
        slopes.append(g)
        z = g if z is None else z  # z₀ = g₀
        z = (1 - beta) * z + beta * g
        w = w - eta * z
    return Path(np.array(path), np.array(slopes))


def closed(given: Problem, beta: float, eta: float, count: int) -> Float[np.ndarray, "t 2"]:
    """x_t. The first step is whole: x₁ = (1 − 2ησ²)x₀."""
    t, start = np.arange(count + 1), given.Vt @ -given.solution
    paths = [
        trajectory(beta, eta * beta * square, 1 - 2 * eta * square, t) for square in given.squares
    ]
    return np.array(paths).T * start


def rounding(given: Problem, count: int) -> float:
    """Of x_t as a part of its size: w* is known to κ roundings; one of h moves x near a repeated root by t²Δ."""
    return float(EPS * (given.condition + 4 * count) * (count + 1) * 4)
