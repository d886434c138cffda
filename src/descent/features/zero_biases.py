"""Without biases a ReLU network on the line has four features, whatever its width and depth.

Such a network is two half-lines: what it does at x = 1 and at x = −1 is all of it. So its derivatives by all the
parameters are combinations of four functions of x, one slope and one constant on either side.

    J = ∂m(x_i)/∂θ = UΣVᵀ: (N, P);   h_l(x) = |x| h_l(s),  δ_l(x) = δ_l(s),  s = sign x
    J = AB,   A = [x₊, x₋, 1_{x>0}, 1_{x<0}]: (N, 4),   B = [∂m(±1)/∂W; ∂m(±1)/∂b]: (4, P)
    so rank J ≤ 4, and the four singular values are those of R_A B, A = QR_A

Both sides have features if a unit of every layer is on at x = 1 and one at x = −1.

See: at every depth four singular values lie on the predicted ones, and the fifth is rounding.

Source: CS182 homework 2, question 6c. It finds that before training the singular values of the small start vary
slightly; the second is a hundredth of the first, and all but four are zero, as at any start.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Refusal, Seed, experiment_config, require_increasing
from descent.features import _halves, _problem
from descent.features._problem import Hidden, require_room, require_scale
from descent.maths.initialise import from_torch, initialise
from descent.maths.limits import CALL, SMALL, require_cost
from descent.maths.network import Shape, forward
from descent.maths.tangent import jacobian
from descent.result import Check, Erratum, Result, measured, predicted, sweep

LARGEST = 1000  # points of a Jacobian
SHOWN = 6  # singular values
ROUNDING = 2.3e-16
PRINTED_AT = (200, 0.03)  # seed and start of the document


@experiment_config
class Config(_problem.Data):
    seed: Seed
    width: Count
    depths: tuple[Count, ...]  # hidden layers
    every: Count  # one of so many points is looked at
    hidden: Hidden  # of the document's small start
    small: Positive  # its c
    small_seed: Seed  # of torch
    printed_spread: Annotated[tuple[Positive, ...], Field(max_length=1)]  # σ₂/σ₁, or none

    def __post_init__(self):
        super().__post_init__()
        require_increasing("depths", self.depths)
        require_scale("small", self.small, self.hidden)
        if len(self.points) < SHOWN:
            raise ValueError(
                f"every {self.every}: leaves {len(self.points)} of {self.samples} points"
            )
        if self.width < 2:
            raise ValueError("width 1: a unit is on on one side only, so there are two features")
        # Singular values of Jacobians, points × parameters.
        work = (CALL + 2 * SMALL * (len(self.points) * self.width) ** 2) * float(sum(self.depths))
        jacobian = len(self.points) * self.width**2 * float(self.depths[-1])
        require_cost(self, "width, depths, samples, every", jacobian, work)

    @property
    def points(self) -> range:
        return range(self.every // 2, self.samples, self.every)

    def starts(self) -> list[tuple[Shape, np.ndarray]]:
        """He's uniform starts at all depths, and the document's small one."""
        rng = np.random.default_rng(self.seed)
        shapes = [Shape((1, *[self.width] * depth, 1), "relu") for depth in self.depths]
        document = Shape((1, *self.hidden, 1), "relu")
        small = from_torch(self.small_seed, self.small, document).astype(float)
        drawn = [(shape, initialise(rng, "he_uniform", shape)) for shape in shapes]
        return [*drawn, (document, small)]

    def networks(self) -> xr.Variable:
        names = [f"{depth} hidden" for depth in self.depths] + ["small"]
        return xr.Variable("network", names, {"long_name": "network"})

    def near(self) -> np.ndarray:
        return np.sort(self.sample()[0], axis=0)[self.points]


def predict(config: Config) -> xr.Dataset:
    """Four singular values from the points x = ±1; all others are 0."""
    near, rows = config.near(), []
    for shape, theta in config.starts():
        four = _halves.singular_values(theta, near, shape)[0]
        rows.append(np.append(four, np.zeros(SHOWN - 4)))
    sigma = predicted(("network", "index"), rows, "from x = ±1")
    return xr.Dataset({"sigma_predicted": sigma}, coords={"network": config.networks()})


def measure(config: Config) -> xr.Dataset:
    """Singular values of the Jacobian, and how many are more than rounding."""
    near = config.near()
    sigmas, ranks, live = [], [], []
    for shape, theta in config.starts():
        sigma = np.linalg.svd(jacobian(forward(theta[0], near, shape)), compute_uv=False)
        sigmas.append(np.pad(sigma, (0, SHOWN))[:SHOWN])
        ranks.append(np.sum(sigma > max(len(near), theta.size) * ROUNDING * sigma[0]))
        ends = forward(theta[0], _halves.ENDS, shape).inputs[1:]
        live.append(all((h > 0).any(1).all() for h in ends))
    return xr.Dataset(
        {
            "sigma": measured(("network", "index"), sigmas, "σ_k of J"),
            "rank": measured("network", np.array(ranks, float), "rank of J"),
            "live": measured("network", np.array(live, float), "units on on both sides"),
        },
        coords={
            "network": config.networks(),
            "index": sweep(range(1, SHOWN + 1), "index", "k"),
        },
    )


def run(config: Config) -> Result:
    if len(config.points) > LARGEST:
        raise Refusal(
            f"every {config.every}: {len(config.points)} points > {LARGEST} of a Jacobian"
        )
    deepest = Shape((1, *[config.width] * config.depths[-1], 1), "relu").parameters
    largest = max(deepest, Shape((1, *config.hidden, 1), "relu").parameters)
    require_room(len(config.points) * largest, f"depths and hidden: {largest} parameters")
    found, theory = measure(config), predict(config)
    drawn = found.isel(network=slice(0, -1))
    small = found["sigma"].sel(network="small")
    dead = int((drawn["live"] == 0).sum())
    return Result(
        data=found.merge(theory),
        metrics={
            "small_sigma2_over_sigma1_before": float(small[1] / small[0]),
            "zero_bias_rank": float(drawn["rank"].max()),
        },
        checks=compare(found, theory),
        errata=refute(config, found, theory),
        no_claim=(f"{dead} of {drawn.sizes['network']} networks are off on a side",) * bool(dead),
    )


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    sigma, expected = found["sigma"], theory["sigma_predicted"]
    tol, why = 1e-12 * sigma[:, 0], "rounding of a singular value decomposition"
    both = (Check("sigma", sigma, "==", expected, tol, why),)
    # The fourth singular value of a small start may itself be rounding.
    drawn = found.isel(network=slice(0, -1))
    rank = drawn["rank"][drawn["live"].values > 0]
    return (*both, Check("rank", rank, "==", 4, 0, "a count")) if rank.size else both


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
