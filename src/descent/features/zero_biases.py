"""Without biases a ReLU network on the line has at most four features, whatever its width, depth and scale.

Such a network is two half-lines: what it does at x = 1 and at x = −1 is all of it. So its derivatives by all the
parameters are combinations of four functions of x, one slope and one constant on either side.

    J = ∂m(x_i)/∂θ = UΣVᵀ: (N, P);   h_l(x) = |x| h_l(s),  δ_l(x) = δ_l(s),  s = sign x
    J = AB,   A = [x₊, x₋, 1_{x>0}, 1_{x<0}]: (N, 4),   B = [∂m(±1)/∂W; ∂m(±1)/∂b]: (4, P)
    so rank J ≤ 4, and the four singular values are those of R_A B, A = QR_A

The rank is 4 if a unit of every layer is on at x = 1 and one at x = −1, 3 if that is so on one side alone, else 1. A
larger start has larger features of the same kind: with a kink at 0 and nowhere else.

See: on the left, at every depth and scale four singular values lie on the predicted ones, and the fifth is rounding;
in the middle and on the right the features of a large and of a proper start, straight on both sides.

Source: CS182 homework 2, questions 6c and 6g. 6c finds that before training the singular values of the small start
vary slightly; the second is a hundredth of the first, and all but four are zero, as at any start.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Refusal, Seed, experiment_config, require_increasing
from descent.features import _halves, _problem
from descent.features._jacobian import upright
from descent.features._problem import Hidden, require_room, require_scale
from descent.maths.initialise import from_torch, initialise
from descent.maths.limits import CALL, SMALL, require_cost
from descent.maths.network import Shape, forward
from descent.maths.tangent import jacobian
from descent.result import Check, Erratum, Result, bound, measured, predicted, sweep

LARGEST = 1000  # points of a Jacobian
STARTS = ["small", "large", "proper"]
RANKS = (1, 3, 4)  # with no, one and both sides
SHOWN = 6  # singular values
ROUNDING = 2.3e-16
PRINTED_AT = (200, 0.03)  # seed and start of the document


@experiment_config
class Config(_problem.Data):
    seed: Seed
    width: Count
    depths: tuple[Count, ...]  # hidden layers
    every: Count  # one of so many points is looked at
    hidden: Hidden  # of the document's starts
    small: Positive  # c of one
    large: Positive  # c of another; the third is its own
    small_seed: Seed  # of torch
    large_seed: Seed
    proper_seed: Seed
    printed_spread: Annotated[tuple[Positive, ...], Field(max_length=1)]  # σ₂/σ₁, or none

    def __post_init__(self):
        super().__post_init__()
        require_increasing("depths", self.depths)
        for name in ("small", "large"):
            require_scale(name, getattr(self, name), self.hidden)
        if len(self.points) < SHOWN:
            raise ValueError(f"every {self.every}: leaves {len(self.points)} points")
        # Singular values of Jacobians, points × parameters.
        work = (CALL + 2 * SMALL * (len(self.points) * self.width) ** 2) * float(sum(self.depths))
        jacobian = len(self.points) * self.width**2 * float(self.depths[-1])
        require_cost(self, "width, depths, samples, every", jacobian, work)

    @property
    def points(self) -> range:
        return range(self.every // 2, self.samples, self.every)

    def starts(self) -> list[tuple[Shape, np.ndarray]]:
        """He's uniform starts at all depths, and the document's three."""
        rng = np.random.default_rng(self.seed)
        shapes = [Shape((1, *[self.width] * depth, 1), "relu") for depth in self.depths]
        document = Shape((1, *self.hidden, 1), "relu")
        laws = zip(self.seeds, (self.small, self.large, "student"), strict=True)
        given = [(document, from_torch(seed, law, document).astype(float)) for seed, law in laws]
        return [(shape, initialise(rng, "he_uniform", shape)) for shape in shapes] + given

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.small_seed, self.large_seed, self.proper_seed

    def networks(self) -> xr.Variable:
        names = [f"{depth} hidden" for depth in self.depths] + STARTS
        return xr.Variable("network", names, {"long_name": "network"})

    def near(self) -> np.ndarray:
        return np.sort(self.sample()[0], axis=0)[self.points]


def predict(config: Config) -> xr.Dataset:
    """Four singular values and features from the points x = ±1, and the rank from the sides that are on."""
    near, rows, columns, ranks = config.near(), [], [], []
    for shape, theta in config.starts():
        four = _halves.singular_values(theta, near, shape)[0]
        rows.append(np.append(four, np.zeros(SHOWN - 4)))
        columns.append(upright(_halves.features(theta, near, shape)))
        ends = forward(theta[0], _halves.ENDS, shape).inputs[1:]
        ranks.append(RANKS[int(np.all([(h > 0).any(1) for h in ends], axis=0).sum())])
    drawn, each = len(config.depths), ("start", "feature", "x")
    return xr.Dataset(
        {
            "sigma_predicted": predicted(("network", "index"), rows, "from x = ±1"),
            "column_predicted": predicted(each, columns[drawn:], "from x = ±1"),
            "rank_predicted": predicted("drawn", ranks[:drawn], "1, 3, 4"),
            "rank_bound": bound((), 4, "4"),
        },
        coords={"network": config.networks()},
    )


def measure(config: Config) -> xr.Dataset:
    """Singular values and features of the Jacobian, and how many are more than rounding."""
    near, sigmas, ranks, columns = config.near(), [], [], []
    for shape, theta in config.starts():
        U, sigma, _ = np.linalg.svd(jacobian(forward(theta[0], near, shape)), full_matrices=False)
        sigmas.append(np.pad(sigma, (0, SHOWN))[:SHOWN])
        ranks.append(np.sum(sigma > max(len(near), theta.size) * ROUNDING * sigma[0]))
        columns.append(upright((U * sigma)[:, :4].T))
    drawn, each = len(config.depths), ("start", "feature", "x")
    return xr.Dataset(
        {
            "sigma": measured(("network", "index"), sigmas, "σ_k of J"),
            "rank": measured("network", np.array(ranks, float), "rank of J"),
            "column": measured(each, columns[drawn:], "column of UΣ"),
        },
        coords={
            "network": config.networks(),
            "index": sweep(range(1, SHOWN + 1), "index", "k"),
            "start": ("start", STARTS, {"long_name": "start"}),
            "x": ("x", near[:, 0], {"long_name": "x"}),
        },
    )


def run(config: Config) -> Result:
    if (n := len(config.points)) > LARGEST:
        raise Refusal(f"every {config.every}: {n} points > {LARGEST} of a Jacobian")
    deepest = Shape((1, *[config.width] * config.depths[-1], 1), "relu").parameters
    largest = max(deepest, Shape((1, *config.hidden, 1), "relu").parameters)
    require_room(n * largest, f"depths and hidden: {largest} parameters")
    found, theory = measure(config), predict(config)
    sigma, root = found["sigma"], np.sqrt(config.samples / n)
    small = sigma.sel(network="small")
    each = {f"{name}_sigma": root * sigma.sel(network=name)[:4] for name in STARTS}
    return Result(
        data=found.merge(theory.drop_vars("rank_predicted")),
        metrics=each
        | {
            "small_sigma2_over_sigma1_before": float(small[1] / small[0]),
            "zero_bias_rank": float(found["rank"][: len(config.depths)].max()),
        },
        checks=compare(found, theory),
        errata=refute(config, found, theory),
    )


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    sigma, expected = found["sigma"], theory["sigma_predicted"]
    first, why = sigma[:, 0], "rounding of a singular value decomposition"
    four = sigma.sel(network=STARTS).values[:, :4]
    apart = np.where(np.eye(4) > 0, np.inf, np.abs(four[:, :, None] - four[:, None, :]))
    # A vector turns by the rounding over the distance to the next value.
    turn = 1e-12 * four[:, :1] * (1 + four / np.maximum(apart.min(-1), 1e-300))
    turn = xr.DataArray(turn, dims=("start", "feature"))
    # The fourth singular value of a small start may itself be rounding.
    drawn = theory.sizes["drawn"]
    rank, most = found["rank"][:drawn].drop_vars("network"), found["rank"]
    rank, count = rank.rename(network="drawn"), "a count"
    return (
        Check("sigma", sigma, "==", expected, 1e-12 * first, why),
        Check(
            "column",
            found["column"],
            "==",
            theory["column_predicted"],
            turn,
            f"{why}, and a turn",
        ),
        Check("rank", rank, "==", theory["rank_predicted"], 0, count),
        Check("rank_at_most", most, "<=", theory["rank_bound"], 0, count),
    )


def refute(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Erratum, ...]:
    if (config.small_seed, config.small) != PRINTED_AT:
        return ()
    seen, right = (
        v.sel(network="small").values for v in (found["sigma"], theory["sigma_predicted"])
    )
    where = "CS182 homework 2, question 6c: before training the singular values vary slightly"
    name, ratio = "small_second_singular_value_over_first", right[1] / right[0]
    return tuple(
        Erratum(name, where, value, float(ratio), float(seen[1] / seen[0]), 1e-12)
        for value in config.printed_spread
    )
