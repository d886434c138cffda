"""Where methods that divide every coordinate by its own gradients may go on least squares, and where they must end.

Coordinates whose gradients are always multiples of each other move by the same amount, so the steps lie in a
space W of one dimension a group. If X is injective on W, the run ends at the one solution there, at any rate.
"""

import numpy as np
from jaxtyping import Float

SAME = 1e-12  # of a length, to which two directions are one


def only_limit(
    X: Float[np.ndarray, "n d"], t: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " d"] | None:
    """The solution that AdaGrad from 0 ends at whatever its rate, if its steps leave it no other.

    Residuals lie in a space R, at first that of t. Coordinates whose gradients are multiples of each other on
    R move by the same amount, so the steps lie in a space W of one dimension a group, and R grows by XW until
    it does no more. If X is injective on W, one solution lies there.
    """
    R = t[:, None] / np.linalg.norm(t)
    while True:
        W = groups(X.T @ R)
        U, sigma, _ = np.linalg.svd(np.hstack([R, X @ W]), full_matrices=False)
        rank = int((sigma > SAME * sigma[0]).sum())
        if rank == R.shape[1]:
            break
        R = U[:, :rank]
    if np.linalg.matrix_rank(X @ W) < W.shape[1]:
        return None
    return W @ np.linalg.lstsq(X @ W, t)[0]


def groups(rows: Float[np.ndarray, "d q"]) -> Float[np.ndarray, "d groups"]:
    """One column a group of rows that are multiples of each other, with their signs; rows of 0 are in none."""
    size = np.linalg.norm(rows, axis=1)
    unit = rows / np.where(size > SAME * size.max(), size, np.inf)[:, None]
    alike, left, columns = unit @ unit.T, unit.any(1), []
    for j in range(len(rows)):
        if left[j]:
            group = left & (np.abs(np.abs(alike[j]) - 1) < SAME)
            columns.append(np.where(group, np.sign(alike[j]), 0.0))
            left &= ~group
    return np.stack(columns, 1)
