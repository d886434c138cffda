"""Sums over blocks, added in one order by however many processes: the same bits for any number of them.

    n blocks are the leaves of a binary tree; node (l, i) is the sum of the blocks i 2^l … (i + 1) 2^l − 1
    a process owns consecutive blocks, adds them up to the largest whole nodes, and hands those over
    every process adds all nodes of its share of the columns, and collects the other shares

A sum by `all_reduce` has an order, and so last bits, that depend on the number of processes. Each process sends
(K − 1)/K of its nodes, of which there are at most 2 log₂ n, and of the sum: as much as a ring does if K is a power of
two, since a process then has one node.
"""

from collections.abc import Callable
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Node(NamedTuple):
    level: int
    index: int

    @property
    def first(self) -> int:
        """Its first block."""
        return self.index << self.level


class Mesh(NamedTuple):
    """The processes of a job, and how they exchange numbers.

    Attributes:
        scatter: (rows, counts) → the columns of this process, of all rows of all processes in their order; `counts`
            says how many rows each has.
        gather: the columns of this process → those of all.
    """

    rank: int
    ranks: int
    scatter: Callable[[np.ndarray, list[int]], np.ndarray]
    gather: Callable[[np.ndarray, int], np.ndarray]


ALONE = Mesh(0, 1, lambda rows, counts: rows, lambda column, width: column)


def columns(width: int, ranks: int) -> list[int]:
    """How many of so many columns are each process's."""
    ends = [width * k // ranks for k in range(ranks + 1)]
    return [b - a for a, b in pairwise(ends)]


def owned(n: int, ranks: int, rank: int) -> range:
    """The blocks of a process."""
    return range(n * rank // ranks, n * (rank + 1) // ranks)


def root(n: int) -> Node:
    return Node((n - 1).bit_length(), 0)


def nodes(n: int, ranks: int, rank: int) -> list[Node]:
    """The largest nodes that make up the blocks of a process, in their order."""
    blocks = owned(n, ranks, rank)
    stop = 1 << root(n).level if blocks.stop == n else blocks.stop  # beyond n there are no blocks
    found, first = [], blocks.start
    while blocks and first < stop:
        level = (stop - first).bit_length() - 1
        if first:
            level = min(level, (first & -first).bit_length() - 1)
        found.append(Node(level, first >> level))
        first += 1 << level
    return found


def added(node: Node, known: Callable[[Node], np.ndarray | None], n: int) -> np.ndarray:
    """The sum of a node: what is known of it, or its left half plus its right half."""
    if (value := known(node)) is not None:
        return value
    left, right = (Node(node.level - 1, 2 * node.index + k) for k in (0, 1))
    total = added(left, known, n)
    return total + added(right, known, n) if right.first < n else total


def total(
    n: int, width: int, block: Callable[[int], Float[np.ndarray, " w"]], mesh: Mesh
) -> Float[np.ndarray, " w"]:
    """block(0) + … + block(n − 1), the same on every process; each is asked for its own blocks only."""
    own = nodes(n, mesh.ranks, mesh.rank)
    sums = [added(node, lambda one: None if one.level else block(one.index), n) for node in own]
    everyone = [nodes(n, mesh.ranks, rank) for rank in range(mesh.ranks)]
    rows = np.array(sums).reshape(len(own), width)  # a process may have no block
    shares = mesh.scatter(rows, [len(one) for one in everyone])
    known = dict(zip(chain.from_iterable(everyone), shares, strict=True))
    return mesh.gather(added(root(n), known.get, n), width)
