"""Without biases a layer of n units is off on a side with the chance 2⁻ⁿ, and features are lost with that side.

Each unit is off at x = 1 with the chance ½, whatever the symmetric law of its weights, and so is each at x = −1. A side
on which a whole layer is off has no slope, and its constant is the output bias, which the other side has as well.

    n units in each of L hidden layers, weights of a symmetric law, biases 0
    P(a side is on through all layers) = q = (1 − 2⁻ⁿ)ᴸ,   for x > 0 and for x < 0
    both sides are on: 2q − 1 ≤ P ≤ q, and P = 2q − 1 for L = 1 (a unit is on on one side only)
    rank J = 4 if both sides are on, 3 if one is: a slope, its constant, the output bias; 1 if none is

So "four features at any depth" is a matter of width: at width 1 no network has four.

See: on the left the share of sides that are on lies on the dashed curves; on the right the share of networks with four
features lies between the dotted ones.

Source: CS182 homework 2, question 6c, whose starts have zero biases.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Seed, experiment_config, require_increasing
from descent.features import _halves
from descent.maths.initialise import initialise
from descent.maths.limits import CALL, SMALL, require_cost
from descent.maths.network import Shape, forward
from descent.maths.sampling import require_fewest, share
from descent.maths.tangent import jacobian
from descent.result import Check, Result, bound, measured, predicted, replicates, sweep

POINTS = np.array([[-1.0], [-0.7], [-0.4], [-0.1], [0.1], [0.4], [0.7], [1.0]])
ROUNDING = 1e-13  # of σ₁, below which a singular value is rounding
FAINT = 1e-10  # of σ₁, down to which they are counted
RANKS = (1, 3, 4)  # with no, one and both sides


@experiment_config
class Config:
    seed: Seed
    replicates: Annotated[int, Field(ge=1, le=100_000)]  # networks of each shape
    widths: tuple[Count, ...]  # n
    depths: tuple[Count, ...]  # L, hidden layers

    def __post_init__(self):
        require_increasing("widths", self.widths)
        require_increasing("depths", self.depths)
        require_fewest("share", self.replicates, self.points)
        if self.depths[-1] > 50:
            raise ValueError(f"depths {self.depths[-1]} > 50: features are lost in rounding")
        parameters = float(self.widths[-1] ** 2 * self.depths[-1])
        numbers, shapes = 3 * len(POINTS) * self.replicates * parameters, self.points / 2
        work = shapes * self.replicates * (CALL / 10 + SMALL * parameters * len(POINTS) ** 2)
        require_cost(self, "widths, depths, replicates", numbers, work)

    @property
    def points(self) -> int:
        """Of a check of sides."""
        return 2 * len(self.widths) * len(self.depths)

    def shape(self, width: int, depth: int) -> Shape:
        return Shape((1, *[width] * depth, 1), "relu")


def chance(config: Config) -> np.ndarray:
    """q: (width, depth)."""
    return (1 - 2.0 ** -np.array(config.widths)[:, None]) ** np.array(config.depths)


def predict(config: Config) -> xr.Dataset:
    """The chances, from counts of units alone."""
    q, each = chance(config), ("width", "depth")
    return xr.Dataset(
        {
            "on_predicted": predicted((*each, "side"), np.stack([q, q], -1), "(1 − 2⁻ⁿ)ᴸ"),
            "four_low_bound": bound(each, np.maximum(2 * q - 1, 0), "2(1 − 2⁻ⁿ)ᴸ − 1"),
            "four_high_bound": bound(each, q, "(1 − 2⁻ⁿ)ᴸ"),
        }
    )


def predict_ranks(found: xr.Dataset) -> xr.Dataset:
    """The rank that goes with the number of sides that are on."""
    sides = found["sides"].values.sum(-1).astype(int)
    ranks = np.array(RANKS, float)[sides]
    return xr.Dataset(
        {"rank_predicted": predicted(("width", "depth", "replicate"), ranks, "1, 3, 4")}
    )


def measure(config: Config) -> xr.Dataset:
    """Which sides are on, and the rank of the Jacobian at eight points."""
    rng, sides, ranks, seen = np.random.default_rng(config.seed), [], [], []
    for width in config.widths:
        for depth in config.depths:
            shape = config.shape(width, depth)
            theta = initialise(rng, "he_uniform", shape, config.replicates)
            ends = forward(theta, _halves.ENDS, shape).inputs[1:]
            sides.append(np.all([(h > 0).any(-1) for h in ends], axis=0))  # (R, 2)
            J = jacobian(forward(theta, POINTS, shape))
            sigma = np.linalg.svd(J, compute_uv=False)
            ranks.append((sigma > ROUNDING * sigma[:, :1]).sum(-1))
            four = _halves.singular_values(theta, POINTS, shape)
            last = np.array(RANKS)[sides[-1].sum(-1)] - 1
            seen.append(four[np.arange(len(four)), last] > FAINT * four[:, 0])
    grid = (len(config.widths), len(config.depths))
    sides, ranks, seen = (
        np.array(a, float).reshape(*grid, *a[0].shape) for a in (sides, ranks, seen)
    )
    each = ("width", "depth", "replicate")
    return xr.Dataset(
        {
            "sides": measured((*each, "side"), sides, "on through all layers"),
            "rank": measured(each, ranks, "rank of J"),
            "four": measured(each, np.array(ranks == 4, float), "four features"),
            "seen": measured(each, seen, "features are larger than rounding"),
        },
        coords={
            "width": sweep(config.widths, "width", "width n"),
            "depth": sweep(config.depths, "depth", "hidden layers L"),
            "side": ("side", ["x > 0", "x < 0"], {"long_name": "side"}),
            "replicate": replicates(config.replicates),
        },
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    theory = theory.merge(predict_ranks(found))
    four = found["four"].mean("replicate")
    on = found["sides"].mean("replicate")
    data = found.drop_vars(("sides", "rank", "seen", "four")).merge(
        theory.drop_vars("rank_predicted")
    )
    return Result(
        data=data.assign(
            on=measured(on.dims, on.values, "share of sides that are on"),
            four=measured(four.dims, four.values, "share of networks with four features"),
        ),
        metrics={
            "four_features": four,
            "fewest_features": found["rank"].min(),
            "unseen_fraction": 1 - found["seen"].mean(),
        },
        checks=compare(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    R, q = config.replicates, xr.DataArray(chance(config), dims=("width", "depth"))
    each, on = q.expand_dims(side=2, axis=2), found["sides"].sum("replicate")
    sides = share(on, R, each, config.points)
    four = found["four"].sum("replicate")
    low, high = (share(four, R, p, config.points) for p in ((2 * q - 1).clip(0), q))
    seen = found["seen"].values > 0
    counted = [
        xr.DataArray(a.values[seen], dims="network")
        for a in (found["rank"], theory["rank_predicted"])
    ]
    return (
        Check("sides_that_are_on", sides.value, "==", theory["on_predicted"], sides.tol, sides.why),
        Check(
            "four_features_at_least", low.value, ">=", theory["four_low_bound"], low.tol, low.why
        ),
        Check(
            "four_features_at_most", high.value, "<=", theory["four_high_bound"], high.tol, high.why
        ),
        *([Check("rank", counted[0], "==", counted[1], 0, "a count")] if seen.any() else []),
    )
