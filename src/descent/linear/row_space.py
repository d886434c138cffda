"""SGD with any batch never leaves the row space of X, so it ends where gradient descent does: at the shortest solution.

    w ← w − γ (2/b) Σ_{i in batch} x_i(x_iᵀw − t_i),   n < d,   γ = step/max‖x_i‖²
    P w_k = P w₀ for all k, P = 1 − X⁺X;   the limit is w₀ + X⁺(t − Xw₀), whatever was drawn
    E‖w_k − w_∞‖² ≤ (1 − 2γ(1 − step)λmin)ᵏ ‖w₀ − w_∞‖²

The bound: one sample takes 4γ(1 − γ‖x_i‖²)(x_iᵀe)² from ‖e‖², on average at least 2γ(1 − step)λmin‖e‖²; and
a batch is a mean of such steps, so convexity gives it the same bound.

Source: CSE 891 homework 2, the question on linear regression and optimisation, parts 1 and 2.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.linear import problem
from descent.maths import optimisers
from descent.maths.projection import project
from descent.result import Check, Result, replicates, steps, sweep


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # problems, each with a run of its own for every batch size
    samples: Count  # n
    features: Count  # d
    batches: tuple[Count, ...]  # b, drawn with replacement
    start: Annotated[float, Field(ge=0)]  # w₀ = start · N(0, 1)
    step: Annotated[
        float, Field(gt=0, lt=1)
    ]  # γ max‖x_i‖²; below 1 no sample ever takes w further away
    steps: Count
    relative: Positive  # distance that counts as converged, of ‖w₀ − w_∞‖

    def __post_init__(self):
        require_increasing("batches", self.batches)
        if self.samples >= self.features:
            raise ValueError(
                f"samples {self.samples} ≥ features {self.features}: the rows span everything"
            )


def run(config: Config) -> Result:
    rng = np.random.default_rng(config.seed)
    n, d, R, K = config.samples, config.features, config.replicates, config.steps
    k = problem.thinned(K)
    distance = np.empty((len(config.batches), R, len(k)))
    bound, across = np.empty((R, len(k))), np.empty((len(config.batches), R))
    for run in range(R):
        p = problem.draw(rng, n, d)
        w0 = config.start * rng.standard_normal(d)
        limit = project(p.X, p.t, w0, np.ones(d))
        gamma = config.step / np.square(p.X).sum(1).max()
        rate = 2 * gamma * (1 - config.step) * p.eigenvalues[-1]
        # 1 at the most, which rounding may exceed: a single sample can be met in one step.
        bound[run] = np.exp(k * np.log1p(-min(rate, 1 - problem.EPS)))
        start = np.linalg.norm(w0 - limit)
        for row, b in enumerate(config.batches):
            order = optimisers.drawn(rng, n, K, b)
            path = problem.descend(p.X, p.t, w0, gamma, k, limit, -1.0, order).theta
            distance[row, run] = np.linalg.norm(path - limit, axis=1) / start
            rest = p.across(path - w0)
            across[row, run] = np.linalg.norm(rest, axis=1).max() / np.linalg.norm(limit)

    mean, expected = np.square(distance).mean(1), bound.mean(0)  # (batch, k), (k,)
    error = np.square(distance).std(1, ddof=min(1, R - 1)) / np.sqrt(R)
    seen = expected > 1e-24  # of the squared distance: rounding is far below
    data = xr.Dataset(
        {
            "distance": (
                ("b", "replicate", "k"),
                distance,
                {"long_name": "‖w_k − w_∞‖/‖w₀ − w_∞‖"},
            ),
            "bound": (
                "k",
                np.sqrt(expected),
                {"long_name": "bound on its root mean square", "role": "prediction"},
            ),
            "across": (
                ("b", "replicate"),
                across,
                {"long_name": "largest null component of w_k − w₀"},
            ),
        },
        coords={
            "b": sweep(config.batches, "b", "batch size b"),
            "replicate": replicates(R),
            "k": steps(k, "k", "iteration k"),
        },
    )
    return Result(
        data=data,
        metrics={
            "null_component": across.max(),
            "final_distance": data["distance"].isel(k=-1).max("replicate", skipna=False),
        },
        checks=(
            # The rounding of K steps, a random walk of some ε each.
            Check("stays_in_the_row_space", float(across.max()), "<=", 0.0, float(16 * problem.EPS * np.sqrt(K))),
            Check("ends_at_the_nearest_solution", float(distance[..., -1].max()), "<=", 0.0, config.relative),
            Check("mean_square_over_bound", float(((mean - 4 * error)[:, seen] / expected[seen]).max()), "<=", 1.0,
                  1e-9),
            Check("no_step_leads_away", float(np.diff(distance, axis=-1).max()), "<=", 0.0, 1e-12),
        ),
    )  # fmt: skip
