"""Reverse accumulation over an explicit graph: nodes in an order of evaluation, edges with their vector–Jacobian products.

    v̄ = ∂L/∂v = Σ over edges v → u of (∂u/∂v)ᵀ ū,    L̄ = 1

Every edge is used once. The same gradient is the sum over all paths from v to L of the products along
them, of which there can be exponentially many.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np


class Edge(NamedTuple):
    tail: str
    head: str
    vjp: Callable[[np.ndarray], np.ndarray]  # ū ↦ (∂head/∂tail)ᵀ ū


def reverse(nodes: tuple[str, ...], edges: tuple[Edge, ...]) -> dict[str, np.ndarray]:
    """∂L/∂v of every node v, where L is the last one."""
    bars: dict[str, np.ndarray] = {nodes[-1]: np.ones(())}
    for node in reversed(nodes):
        for edge in edges:
            if edge.head == node:
                bars[edge.tail] = bars.get(edge.tail, 0.0) + edge.vjp(bars[node])
    return bars


def paths(edges: tuple[Edge, ...], start: str, end: str) -> Iterator[tuple[Edge, ...]]:
    """All paths from one node to another, those with the fewest edges not necessarily first."""
    if start == end:
        yield ()
    for edge in edges:
        if edge.tail == start:
            for rest in paths(edges, edge.head, end):
                yield (edge, *rest)


def along(path: tuple[Edge, ...]) -> np.ndarray:
    """What one path contributes to the gradient at its first node."""
    bar = np.ones(())
    for edge in reversed(path):
        bar = edge.vjp(bar)
    return bar


def depths(nodes: tuple[str, ...], edges: tuple[Edge, ...]) -> dict[str, int]:
    """Edges on the longest path from the first node to each."""
    depth = dict.fromkeys(nodes, 0)
    for node in nodes:
        for edge in edges:
            if edge.tail == node:
                depth[edge.head] = max(depth[edge.head], depth[node] + 1)
    return depth
