"""Ends of training from the starts that torch draws, and random directions to look along from there."""

from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.maths import rules
from descent.maths.initialise import from_torch
from descent.maths.network import Shape, losses
from descent.maths.training import train
from descent.mlp1d import _problem
from descent.mlp1d._networks import SHAPES
from descent.mlp1d._problem import Hidden


@experiment_config
class Config:
    seed: Seed  # of the directions
    replicates: Count  # directions
    points: Count  # N
    epochs: Count
    hidden: Hidden
    rate: Positive  # η
    torch_seeds: Annotated[
        tuple[Seed, ...], Field(min_length=1)
    ]  # of the starts; the first is drawn

    def __post_init__(self):
        _problem.require_points(self.points)
        if self.replicates < 2:
            raise ValueError("replicates 1: a plane needs two directions")
        if len(set(self.torch_seeds)) < len(self.torch_seeds):
            raise ValueError(f"torch_seeds {list(self.torch_seeds)}: one of them twice")

    def shape(self, name: str) -> Shape:
        return Shape((1, *self.hidden, 1), SHAPES[name])


class Ends(NamedTuple):
    """θ* of the networks of one activation, (R, P), and their losses."""

    shape: Shape
    theta: Float[np.ndarray, "R P"]
    losses: Float[np.ndarray, " R"]


def ends(config: Config, name: str, more: int = 0) -> Ends:
    """Where gradient descent ends; `more` networks have to fit besides the directions.

    Raises:
        Refusal: the networks do not fit, or one is lost: then there is no point to look from.
    """
    shape, (x, y) = config.shape(name), _problem.points(config.points)
    _problem.require_hessian(shape)
    most = max(config.replicates, more, len(config.torch_seeds))
    _problem.require_room(shape, most, config.points)
    _problem.require_room(shape, len(config.torch_seeds), config.points, config.epochs)
    starts = [from_torch(seed, "uniform", shape) for seed in config.torch_seeds]
    theta, slope = np.concatenate(starts).astype(float), _problem.slope(x, y, shape)
    out = train(theta, slope, rules.descent(), config.rate, config.epochs)
    if out.is_lost.any():
        raise Refusal(f"rate {config.rate:g}: {name} diverges, so there is no point to look from")
    return Ends(shape, out.theta, out.losses[-1])


def directions(config: Config) -> Float[np.ndarray, "R P"]:
    """Δ, the same for both activations."""
    rng = np.random.default_rng(config.seed)
    return rng.standard_normal((config.replicates, config.shape("relu").parameters))


def line_of(half: int) -> Float[np.ndarray, " T"]:
    """An odd number of points on [−1, 1], 0 among them."""
    return np.linspace(-1, 1, 2 * half + 1)


def along(
    theta: Float[np.ndarray, "1 P"],
    delta: Float[np.ndarray, "R P"],
    t: Float[np.ndarray, " T"],
    config: Config,
    shape: Shape,
) -> Float[np.ndarray, "T R"]:
    """f(θ + tΔ)."""
    x, y = _problem.points(config.points)
    return np.array([losses(theta + step * delta, x, y, shape, "square") for step in t])


def plane(
    theta: Float[np.ndarray, "1 P"],
    delta: Float[np.ndarray, "R P"],
    t: Float[np.ndarray, " T"],
    config: Config,
    shape: Shape,
) -> Float[np.ndarray, "T T"]:
    """f(θ + tΔ₁ + sΔ₂)."""
    x, y = _problem.points(config.points)
    first, second = delta[:1], t[:, None] * delta[1:2]
    return np.array([losses(theta + u * first + second, x, y, shape, "square") for u in t])
