"""Minibatch gradient descent with momentum on many networks at once, each in an order of its own.

    v ← μv + ∇f_B(θ),   θ ← θ − ηv,   f_B the mean square on a batch B;  v₀ = 0   (torch's SGD)
    batches: permutations of the points one after another, cut into pieces, across their ends

A network whose loss is not a finite number has diverged; it stays as it was at its last finite loss.

Source: CS182 homework 2, question 6: 468 steps at η = 0.1, μ = 0.9, batches of 32, in float32.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from pydantic import Field

from descent.config import Count, Positive, experiment_config
from descent.maths.networks import Shape, gradients


@experiment_config
class Schedule:
    batch: Count
    epochs: Count
    rate: Positive  # η
    momentum: float = Field(ge=0, lt=1)  # μ


class Run(NamedTuple):
    """What became of R networks."""

    theta: Float[np.ndarray, "R P"]  # of a diverged network, the last with a finite loss
    losses: Float[np.ndarray, "T R"]  # of the batches; after divergence the last finite one
    diverged: Integer[np.ndarray, " R"]  # step whose loss was not finite; T where there is none


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


def train(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "N 1"],
    y: Float[np.ndarray, "N 1"],
    shape: Shape,
    order: Integer[np.ndarray, "R T B"],
    rate: float,
    momentum: float,
) -> Run:
    """In the precision of θ."""
    R, T, _ = order.shape
    dtype = theta.dtype
    x, y = x.astype(dtype), y.astype(dtype)
    losses, diverged = np.empty((T, R)), np.full(R, T)
    now, final, v = theta, theta.copy(), np.zeros_like(theta)
    before, alive = now, np.arange(R)
    with np.errstate(over="ignore", invalid="ignore"):  # divergence is a result
        for t in range(T):
            batch = order[alive, t]
            loss, g = gradients(now, x[batch], y[batch], shape)
            losses[t] = losses[t - 1] if t else np.finfo(dtype).max
            fine = np.isfinite(loss)
            losses[t, alive[fine]] = loss[fine]
            if not fine.all():
                diverged[alive[~fine]] = t
                final[alive[~fine]] = before[~fine]
                alive, now, g, v = (a[fine] for a in (alive, now, g, v))
            v = dtype.type(momentum) * v + g
            before, now = now, now - dtype.type(rate) * v
    final[alive] = now
    return Run(final, losses, diverged)
