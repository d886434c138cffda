"""The same moments when every epoch takes each sample once, in a random order, exactly.

A step with sample i maps S = E zzᵀ, z = (e, 1), by C_i: S ↦ G_iSG_iᵀ. The mean over all orders of a set is

    F(∅) = 1,   F(S) = (1/|S|) Σ_{i∈S} C_i F(S∖{i})     (i comes last)

which takes 2ᴺ matrices and not N! orders. An epoch is F of the whole set, for orders are drawn anew.
"""

import numpy as np
from jaxtyping import Float

from descent.config import Refusal
from descent.maths.second_moment import congruence, matrices, vectors
from descent.polynomial._problem import Problem

WORK = 2e10  # multiplications: half a minute


def sample_maps(problem: Problem, step: float) -> Float[np.ndarray, "N d d"]:
    """C_i."""
    A, residual = problem.X @ problem.V, problem.residual
    r = A.shape[1]
    maps = []
    for a, rest in zip(A, residual, strict=True):
        G = np.eye(r + 1)
        G[:r, :r] -= 2 * step * np.outer(a, a)
        G[:r, r] = 2 * step * rest * a
        maps.append(congruence(G))
    return np.array(maps)


def epoch_map(problem: Problem, step: float) -> Float[np.ndarray, "d d"]:
    """F of all samples.

    Raises:
        Refusal: there are too many samples.
    """
    N, k = len(problem.y), len(problem.eigenvalues) + 1
    d = k * (k + 1) // 2
    if N > 40 or 2.0**N * N * d**3 > WORK:
        raise Refusal(
            f"points {N}: the mean over all orders of an epoch takes 2^{N} matrices of {d}²"
        )
    maps, means = sample_maps(problem, step), np.empty((2**N, d, d))
    means[0] = np.eye(d)
    for S in range(1, 2**N):
        inside = [i for i in range(N) if S >> i & 1]
        before = means[[S - (1 << i) for i in inside]]
        means[S] = np.einsum("iab,ibc->ac", maps[inside], before, optimize=True) / len(inside)
    return means[-1]


def radius(epoch: Float[np.ndarray, "d d"]) -> float:
    """By how much an epoch multiplies E‖θ_k − θ*‖² in the end, without the noise."""
    k = len(matrices(epoch[0]))
    i, j = np.triu_indices(k)
    inner = (i < k - 1) & (j < k - 1)
    return float(np.abs(np.linalg.eigvals(epoch[np.ix_(inner, inner)])).max())


def stationary(epoch: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "r r"]:
    """E eeᵀ at the ends of epochs, after many, of an epoch that does not grow."""
    inside = np.eye(len(epoch) - 1) - epoch[:-1, :-1]
    S = matrices(np.append(np.linalg.solve(inside, epoch[:-1, -1]), 1.0))
    return S[:-1, :-1]


def after(
    problem: Problem, epoch: Float[np.ndarray, "d d"], count: int
) -> Float[np.ndarray, "r r"]:
    """E eeᵀ after so many epochs from θ₀ = 0."""
    z = np.append(-(problem.V.T @ problem.theta), 1.0)
    S = matrices(np.linalg.matrix_power(epoch, count) @ vectors(np.outer(z, z)))
    return S[:-1, :-1]
