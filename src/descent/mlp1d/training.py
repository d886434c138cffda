"""Full-batch gradient descent and Adam on many networks at once, until a loss is reached or lost.

    gradient descent:  θ ← θ − η∇f(θ)
    Adam:  m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,  θ ← θ − η m̂/(√v̂ + ε),  m̂ = m/(1 − β₁ᵗ),  v̂ = v/(1 − β₂ᵗ)

Source: arXiv 1412.6980 (Adam), with ε outside the root.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from descent.maths.networks import Shape, gradients

HIGHEST = 1e100  # loss that is recorded: its square and a mean of squares are numbers still


class Adam(NamedTuple):
    beta1: float
    beta2: float
    epsilon: float


class Run(NamedTuple):
    """What became of R networks; a network that has ended stays as it is."""

    losses: Float[
        np.ndarray, "T R"
    ]  # of θ_0 … θ_steps, at most HIGHEST; after the end of a run its last finite one
    theta: Float[np.ndarray, "R P"]
    ended: Integer[
        np.ndarray, " R"
    ]  # step at which the loss was below `stop` or not finite; else steps
    stopped: Bool[np.ndarray, " R"]
    diverged: Bool[np.ndarray, " R"]
    snapshots: Float[np.ndarray, "S R P"]


def train(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "N 1"],
    y: Float[np.ndarray, "N 1"],
    shape: Shape,
    rate: float | Float[np.ndarray, " R"],
    steps: int,
    adam: Adam | None = None,
    stop: float = 0.0,
    snapshots: Sequence[int] = (),
) -> Run:
    """`steps` steps from θ at one rate, or at one for every network; in the precision of θ."""
    R, dtype = len(theta), theta.dtype
    losses, final = np.empty((steps + 1, R)), theta.copy()
    kept = np.empty((len(snapshots), *theta.shape), dtype)
    ended = np.full(R, steps)
    stopped, diverged = np.zeros((2, R), bool)
    eta = np.broadcast_to(np.asarray(rate, dtype).reshape(-1, 1), (R, 1))
    active = np.arange(R)
    now = before = theta
    m = v = np.zeros_like(theta)
    with np.errstate(over="ignore", invalid="ignore"):  # divergence is a result
        for t in range(steps + 1):
            loss, g = gradients(now, x, y, shape)
            if t:
                losses[t] = losses[t - 1]
            losses[t, active] = loss
            lost, done = ~np.isfinite(loss), loss < stop
            if lost.any() or done.any():
                now = np.where(lost[:, None], before, now)  # the last that had a loss
                losses[t, active[lost]] = losses[t - 1, active[lost]] if t else np.finfo(float).max
                final[active] = now
                ended[active[lost | done]] = t
                stopped[active[done]], diverged[active[lost]] = True, True
                on = ~(lost | done)
                active, now, g, m, v, eta = (a[on] for a in (active, now, g, m, v, eta))
            if t in snapshots:
                final[active] = now
                kept[list(snapshots).index(t)] = final
            if t == steps or not len(active):
                losses[t + 1 :] = losses[t]
                break
            before = now
            if adam is None:
                now = now - eta * g
            else:
                m = adam.beta1 * m + (1 - adam.beta1) * g
                v = adam.beta2 * v + (1 - adam.beta2) * g * g
                root = np.sqrt(v / (1 - adam.beta2 ** (t + 1))) + adam.epsilon
                now = now - eta * (m / (1 - adam.beta1 ** (t + 1))) / root
    final[active] = now
    for s, when in enumerate(snapshots):  # those after everything ended
        if when > t:
            kept[s] = final
    return Run(np.minimum(losses, HIGHEST), final, ended, stopped, diverged, kept)


def thinned(steps: int, count: int = 200) -> Integer[np.ndarray, " s"]:
    """0, and up to `count` steps spaced logarithmically up to the last."""
    return np.unique(np.append(0, np.geomspace(1, steps, count).round().astype(int)))
