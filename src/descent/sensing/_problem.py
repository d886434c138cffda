"""Matrix sensing: recover X* = U*U*ᵀ (d × d, rank r) from y_i = ⟨A_i, X*⟩, A_i with N(0, 1) entries.

    f(U) = (1/2m) Σᵢ (⟨Aᵢ, UUᵀ⟩ − yᵢ)²,    ∇f(U) = (1/m) Σᵢ (⟨Aᵢ, UUᵀ⟩ − yᵢ)(Aᵢ + Aᵢᵀ) U

A symmetric X sees only (Aᵢ + Aᵢᵀ)/2. In packed coordinates (upper triangle, off-diagonal entries
times √2, so that inner products are kept) these p = d(d+1)/2 numbers are exactly N(0, 1). So the
measurements are one Gaussian matrix S: (m, p), drawn directly, and gradient descent needs it only
as the Gram operator G = SᵀS/m:

    e = pack(UUᵀ − X*),    f(U) = ½ eᵀGe,    ∇f(U) = 2 unpack(Ge) U

Source: CS7180 problem set 2, question 2a. The handout asks for U* of unspecified scale; here its
entries are N(0, 1/d).
"""

from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Count, Index, Positive, Seed, experiment_config
from descent.maths import device
from descent.maths.device import Array
from descent.sensing._kernels import apply, tiled
from descent.sensing._memory import require_memory
from descent.sensing._operators import Operator, placed
from descent.sensing._target import Rows, factor_of, require_positive, require_rank


@experiment_config
class TargetConfig:
    """The random targets of every matrix-sensing experiment."""

    seed: Seed
    replicates: Count
    size: Count  # d
    rank: Count  # r

    def __post_init__(self):
        if self.rank > self.size:
            raise ValueError(f"rank {self.rank} > size {self.size}: no such matrix")

    def count(self, oversampling: float | int) -> int:
        """m for this m / (d r)."""
        return max(1, round(oversampling * self.size * self.rank))

    @property
    def freedom(self) -> int:
        """p, of the matrices of the rank."""
        return degrees_of_freedom(self.size, self.rank)

    @property
    def threshold(self) -> float:
        """δ."""
        return uniqueness_threshold(self.size, self.rank)


@experiment_config
class Measured(TargetConfig):
    """The same with measurements of one number."""

    oversampling: Positive  # m / (d r)

    @property
    def measurements(self) -> int:
        return self.count(self.oversampling)


def require_stable(step: float) -> None:
    """Refuse a step η = step/λ₁(X*) that every minimum repels: 4λ₁ is the largest population curvature there.

    Raises:
        ValueError: naming the step.
    """
    if not step < 0.5:
        raise ValueError(
            f"step {step:g} ≥ 0.5 = 2/λmax(∇²f(U*)) (in 1/λ₁): gradient descent leaves "
            "every minimum"
        )


@experiment_config
class DescentConfig(TargetConfig):
    """Gradient descent on the targets; the step is in units of 1/λ₁(X*)."""

    step: Positive  # η λ₁(X*)
    steps: Count

    def __post_init__(self):
        super().__post_init__()
        require_stable(self.step)


@experiment_config
class Config(DescentConfig, Measured):
    """One number of measurements, and everything that is reported along the run."""

    held_out: Count  # fresh measurements for the test loss
    milestones: tuple[Index, ...]  # t whose values become metrics, as far as the run goes
    snapshots: Count  # about how many U_t are kept, log-spaced
    target: Rows  # of X* of your own, or none: then it is drawn

    def __post_init__(self):
        super().__post_init__()
        if self.target:
            require_rank(self.target, (self.size, self.size), self.rank)
            require_positive(self.target)

    @property
    def rows(self) -> Float[np.ndarray, "m p"] | None:
        """Measurements of your own, packed; none here."""
        return None

    @property
    def unit(self) -> float:
        """What α is in: √λ₁(X*) of your own X*. That of a drawn one is near 1."""
        if not self.target:
            return 1.0
        return float(np.sqrt(np.linalg.eigvalsh(np.array(self.target, float))[-1]))

    @property
    def reported(self) -> list[int]:
        """The milestones that the run reaches, and its end."""
        return sorted({t for t in self.milestones if t < self.steps} | {self.steps})

    @property
    def snapshot_steps(self) -> np.ndarray:
        spaced = np.geomspace(1, self.steps + 1, self.snapshots) - 1
        return np.unique([0, *spaced.round().astype(int), *self.reported])


class Problem(NamedTuple):
    factor: Float[np.ndarray, "d r"]  # U*
    target: Float[np.ndarray, " p"]  # pack(X*)
    gram: (
        Float[np.ndarray, "tiles b b"] | Operator
    )  # SᵀS/m as `_kernels.tiled` stores it, or on a device
    held_out: Float[np.ndarray, "h p"]  # fresh rows of S
    offset: Float[np.ndarray, "*a p"] | None = (
        None  # Sᵀξ/m of noise ξ on y: ∇f = 2 unpack(Ge − offset) U
    )

    @property
    def eigenvalues(self) -> Float[np.ndarray, " r"]:
        """λ₁ ≥ … ≥ λ_r of X*."""
        return np.linalg.svd(self.factor, compute_uv=False) ** 2


def draw_factor(rng: np.random.Generator, config: TargetConfig) -> Float[np.ndarray, "d r"]:
    """U* with N(0, 1/d) entries."""
    return rng.standard_normal((config.size, config.rank)) / np.sqrt(config.size)


def sense(
    factor: Float[np.ndarray, "d r"],
    S: Float[np.ndarray, "m p"],
    noise: Float[np.ndarray, "*a m"] | None = None,
) -> Problem:
    """The problem that these measurements make, y = S pack(X*) + noise; nothing is held out."""
    return Problem(
        factor=factor,
        target=pack(factor @ factor.T),
        gram=placed(S) if device.name() == "cuda" else tiled(S.T @ S / len(S)),
        held_out=np.empty((0, S.shape[1])),
        offset=None if noise is None else noise @ S / len(S),
    )


def measured(rng: np.random.Generator, config: Measured) -> Problem:
    """A random target and its measurements, none held out; X* comes first, so that m does not change it."""
    require_memory(config.size, config.measurements)
    return of_target(rng, config, draw_factor(rng, config))


def of_target(rng: np.random.Generator, config: Measured, factor: np.ndarray) -> Problem:
    """The same of this U*."""
    p = config.size * (config.size + 1) // 2
    return sense(factor, rng.standard_normal((config.measurements, p)))


def draw(rng: np.random.Generator, config: Config) -> Problem:
    """A random target or your own, its measurements, and fresh ones."""
    require_memory(config.size, config.measurements, config.held_out)
    factor = draw_factor(rng, config)
    if config.target:
        factor = factor_of(np.array(config.target, float), config.rank)
    rows = config.rows
    problem = of_target(rng, config, factor) if rows is None else sense(factor, rows)
    held_out = rng.standard_normal((config.held_out, len(problem.target)))
    return problem._replace(held_out=held_out)


@lru_cache
def _triangle(d: int, xp: ModuleType = np):
    """Row and column of each packed entry, its weight, and where entry (i, j) of the matrix is packed."""
    rows, columns = np.triu_indices(d)
    weight = np.where(rows == columns, 1.0, np.sqrt(2.0))
    place = np.empty((d, d), dtype=int)
    place[rows, columns] = place[columns, rows] = np.arange(len(rows))
    return tuple(map(xp.asarray, (rows, columns, weight, place)))


def pack(X: Float[Array, "*batch d d"]) -> Float[Array, "*batch p"]:
    """Isometric coordinates of symmetric matrices: ⟨X, Y⟩ = pack(X)·pack(Y)."""
    rows, columns, weight, _ = _triangle(X.shape[-1], device.namespace(X))
    return X[..., rows, columns] * weight


def unpack(x: Float[Array, "*batch p"]) -> Float[Array, "*batch d d"]:
    """The symmetric matrices with these coordinates."""
    d = int((np.sqrt(8 * x.shape[-1] + 1) - 1) / 2)
    *_, weight, place = _triangle(d, device.namespace(x))
    return (x / weight)[..., place]


def tangents(factor: Float[np.ndarray, "d r"]) -> Float[np.ndarray, "dr p"]:
    """pack(VU*ᵀ + U*Vᵀ) for every basis matrix V = e_a e_kᵀ of the factors, k before a."""
    d = len(factor)
    rows = []
    for u in factor.T:
        V_Ut = np.eye(d)[:, :, None] * u  # e_a uᵀ for every a: (a, d, d)
        rows.append(pack(V_Ut + V_Ut.mT))
    return np.concatenate(rows)


def hessian(problem: Problem) -> Float[np.ndarray, "dr dr"]:
    """∇²f(U*), which is KGKᵀ with K the tangents: the residuals vanish there."""
    K = tangents(problem.factor)
    return apply(problem.gram, K) @ K.T


def hessian_spectrum(problem: Problem) -> Float[np.ndarray, " dr"]:
    """Eigenvalues of ∇²f(U*), increasing."""
    return np.linalg.eigvalsh(hessian(problem))


def degrees_of_freedom(d: int, r: int) -> int:
    """Dimension of the manifold of rank-r matrices: dr − r(r−1)/2."""
    return d * r - r * (r - 1) // 2


def uniqueness_threshold(d: int, r: int) -> float:
    """m above which {X ⪰ 0, A(X) = y} is the single point X*: the statistical dimension of its PSD tangent cone.

    δ = dr − r(r−1)/2 + (d−r)(d−r+1)/4, see arXiv 1806.02046.
    """
    return d * r - r * (r - 1) / 2 + (d - r) * (d - r + 1) / 4
