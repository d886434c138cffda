"""Samples of two classes that a line through 0 separates, and the loss whose descent the family follows.

    z_n = y_n x_n = y_n N(0, I) + gap·u,   u of length 1, y_n the sign of N(0, I)ᵀu     all times `scale`
    L(w) = Σ_n ℓ(z_nᵀw),   ℓ(m) = e^{−m} (exponential) or log(1 + e^{−m}) (logistic)
    margin of w in a norm:   min_n z_nᵀw / ‖w‖,   γ its largest value;   B = max_n ‖z_n‖ in the dual norm

A negative gap can leave the classes mixed. L has no minimum on separated classes, so w grows for ever.
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Number, Positive, Refusal, Seed, experiment_config
from descent.maths.limits import require_within
from descent.result import sweep

Problem = tuple[Seed, Count, Count]  # seed, number of samples n, dimension d
Problems = Annotated[tuple[Problem, ...], Field(min_length=1)]
LARGEST = 20_000  # numbers in Z
EPS = float(np.finfo(float).eps)


class Samples(NamedTuple):
    Z: Float[np.ndarray, "n d"]
    aside: Float[np.ndarray, " d"]  # of length 1: where a run starts that does not start at 0

    @property
    def longest(self) -> float:
        """B in ℓ₂."""
        return float(np.linalg.norm(self.Z, axis=1).max())


@experiment_config
class Drawn:
    """One problem."""

    seed: Seed
    samples: Count  # n
    dimension: Count  # d
    gap: Number  # what is put between the classes
    scale: Positive  # of all samples

    def __post_init__(self):
        require_moderate(self.samples, self.dimension, self.gap, self.scale)

    def draw(self) -> Samples:
        return draw((self.seed, self.samples, self.dimension), self.gap, self.scale)


@experiment_config
class DrawnMany:
    """Problems of several sizes, each with a seed of its own."""

    problems: Problems  # [seed, samples n, dimension d]
    gap: Number  # what is put between the classes
    scale: Positive  # of all samples

    def __post_init__(self):
        for _, n, d in self.problems:
            require_moderate(n, d, self.gap, self.scale)
        if len(set(self.problems)) < len(self.problems):
            raise ValueError("problems: one of them stands there twice")
        if len(self.problems) > 20:
            raise ValueError(
                f"problems: {len(self.problems)} > 20, of which a figure shows nothing"
            )

    def draw(self) -> list[Samples]:
        return [draw(problem, self.gap, self.scale) for problem in self.problems]


def require_moderate(n: int, d: int, gap: float, scale: float) -> None:
    """Refuse more samples than can be separated in seconds, and lengths near the ends of float64."""
    if n * d > LARGEST:
        raise ValueError(f"samples {n} · dimension {d} > {LARGEST}: their programmes take minutes")
    require_within("scale", scale, 1e-12, 1e12, "beyond, squares of squares leave float64")
    require_within("gap", gap, -1e6, 1e6, "beyond, rounding of it hides the samples")


def draw(problem: Problem, gap: float, scale: float) -> Samples:
    """u, then the samples, then where a run starts that does not start at 0."""
    seed, n, d = problem
    rng = np.random.default_rng(seed)
    u = rng.standard_normal(d)
    u /= np.linalg.norm(u)
    X = rng.standard_normal((n, d))
    y = np.where(X @ u >= 0, 1.0, -1.0)
    aside = rng.standard_normal(d)
    return Samples(scale * (y[:, None] * X + gap * u), aside / np.linalg.norm(aside))


def named(problems: Problems) -> xr.Variable:
    """The coordinate of the problems."""
    names = [f"n {n}, d {d}, seed {seed}" for seed, n, d in problems]
    return sweep(names, "problem", "problem")


def padded(vectors: list[np.ndarray]) -> np.ndarray:
    """Vectors of several lengths as rows of one array, with zeros behind them."""
    table = np.zeros((len(vectors), max(map(len, vectors))))
    for row, vector in zip(table, vectors, strict=True):
        row[: len(vector)] = vector
    return table


def refuse(why: str) -> Refusal:
    return Refusal(f"samples, gap: {why}")
