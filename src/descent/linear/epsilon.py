"""A large ε in AdaGrad leads from the solution along sign(x) to the shortest one, along x.

AdaGrad divides a gradient by √G + ε. Where √G is larger than ε only the sign of the gradient counts, and where
ε is larger the division is the same for every coordinate, which is gradient descent. Both ends have a first
order in closed form.

    f(w) = (xᵀw − t)²,   G ← G + g∘g,   w ← w − η g/(√G + ε),   g = 2(xᵀw − t)x,   w₀ = 0
    small ε:   w_j = t sign(x_j)/‖x‖₁ + ε sign(x_j)(c − κ/|x_j|) + O(ε²),   κ = −η Σ_k r_k/Σ_{i ≤ k} r_i²,   r = 2ρ
               of the run with ε = 0, ρ_k = xᵀw_k − t;   c = dκ/‖x‖₁ keeps xᵀw = t
    large ε:   w_j ∝ x_j(1 − |x_j|μ) + O(μ²),   μ = (π/4)|t|/(‖x‖√(ηε)),   scaled to xᵀw = t

See: the distance from the first limit rises in proportion to ε, that from the shortest falls with 1/√ε, both as
predicted where the first order holds.

Source: CSE 891 homework 2, the question on linear regression and optimisation, part 3; JMLR 12:2121.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, experiment_config, require_increasing
from descent.linear import _adaptive
from descent.linear._adaptive import NEAR
from descent.linear._problem import EPS
from descent.maths import optimisers
from descent.maths.limits import require_cost
from descent.result import Check, Result, measured, predicted, sweep

SMALL = 0.05  # of ε/√G after the first step, up to which the first order in ε is compared
LARGE = 0.2  # of √G/ε, up to which the first order in it is compared


@experiment_config
class Config:
    x: Annotated[tuple[Number, ...], Field(min_length=1)]  # the sample
    t: Number  # its target
    epsilons: tuple[Positive, ...]
    eta: Positive
    steps: Count

    def __post_init__(self):
        require_increasing("epsilons", self.epsilons)
        _adaptive.require_sample(self.x, self.t)
        far = abs(self.t) / float(np.abs(self.sample).sum())
        _adaptive.require_reach("eta", (self.eta,), far, self.steps)
        work = 20.0 * len(self.epsilons) * self.steps * len(self.x)
        require_cost(self, "steps, epsilons", operations=work)
        if not self.small.any() or not self.large.any():
            raise ValueError(
                f"epsilons {self.epsilons[0]:g} … {self.epsilons[-1]:g} must lie on both sides: "
                f"ε/√G {self.bent[0]:.2g} < {SMALL} and 2η‖x‖²/ε < √G/ε {self.straight[-1]:.2g} < {LARGE}"
            )

    @property
    def sample(self) -> np.ndarray:
        return np.array(self.x, float)

    @property
    def bent(self) -> np.ndarray:
        """ε/√G after the first step, by ε; √G is at least 2|t||x_j| then."""
        return np.array(self.epsilons) / (2 * abs(self.t) * np.abs(self.sample).min())

    @property
    def straight(self) -> np.ndarray:
        """√G/ε, by ε: max|x_j|μ."""
        mu = _adaptive.mu(self.sample, float(self.t), self.eta, self.epsilons)
        return np.abs(self.sample).max() * mu

    @property
    def small(self) -> np.ndarray:
        return self.bent < SMALL

    @property
    def large(self) -> np.ndarray:
        """Where √G/ε is small, and a step of gradient descent even more so."""
        step = 2 * self.eta * float(self.sample @ self.sample) / np.array(self.epsilons)
        return (self.straight < LARGE) & (step < self.straight)


def predict(config: Config) -> xr.Dataset:
    """Both limits to first order."""
    x, t = config.sample, float(config.t)
    length = np.abs(x).sum()
    way = _adaptive.ray(length, t, config.eta, config.steps)
    slope = _adaptive.first_order(x, t, way, config.eta)
    small = t * np.sign(x) / length + np.array(config.epsilons)[:, None] * slope
    large = _adaptive.large_epsilon(x, t, config.eta, config.epsilons)
    each = ("epsilon", "i")
    return xr.Dataset(
        {
            "small_predicted": predicted(each, small, "first order in ε"),
            "large_predicted": predicted(each, large, "first order in √G/ε"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    x, kept, method = config.sample, _adaptive.twice(config.steps), optimisers.adagrad()
    one, target = x[None], np.array([config.t], float)
    runs = [_adaptive.ends(one, target, [config.eta], method, kept, e)[0] for e in config.epsilons]
    late = np.array(runs)
    return xr.Dataset(
        {
            "limit": measured(("epsilon", "i"), late[:, 1], "limit of AdaGrad"),
            "late": measured(("epsilon", "time", "i"), late, "w at 0.9 K and at K"),
        },
        coords={
            "epsilon": sweep(config.epsilons, "epsilon", "ε"),
            "time": ("time", [0.9, 1.0], {"long_name": "share of the run"}),
            "i": ("i", np.arange(1, len(x) + 1), {"long_name": "coordinate"}),
        },
        attrs={"x": x, "t": float(config.t)},
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    x, t, limit = config.sample, float(config.t), found["limit"]
    w, target = found["late"].values, np.array([t])
    short = _adaptive.short(x[None], target, "ε", config.epsilons, w[:, 0], w[:, 1])
    off = np.sqrt(((limit - t * np.sign(x) / np.abs(x).sum()) ** 2).sum("i"))
    return Result(
        data=found.merge(theory),
        metrics={"off_corner": off},
        checks=() if short else compare(config, found, theory),
        no_claim=short,
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    x, t, limit = config.sample, float(config.t), found["limit"]
    corner, shortest = t * np.sign(x) / np.abs(x).sum(), t * x / (x @ x)
    left = 2 * NEAR * abs(t) / np.linalg.norm(x) + 1000 * EPS * np.abs(corner).max()
    small, large = config.small, config.large
    # The next order is the first times the small number, up to a factor of order 1.
    moved = np.linalg.norm(limit - corner, axis=1)
    next_small = xr.DataArray(4 * config.bent * moved + left, dims="epsilon").isel(epsilon=small)
    squared = 2 * config.straight**2 * np.linalg.norm(shortest)
    next_large = xr.DataArray(squared + left, dims="epsilon").isel(epsilon=large)
    first, last = theory["small_predicted"], theory["large_predicted"]
    why = "the next order, and what is left of t"
    return (
        Check("small", limit.isel(epsilon=small), "==", first.isel(epsilon=small), next_small, why),
        Check("large", limit.isel(epsilon=large), "==", last.isel(epsilon=large), next_large, why),
    )
