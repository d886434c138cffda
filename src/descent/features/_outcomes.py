"""What becomes of networks in training: lost, constant, or neither; and whether failures go with something else."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from descent.features._training import Pace, ends, orders, train_in_batches
from descent.maths.network import Shape, outputs

CONSTANT = 1e-3  # range of m, over the range of f, below which m is constant
TEST = np.linspace(-1, 1, 201)[:, None]


class Outcome(NamedTuple):
    lost: Bool[np.ndarray, " R"]
    constant: Bool[np.ndarray, " R"]
    spiked: Bool[np.ndarray, " R"]  # a loss ten times the first


def is_constant(
    theta: Float[np.ndarray, "R P"], shape: Shape, span: float
) -> Bool[np.ndarray, " R"]:
    """Whether m hardly varies, where the function varies by `span`."""
    return np.ptp(outputs(theta, TEST, shape)[..., 0], axis=1) < CONSTANT * span


def outcome(rng, theta, x, y, shape: Shape, steps: int, batch: int, pace: Pace, span: float):
    """What became of the networks at one rate and momentum."""
    order = orders(rng, len(theta), len(x), steps, batch)
    run = train_in_batches(theta, x, y, shape, order, pace)
    lost = run.is_lost
    constant = ~lost & is_constant(ends(run), shape, span)
    return Outcome(lost, constant, lost | (run.losses.max(axis=0) > 10 * run.losses[0]))


def log_chance(failed: np.ndarray, above: np.ndarray) -> float:
    """log₁₀ of Fisher's one-sided p-value of failures above against below, at least −300."""
    table = [
        [np.sum(failed & above), np.sum(~failed & above)],
        [np.sum(failed & ~above), np.sum(~failed & ~above)],
    ]
    p = stats.fisher_exact(table, alternative="greater").pvalue
    return float(np.log10(max(float(p), 1e-300)))


def share_of(true: np.ndarray, among: np.ndarray) -> float:
    """Of none, 0."""
    return float(true[among].mean()) if among.any() else 0.0
