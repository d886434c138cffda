"""Trained on a part of the interval, a network goes on nearly straight beyond it and misses what bends there.

Nothing pulls a kink to where there are no data, so few units turn on or off there. A network without any kink is a
straight line there, and errs at least by what the best line leaves of f.

    matched: x ~ U(−1, 1);   mismatched: x ~ U(low, high);   errors (m(x) − f(x))² on all of [−1, 1]
    outside, on (high, 1], or on [−1, low) if that is wider: kinks of m, and effective rank of the Jacobian there
    no kink outside:  mean (m − f)² ≥ min over lines of mean (a + bx − f)²

That mismatched networks err more, have fewer kinks and fewer features outside is a comparison: a sign test over
networks from one start. It is made where f bends outside: matched networks err at most half as much there as the
best line.

See: in the middle the networks leave f at the dotted line; on the right they have one feature outside, and no fit.

Source: CS182 homework 2, question 6j, k; its words for the two kinds of features, coherent and discrete, are
effective ranks near 1 and above it.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Seed, experiment_config
from descent.features import _problem
from descent.features._contrasts import exceeding, require_pairs
from descent.features._outside import Domain, Places, line_floor, seen
from descent.features._problem import Hidden, require_room
from descent.features._training import (
    Schedule,
    ends,
    orders,
    require_steps,
    step_count,
    train_in_batches,
)
from descent.maths.initialise import initialise
from descent.maths.network import Shape
from descent.result import Check, Result, bound, measured, replicates

BENDS = 2  # the best line's error outside over that of the matched networks, at the least
CONTRASTS = 5
NAMES = {  # of the medians
    "error_inside": "inside",
    "error_outside": "outside",
    "kinks": "kinks",
    "rank": "effective_rank",
}


@experiment_config
class Config(_problem.Data, Schedule, Domain):
    seed: Seed
    replicates: Annotated[int, Field(le=10_000)]
    mismatched_seed: Seed  # of the mismatched x and noise
    hidden: Hidden
    width: Annotated[int, Field(ge=1)]  # of the shallow network

    def __post_init__(self):
        super().__post_init__()
        require_pairs(self.replicates, CONTRASTS)
        trained = 2 * self.replicates
        require_steps(self.samples, self.batch, self.epochs, trained, (*self.hidden, self.width))
        self.require_sides()

    @property
    def shapes(self) -> dict[str, Shape]:
        return {
            "deep": Shape((1, *self.hidden, 1), "relu"),
            "shallow": Shape((1, self.width, 1), "relu"),
        }

    @property
    def places(self) -> Places:
        return Places(
            self.test, self.function(self.test), self.inside, self.outside, self.end, self.far
        )

    @property
    def samples_by_kind(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {
            "matched": self.sample(),
            "mismatched": self.sample(self.low, self.high, self.mismatched_seed),
        }


def predict(config: Config) -> xr.Dataset:
    """What a line outside errs by, at the least."""
    x = config.test[config.outside]
    return xr.Dataset({"floor_bound": bound((), line_floor(x, config.function(x)), "best line")})


def measure(config: Config) -> xr.Dataset:
    """Networks of both shapes trained on both samples, from the same starts in the same orders."""
    rng, R = np.random.default_rng(config.seed), config.replicates
    T, found = step_count(config.samples, config.batch, config.epochs), []
    for name, shape in config.shapes.items():
        theta = initialise(rng, "uniform" if name == "shallow" else "student", shape, R)
        order = orders(rng, R, config.samples, T, config.batch)
        kinds = []
        for x, y in config.samples_by_kind.values():
            out = train_in_batches(theta, x, y, shape, order, config.pace)
            kinds.append(seen(config.places, shape, ends(out), out.is_lost))
        found.append(xr.concat(kinds, "kind"))
    return xr.concat(found, "network").assign_coords(
        network=("network", list(config.shapes), {"long_name": "network"}),
        kind=("kind", list(config.samples_by_kind), {"long_name": "sample"}),
        x=("x", config.test[:, 0], {"long_name": "x"}),
        replicate=replicates(R),
    )


def run(config: Config) -> Result:
    R, drawn = (
        config.replicates,
        step_count(config.samples, config.batch, config.epochs) * config.batch,
    )
    for shape in config.shapes.values():
        P = shape.parameters
        require_room(max(R * P * 4, R * drawn), f"{P} parameters, {R} × {drawn} samples")
    require_room(R * max(config.hidden) * config.test_points, f"test_points {config.test_points}")
    found, theory = measure(config), predict(config)
    straight = (found["kinks"] == 0) & (found["lost"] == 0)
    checks, no_claim = compare(config, found, theory, straight)
    ratio = found["error_outside"] / np.maximum(found["error_inside"], 1e-300)
    medians = found.drop_vars("output").median("replicate")
    metrics = {
        f"{n}_{k}_{text}_median": medians[key].sel(network=n, kind=k)
        for n in config.shapes
        for k in config.samples_by_kind
        for key, text in NAMES.items()
    }
    for n in config.shapes:
        metrics[f"{n}_ratio_median"] = ratio.sel(network=n, kind="mismatched").median()
        for k in config.samples_by_kind:
            metrics[f"{n}_{k}_diverged_fraction"] = found["lost"].sel(network=n, kind=k).mean()
    metrics |= {"line_floor": theory["floor_bound"], "straight_fraction": straight.mean()}
    truth = measured("x", config.function(config.test)[:, 0], "f(x)")
    return Result(
        data=found.merge(theory).assign(truth=truth).assign_attrs(end=config.end),
        metrics=metrics,
        checks=checks,
        no_claim=no_claim,
        unchecked={} if straight.any() else {"straight": "every network has a kink outside"},
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, straight: xr.DataArray
) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """The checks, and why there is no claim."""
    floor, checks = theory["floor_bound"], ()
    if straight.any():
        errors = xr.DataArray(found["error_outside"].values[straight.values], dims="straight")
        why = "rounding of a mean of squares"
        checks = (Check("error_of_a_straight_network", errors, ">=", floor, 1e-9, why),)
    kept = found.where((found["lost"] == 0).all("kind"))
    deep, shallow = kept.sel(network="deep"), kept.sel(network="shallow")
    good = float(deep["error_outside"].sel(kind="matched").median())
    x = config.test[config.outside]
    line = line_floor(x, config.function(x))
    if not BENDS * good <= line:
        reason = (
            f"matched networks err {good:.2g} outside, the best line {line:.2g}: it bends little"
        )
        return checks, (reason,)
    told = exceeding(
        {
            "deep_error_outside_above_matched": _pair(deep["error_outside"]),
            "deep_rank_outside_below_matched": _pair(deep["rank"])[::-1],
            "deep_kinks_outside_below_matched": _pair(deep["kinks"])[::-1],
            "shallow_error_outside_above_matched": _pair(shallow["error_outside"]),
            "shallow_rank_outside_below_matched": _pair(shallow["rank"])[::-1],
        }
    )
    return checks + told.checks, told.undecided


def _pair(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    return values.sel(kind="matched"), values.sel(kind="mismatched")
