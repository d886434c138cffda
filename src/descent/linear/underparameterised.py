"""With more samples than features every start of gradient descent ends at one ŵ, and without noise at the truth.

    n ≥ d:   ŵ = (XᵀX)⁻¹Xᵀt,   w_k − ŵ = Σ v_i (1 − γλ_i)ᵏ v_iᵀ(w₀ − ŵ),   λ_i = 2σ_i(X)²/n
    t = Xw*:          ŵ = w*, so every x is predicted without error
    t = Xw* + ξ:      E‖ŵ − w*‖² = σ² tr (XᵀX)⁻¹ given X,   σ² d/(n − d − 1) for N(0, 1) entries and n > d + 1

Source: CSE 891 homework 2, question 3.2.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config
from descent.linear import problem
from descent.maths import quadratic
from descent.result import Check, Result, replicates, steps


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # problems
    samples: Count  # n
    features: Count  # d
    starts: Count  # of gradient descent in every problem
    start: Positive  # w₀ = start · N(0, 1); the first is 0
    step: Positive  # γβ
    steps: Count
    near: Positive  # ‖w_k − ŵ‖² whose first k is predicted
    noise: Positive  # σ

    def __post_init__(self):
        if self.samples < self.features:
            raise ValueError(
                f"samples {self.samples} < features {self.features}: many w fit, see linear.overparameterised"
            )
        if self.step >= 2:
            raise ValueError(f"step {self.step:g} ≥ 2 (in 1/β): gradient descent diverges")


def run(config: Config) -> Result:
    rng = np.random.default_rng(config.seed)
    n, d, R, K = config.samples, config.features, config.replicates, config.steps
    k = problem.thinned(K)
    found = {
        name: []
        for name in (
            "distance",
            "predicted",
            "late",
            "early",
            "apart",
            "off",
            "generalised",
            "risk",
            "allowed",
            "variance",
        )
    }
    spectra = []
    for _ in range(R):
        p = problem.draw(rng, n, d)
        X, t, truth = p.X, p.t, p.truth
        gamma = config.step / p.eigenvalues[0]
        fit = np.linalg.solve(X.T @ X, X.T @ t)
        w0 = config.start * rng.standard_normal((config.starts, d))
        w0[0] = 0
        paths = [problem.descend(X, t, w, gamma, k, fit, config.near) for w in w0]
        ends = np.array([path.theta[-1] for path in paths])
        modes = [problem.modes(p, w, fit) for w in w0]
        first = [quadratic.first_within(q, gamma, config.near) for q in modes]
        exact = quadratic.squared_distance(quadratic.iterate(modes[0], gamma, k.astype(float)))
        size = np.linalg.norm(truth)
        # The normal equations lose the condition number squared.
        slack = size * (4 * d * problem.EPS * p.condition**2 + problem.rounding(p, gamma))
        found["distance"].append(np.linalg.norm(paths[0].theta - fit, axis=1))
        found["predicted"].append(np.sqrt(exact))
        sure = problem.certain(p, gamma, config.near, slack)
        lag = [
            a.first[0] - b
            for a, b in zip(paths, first, strict=True)
            if sure and b is not None and 0 < b < K
        ]
        found["late"].append(max(lag, default=0))
        found["early"].append(min(lag, default=0))
        left = max(
            float(
                np.sqrt(
                    quadratic.squared_distance(quadratic.iterate(q, gamma, k[-1:].astype(float)))[0]
                )
            )
            for q in modes
        )
        found["apart"].append(np.linalg.norm(ends - fit, axis=1).max() / slack)
        found["off"].append(np.abs(found["distance"][-1] - found["predicted"][-1]).max() / slack)
        found["generalised"].append(np.linalg.norm(fit - truth) / slack)
        noisy = np.linalg.solve(X.T @ X, X.T @ (t + config.noise * rng.standard_normal(n)))
        found["risk"].append(np.square(noisy - truth).sum())
        found["allowed"].append(config.noise**2 * (1 / p.sigma**2).sum())
        found["variance"].append(2 * (1 / p.sigma**4).sum() / (1 / p.sigma**2).sum() ** 2)
        spectra.append([p.eigenvalues[0], p.eigenvalues[-1], gamma, left / slack])
    found = {name: np.array(values) for name, values in found.items()}
    beta, lowest, gamma, left = np.array(spectra).T

    ratio = found["risk"] / found["allowed"]
    coords = {"k": steps(k, "k", "iteration k"), "replicate": replicates(R)}
    data = xr.Dataset(
        {
            "distance": (("replicate", "k"), found["distance"], {"long_name": "‖w_k − ŵ‖ from 0"}),
            "distance_predicted": (
                ("replicate", "k"),
                found["predicted"],
                {"long_name": "mode by mode", "role": "prediction"},
            ),
            "risk": ("replicate", found["risk"], {"long_name": "‖ŵ − w*‖² with noise"}),
            "risk_predicted": (
                "replicate",
                found["allowed"],
                {"long_name": "σ² tr (XᵀX)⁻¹", "role": "prediction"},
            ),
        },
        coords=coords,
    )
    metrics = {
        "beta": beta.mean(),
        "lowest_eigenvalue": lowest.mean(),
        "risk": found["risk"].mean(),
        "risk_predicted": found["allowed"].mean(),
    }
    if n > d + 1:
        metrics["risk_gaussian"] = config.noise**2 * d / (n - d - 1)
    return Result(
        data=data,
        metrics=metrics,
        checks=(
            # In units of the rounding of the normal equations and of the run.
            Check("every_start_ends_at_the_fit", float(found["apart"].max()), "<=", 0.0, 1.0),
            Check("run_is_long_enough", float(left.max()), "<=", 0.0, 1.0),
            Check("distance_mode_by_mode", float(found["off"].max()), "<=", 0.0, 1.0),
            # Rounding can tip the step at which a level is crossed.
            Check("crossing_not_late", int(found["late"].max()), "<=", 0, 2),
            Check("crossing_not_early", int(found["early"].min()), ">=", 0, 2),
            Check("noiseless_fit_is_the_truth", float(found["generalised"].max()), "<=", 0.0, 1.0),
            # A weighted sum of χ² with a mean of 1.
            Check("noisy_risk_over_predicted", float(ratio.mean()), "==", 1.0, float(4 * np.sqrt(found["variance"].sum()) / R)),
        ),
    )  # fmt: skip
