"""The saddles that gradient descent from a small start passes, and the times that their curvature gives.

P_j: the best matrix of rank j;   M = unpack(G pack(X* − P)): U ← (1 + 2ηM)U
"""

import numpy as np

from descent.sensing._kernels import apply
from descent.sensing._problem import Problem, pack, unpack

SADDLE_STEPS = 400  # at the most, of gradient descent on rank-j matrices
SADDLE_STEP = 0.2  # η λ₁(X*)
SADDLE_GRADIENT = 1e-4  # relative; the eigenvalues of M_j are off by its square


def chain(growth: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Times t_i of directions whose growth in phase j is growth[j, i], when direction i has folds[i] to grow."""
    phases = np.zeros(len(folds))
    for i, need in enumerate(folds):
        phases[i] = (need - phases[:i] @ growth[:i, i]) / growth[i, i]
    return np.cumsum(phases)


def found_at(pulls: np.ndarray, eta: float, U: np.ndarray) -> np.ndarray:
    """Times at which the directions are found, one beside each saddle, from a small U: (d, R).

    Beside saddle j, U ← (1 + 2ηM_j)U, until its row along the largest eigenvector v is √μ_1 long. That row is of the
    next saddle then, and what else lies along it in the space of the columns is lost.

    Args:
        pulls: M_j: (r, d, d).
    """
    times, t = [], 0.0
    for M in pulls:
        mu, V = np.linalg.eigh(M)
        growth, rows = np.log1p(2 * eta * mu), V.T @ U
        length = np.linalg.norm(rows[-1])
        wait = max(np.log(np.sqrt(mu[-1]) / length) / growth[-1], 0.0)
        row = rows[-1] / length
        U = V @ (np.exp(growth * wait)[:, None] * (rows - np.outer(rows @ row, row)))
        t += wait
        times.append(t)
    return np.array(times)


def pull(problem: Problem, U: np.ndarray) -> np.ndarray:
    """M at UUᵀ."""
    return unpack(apply(problem.gram, (problem.target - pack(U @ U.T))[None])[0])


def saddle(problem: Problem, rank: int) -> np.ndarray:
    """A factor of the best matrix of this rank: gradient descent from the truncated target."""
    left, s, _ = np.linalg.svd(problem.factor, full_matrices=False)
    U = left[:, :rank] * s[:rank]
    for _ in range(SADDLE_STEPS if rank else 0):
        step = 2 * SADDLE_STEP / s[0] ** 2 * pull(problem, U) @ U
        U = U + step
        if np.linalg.norm(step) < SADDLE_GRADIENT * SADDLE_STEP * np.linalg.norm(U):
            break
    return U
