"""Adam, AdaGrad and sign descent leave what the samples span with their first step, unlike gradient descent.

Each of them divides every coordinate of the gradient by a size of its own, and a combination of samples rescaled
coordinate by coordinate is none any more. Two solutions differ only in directions that no sample sees, so what a
run keeps of that part is its distance from the nearest solution.

    L(w) = ½‖Xw − y‖²,   P = 1 − X⁺X;   first step of all three: w₁ = w₀ − η sign ∇L(w₀)
    P(w₁ − w₀) = −ηP sign ∇L(w₀)
    at a solution w:   ‖w − w_*‖ = ‖P(w − w₀)‖,   w_* = w₀ + X⁺(y − Xw₀)

Where a run ends depends on all of its steps, and theory gives no number for that; it is reported, not claimed.

See: left, the way from w₀ to the solutions, which lie on the vertical line in this projection: the ball around w₀ that
touches it does so where gradient descent ends, and the other rules come to it further up; in the middle, the part that
no sample sees, at its predicted size after the first step and not 0 later; right, the weights of the ends.

Source: slides on implicit biases, Theorem 1, whose argument needs gradients as they are; arXiv 1705.08292 for
adaptive methods.
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

RULES = ["adam", "adagrad", "sign"]
EPSILON = 1e-12  # of the adaptive rules, as a share of the smallest gradient of the first step


@experiment_config
class Config:
    seed: Seed
    samples: Count  # n
    features: Count  # d
    start: Positive  # w₀ = start · N(0, 1)
    step: Positive  # η of Adam and of sign descent at the first step
    adagrad_step: Positive
    beta1: Annotated[float, Field(ge=0, lt=1)]
    beta2: Annotated[float, Field(gt=0, lt=1)]
    decay: Annotated[float, Field(ge=0, le=1)]  # sign descent has the step η/(1 + decay k)
    limit: Count  # steps of a run

    def __post_init__(self):
        require_underdetermined(self)
        require_within("start", self.start, 1e-6, 1e6, "beyond it one of y and Xw₀ is lost")
        for name in ("step", "adagrad_step"):
            least, why = 1e-6 * self.start, "below 1e-6 of the start a step is lost beside it"
            require_within(name, getattr(self, name), least, 1e6, why)
        require_at_most(self, "a step takes 30 µs and is run three times", limit=1_000_000)
        require_runs(self, "samples, features, limit", len(RULES), self.limit)

    @property
    def etas(self) -> list[float]:
        return [self.step, self.adagrad_step, self.step]


def predict(config: Config, given: Data) -> xr.Dataset:
    X, y, w0 = given
    sign = unseen(X, np.sign(X.T @ (X @ w0 - y)))
    return xr.Dataset(
        {
            "first_predicted": predicted(
                ("rule", "j"), -np.outer(config.etas, sign), "−ηP sign ∇L(w₀)"
            )
        }
    )


def measure(config: Config, given: Data) -> xr.Dataset:
    (X, y, w0), kept = given, np.union1d(log_spaced(config.limit, 80), [1])
    tiny = EPSILON * float(np.abs(X.T @ (X @ w0 - y)).max())
    methods = [rules.adam(config.beta1, config.beta2, tiny), rules.adagrad(tiny), rules.sign()]
    decays = [0.0, 0.0, config.decay]
    runs = [
        follow(rule, X, y, w0, eta, kept, decay=decay)
        for rule, eta, decay in zip(methods, config.etas, decays, strict=True)
    ]
    paths = np.array([run.weights for run in runs])
    moved = unseen(X, paths - w0)
    nearest = w0 + np.linalg.lstsq(X, y - X @ w0)[0]
    left = [np.abs(run.residual).max() / np.abs(y - X @ w0).max() for run in runs]
    radius = float(np.linalg.norm(nearest - w0))
    along = (paths - w0) @ (nearest - w0) / (radius or 1.0)
    return xr.Dataset(
        {
            "first": measured(("rule", "j"), moved[:, 1], "P(w₁ − w₀)"),
            "across": measured(("rule", "k"), np.linalg.norm(moved, axis=2), "‖P(w_k − w₀)‖"),
            "along": measured(("rule", "k"), along, "(w_k − w₀)ᵀ(w_* − w₀)/‖w_* − w₀‖"),
            "radius": measured((), radius, "‖w_* − w₀‖"),
            "end": measured(("rule", "j"), paths[:, -1], "w at the end"),
            "nearest": measured("j", nearest, "nearest solution"),
            "left": measured("rule", left, "max|Xw − y| at the end, of the start's"),
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
    gap = np.sqrt(((found["end"] - found["nearest"]) ** 2).sum("j"))
    return Result(
        data=found.merge(theory),
        metrics={
            "distance_from_nearest": gap / np.linalg.norm(found["nearest"]),
            "left": found["left"],
        },
        checks=compare(config, given, found, theory),
    )


def compare(
    config: Config, given: Data, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    X, y, w0 = given
    g = np.abs(X.T @ (X @ w0 - y))
    eta = xr.DataArray(config.etas, dims="rule")
    # ε beside |g_j|, and the rounding of w₁ − w₀.
    tol = eta * np.sqrt(config.features) * EPSILON * g.max() / g.min() + 64 * EPS * (
        np.abs(w0).max() + eta
    )
    why = "ε of the rules beside the smallest gradient, and rounding"
    first = found["first"].drop_vars("rule")
    return (Check("first_step", first, "==", theory["first_predicted"], tol, why),)
