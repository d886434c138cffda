"""The document's own runs: gradient descent from the start that torch draws after manual_seed, in float32.

Source: FRTN50 assignment, exercises 3a and 3e; its networks train from seed 42 on seven points.
"""

from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field
from scipy import stats

from descent.config import require_increasing
from descent.maths import rules
from descent.maths.initialise import from_torch
from descent.maths.network import Shape
from descent.maths.sampling import level
from descent.maths.training import train
from descent.mlp1d import _problem
from descent.result import Erratum

Scale = Annotated[float, Field(ge=0)]  # 0 where it prints nothing
POINTS, SEED, RATE = 7, 42, 0.05
WIDTHS = (1, 10, 10, 1)
# Where it draws a fit: near the points, and far from them.
NEAR = np.linspace(-1.1, 1.1, 221)[:, None]
FAR = np.linspace(-11, 11, 221)[:, None]


def require_table(name: str, at: tuple[int, ...], epochs: int, row: tuple[float, ...]) -> None:
    """Refuse epochs that do not increase or are not trained, and a row of another length.

    Raises:
        ValueError: naming them.
    """
    require_increasing(name, at)
    if at[-1] > epochs:
        raise ValueError(f"{name}: epoch {at[-1]} > epochs {epochs}")
    if len(row) != len(at):
        raise ValueError(f"{name}: {len(at)} epochs, {len(row)} printed numbers")


def losses_from(
    seed: int, shape: Shape, N: int, rate: float, epochs: int, dtype: type
) -> Float[np.ndarray, " T"]:
    """Losses of epochs 0, 1, …, epochs of gradient descent in this precision."""
    x, y = (values.astype(dtype) for values in _problem.points(N))
    start = from_torch(seed, "uniform", shape).astype(dtype)
    return train(start, _problem.slope(x, y, shape), rules.descent(), rate, epochs).losses[:, 0]


def running_means(losses: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """The mean of the losses so far: sum(losses)/len(losses)."""
    return np.cumsum(losses) / np.arange(1, len(losses) + 1)


def recovered_loss(
    epochs: tuple[int, ...] | np.ndarray, means: tuple[float, ...] | np.ndarray
) -> Float[np.ndarray, " k"]:
    """Mean loss between neighbouring epochs, from the means of all losses up to them."""
    counts = np.array(epochs) + 1
    return np.diff(counts * np.array(means)) / np.diff(counts)


def flaws(grid: int, scale: float, delta: Float[np.ndarray, "R P"]) -> list[Erratum]:
    """Of how it draws directions and evaluates along them; 0 where it prints nothing."""
    where, stands = "FRTN50 assignment 3e", []
    if grid:
        nearest, exact = float(np.abs(np.linspace(-1, 1, grid)).min()), 1 / (grid - 1)
        name = "distance_of_the_grid_from_the_minimum"
        stands.append(Erratum(name, where, 0.0, exact, nearest, 1e-12))
    if scale:
        tol = float(-stats.norm.ppf(level(1) / 2) / np.sqrt(2 * delta.size))
        spread, name = float(delta.std()), "standard_deviation_of_a_direction"
        stands.append(Erratum(name, where, scale, 1.0, spread, tol))
        name = "correlation_of_the_directions_of_two_layers"
        stands.append(Erratum(name, where, 0.0, 1.0, correlation_of_layers(), 1e-12))
    return stands


def correlation_of_layers() -> float:
    """Between the first entries of the directions of two layers when each is drawn from the same seed."""
    first, second = (np.random.RandomState(42).normal(size=10) for _ in range(2))  # as there
    return float(np.corrcoef(first, second)[0, 1])
