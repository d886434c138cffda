"""Many random ReLU networks without biases on one input, drawn in chunks.

Source: CS182 homework 2, question 5a, which compares gradient norms of initialisations.
"""

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Seed, experiment_config
from descent.maths.limits import require_numbers, require_time
from descent.maths.network import Shape
from descent.maths.random_relu import kurtosis

Law = Literal["normal", "uniform"]
CHUNK = 500  # networks drawn at once
REACHING = 0.99  # share of the networks that are on to the end, at the least


@experiment_config
class Config:
    seed: Seed
    networks: Count  # of each law, in chunks of CHUNK
    widths: Annotated[tuple[Count, ...], Field(min_length=3)]  # n_0, n_1 … n_L

    def __post_init__(self):
        size = sum(float(a) * b for a, b in pairwise(self.widths))
        rule = f"networks {self.networks:g}, widths of {size:.3g} weights"
        numbers = 2 * size * min(self.networks, CHUNK) + self.networks * self.depth
        require_numbers(rule, numbers)
        require_time(
            rule, 60 * size * self.networks
        )  # of two laws, most of them for random numbers

    @property
    def depth(self) -> int:
        """L, with the output layer."""
        return len(self.widths) - 1

    @property
    def shape(self) -> Shape:
        return Shape(self.widths, "relu", biases=False)

    @property
    def hidden(self) -> tuple[int, ...]:
        return self.widths[1:-1]

    @property
    def kurtosis(self) -> float:
        """∏ (1 + 5/n_k), of ‖h_L‖² and of ‖G_l‖²."""
        return float(np.prod([kurtosis(n) for n in self.hidden]))

    @property
    def chunks(self) -> list[int]:
        edges = np.append(np.arange(0, self.networks, CHUNK), self.networks)
        return np.diff(edges).tolist()


def draw(
    rng: np.random.Generator,
    shape: Shape,
    variances: Float[np.ndarray, " L"],
    law: Law,
    count: int,
) -> Float[np.ndarray, "N P"]:
    """`count` networks of the given variances of the weights."""
    theta = np.empty((count, shape.parameters))
    for (W, _), sd in zip(shape.layers(theta), np.sqrt(variances), strict=True):
        bound = np.sqrt(3) * sd
        if law == "normal":
            W[:] = sd * rng.standard_normal(W.shape)
        else:
            W[:] = rng.uniform(-bound, bound, W.shape)
    return theta


def direction(rng: np.random.Generator, size: int) -> Float[np.ndarray, " n"]:
    """A random vector of length 1."""
    v = rng.standard_normal(size)
    return v / np.linalg.norm(v)
