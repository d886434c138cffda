"""A small start that stays small: what is presupposed of it, its training, and what the output bias leaves open."""

from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config
from descent.features import _constant, _halves, _problem
from descent.features._problem import Hidden, require_scale
from descent.features._training import Schedule, orders, require_steps, step_count
from descent.maths.initialise import initialise, variances
from descent.maths.network import Shape

STILL = 1e-3  # output without the last bias over the slope of x, at the most, at the start
GROWTH = 0.3  # of the logarithm of the weights in a training, at the most


@experiment_config
class Small(_problem.Data, Schedule):
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
        if self.rate >= 1 + self.momentum:
            raise ValueError(
                f"rate {self.rate:g} ≥ 1 + momentum = {1 + self.momentum:g}: "
                "the output bias diverges"
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

    def near(self) -> np.ndarray:
        return np.sort(self.sample()[0], axis=0)[self.points]

    @property
    def test(self) -> np.ndarray:
        return np.linspace(-1, 1, self.test_points)[:, None]

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


class Drawn(NamedTuple):
    theta: Float[np.ndarray, "R P"]
    order: Integer[np.ndarray, "R T B"]


def draw(config: Small) -> Drawn:
    """Starts, and the orders in which the points are seen."""
    rng, R = np.random.default_rng(config.seed), config.replicates
    theta = initialise(rng, config.small, config.shape, R)
    T = step_count(config.samples, config.batch, config.epochs)
    return Drawn(theta, orders(rng, R, config.samples, T, config.batch))


def slack(config: Small, given: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """How far b_D may be from its recursion, and the test error from that of a constant, for every network."""
    path = np.abs(_constant.biases(config.sample()[1], given.order, config.pace)).max(0)
    w = config.shape.layers(given.theta.astype(float))[-1][0][:, 0]
    square = np.sum(w**2, axis=1) * np.exp(2 * config.growth)
    beside = square * path + 4 * np.sqrt(square) * config.below  # the output without b_D
    reach = 2 * beside * _constant.echo(config.pace, len(given.order[0])) + 1e-5 * path
    return reach, 2 * (np.abs(config.function(config.test)).max() + path) * (reach + beside)
