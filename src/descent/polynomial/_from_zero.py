"""Runs from θ₀ = 0 on more coefficients than points."""

import numpy as np

from descent.maths.optimisers import descend, drawn
from descent.polynomial._crossing import beyond
from descent.polynomial._problem import Problem, null_projector


def sampled_runs(rng, problem: Problem, rate: float, config) -> tuple:
    """d² and null-space component over (batch, k), and the crossing, of one stream for each b."""
    rates, level = np.full(len(problem.theta), rate), np.array([config.squared])
    start, N = np.zeros_like(rates), len(problem.y)
    paths = [
        descend(problem.X, problem.y, start, rates, batch, config.kept, problem.theta, level)
        for batch in (drawn(rng, N, config.steps, b) for b in config.batches)
    ]
    distance, null = to_solution(problem, np.stack([path.theta for path in paths]))
    return distance, null, [path.first[0] for path in paths]


def to_solution(problem: Problem, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """‖θ − θ*‖² and ‖P_null θ‖; ∞ where a run left float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        null = np.linalg.norm(theta @ null_projector(problem), axis=-1)
        return beyond(((theta - problem.theta) ** 2).sum(-1)), beyond(null)
