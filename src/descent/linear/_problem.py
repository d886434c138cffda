"""Linear regression f(w) = (1/n)‖Xw − t‖² of X: (n, d), and what gradient descent on it does.

    ∇f(w) = (2/n) Xᵀ(Xw − t),   H = (2/n) XᵀX,   β = λmax(H) = 2σ₁²/n        (the mean, no ½)
    w_k − w_∞ = Σ v_i (1 − γλ_i)ᵏ v_iᵀ(w₀ − w_∞)  over right singular vectors v_i of X,   λ_i = 2σ_i²/n

The gradient is a combination of the rows of X, so w_k − w₀ is too, and for n < d the limit is the point of
{Xw = t} nearest to w₀.

Source: CSE 891 homework 2, question 3 (the one on linear regression).
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.maths import optimisers
from descent.maths.quadratic import Quadratic
from descent.maths.sampling import level
from descent.result import Check

EPS = float(np.finfo(float).eps)


class Regression(NamedTuple):
    X: Float[np.ndarray, "n d"]
    truth: Float[np.ndarray, " d"]  # w*
    sigma: Float[np.ndarray, " m"]  # singular values of X, decreasing
    V: Float[np.ndarray, "d m"]  # right singular vectors

    @property
    def t(self) -> Float[np.ndarray, " n"]:
        return self.X @ self.truth

    @property
    def eigenvalues(self) -> Float[np.ndarray, " m"]:
        """The non-zero λ_i of H, decreasing."""
        return 2 * self.sigma**2 / len(self.X)

    @property
    def condition(self) -> float:
        return float(self.sigma[0] / self.sigma[-1])

    def across(self, w: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch d"]:
        """The part of w orthogonal to every row of X."""
        rest = w - (w @ self.V) @ self.V.T
        return rest - (rest @ self.V) @ self.V.T  # once more, for the rounding of the first time


def draw(rng: np.random.Generator, n: int, d: int) -> Regression:
    """X, then w*, of N(0, 1) entries."""
    X = rng.standard_normal((n, d))
    return regression(X, rng.standard_normal(d))


def regression(X: Float[np.ndarray, "n d"], truth: Float[np.ndarray, " d"]) -> Regression:
    _, sigma, Vt = np.linalg.svd(X, full_matrices=False)
    return Regression(X, truth, sigma, Vt.T)


def modes(
    problem: Regression, start: Float[np.ndarray, " d"], limit: Float[np.ndarray, " d"]
) -> Quadratic:
    """The modes of gradient descent from `start`."""
    return Quadratic(problem.eigenvalues, problem.V.T @ (start - limit))


def descend(
    X: Float[np.ndarray, "n d"],
    t: Float[np.ndarray, " n"],
    start: Float[np.ndarray, " d"],
    gamma: float,
    kept: np.ndarray,
    limit: Float[np.ndarray, " d"],
    level: float,
    batches: np.ndarray | None = None,
) -> optimisers.Path:
    """w_k at the steps kept, and the first k with ‖w_k − limit‖² ≤ level; full batch, or these batches."""
    batches = optimisers.full_batch(len(X)) if batches is None else batches
    rates = np.full(len(start), gamma)
    return optimisers.descend(X, t, start, rates, batches, kept, limit, np.array([level]))


def thinned(steps: int, points: int = 200) -> np.ndarray:
    """0, 1, … up to `steps`, at most about `points` of them, evenly."""
    return np.unique(np.linspace(0, steps, min(steps, points) + 1).round().astype(int))


def forgotten(problem: Regression, gamma: float) -> float:
    """1 − max|1 − γλ_i|: what the slowest mode loses in a step."""
    return float(min(gamma * problem.eigenvalues[-1], 2 - gamma * problem.eigenvalues[0]))


def rounding(problem: Regression, gamma: float) -> float:
    """How far, relative to ‖w‖, the last bits keep gradient descent from its limit.

    A step rounds w and its gradient by a few ε‖w‖ and the slowest mode forgets only γλmin of that, or
    2 − γλmax near the limit of stability.
    """
    return 16 * EPS * np.sqrt(problem.X.size) / forgotten(problem, gamma)


def slack(problem: Regression, gamma: float) -> float:
    """How far, relative to ‖w‖, a run and the normal equations, which square the condition, may be apart."""
    return rounding(problem, gamma) + 4 * len(problem.sigma) * EPS * problem.condition**2


SLACK = "rounding of the run and of the normal equations"


def arrives(problem: Regression, gamma: float, count: int, way: float, near: float) -> bool:
    """Whether `count` steps bring a start `way` off within `near`, even if it lies along the slowest mode."""
    return bool(way * (1 - forgotten(problem, gamma)) ** count <= near)


def certain(problem: Regression, gamma: float, squared: float, near: float) -> bool:
    """Whether rounding, up to `near` in ‖w − w_∞‖, moves its crossing of √squared by a step at the most."""
    return bool(near <= np.sqrt(squared) * forgotten(problem, gamma))


class Given(NamedTuple):
    """A problem, where its runs start, their step γ, and a length that is of the order of all their weights."""

    problem: Regression
    starts: Float[np.ndarray, "s d"]
    gamma: float
    length: float

    @property
    def near(self) -> float:
        """How far apart in w rounding may leave a run and its limit."""
        return float(self.length * slack(self.problem, self.gamma))

    def arrives(self, count: int) -> bool:
        """Whether `count` steps surely bring every start that near."""
        way = float(np.linalg.norm(self.starts - self.problem.truth, axis=1).max())
        return arrives(self.problem, self.gamma, count, way, self.near)

    def certain(self, squared: float) -> bool:
        return certain(self.problem, self.gamma, squared, self.near)


def nearness(given: list[Given]) -> xr.DataArray:
    return xr.DataArray([one.near for one in given], dims="replicate")


def crossing(
    given: list[Given], squared: float, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    """The first step within the level, of the problems in which rounding does not decide it."""
    sure = [one.certain(squared) for one in given]
    if not any(sure):
        return ()
    first, then = found["crossing"], theory["crossing_predicted"]
    tip = "rounding tips it by a step at either end"
    sure_ones = (a.isel(replicate=sure) for a in (first, then))
    return (Check("crossing", next(sure_ones), "==", next(sure_ones), 2, tip),)


def told(given: list[Given], count: int, squared: float) -> tuple[tuple[str, ...], dict[str, str]]:
    """Why nothing is claimed of runs too short, and what is not checked."""
    late = sum(not one.arrives(count) for one in given)
    short = f"steps {count}: the slowest mode of {late} of {len(given)} problems needs more"
    sure = any(one.certain(squared) for one in given)
    blurred = {"crossing": "rounding decides when the level is crossed"}
    return ((short,) if late else (), {} if sure else blurred)


def farthest_mean(weights: Float[np.ndarray, "..."], points: int = 1) -> float:
    """How far Σ a_i z_i² of standard normal z_i may be from Σ a_i by chance (Laurent and Massart's bound).

    Source: Annals of Statistics 28 (2000) 1302, lemma 1; level as in maths/sampling.py.
    """
    x = np.log(2 / level(points))
    return float(2 * np.sqrt(x * np.square(weights).sum()) + 2 * x * np.max(weights))
