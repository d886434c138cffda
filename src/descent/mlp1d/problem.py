"""Seven points of a function on [−1, 1], and what models simpler than a deep network can reach on them.

    y_i = sin(5x_i) e^{|2x_i|}/10,   x_i evenly spaced;   loss(m) = (1/N) Σ (m(x_i) − y_i)²

Floors, each the least loss of its class: a constant, Var y; a line, linear least squares; one hinge c₀ + c₁ max(±(x − k), 0),
which is all that a ReLU network of width 1 can be.

Source: FRTN50 assignment, exercise 3.
"""

from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Refusal, Seed, experiment_config

LARGEST = 10_000_000  # numbers in all networks that train side by side: 80 MB an array
DOCUMENT_POINTS = 7  # N of the document: its printed numbers are for these alone

Hidden = Annotated[tuple[Count, ...], Field(min_length=1)]  # widths f₁, …, f_{D−1}


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # networks, each from a start of its own
    points: Count  # N
    epochs: Count  # steps over all points

    def __post_init__(self):
        if self.points < 3:
            raise ValueError(f"points {self.points}: one hinge fits fewer than 3 exactly")


def require_room(parameters: int, networks: int) -> None:
    """Refuse more networks than fit.

    Raises:
        Refusal: naming both numbers.
    """
    if parameters * networks > LARGEST:
        raise Refusal(
            f"{networks} networks of {parameters} parameters: more than {LARGEST:,} in all"
        )


def target(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.sin(5 * x) * np.exp(np.abs(2 * x)) / 10


def points(N: int) -> tuple[Float[np.ndarray, "N 1"], Float[np.ndarray, "N 1"]]:
    x = np.linspace(-1, 1, N)[:, None]
    return x, target(x)


def residual(features: Float[np.ndarray, "N f"], y: Float[np.ndarray, "N 1"]) -> float:
    """Mean square that is left of y by least squares."""
    left = y - features @ np.linalg.lstsq(features, y)[0]
    return float(np.mean(left**2))


def constant_floor(y: Float[np.ndarray, "N 1"]) -> float:
    return float(np.var(y))


def line(x: Float[np.ndarray, "N 1"]) -> Float[np.ndarray, "N 2"]:
    return np.hstack([np.ones_like(x), x])


def linear_floor(x: Float[np.ndarray, "N 1"], y: Float[np.ndarray, "N 1"]) -> float:
    return residual(line(x), y)


def hinge_floor(x: Float[np.ndarray, "N 1"], y: Float[np.ndarray, "N 1"]) -> float:
    """The least loss of one hinge, over its knot k too; x increasing.

    Between two neighbouring points the best hinge is a constant on one side and a free line a + bx on
    the other, if these meet there, at k = (c₀ − a)/b; else the best knot is at a point. With the knot
    at the first point it is a line.
    """
    best = np.inf
    for sign in (1, -1):  # which side rises
        u, v = sign * x[::sign, 0], y[::sign, 0]
        for j in range(len(u) - 1):
            hinge = np.maximum(u - u[j], 0)[:, None]
            best = min(best, residual(np.hstack([np.ones_like(hinge), hinge]), v[:, None]))
            if j < len(u) - 2:  # two points or more right of the knot
                b, a = np.polyfit(u[j + 1 :], v[j + 1 :], 1)
                c0 = v[: j + 1].mean()
                if b != 0 and u[j] <= (c0 - a) / b <= u[j + 1]:
                    left = np.concatenate([v[: j + 1] - c0, v[j + 1 :] - a - b * u[j + 1 :]])
                    best = min(best, float(np.mean(left**2)))
    return best
