"""Matrix sensing on data of the user's own, or on targets and starts that published codes draw.

    target      the rows of X*, or a law of U* if there are none
    matrices    A_1, …, A_m, or N(0, 1) entries if there are none
    start       U₀ = scale · W, W with N(0, 1) entries, or W = 1

An asymmetric X = UVᵀ is the same problem with one factor Z = [U; V], of the measurements [[0, Aᵢ], [0, 0]].
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.sensing._memory import require_run
from descent.sensing._problem import Problem, pack, sense
from descent.sensing._saddles import pull
from descent.sensing._target import Rows, require_rank, require_shape

Law = Literal["gaussian", "uniform", "orthonormal"]
Start = Literal["gaussian", "identity"]


@experiment_config
class GivenConfig:
    seed: Seed
    replicates: Count
    rank: Count  # r
    target: Rows  # rows of X*, or none: then it is drawn
    law: Law  # of U* if it is
    measurements: Count  # m
    matrices: tuple[Rows, ...]  # the Aᵢ, or none: then they are drawn
    start: Start
    scale: Positive  # U₀ = scale · W
    step: Positive  # ημ₁, μ₁ the largest eigenvalue of M
    steps: Count

    def __post_init__(self):
        if not self.step < 0.5:
            raise ValueError(f"step {self.step:g} ≥ 0.5: the last of X* is left again (4λ₁η ≥ 2)")
        if self.matrices and len(self.matrices) != self.measurements:
            raise ValueError(
                f"measurements {self.measurements}: there are {len(self.matrices)} matrices"
            )

    def require_shapes(self, shape: tuple[int, int]) -> None:
        """Refuse a target, or a measurement, of another shape, and a rank that the target has not.

        Raises:
            ValueError: naming them.
        """
        if self.rank > min(shape):
            raise ValueError(f"rank {self.rank} > {min(shape)}: no such matrix")
        for i, rows in enumerate(self.matrices):
            require_shape(f"matrices: A_{i + 1}", rows, shape)
        if self.target:
            require_rank(self.target, shape, self.rank)

    def require_fits(self, size: int) -> None:
        """Refuse runs of U: (size, size) that do not fit, or that take more than an hour.

        Raises:
            Refusal: naming what is too large.
        """
        kept = size**2 * (2 + self.measurements) + self.steps * (self.rank + 5)
        # Twice the steps: a step here is some twenty calls.
        one = _Sized(self.replicates, 2 * self.steps, size)
        require_run(one, self.measurements, 1, one.steps, kept)


class _Sized(NamedTuple):
    replicates: int
    steps: int
    size: int


def drawn(rng: np.random.Generator, law: Law, d: int, r: int) -> Float[np.ndarray, "d r"]:
    """U*: N(0, 1/d) or uniform on [0, 1/√d] entries, or orthonormal columns."""
    if law == "uniform":
        return rng.random((d, r)) / np.sqrt(d)
    G = rng.standard_normal((d, r))
    return np.linalg.qr(G)[0] if law == "orthonormal" else G / np.sqrt(d)


def problem_of(factor: Float[np.ndarray, "d r"], A: Float[np.ndarray, "m d d"]) -> Problem:
    """Its measurements ⟨Aᵢ, U*U*ᵀ⟩.

    Raises:
        Refusal: all of them are 0.
    """
    problem = sense(factor, pack((A + A.mT) / 2))
    if not pull(problem, np.zeros((len(factor), 1))).any():
        raise Refusal("matrices: every measurement of this target is 0, so nothing is known of it")
    return problem


def matrices(
    rng: np.random.Generator, config: GivenConfig, shape: tuple[int, int]
) -> Float[np.ndarray, "m a b"]:
    """Those of the block, or N(0, 1) ones."""
    if config.matrices:
        return np.array(config.matrices, float)
    return rng.standard_normal((config.measurements, *shape))


def start(rng: np.random.Generator, config: GivenConfig, d: int) -> Float[np.ndarray, "d d"]:
    """W."""
    return np.eye(d) if config.start == "identity" else rng.standard_normal((d, d))
