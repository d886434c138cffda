"""sensing@overparam with the measurements split over processes, none of which needs to hold all of them.

    ∇f(U) = 2 unpack(Ge) U,   Ge = Σ_b (m_b/m) S_bᵀS_b e/m_b,   e = pack(UUᵀ − X*),   U: (a, d, d)

The rows of S: (m, p) are numbered; row i comes from a counter (`_rows`), so any process can make it at any time, and
whoever has memory keeps it. Blocks of consecutive rows are added in one tree (`_tree`). So U_t does not depend on the
number of processes, nor on how many rows they keep: on processors of one type to the last bit. Every process has U
and makes the same step.

The problem is of the same law as in sensing@overparam, and not the same draw: there S is one generator's stream.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.maths import device
from descent.result import measured
from descent.sensing._operators import BLOCK, Regenerated, by_blocks
from descent.sensing._problem import draw_factor, pack, unpack
from descent.sensing._rows import rows
from descent.sensing._target import factor_of
from descent.sensing._trajectories import SweepConfig, Trajectory, labelled
from descent.sensing._tree import Mesh, owned, total

BLOCKS = 256  # of the measurements at the most: so many processes can share them


class Block(NamedTuple):
    """Consecutive rows of S, and themselves if they are kept."""

    first: int
    count: int
    S: Float[np.ndarray, "count p"] | None = None

    def rows(self, seed: int, p: int) -> Callable[[int, int], np.ndarray]:
        """(first, count) → rows, counted from the block's first one."""
        if self.S is not None:
            return lambda first, count: self.S[first : first + count]
        return lambda first, count: rows(seed, self.first + first, count, p)


class Shared(NamedTuple):
    """One process's part of a problem.

    Attributes:
        blocks: of the m measurements, by number; its own with their rows if it keeps them.
        fresh: of the h rows that are held out, which follow those.
    """

    seed: int
    factor: Float[np.ndarray, "d r"]  # U*
    blocks: tuple[Block, ...]
    fresh: tuple[Block, ...]

    @property
    def eigenvalues(self) -> Float[np.ndarray, " r"]:
        """λ₁ ≥ … ≥ λ_r of X*."""
        return np.linalg.svd(self.factor, compute_uv=False) ** 2

    @property
    def kept(self) -> int:
        """How many rows are here."""
        return sum(one.count for one in self.blocks + self.fresh if one.S is not None)


class Run(NamedTuple):
    trajectory: Trajectory  # without the factors on the way
    U: Float[np.ndarray, "a d d"]  # at the end


def split(first: int, count: int) -> tuple[Block, ...]:
    """So many rows from `first` on, in blocks of a multiple of BLOCK rows, whatever the number of processes."""
    size = BLOCK * -(-count // (BLOCK * BLOCKS))
    return tuple(Block(k, min(size, first + count - k)) for k in range(first, first + count, size))


def problem(config: SweepConfig) -> tuple[Shared, Float[np.ndarray, "d d"]]:
    """X*, and the W of all starts αW; nothing of S is made."""
    rng = np.random.default_rng([config.seed, 0])
    factor = draw_factor(rng, config)
    if config.target:
        factor = factor_of(np.array(config.target, float), config.rank)
    W = rng.standard_normal((config.size, config.size))
    m = config.measurements
    return Shared(config.seed, factor, split(0, m), split(m, config.held_out)), W


def keeping(shared: Shared, mesh: Mesh, room: int) -> Shared:
    """The problem with as many of this process's own rows as fit into so many bytes, measurements first."""
    d = len(shared.factor)
    p, count, parts = d * (d + 1) // 2, 0, []
    for blocks in (shared.blocks, shared.fresh):
        part = list(blocks)
        for k in owned(len(blocks), mesh.ranks, mesh.rank):
            block = blocks[k]
            if 8 * p * (count + block.count) <= room:
                part[k] = block._replace(S=rows(shared.seed, block.first, block.count, p))
                count += block.count
        parts.append(tuple(part))
    return shared._replace(blocks=parts[0], fresh=parts[1])


def gram(shared: Shared, mesh: Mesh, x: Float[np.ndarray, "a p"]) -> Float[np.ndarray, "a p"]:
    """Gx for every row x, from the rows of all processes."""
    m, p = sum(block.count for block in shared.blocks), x.shape[1]

    def part(k: int) -> np.ndarray:
        block = shared.blocks[k]
        if device.name() == "cuda":
            pull = Regenerated(shared.seed, block.first, block.count).apply(x)
        else:
            pull = by_blocks(block.rows(shared.seed, p), block.count, x)
        return (pull * (block.count / m)).ravel()

    return total(len(shared.blocks), x.size, part, mesh).reshape(x.shape)


def held_out(shared: Shared, mesh: Mesh, x: Float[np.ndarray, "a p"]) -> Float[np.ndarray, " a"]:
    """½ mean (s·x)² over the rows s that are held out."""
    h, p = sum(block.count for block in shared.fresh), x.shape[1]

    def part(k: int) -> np.ndarray:
        block = shared.fresh[k]
        read, sums = block.rows(shared.seed, p), np.zeros(len(x))
        for first in range(0, block.count, BLOCK):
            sums += np.square(x @ read(first, min(BLOCK, block.count - first)).T).sum(1)
        return sums

    return total(len(shared.fresh), len(x), part, mesh) / (2 * h)


def descend(
    shared: Shared,
    W: Float[np.ndarray, "d d"],
    config: SweepConfig,
    mesh: Mesh,
    tick: Callable[[int], None] = lambda t: None,
) -> Run:
    """`_trajectories.descend` from U₀ = αW for every α; `tick` is called with every t that is done."""
    U, target = np.multiply.outer(config.alphas, W), pack(shared.factor @ shared.factor.T)
    eta, kept = config.step / shared.eigenvalues[0], set(config.snapshot_steps.tolist())
    distance, loss = (np.empty((len(U), config.steps + 1)) for _ in range(2))
    fresh = []
    with np.errstate(over="ignore", invalid="ignore"):  # a start that diverges goes on as nan
        for t in range(config.steps + 1):
            error = pack(U @ U.mT) - target
            pull = gram(shared, mesh, error)
            distance[:, t] = np.linalg.norm(error, axis=-1)
            loss[:, t] = np.maximum(np.vecdot(error, pull), 0) / 2  # −1e-16 is rounding
            if t in kept:
                fresh.append(held_out(shared, mesh, error))
            if t < config.steps:
                U = U - 2 * eta * unpack(pull) @ U
            tick(t)
    none = np.empty((len(U), len(fresh), 0, 0))
    return Run(Trajectory(distance, loss, np.stack(fresh, 1), none, shared.eigenvalues), U)


def dataset(run: Run, config: SweepConfig) -> xr.Dataset:
    """Labelled as sensing@overparam has it, with the factors at the end alone."""
    data = labelled([run.trajectory], config, config.alphas).drop_vars("U")
    U = measured(("replicate", "alpha", "row", "factor"), run.U[None], "U at the end")
    return data.assign(U=U)
