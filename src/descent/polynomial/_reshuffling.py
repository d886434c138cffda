"""The same moments when every epoch takes each sample once, in a random order, exactly.

z = (M, m, 1) is mapped linearly by a step with sample i: z ← G_i z. The mean over all orders of a set S is

    F(∅) = 1,   F(S) = (1/|S|) Σ_{i∈S} G_i F(S∖{i})     (i comes last)

which takes 2ᴺ matrices and not N! orders. An epoch is F of the whole set, for orders are drawn anew.
"""

import numpy as np
from jaxtyping import Float

from descent.config import Refusal
from descent.polynomial._moments import matrices, vectors
from descent.polynomial._problem import Problem

WORK = 2e10  # multiplications: half a minute


def sample_maps(problem: Problem, step: float) -> Float[np.ndarray, "N D D"]:
    """G_i on (vector of M, m, 1)."""
    A, residual = problem.X @ problem.V, problem.residual
    N, r = A.shape
    d = r * (r + 1) // 2
    maps = np.zeros((N, d + r + 1, d + r + 1))
    for G, a, rest in zip(maps, A, residual, strict=True):
        linear, shift = np.eye(r) - 2 * step * np.outer(a, a), 2 * step * rest * a
        G[:d, :d] = vectors(linear @ matrices(np.eye(d)) @ linear).T
        cross = linear[:, :, None] * shift  # of m = e_j: (linear e_j) shiftᵀ
        cross = cross.transpose(1, 0, 2)
        G[:d, d:-1] = vectors(cross + cross.transpose(0, 2, 1)).T
        G[:d, -1] = vectors(np.outer(shift, shift))
        G[d:-1, d:-1], G[d:-1, -1], G[-1, -1] = linear, shift, 1
    return maps


def epoch_map(problem: Problem, step: float) -> Float[np.ndarray, "D D"]:
    """F of all samples.

    Raises:
        Refusal: there are too many samples.
    """
    maps = sample_maps(problem, step)
    N, D = len(maps), len(maps[0])
    if 2.0**N * N * D**3 > WORK:
        raise Refusal(
            f"points {N}: the mean over all orders of an epoch takes 2^{N} matrices of {D}²"
        )
    means = np.empty((2**N, D, D))
    means[0] = np.eye(D)
    for S in range(1, 2**N):
        inside = [i for i in range(N) if S >> i & 1]
        before = means[[S - (1 << i) for i in inside]]
        means[S] = np.einsum("iab,ibc->ac", maps[inside], before, optimize=True) / len(inside)
    return means[-1]


def stationary(problem: Problem, step: float) -> Float[np.ndarray, "r r"]:
    """E eeᵀ at the ends of epochs, after many.

    Raises:
        Refusal: the step is so large that it grows without bound.
    """
    F = epoch_map(problem, step)
    d = len(problem.eigenvalues) * (len(problem.eigenvalues) + 1) // 2
    radius = np.abs(np.linalg.eigvals(F[:d, :d])).max()
    if radius >= 1:
        raise Refusal(
            f"step {step * problem.beta:g}: reshuffled epochs multiply E‖θ_k − θ*‖² by {radius:.3g}"
        )
    return matrices(np.linalg.solve(np.eye(len(F) - 1) - F[:-1, :-1], F[:-1, -1])[:d])
