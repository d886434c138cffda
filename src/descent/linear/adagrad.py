"""With several samples, AdaGrad's step size decides at which solution it ends; it is not the shortest.

AdaGrad divides every coordinate of a gradient by the root of the sum of that coordinate's squared gradients so far.
A gradient is a combination of the samples, but divided like this it is none any more, so AdaGrad leaves the shortest
solution. A larger step size η also changes the later gradients, and with them the divisors: the limit moves with η.
Gradient descent ends at the shortest solution at every step size.

    X: (n, d),   n < d,   g = (2/n)Xᵀ(Xw − t),   w₀ = 0
    AdaGrad:            G ← G + g∘g,   w ← w − η g/√G
    gradient descent:   w ← w − γg,   w_∞ = X⁺t, the shortest, for every γ < 2/β,   β = 2σ₁²/n
    any solution w:     Xw = t, so wᵀX⁺t = ‖X⁺t‖²

A strictly convex norm has one shortest solution, whatever η. So limits that differ with η minimise no such norm.
There is an exception: coordinates whose gradients are multiples of each other move alike. If only one solution is left
to them, AdaGrad ends there at every η.

See: each weight of AdaGrad's limit changes with η; the dashed lines are the weights of gradient descent's limit, the
same at every step size.

Source: CSE 891 homework 2, the question on linear regression and optimisation, part 3; JMLR 12:2121.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, experiment_config, require_increasing
from descent.linear import _adaptive
from descent.linear._adaptive import NEAR
from descent.linear._problem import EPS, descend
from descent.maths import optimisers
from descent.maths.coordinatewise import only_limit
from descent.maths.limits import require_cost
from descent.maths.projection import project
from descent.result import Check, Result, measured, predicted, sweep

Row = Annotated[tuple[Number, ...], Field(min_length=1)]


@experiment_config
class Config:
    samples: Annotated[tuple[Row, ...], Field(min_length=2)]  # the rows of X
    targets: Row
    etas: tuple[Positive, ...]
    shares: tuple[Annotated[Positive, Field(lt=2)], ...]  # γβ of gradient descent
    steps: Count

    def __post_init__(self):
        require_increasing("etas", self.etas)
        require_increasing("shares", self.shares)
        if len(self.etas) < 2:
            raise ValueError("etas: limits are compared, so two at least")
        _adaptive.require_samples(self.samples, self.targets)
        way = max(abs(self.t) / np.abs(self.X).sum(1))
        _adaptive.require_reach("etas", self.etas, float(way), self.steps)
        runs = len(self.etas) + len(self.shares)
        require_cost(self, "steps, etas, shares", operations=4.0 * runs * self.steps * self.X.size)

    @property
    def X(self) -> np.ndarray:
        return np.array(self.samples, float)

    @property
    def farthest(self) -> float:
        """‖t‖/σ_n, at least the length of the shortest solution."""
        return float(np.linalg.norm(self.t) / np.linalg.svd(self.X, compute_uv=False)[-1])

    @property
    def t(self) -> np.ndarray:
        return np.array(self.targets, float)


def predict(config: Config) -> xr.Dataset:
    """The shortest solution, and AdaGrad's limit where its steps lead to one only."""
    X, t = config.X, config.t
    least = project(X, t, np.zeros(X.shape[1]), np.ones(X.shape[1]))
    found = {
        "least": predicted("j", least, "shortest solution"),
        "square_of_least": predicted((), float(least @ least), "‖X⁺t‖²"),
    }
    only = only_limit(X, t)
    if only is not None:
        found["limit_predicted"] = predicted("j", only, "the only limit of AdaGrad")
    return xr.Dataset(found)


def measure(config: Config) -> xr.Dataset:
    """The ends of AdaGrad and of gradient descent, and how far from the targets they are."""
    X, t, end = config.X, config.t, np.array([config.steps])
    late = _adaptive.ends(X, t, config.etas, optimisers.adagrad(), _adaptive.twice(config.steps))
    limit = late[:, 1]
    start, beta = np.zeros(X.shape[1]), 2 / len(X) * np.linalg.norm(X, 2) ** 2
    runs = [descend(X, t, start, c / beta, end, start, -1.0).theta for c in config.shares]
    plain = np.concatenate(runs)
    shortest = np.linalg.lstsq(X, t)[0]
    apart = max(float(np.linalg.norm(v - w)) for v in limit for w in limit)
    d = X.shape[1]
    return xr.Dataset(
        {
            "limit": measured(("eta", "j"), limit, "limit of AdaGrad"),
            "late": measured(("eta", "time", "j"), late, "w at 0.9 K and at K"),
            "met": measured(("eta", "sample"), limit @ X.T, "Xw at the end of AdaGrad"),
            "product": measured("eta", limit @ shortest, "w_∞ᵀX⁺t"),
            "spread": measured((), apart, "largest distance of two limits"),
            "plain": measured(("share", "j"), plain, "limit of gradient descent"),
        },
        coords={
            "eta": sweep(config.etas, "eta", "rate η"),
            "share": sweep(config.shares, "share", "rate γβ of gradient descent"),
            "j": ("j", np.arange(1, d + 1), {"long_name": "weight j"}),
            "time": ("time", [0.9, 1.0], {"long_name": "share of the run"}),
            "sample": ("sample", np.arange(len(t)), {"long_name": "sample"}),
        },
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    limit, least = found["limit"], theory["least"]
    w = found["late"].values
    short = _adaptive.short(config.X, config.t, "η", config.etas, w[:, 0], w[:, 1])
    alike = "coordinates move alike, which leaves AdaGrad one solution at every η"
    reasons = (*short, alike) if "limit_predicted" in theory else short
    lengths = np.sqrt((limit**2).sum("j"))
    arrived = _plain_arrives(config)
    late = f"steps {config.steps}: too few for the slowest direction at some rate"
    checks = () if short else compare(config, found, theory)
    if arrived:
        near, why = NEAR * config.farthest, "10⁻⁹ of the way is left"
        checks += (Check("gradient_descent", found["plain"], "==", least, near, why),)
    return Result(
        data=found.merge(theory),
        metrics={
            "limit": limit,
            "spread_of_limits": (limit.max("eta") - limit.min("eta")).max(),
            "longer_than_the_shortest": (lengths - np.linalg.norm(least)).min(),
        },
        checks=checks,
        no_claim=reasons,
        unchecked={} if arrived else {"gradient_descent": late},
    )


def _plain_arrives(config: Config) -> bool:
    """Whether gradient descent comes within `NEAR` of its way at the slowest of its rates."""
    sigma = np.linalg.svd(config.X, compute_uv=False)
    shares = np.array(config.shares)
    forgotten = np.minimum(shares * (sigma[-1] / sigma[0]) ** 2, 2 - shares).min()
    return bool((1 - forgotten) ** config.steps <= NEAR / 2)


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    """Of runs that meet the targets."""
    targets = xr.DataArray(config.t, dims="sample")
    sigma = np.linalg.svd(config.X, compute_uv=False)
    near = NEAR * float(abs(targets).max())
    # What is left of the residual moves w by that over the smallest singular value.
    left = np.sqrt(len(targets)) * near / float(sigma[-1])
    size = config.farthest
    product, square = 2 * left * size, theory["square_of_least"]
    checks = (
        Check("solutions", found["met"], "==", targets, near, "10⁻⁹ of the targets is left"),
        Check("product_with_the_shortest", found["product"], "==", square, product, "the same"),
    )
    if "limit_predicted" in theory:
        walk = left * sigma[0] / sigma[-1] + config.steps * EPS * size
        expected, why = theory["limit_predicted"], "the rest, and rounding of K steps"
        return (*checks, Check("the_only_limit", found["limit"], "==", expected, float(walk), why))
    least = 1000 * left
    why = "a thousand times what the rest could move"
    return (*checks, Check("spread_of_limits", found["spread"], ">=", least, 0, why))
