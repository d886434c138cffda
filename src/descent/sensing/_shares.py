"""What the split problem of `_sharded` needs of a process: memory, seconds, bytes on the network.

    memory    8 (m/K) p of rows, if all are kept, and about 12 arrays of the size of U, at the least
    seconds   4 a (m/K) p + 4 a d³ operations a step, 8 (m/K) p bytes read, and (m/K) p numbers to be made where rows
              are not kept
    network   8 a p (K − 1)/K bytes for each node of the tree, and as many for the sum

Each starts from one of the 256 blocks that the measurements have at the most, so a process has 1/K of them up to one.
"""

from descent.config import Refusal
from descent.maths import device
from descent.maths.limits import GIB, PRODUCT, SPEED
from descent.sensing._operators import BLOCK
from descent.sensing._sharded import BLOCKS, split
from descent.sensing._trajectories import SweepConfig
from descent.sensing._tree import nodes, owned, root

MADE = 3e7  # entries of S that a core makes a second
READ = 3e9  # bytes of S a second, for both products: they wait for memory, not for arithmetic
COPIES = 12  # arrays of the size of U that a step has at once, those of the packed errors included


def packed(config: SweepConfig) -> int:
    """p."""
    return config.size * (config.size + 1) // 2


def own_rows(config: SweepConfig, ranks: int, rank: int) -> int:
    """How many rows of S are this process's, those that are held out included."""
    return sum(
        blocks[k].count
        for blocks in (split(0, config.measurements), split(0, config.held_out))
        for k in owned(len(blocks), ranks, rank)
    )


def working(config: SweepConfig) -> int:
    """Bytes that a process needs beside the rows that it keeps."""
    a, d, p = len(config.alphas), config.size, packed(config)
    levels = root(BLOCKS).level
    return 8 * (COPIES * a * d * d + 2 * levels * a * p + 2 * BLOCK * p + 4 * a * config.steps)


def seconds(config: SweepConfig, ranks: int, rank: int, kept: int) -> float:
    """About how long the steps take this process, if it keeps so many of its rows."""
    a, d, p, own = len(config.alphas), config.size, packed(config), own_rows(config, ranks, rank)
    each = 4 * PRODUCT * a * (own * p + d**3) / SPEED
    if device.name() == "cpu":
        each += 8 * own * p / READ + (own - kept) * p / MADE
    return (config.steps + 1) * each + kept * p / MADE


def require_blocks(config: SweepConfig, ranks: int) -> None:
    """Refuse more processes than there are blocks of measurements.

    Raises:
        Refusal: naming both.
    """
    most = len(split(0, config.measurements))
    if ranks > most:
        raise Refusal(
            f"{ranks} ranks > {most}: so many blocks of at least {BLOCK} rows have the "
            f"{config.measurements} measurements"
        )


def require_room(config: SweepConfig, room: int) -> None:
    """Refuse a problem whose step does not fit, however few rows are kept.

    Raises:
        Refusal: naming the size and the GiB.
    """
    if (needed := working(config)) > room:
        raise Refusal(
            f"size {config.size}: a process needs {needed / GIB:.3g} GiB beside the measurements, "
            f"{room / GIB:.3g} GiB are there"
        )


def traffic(config: SweepConfig, ranks: int) -> float:
    """Bytes that a process sends in a step, at the most: its nodes, and its share of the sum."""
    blocks, numbers = len(split(0, config.measurements)), len(config.alphas) * packed(config)
    most = max(len(nodes(blocks, ranks, rank)) for rank in range(ranks))
    return 8 * numbers * (ranks - 1) / ranks * (most + 1)
