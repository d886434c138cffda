"""The law of all runs of SGD on the rippled wells at once, by the transition operator on a grid.

A node at x sends 1/N to each x − γf_i'(x), shared between the two nodes around it in proportion (cloud in cell). The
grid has two nodes at each kink of b, one a side, so that no share crosses it and the error is that of linear
interpolation, O(h²); two grids, h and h/2, take that away (Richardson) and estimate what is left.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from descent.minima._chain import descend, term_slope
from descent.minima._wells import Wells

REACH = 14  # half of so many standard deviations does the grid go beyond the wells, by `reach`
NEGLIGIBLE = 1e-18  # mass at a node that is not carried on


class Law(NamedTuple):
    outside: Float[np.ndarray, " k"]  # P(x_k outside the sharp well)
    survival: Float[np.ndarray, " k"]  # P(never outside up to k)
    spread: float  # standard deviation of x_K where it is outside
    leaked: float  # mass that met an end of the grid


def stride(w: Wells, gamma: float) -> float:
    """The most that one term's ripple moves x in a step: its slope is a√(ω² cos² + m² sin²) at most."""
    return gamma * w.amplitude * max(w.frequency, w.envelope)


def reach(w: Wells, gamma: float) -> float:
    """|x| that SGD hardly ever sees: the variance in the flat well is at most stride²/8γ(1 − γ)."""
    sd = stride(w, gamma) / np.sqrt(8 * gamma * (1 - gamma))
    return float(w.right + REACH * sd / 2 + stride(w, gamma))


def cells(w: Wells, gamma: float, resolution: int) -> Int[np.ndarray, "3"]:
    """Cells of the grid left of, in and right of the sharp well: `resolution` to a stride, and to the well."""
    far = reach(w, gamma)
    h = min(stride(w, gamma), w.right - w.left) / resolution
    return np.ceil(np.diff([-far, w.left, w.right, far]) / h).astype(int)


def width(w: Wells, gamma: float, resolution: int) -> int:
    """Nodes that one node's mass can reach: the stride both ways, and the doubled nodes."""
    count = cells(w, gamma, resolution)
    h = np.diff([-reach(w, gamma), w.left, w.right, reach(w, gamma)]) / count
    return int(2 * stride(w, gamma) / h.min()) + 6


def law(
    start: float,
    cosines: Float[np.ndarray, " N"],
    sines: Float[np.ndarray, " N"],
    w: Wells,
    gamma: float,
    steps: int,
    resolution: int,
) -> Law:
    """What the operator on one grid says of x₀ … x_steps; one term has no density, but a path."""
    if len(cosines) == 1:
        return _alone(descend(start, cosines[0], sines[0], w, gamma, steps), w)
    far = reach(w, gamma)
    count = cells(w, gamma, resolution)
    edges = np.array([-far, w.left, w.right, far])
    offset = np.concatenate([[0], np.cumsum(count + 1)])
    nodes = np.concatenate([np.linspace(*edges[p : p + 2], count[p] + 1) for p in range(3)])
    rows = np.zeros((len(nodes), width(w, gamma, resolution)))
    outside, survival, mass, leaked = _carry(
        start, nodes, edges, offset, rows, cosines, sines, w, gamma, steps
    )
    out = np.concatenate([mass[: offset[1]], mass[offset[2] :]])
    x = np.concatenate([nodes[: offset[1]], nodes[offset[2] :]])
    total = max(out.sum(), np.finfo(float).tiny)
    mean = out @ x / total
    return Law(outside, survival, float(np.sqrt(out @ (x - mean) ** 2 / total)), float(leaked))


def _alone(path: Float[np.ndarray, " k"], w: Wells) -> Law:
    """The law of a run that nothing random enters: each share is 0 or 1."""
    outside = (path < w.left) | (path >= w.right)
    return Law(outside.astype(float), 1.0 - np.maximum.accumulate(outside), 0.0, 0.0)


@no_type_check
@njit(cache=True)
def _place(y, edges, offset):
    """The node below y in its piece, and the share of the node above; beyond the ends, the end."""
    p = 0 if y < edges[1] else (1 if y < edges[2] else 2)
    cells = offset[p + 1] - offset[p] - 1
    t = (y - edges[p]) / (edges[p + 1] - edges[p]) * cells
    t = min(max(t, 0.0), float(cells))
    j = min(int(t), cells - 1)
    return offset[p] + j, t - j


@no_type_check
@njit(cache=True)
def _fill(row, x, inside, edges, offset, cosines, sines, w, gamma):
    """The shares of a node at x, from its lowest target on, which is returned."""
    N = len(cosines)
    targets, shares = np.empty(N, np.int64), np.empty(N)
    for i in range(N):
        y = x - gamma * term_slope(x, cosines[i], sines[i], w, inside)
        targets[i], shares[i] = _place(y, edges, offset)
    first = targets.min()
    for i in range(N):
        row[targets[i] - first] += (1 - shares[i]) / N
        row[targets[i] - first + 1] += shares[i] / N
    return first


@no_type_check
@njit(cache=True)
def _carry(start, nodes, edges, offset, rows, cosines, sines, w, gamma, steps):
    """The mass at every node, step by step; and the same when what leaves the sharp well is lost.

    A row of the operator is made when mass first comes to its node: a short stride visits few.
    """
    M, width = rows.shape
    low, high = offset[1], offset[2]
    first = np.full(M, -1)
    mass, kept = np.zeros(M + width), np.zeros(M + width)
    a, share = _place(start, edges, offset)
    mass[a] = kept[a] = 1 - share
    mass[a + 1] = kept[a + 1] = share
    outside, survival = np.zeros(steps + 1), np.ones(steps + 1)
    b, leaked = a + 2, 0.0  # mass lies in [a, b)
    for k in range(1, steps + 1):
        moved, stay = np.zeros(M + width), np.zeros(M + width)
        na, nb = M, 0
        for j in range(a, b):
            if mass[j] > NEGLIGIBLE:
                if first[j] < 0:
                    inside = low <= j < high
                    first[j] = _fill(
                        rows[j], nodes[j], inside, edges, offset, cosines, sines, w, gamma
                    )
                m, f = mass[j], first[j]
                target, row = moved[f : f + width], rows[j]
                for t in range(width):
                    target[t] += m * row[t]
                na, nb = min(na, f), max(nb, f + width)
                if kept[j] > 0:  # kept ≤ mass
                    m = kept[j]
                    target = stay[f : f + width]
                    for t in range(width):
                        target[t] += m * row[t]
        stay[:low] = 0
        stay[high:] = 0
        mass, kept, a, b = moved, stay, na, min(nb, M)
        outside[k] = mass[:low].sum() + mass[high:M].sum()
        survival[k] = kept[low:high].sum()
        leaked = max(leaked, mass[0], mass[M - 1])
    return outside, survival, mass[:M], leaked
