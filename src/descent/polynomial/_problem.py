"""Least squares of a polynomial of degree n at N points of a smooth, growing oscillation.

    x_i = N equally spaced points of [a, b],   y_i = A sin(ωx_i) e^{|cx_i|}, or both as given in `data`
    φ(x) = (1, x, …, xⁿ)
    X: (N, n + 1), rows φ(x_i);   f(θ) = (1/N)‖Xθ − y‖² (no ½, the mean),   ∇f(θ) = (2/N) Xᵀ(Xθ − y)
    X = UΣVᵀ,   H = (2/N) XᵀX = VΛVᵀ,   Λ = 2Σ²/N,   β = λ_max(H) = (2/N)‖X‖₂²

Distinct points make rank X = min(N, n + 1): N > n + 1 has one solution, N < n + 1 a plane of them, of
which θ* here is the shortest. The points and the function are symmetric and odd on [−a, a], so that
there the even powers are fitted by 0 (up to rounding).

Source: FRTN50 assignment, exercises 1 and 2: N = 7 on [−1, 1], ω = 5, c = 2, A = 1/10, n = 3 and 9.
Its solutions take the Frobenius norm for the spectral norm in β = (2/N)‖XᵀX‖₂: `Problem.frobenius`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Count, Refusal, Seed, experiment_config
from descent.maths.limits import require_cost
from descent.maths.quadratic import Quadratic
from descent.maths.sampling import require_fewest
from descent.polynomial._points import LARGEST, Points

DRAW = 100  # operations that a step's random number, and what is kept of the step, take
COUNTS = "degree, degrees, points, iterations, steps, epochs, snapshots, replicates"


@experiment_config
class Config(Points):
    degree: Count  # n


@experiment_config
class Sampled(Points):
    """The same for stochastic gradients: random draws of which point comes next."""

    seed: Seed
    replicates: Count

    def __post_init__(self):
        super().__post_init__()
        if self.points < 2:
            raise ValueError("points 1: there is nothing to draw from")
        require_fewest("mean", self.replicates)


class Problem(NamedTuple):
    """X, y, the SVD of X to its rank r = min(N, n + 1), and what follows from it."""

    x: Float[np.ndarray, " N"]
    y: Float[np.ndarray, " N"]
    X: Float[np.ndarray, "N p"]
    sigma: Float[np.ndarray, " r"]  # descending
    V: Float[np.ndarray, "p r"]
    theta: Float[np.ndarray, " p"]  # θ*, of minimum norm

    @property
    def eigenvalues(self) -> Float[np.ndarray, " r"]:
        """The non-zero eigenvalues of H, descending."""
        return 2 * self.sigma**2 / len(self.y)

    @property
    def beta(self) -> float:
        return float(self.eigenvalues[0])

    @property
    def frobenius(self) -> float:
        """(2/N)‖XᵀX‖_F, which is no norm of H that smoothness asks for."""
        return float(np.linalg.norm(self.eigenvalues))

    @property
    def residual(self) -> Float[np.ndarray, " N"]:
        """y − Xθ*; exactly 0 where every y can be met: n + 1 ≥ N, or by parity."""
        residual = self.y - self.X @ self.theta
        terms = self.sigma[0] * np.linalg.norm(self.theta)  # whose cancellation is rounding
        met = np.linalg.norm(residual) <= 100 * np.finfo(float).eps * terms
        return np.zeros_like(residual) if met else residual

    @property
    def lowest(self) -> float:
        """f*."""
        return float(np.mean(self.residual**2))


def features(x: Float[np.ndarray, " s"], degree: int) -> Float[np.ndarray, "s p"]:
    """φ(x) of every x."""
    with np.errstate(over="ignore"):
        return np.vander(x, degree + 1, increasing=True)


def require_work(
    config: Points, degrees: tuple[int, ...], steps: int, samples: int, kept: int
) -> None:
    """Refuse `steps` on `samples` samples each that take hours, and more `kept` vectors of θ than fit twice.

    Both are of every degree, and all of them are one run.

    Raises:
        Refusal: with the counts, and the hours or the GiB.
    """
    p = sum(degrees) + float(len(degrees))
    fields = ", ".join(name for name in COUNTS.split(", ") if hasattr(config, name))
    numbers = 2 * (kept + config.points) * p  # a result, and its copy as it is written
    require_cost(config, fields, numbers, (2 * p * samples + DRAW * len(degrees)) * steps)


def require_recursion(config: Points, degrees: tuple[int, ...], steps: int) -> None:
    """Refuse so many `steps` of the exact second moments that they take hours: each sums over every sample.

    Raises:
        Refusal: with the counts and the hours.
    """
    squares = sum(min(config.points, n + 1) ** 2 for n in degrees)
    fields = ", ".join(name for name in COUNTS.split(", ") if hasattr(config, name))
    require_cost(config, fields, operations=2.0 * config.points * squares * steps)


def build(config: Points, degree: int) -> Problem:
    """The problem of this degree.

    Raises:
        Refusal: the data leave float64, are all 0, or X is too ill-conditioned to have its rank there.
    """
    if config.points * (degree + 1) > 2**22:
        raise Refusal(f"points {config.points} at degree {degree}: X is more than 2^22 numbers")
    x, y = config.taken()
    X = features(x, degree)
    if not (np.abs(y).max() < LARGEST and np.abs(X).max() < LARGEST):
        raise Refusal(
            f"degree {degree}: φ(x) or y, or its fourth power, leaves float64 on this interval"
        )
    if np.abs(y).max() <= config.nothing:  # ω = 0, or nodes of the sine at every point
        raise Refusal("every y is 0: the start θ₀ = 0 is the solution")
    U, sigma, Vt = np.linalg.svd(X, full_matrices=False)
    if not sigma[-1] > max(X.shape) * np.finfo(float).eps * sigma[0]:
        raise Refusal(
            f"degree {degree} at {config.points} points: "
            f"cond X = {sigma[0] / max(sigma[-1], 1e-300):.1e}, "
            "float64 cannot tell its smallest mode from 0"
        )
    return Problem(x, y, X, sigma, Vt.T, Vt.T @ (U.T @ y / sigma))


def loss(problem: Problem, theta: Float[np.ndarray, "*s p"]) -> Float[np.ndarray, "*s"]:
    """f(θ)."""
    return np.asarray(np.mean((theta @ problem.X.T - problem.y) ** 2, -1))


def gap(problem: Problem, theta: Float[np.ndarray, "*s p"]) -> Float[np.ndarray, "*s"]:
    """f(θ) − f* = (1/N)‖X(θ − θ*)‖², which neither cancels nor turns negative."""
    return np.asarray(np.mean(((theta - problem.theta) @ problem.X.T) ** 2, -1))


def gradient(problem: Problem, theta: Float[np.ndarray, "*s p"]) -> Float[np.ndarray, "*s p"]:
    """∇f(θ)."""
    return 2 / len(problem.y) * (theta @ problem.X.T - problem.y) @ problem.X


def null_projector(problem: Problem) -> Float[np.ndarray, "p p"]:
    """I − VVᵀ, onto what no measurement sees."""
    return np.eye(len(problem.theta)) - problem.V @ problem.V.T


def odd(problem: Problem) -> bool:
    """Whether the points lie symmetrically and y is odd there, up to rounding."""
    x, y = problem.x[np.argsort(problem.x)], problem.y[np.argsort(problem.x)]
    alike = (np.abs(v + v[::-1]).max() <= 1e-12 * np.abs(v).max() for v in (x, y))
    return len(x) > 1 and all(alike)


def modes(problem: Problem, theta: Float[np.ndarray, " p"]) -> Quadratic:
    """Gradient descent from this θ₀ in the eigenbasis V; its part in the null space never moves."""
    return Quadratic(problem.eigenvalues, problem.V.T @ (theta - problem.theta))


def grid_rmse(
    config: Points, theta: Float[np.ndarray, " p"], interval: tuple[float, float], grid: int
) -> float:
    """Root mean square of m(·; θ) − truth at `grid` equally spaced points of the interval."""
    x = np.linspace(*interval, grid)
    error = features(x, len(theta) - 1) @ theta - config.truth(x)
    return float(np.sqrt(np.mean(error**2)))
