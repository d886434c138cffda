"""Training gives a deep network many features; one hidden layer has at most two a kink, and stays below.

A feature needs a place where units turn on or off. A trained deep network has such places all along the interval, which
no start without biases has; a network of one hidden layer has one place a unit, and so at most two features a unit.

    J = ∂m(x_i)/∂θ = UΣVᵀ: (N, P);   effective rank exp(−Σ p_k ln p_k),  p_k = σ_k²/Σσ²
    one hidden layer:  span J = span {1, 1_{z_j>0}, x·1_{z_j>0}}, so
      rank J ≤ 1 + 2g + e,  g gaps between points with kinks of units in them,  e = 1 if x is in the span, else 0

    beside straight lines: the share of Σσ_k² that the features have outside of the span {1, x}

That a deep network gains features, and more than a shallow one has, and less straight ones, is a comparison: a sign
test over the networks.

See: on the left, before training a deep network has four singular values and after it many; the others show the
features themselves after training, of a deep and of a shallow network.

Source: CS182 homework 2, questions 6c, 6h and 6i.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.features import _jacobian, _problem
from descent.features._contrasts import exceeding, require_pairs
from descent.features._outside import line_floor
from descent.features._problem import Hidden, require_room
from descent.features._trained import FEATURES, spectra
from descent.features._training import (
    Schedule,
    ends,
    orders,
    require_steps,
    step_count,
    train_in_batches,
)
from descent.maths.initialise import initialise
from descent.maths.network import Shape, forward, losses
from descent.maths.tangent import jacobian
from descent.result import Check, Result, bound, measured, predicted, replicates

LARGEST = 1000  # points of a Jacobian
SMALL = 1e-11  # of σ₁, far above the rounding of an SVD and far below what a kink adds
CONTRASTS = 3


@experiment_config
class Config(_problem.Data, Schedule):
    seed: Seed
    replicates: Annotated[int, Field(le=10_000)]  # networks that are trained from each start
    hidden: Hidden  # of the deep network
    width: Count  # of the shallow one
    every: Count  # one of so many points stands for all, in the Jacobians
    threshold: Positive  # singular values above this share of the largest count
    test_points: Annotated[int, Field(ge=1, le=1_000_000)]

    def __post_init__(self):
        super().__post_init__()
        require_pairs(self.replicates, CONTRASTS)
        trained = 2 * self.replicates
        require_steps(self.samples, self.batch, self.epochs, trained, (*self.hidden, self.width))
        if len(self.points) < 2 * FEATURES:
            raise ValueError(
                f"every {self.every}: leaves {len(self.points)} of {self.samples} points"
            )
        if not 1e-6 <= self.threshold < 1:
            raise ValueError(
                f"threshold {self.threshold:g}: must be in [1e-6, 1); σ below 1e-7 σ₁ are rounding"
            )

    @property
    def points(self) -> range:
        return range(self.every // 2, self.samples, self.every)

    @property
    def shapes(self) -> dict[str, Shape]:
        return {
            "deep": Shape((1, *self.hidden, 1), "relu"),
            "shallow": Shape((1, self.width, 1), "relu"),
        }


def predict(given: xr.Dataset, config: Config) -> xr.Dataset:
    """Rank and its bound of one hidden layer, from which units are on at which points."""
    shape, near = config.shapes["shallow"], given["x"].values[:, None]
    theta = given["shallow_end"].values
    return xr.Dataset(
        {
            "rank_predicted": predicted(
                "replicate",
                _jacobian.span_rank(theta, shape, near, SMALL).astype(float),
                "of a span",
            ),
            "rank_bound": bound(
                "replicate", _jacobian.elbows(theta, shape, near).astype(float), "1 + 2g + e"
            ),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Both kinds of networks trained, and their Jacobians before and after."""
    rng, R = np.random.default_rng(config.seed), config.replicates
    x, y = config.sample()
    near = np.sort(x, axis=0)[config.points]
    T = step_count(config.samples, config.batch, config.epochs)
    test = np.linspace(-1, 1, config.test_points)[:, None]
    found = []
    for name, shape in config.shapes.items():
        theta = initialise(rng, "student" if name == "deep" else "uniform", shape, R)
        order = orders(rng, R, config.samples, T, config.batch)
        out = train_in_batches(theta, x, y, shape, order, config.pace)
        end = ends(out)
        one = spectra((theta, end), near, shape, config.samples, config.threshold)
        error = losses(end, test, config.function(test), shape, "square")
        one["test"] = measured("replicate", error, "test error")
        one["lost"] = measured("replicate", out.is_lost.astype(float), "the loss was lost")
        found.append(one)
    ranks = np.linalg.matrix_rank(jacobian(forward(end, near, shape)), rtol=SMALL)
    names = ("network", list(config.shapes), {"long_name": "network"})
    return (
        xr.concat(found, "network")
        .assign(
            shallow_end=measured(("replicate", "parameter"), end, "trained shallow network"),
            shallow_rank=measured("replicate", ranks.astype(float), "rank of J"),
        )
        .assign_coords(network=names, replicate=replicates(R))
    )


def run(config: Config) -> Result:
    n, R = len(config.points), config.replicates
    if n > LARGEST:
        raise Refusal(f"every {config.every}: {n} points > {LARGEST} of a Jacobian")
    drawn = step_count(config.samples, config.batch, config.epochs) * config.batch
    for shape in config.shapes.values():
        P = shape.parameters
        require_room(max(R * P * 4, n * P, R * drawn), f"{P} parameters, {R} × {drawn} samples")
    require_room(
        R * n * config.shapes["shallow"].parameters, f"{R} Jacobians of the shallow network"
    )
    found = measure(config)
    theory = predict(found, config)
    checks, undecided = compare(found, theory)
    middle = found.drop_vars("features").median("replicate")
    test = np.linspace(-1, 1, config.test_points)[:, None]
    metrics = {
        "shallow_rank_bound_median": theory["rank_bound"].median(),
        "best_constant": config.function(test).var(),
        "best_line": line_floor(test, config.function(test)),
    }
    for name in config.shapes:
        at = middle.sel(network=name)
        for key in ("rank", "effective_rank", "sigma1", "kinks", "beside_lines"):
            for when in ("before", "after"):
                metrics[f"{name}_{key}_{when}_median"] = at[key].sel(when=when)
        metrics[f"{name}_test_median"] = at["test"]
        metrics[f"{name}_diverged_fraction"] = found["lost"].sel(network=name).mean()
    data = found.drop_vars("shallow_end").merge(theory)
    return Result(
        data=data.assign_attrs(root=np.sqrt(config.samples), hidden=len(config.hidden)),
        metrics=metrics,
        checks=checks,
        no_claim=undecided,
    )


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """The checks, and what the networks do not tell."""
    rank, kept = found["shallow_rank"], found.where(found["lost"] == 0)
    deep, shallow = (kept["effective_rank"].sel(network=name) for name in ("deep", "shallow"))
    before, after = deep.sel(when="before"), deep.sel(when="after")
    bent = kept["beside_lines"].sel(when="after")
    told = exceeding(
        {
            "deep_effective_rank_after_above_before": (before, after),
            "deep_effective_rank_above_shallow": (shallow.sel(when="after"), after),
            "deep_features_bend_more": (bent.sel(network="shallow"), bent.sel(network="deep")),
        }
    )
    most = theory["rank_bound"]
    exact = (
        Check("shallow_rank", rank, "==", theory["rank_predicted"], 0, "a count"),
        Check("shallow_rank_at_most", rank, "<=", most, 0, "a count"),
    )
    return exact + told.checks, told.undecided
