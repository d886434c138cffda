"""With more features than samples gradient descent ends at the solution nearest to its start, and 0 leads to the shortest.

    n < d:   w_∞ = w₀ + X⁺(t − Xw₀),   from 0: ŵ = Xᵀ(XXᵀ)⁻¹t;   P(w_k − w₀) = 0 for all k, P = 1 − X⁺X
    Xw₁ = t:        (ŵ − w₁)ᵀŵ = 0,   ‖w₁‖² = ‖ŵ‖² + ‖w₁ − ŵ‖²
    t = Xw*:        E_x(xᵀŵ − xᵀw*)² = ‖Pw*‖² for isotropic x, of which the mean over X is (1 − n/d)‖w*‖²

For N(0, 1) entries ‖Pw*‖²/‖w*‖² is Beta((d − n)/2, n/2).

Source: CSE 891 homework 2, questions 3.3c and 3.4.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.linear import problem
from descent.maths import quadratic
from descent.maths.projection import project
from descent.result import Check, Result, replicates, steps, sweep


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # problems
    samples: Count  # n
    features: Count  # d
    start: Positive  # w₀ = start · N(0, 1)
    step: Positive  # γβ
    steps: Count
    near: Positive  # ‖w_k − ŵ‖² whose first k is predicted
    fewer: tuple[Count, ...]  # n of the sweep of the risk

    def __post_init__(self):
        require_increasing("fewer", self.fewer)
        for n in (self.samples, *self.fewer):
            if n >= self.features:
                raise ValueError(
                    f"samples {n} ≥ features {self.features}: one w fits best, see linear.underparameterised"
                )
        if self.step >= 2:
            raise ValueError(f"step {self.step:g} ≥ 2 (in 1/β): gradient descent diverges")


def missed(rng: np.random.Generator, n: int, d: int, count: int) -> np.ndarray:
    """‖Pw*‖²/‖w*‖² of `count` problems."""
    X, truth = rng.standard_normal((count, n, d)), rng.standard_normal((count, d, 1))
    fit = X.mT @ np.linalg.solve(X @ X.mT, X @ truth)
    return np.square(fit - truth).sum((1, 2)) / np.square(truth).sum((1, 2))


def run(config: Config) -> Result:
    rng = np.random.default_rng(config.seed)
    n, d, R, K = config.samples, config.features, config.replicates, config.steps
    k = problem.thinned(K)
    rows = []
    distances, predictions = np.empty((2, R, len(k)))
    for run in range(R):
        p = problem.draw(rng, n, d)
        X, t, truth = p.X, p.t, p.truth
        gamma = config.step / p.eigenvalues[0]
        starts = np.stack([np.zeros(d), config.start * rng.standard_normal(d)])
        # The formulas of the claim, the first by the normal equations and the other by QR.
        shortest = X.T @ np.linalg.solve(X @ X.T, t)
        limits = np.stack([shortest, project(X, t, starts[1], np.ones(d))])
        paths = [
            problem.descend(X, t, w, gamma, k, limit, config.near)
            for w, limit in zip(starts, limits, strict=True)
        ]
        q = problem.modes(p, starts[0], shortest)
        ends = np.array([path.theta[-1] for path in paths])
        distances[run] = np.linalg.norm(paths[0].theta - shortest, axis=1)
        predictions[run] = np.sqrt(
            quadratic.squared_distance(quadratic.iterate(q, gamma, k.astype(float)))
        )
        # What the runs have still to go, of their own modes.
        rest = max(
            np.linalg.norm(
                quadratic.iterate(problem.modes(p, w, limit), gamma, np.array([float(K)]))
            )
            for w, limit in zip(starts, limits, strict=True)
        )
        moved = [path.theta - w for path, w in zip(paths, starts, strict=True)]
        first = quadratic.first_within(q, gamma, config.near)
        other = ends[1]  # a solution that is not the shortest
        size = np.linalg.norm(truth) + np.linalg.norm(starts[1])
        slack = size * (problem.rounding(p, gamma) + 4 * n * problem.EPS * p.condition**2)
        if first is None or first >= K or not problem.certain(p, gamma, config.near, slack):
            lag = 0
        else:
            lag = int(paths[0].first[0]) - first
        rows.append(
            {
                "apart": np.linalg.norm(ends - limits, axis=1).max() / slack,
                "rest": rest / slack,
                "off": np.abs(distances[run] - predictions[run]).max() / slack,
                "across": max(np.linalg.norm(p.across(m), axis=1).max() for m in moved) / size,
                "angle": abs((shortest - other) @ shortest) / (slack * size),
                "pythagoras": abs(other @ other - shortest @ shortest - np.square(other - shortest).sum()) / (slack * size),
                "excess": np.linalg.norm(other) - np.linalg.norm(shortest),
                "norm": np.linalg.norm(shortest),
                "null": np.square(p.across(truth)).sum(),
                "risk": np.square(ends[0] - truth).sum(),
                "beta": p.eigenvalues[0],
                "lowest": p.eigenvalues[-1],
                "lag": lag,
                "first": -1 if first is None else first,
                "slack": slack,
            }
        )  # fmt: skip
    column = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    shares = np.array([missed(rng, m, d, R) for m in config.fewer])
    a, b = (d - np.array(config.fewer)) / 2, np.array(config.fewer) / 2
    mean, sd = a / (a + b), np.sqrt(a * b / (a + b + 1)) / (a + b)

    data = xr.Dataset(
        {
            "distance": (("replicate", "k"), distances, {"long_name": "‖w_k − ŵ‖ from 0"}),
            "distance_predicted": (
                ("replicate", "k"),
                predictions,
                {"long_name": "mode by mode", "role": "prediction"},
            ),
            "missed": (
                ("n", "replicate"),
                shares,
                {"long_name": "‖ŵ − w*‖²/‖w*‖²"},
            ),
            "missed_predicted": ("n", mean, {"long_name": "1 − n/d", "role": "prediction"}),
            "norm": ("replicate", column["norm"], {"long_name": "‖ŵ‖"}),
            "excess_norm": (
                "replicate",
                column["excess"],
                {"long_name": "‖w₁‖ − ‖ŵ‖ of the limit from w₀"},
            ),
        },
        coords={
            "k": steps(k, "k", "iteration k"),
            "n": sweep(config.fewer, "n", "samples n"),
            "replicate": replicates(R),
        },
    )
    return Result(
        data=data,
        metrics={
            "norm_first": column["norm"][0],
            "beta_first": column["beta"][0],
            "lowest_eigenvalue_first": column["lowest"][0],
            "first_near_first": int(column["first"][0]),
            "null_risk_first": column["null"][0],
            "null_component": column["across"].max(),
            "missed": data["missed"].mean("replicate"),
            "missed_predicted": data["missed_predicted"],
        },
        checks=(
            # In units of the rounding of the normal equations and of the run.
            Check("ends_at_the_nearest_solution", float(column["apart"].max()), "<=", 0.0, 1.0),
            Check("run_is_long_enough", float(column["rest"].max()), "<=", 0.0, 1.0),
            Check("distance_mode_by_mode", float(column["off"].max()), "<=", 0.0, 1.0),
            Check("crossing_not_late", int(column["lag"].max()), "<=", 0, 2),
            Check("crossing_not_early", int(column["lag"].min()), ">=", 0, 2),
            # The rounding of K steps, a random walk of some ε each.
            Check("null_component_of_w_k_less_w_0", float(column["across"].max()), "<=", 0.0,
                  float(16 * problem.EPS * np.sqrt(K))),
            Check("shortest_is_orthogonal_to_differences", float(column["angle"].max()), "<=", 0.0, 1.0),
            Check("pythagoras", float(column["pythagoras"].max()), "<=", 0.0, 4.0),
            Check("no_solution_is_shorter", float((column["excess"] / column["slack"]).min()), ">=", 0.0, 1.0),
            Check("risk_is_the_null_part", float((np.abs(column["risk"] - column["null"]) / column["slack"]).max()),
                  "<=", 0.0, float(4 * np.sqrt(column["null"].max()) + 4)),
            Check("mean_risk_in_standard_errors", float((np.abs(shares.mean(1) - mean) / sd).max() * np.sqrt(R)),
                  "<=", 0.0, 4.0),
        ),
    )  # fmt: skip
