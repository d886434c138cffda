"""g* as a quadratic programme on a grid, without any formula for splines: what a solver of 1/ζ-weighted problems does.

    minimise Σ_i w_i (D²g)_i²/ζ(x_i)   given g at the points;   its KKT system, with r_i = w_i (D²g)_i/ζ_i:
    −(ζ/w) r + D²g = 0,   (D²)ᵀr = 0 at the nodes that are no points

Where ζ is 0 it says D²g = 0. The error is O(h²) if ζ has no jump at a node.
"""

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.sparse.linalg import spsolve

from descent.wide_relu._data import Points
from descent.wide_relu._spline import Zeta


def split(edges: Float[np.ndarray, " e"], parts: int) -> np.ndarray:
    """Every interval between neighbours in `edges` in equal parts."""
    shares = np.arange(parts) / parts
    return np.r_[(edges[:-1, None] + np.diff(edges)[:, None] * shares).ravel(), edges[-1]]


def programme(data: Points, zeta: Zeta, nodes: Float[np.ndarray, " N"]) -> np.ndarray:
    """g at the nodes, which the points are among."""
    h, N = np.diff(nodes), len(nodes)
    w = (h[:-1] + h[1:]) / 2
    bands = [1 / h[:-1] / w, -(1 / h[:-1] + 1 / h[1:]) / w, 1 / h[1:] / w]
    D = sparse.diags(bands, [0, 1, 2], (N - 2, N)).tocsc()
    fixed = np.searchsorted(nodes, data.x)
    rest = np.setdiff1d(np.arange(N), fixed)
    size = np.abs(D.data).max()
    slack = sparse.diags(-zeta.value(nodes[1:-1]) / w / np.max(zeta.value(nodes) + 1e-300))
    D = D / size  # so that both blocks have the size of 1
    free = D[:, rest]
    system = sparse.bmat([[slack, free], [free.T, None]]).tocsc()
    right = np.r_[-(D[:, fixed] @ data.y), np.zeros(len(rest))]
    g = np.zeros(N)
    g[fixed], g[rest] = data.y, spsolve(system, right)[N - 2 :]
    return g
