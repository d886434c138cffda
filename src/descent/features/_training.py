"""Minibatch gradient descent with momentum on many networks at once, each in an order of its own.

    v ← μv + ∇f_B(θ),   θ ← θ − ηv,   f_B the mean square on a batch B;  v₀ = 0   (torch's SGD)
    batches: permutations of the points one after another, cut into pieces, across their ends

Source: CS182 homework 2, question 6: 468 steps at η = 0.1, μ = 0.9, batches of 32, in float32.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from pydantic import Field

from descent.config import Count, Positive, experiment_config
from descent.maths.limits import CALL, SMALL, require_time
from descent.maths.network import Shape, value_and_gradient
from descent.maths.rules import heavy_ball
from descent.maths.training import Run, Step, train


@experiment_config
class Schedule:
    batch: Count
    epochs: Count
    rate: Positive  # η
    momentum: float = Field(ge=0, lt=1)  # μ

    @property
    def pace(self) -> "Pace":
        return Pace(self.rate, self.momentum)


class Pace(NamedTuple):
    rate: float  # η
    momentum: float  # μ


def require_steps(
    samples: int, batch: int, epochs: int, networks: int, hidden: tuple[int, ...]
) -> None:
    """Refuse a training without a step, or one of hours.

    Args:
        networks: that are trained, in all.

    Raises:
        ValueError: naming the fields and the rule.
    """
    if not step_count(samples, batch, epochs):
        raise ValueError(f"batch {batch} > {samples * epochs} points in all epochs: no step")
    if samples * epochs > 10_000_000:
        raise ValueError(f"epochs {epochs}: {samples * epochs} points in all, more than 10000000")
    weights = sum(float(a) * b for a, b in pairwise((1, *hidden, 1)))
    work = epochs * samples * (6 * SMALL * networks * weights + CALL / batch)
    counts = f"samples {samples}, epochs {epochs}, batch {batch}"
    require_time(f"{counts}, hidden {list(hidden)}, {networks} networks", work)


def step_count(samples: int, batch: int, epochs: int) -> int:
    """T: the whole batches in so many epochs."""
    return samples * epochs // batch


def orders(
    rng: np.random.Generator | np.random.RandomState,
    count: int,
    samples: int,
    steps: int,
    batch: int,
) -> Integer[np.ndarray, "R T B"]:
    """Permutations one after another, cut into batches."""
    rounds = -(-steps * batch // samples)
    drawn = [
        np.concatenate([rng.permutation(samples) for _ in range(rounds)]) for _ in range(count)
    ]
    return np.array(drawn)[:, : steps * batch].reshape(count, steps, batch).astype(np.int32)


def train_in_batches(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "N 1"],
    y: Float[np.ndarray, "N 1"],
    shape: Shape,
    order: Integer[np.ndarray, "R T B"],
    rule: Pace,
    observe: Callable[[Step], None] | None = None,
) -> Run:
    """In float32. Where the loss of a network is lost it stays as it was a step before; `observe` is shown every step."""
    x, y = x.astype(np.float32), y.astype(np.float32)

    def slope(theta: np.ndarray, active: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        batch = order[active, t]
        return value_and_gradient(theta, x[batch], y[batch], shape, "square")

    start, steps = theta.astype(np.float32), order.shape[1]
    moved = heavy_ball(rule.momentum)
    return train(start, slope, moved, rule.rate, steps, evaluate_end=False, observe=observe)


def ends(run: Run) -> Float[np.ndarray, "R P"]:
    """The trained networks in float64; of a lost one zeros, which can be looked at without overflow."""
    return np.where(run.is_lost[:, None], 0.0, run.theta.astype(float))
