"""Stochastic gradients and momentum end where gradient descent does: at the solution nearest to the start.

A minibatch's gradient is a combination of its samples, and momentum adds up gradients. So all of these runs stay
where the samples can lead, and only one solution lies there. Which rows a step uses, and how it remembers, decide
only the way.

    L(w) = ½‖Xw − y‖²,   X: (n, d),  n < d;   every step is a combination of rows of X, so
    Pw_k = Pw₀ for all k,  P = 1 − X⁺X,   and   w_∞ = w₀ + X⁺(y − Xw₀)   if the loss reaches zero
    heavy ball is stable for 0 < ησ₁² < 2(1 + β), Nesterov's method for 0 < ησ₁² < 2(1 + β)/(1 + 2β)

See: left, how each rule comes to the same predicted solution; right, the weights that all of them end with.

Source: slides on implicit biases, Theorem 1, for gradient descent; arXiv 1802.08246 for the others.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config
from descent.geometry import _data
from descent.geometry._data import EPS, Data, require_runs, require_underdetermined, unseen
from descent.geometry._methods import follow
from descent.maths import rules
from descent.maths.limits import require_at_most, require_within
from descent.maths.times import log_spaced
from descent.result import Check, Result, measured, predicted, steps, sweep

NEAR = 1e-8  # of the weights, within which a run has to have come for its end to be a limit
RULES = ["descent", "minibatches", "heavy_ball", "nesterov"]


@experiment_config
class Config:
    seed: Seed
    samples: Count  # n
    features: Count  # d
    start: Positive  # w₀ = start · N(0, 1)
    batch: Count  # samples of a minibatch, without replacement within it
    momentum: Annotated[float, Field(ge=0, lt=1)]  # β
    step: Positive  # ησ₁²; of minibatches η‖X_B‖² for the largest ‖X_B‖² ≤ b max‖x_i‖²
    limit: Count  # steps of a run

    def __post_init__(self):
        require_underdetermined(self)
        stable = 2 * (1 + self.momentum) / (1 + 2 * self.momentum)
        if not self.step < stable:
            rule = f"{stable:.3g}, where Nesterov's method diverges"
            raise ValueError(f"step {self.step:g} (in 1/σ₁²): must be below {rule}")
        if self.batch > self.samples:
            raise ValueError(f"batch {self.batch} > samples {self.samples}")
        require_within("start", self.start, 1e-6, 1e6, "beyond it one of y and Xw₀ is lost")
        require_at_most(self, "a step takes 20 µs and is run four times", limit=1_000_000)
        require_runs(self, "samples, features, limit", len(RULES), self.limit)


def predict(config: Config, given: Data) -> xr.Dataset:
    X, y, w0 = given
    return xr.Dataset(
        {
            "limit": predicted("j", w0 + np.linalg.pinv(X) @ (y - X @ w0), "w₀ + X⁺(y − Xw₀)"),
            "null_predicted": predicted((), np.linalg.norm(unseen(X, w0)), "‖Pw₀‖"),
        }
    )


def measure(config: Config, given: Data) -> xr.Dataset:
    (X, y, w0), kept = given, log_spaced(config.limit, 80)
    rng, eta = np.random.default_rng([config.seed, 1]), config.step / given.sigma[0] ** 2
    small = min(config.step, 1.0) / (config.batch * np.square(X).sum(1).max())
    order = rng.permuted(np.tile(np.arange(len(X)), (config.limit, 1)), axis=1)[:, : config.batch]
    runs = [
        follow(rules.descent(), X, y, w0, eta, kept),
        follow(rules.descent(), X, y, w0, small, kept, order),
        follow(rules.heavy_ball(config.momentum), X, y, w0, eta, kept),
        follow(rules.nesterov(config.momentum), X, y, w0, eta, kept),
    ]
    paths = np.array([run.weights for run in runs])
    off = [np.linalg.norm(run.residual) / given.sigma[-1] for run in runs]
    nearest = w0 + np.linalg.lstsq(X, y - X @ w0)[0]
    return xr.Dataset(
        {
            "end": measured(("rule", "j"), paths[:, -1], "w at the end"),
            "distance": measured(
                ("rule", "k"), np.linalg.norm(paths - nearest, axis=2), "‖w_k − w_∞‖"
            ),
            "null": measured(("rule", "k"), np.linalg.norm(unseen(X, paths), axis=2), "‖Pw_k‖"),
            "off": measured("rule", off, "‖Xw − y‖/σ_n at the end"),
        },
        coords={
            "rule": sweep(RULES, "rule", "rule"),
            "k": steps(kept, "k", "iteration k"),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given = _data.regression(config.seed, config.samples, config.features, config.start)
    found, theory = measure(config, given), predict(config, given)
    length = float(
        np.linalg.norm(given.vector) + np.linalg.norm(np.linalg.lstsq(given.X, given.y)[0])
    )
    late = (~(found["off"] <= NEAR * length)).values
    names = ", ".join(np.array(RULES)[late])
    far = float(found["off"].max()) / length
    short = f"limit {config.limit}: {names} up to {far:.2g} of ‖w‖ away from a solution"
    return Result(
        data=found.merge(theory),
        metrics={"distance_at_the_end": found["distance"].isel(k=-1)},
        checks=compare(config, given, found, theory, not late.any()),
        no_claim=(short,) if late.any() else (),
    )


def compare(
    config: Config, given: Data, found: xr.Dataset, theory: xr.Dataset, arrived: bool
) -> tuple[Check, ...]:
    length = np.linalg.norm(given.vector) + np.linalg.norm(given.y) / given.sigma[-1]
    # Momentum adds 1/(1 − β) roundings for every one of gradient descent.
    walk = 16 * EPS * np.sqrt(config.limit) * length / (1 - config.momentum)
    null, before = found["null"], theory["null_predicted"]
    checks = (Check("null_component", null, "==", before, walk, "16ε√K/(1 − β): rounding"),)
    if not arrived:
        return checks
    why, tol = "the residual that is left, and rounding", found["off"] + walk
    return (*checks, Check("limit", found["end"], "==", theory["limit"], tol, why))
