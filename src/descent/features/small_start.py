"""From a small start only the output bias learns, so a single feature is left: a constant, with σ₁ = √N.

The gradients of all weights are products of the other layers' small weights, and hardly move them in the time of a
training. The output bias sees the targets at once and goes to their mean.

    weights U(±c), biases 0, depth D:   m = b_D + outputs of the layer below,  of the order of (c√(n/6))^{D−1}
    a weight grows in T steps by exp(ηT/(1 − μ) |a| g^{D−2}), g = c√(n/6):  this is no long training
    J = 1·e_{b_D}ᵀ + …:   σ₁ = √N,   all other singular values as small as the outputs

See: before and after training one singular value stands at √N, the next is lower by orders of magnitude.

Source: CS182 homework 2, question 6c, g: its training of the small start, whose singular values it sees cluster into
one.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.features import _halves, _jacobian, _problem
from descent.features._problem import Hidden, require_room, require_scale
from descent.features._training import (
    Schedule,
    ends,
    orders,
    require_steps,
    step_count,
    train_in_batches,
)
from descent.maths.initialise import initialise, variances
from descent.maths.network import Shape, losses, outputs
from descent.result import Check, Result, measured, predicted, replicates, sweep

TOP = 20  # singular values that are kept
LARGEST = 1000  # points of a Jacobian
STILL = 1e-3  # output without the last bias over the slope of x, at the most, at the start
GROWTH = 0.3  # of the logarithm of the weights in a training, at the most


@experiment_config
class Config(_problem.Data, Schedule):
    seed: Seed
    replicates: Annotated[int, Field(ge=1, le=10_000)]
    hidden: Hidden
    small: Positive  # c of its start
    every: Count  # one of so many points stands for all, in the Jacobians
    test_points: Annotated[int, Field(ge=1, le=1_000_000)]

    def __post_init__(self):
        super().__post_init__()
        require_scale("small", self.small, self.hidden)
        trained = self.replicates
        require_steps(self.samples, self.batch, self.epochs, trained, self.hidden)
        if len(self.points) < 2:
            raise ValueError(
                f"every {self.every}: leaves {len(self.points)} of {self.samples} points"
            )
        if self.below > STILL:
            raise ValueError(
                f"small {self.small:g}: outputs below the last layer are {self.below:.2g} > {STILL:g}, "
                "so more than the last bias learns"
            )
        if self.growth > GROWTH:
            raise ValueError(
                f"epochs {self.epochs}: weights grow by a factor exp({self.growth:.2g}) > exp({GROWTH:g}), "
                "so more than the last bias learns"
            )

    @property
    def points(self) -> range:
        return range(self.every // 2, self.samples, self.every)

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "relu")

    @property
    def below(self) -> float:
        """Root mean square of ‖h_{D−1}(1)‖ at the start: what the last weights see."""
        v = variances(self.small, self.shape.widths)[:-1]
        return float(np.sqrt(np.prod(v * self.shape.widths[1:-1] / 2)))

    @property
    def growth(self) -> float:
        """ηT/(1 − μ) √(a₊² + a₋²) g^{D−2}, g the geometric mean factor of a layer."""
        D, (a, _) = len(self.hidden) + 1, _halves.moments(*self.sample())
        time = step_count(self.samples, self.batch, self.epochs) * self.rate / (1 - self.momentum)
        return float(time * np.hypot(*a) * self.below ** ((D - 2) / (D - 1)))


def predict(config: Config) -> xr.Dataset:
    """√N, and one feature."""
    return xr.Dataset(
        {
            "sigma1_predicted": predicted((), np.sqrt(config.samples), "√N"),
            "effective_rank_predicted": predicted((), 1.0, "one feature"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Singular values before and after training, and what the network has become."""
    rng, shape, R = np.random.default_rng(config.seed), config.shape, config.replicates
    x, y = config.sample()
    near = np.sort(x, axis=0)[config.points]
    T = step_count(config.samples, config.batch, config.epochs)
    theta = initialise(rng, config.small, shape, R)
    order = orders(rng, R, config.samples, T, config.batch)
    out = train_in_batches(theta, x, y, shape, order, config.pace)
    end, test = ends(out), np.linspace(-1, 1, config.test_points)[:, None]
    sigma = [_jacobian.singular_values(at, near, shape, config.samples) for at in (theta, end)]
    kept, dims = min(TOP, len(near)), ("when", "replicate")
    shown = np.array([np.maximum(s[:, :kept], 1e-7 * s[:, :1]) for s in sigma])
    rank = [_jacobian.effective_rank(s) for s in sigma]
    kinks = [_jacobian.kinks(at, shape, -1.0, 1.0).astype(float) for at in (theta, end)]
    error = losses(end, test, config.function(test), shape, "square")
    return xr.Dataset(
        {
            "sigma": measured((*dims, "index"), shown, "σ_k of the Jacobian"),
            "sigma1": measured(dims, [s[:, 0] for s in sigma], "σ₁"),
            "effective_rank": measured(dims, rank, "effective rank"),
            "kinks": measured(dims, kinks, "kinks"),
            "range": measured("replicate", np.ptp(outputs(end, test, shape)[..., 0], 1), "range"),
            "test": measured("replicate", error, "test error"),
            "lost": measured("replicate", out.is_lost.astype(float), "the loss was lost"),
        },
        coords={
            "when": ("when", ["before", "after"], {"long_name": "training"}),
            "index": sweep(range(1, kept + 1), "index", "k"),
            "replicate": replicates(R),
        },
    )


def run(config: Config) -> Result:
    n, P, R = len(config.points), config.shape.parameters, config.replicates
    if n > LARGEST:
        raise Refusal(f"every {config.every}: {n} points > {LARGEST} of a Jacobian")
    drawn = step_count(config.samples, config.batch, config.epochs) * config.batch
    require_room(max(R * P * 4, n * P, R * drawn), f"{P} parameters, {R} × {drawn} samples")
    found, theory = measure(config), predict(config)
    after, middle = found.sel(when="after"), found.median("replicate")
    lost, kept = int(found["lost"].sum()), after.isel(replicate=after["lost"].values == 0)
    each = {
        f"small_{name}_{when}_median": middle[name].sel(when=when)
        for name in ("effective_rank", "sigma1", "kinks")
        for when in ("before", "after")
    }
    return Result(
        data=found.merge(theory),
        metrics=each
        | {
            "small_test_median": middle["test"],
            "small_output_range_median": middle["range"],
            "small_diverged_fraction": lost / R,
        },
        checks=compare(config, kept, theory) if lost < R else (),
        no_claim=(f"{lost} of {R} networks were lost in training",) * bool(lost),
    )


def compare(config: Config, after: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    root, one = theory["sigma1_predicted"], theory["effective_rank_predicted"]
    share = (10 * STILL) ** 2  # of σ₁², for features that are not the constant
    tol, why = share * np.sqrt(config.samples), "squares of the outputs below the last layer"
    entropy = -share * np.log(share)
    return (
        Check("sigma1", after["sigma1"], "==", root, tol, why),
        Check("effective_rank", after["effective_rank"], "==", one, entropy, f"entropy of {why}"),
    )
