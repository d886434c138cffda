"""Stochastic gradient descent over all its draws, by taking its steps: no formula for a moment enters.

A step with sample i maps z = (e, 1), e = Vᵀ(θ − θ*), affinely, so that the mean of z⁺z⁺ᵀ over i is linear in zzᵀ.
It is measured on as many θ as there are dimensions: θ*, θ* ± Vu_j and θ* + V(u_i + u_j).
"""

import numpy as np
from jaxtyping import Float

from descent.maths.second_moment import vectors
from descent.polynomial._kernels import every_step
from descent.polynomial._problem import Problem


def transfer(problem: Problem, step: float) -> Float[np.ndarray, "d d"]:
    """What a step makes of E zzᵀ, with e in units of ‖θ*‖."""
    r, unit = len(problem.eigenvalues), np.linalg.norm(problem.theta)
    one = np.eye(r)
    i, j = np.triu_indices(r, 1)
    errors = np.concatenate([np.zeros((1, r)), one, -one, one[i] + one[j]])
    thetas = problem.theta + unit * errors @ problem.V.T
    after = (every_step(problem.X, problem.y, thetas, step) - problem.theta) @ problem.V / unit
    return np.linalg.solve(squares(errors), squares(after).mean(1)).T


def squares(errors: Float[np.ndarray, "*s r"]) -> Float[np.ndarray, "*s d"]:
    """zzᵀ as vectors."""
    z = np.concatenate([errors, np.ones((*errors.shape[:-1], 1))], -1)
    return vectors(z[..., :, None] * z[..., None, :])


def inner(k: int) -> np.ndarray:
    """Which coordinates of zzᵀ are those of eeᵀ, in their order."""
    i, j = np.triu_indices(k)
    return (i < k - 1) & (j < k - 1)


def growth(problem: Problem, step: float) -> float:
    """ln of what a step multiplies E‖e‖² by in the end, without the noise."""
    kept = inner(len(problem.eigenvalues) + 1)
    T = transfer(problem, step)[np.ix_(kept, kept)]
    return float(np.log(np.linalg.eigvalsh((T + T.T) / 2)[-1]))


def size(problem: Problem, step: float) -> float:
    """‖T‖, by which a step multiplies its rounding; noise makes it larger than the growth."""
    return float(np.linalg.norm(transfer(problem, step), 2))


def limit(problem: Problem) -> float:
    """The step at which that is 0, by bisection."""
    low, high = 0.0, 1 / problem.beta
    while growth(problem, high) < 0:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if growth(problem, middle) < 0 else (low, middle)
    return (low + high) / 2


def squared_distances(problem: Problem, step: float, record: np.ndarray) -> Float[np.ndarray, " s"]:
    """E‖θ_k − θ*‖² from θ₀ = 0; ∞ where it leaves float64."""
    T, unit = transfer(problem, step), np.linalg.norm(problem.theta)
    kept = inner(len(problem.eigenvalues) + 1)
    r = len(problem.eigenvalues)
    i, j = np.triu_indices(r)
    v, found = squares(-(problem.V.T @ problem.theta) / unit), []
    with np.errstate(all="ignore"):
        for count in np.diff(record, prepend=0):
            for _ in range(count):
                v = T @ v
            found.append(unit**2 * v[kept][i == j].sum())
    return np.nan_to_num(np.array(found), nan=np.inf, posinf=np.inf)


def mean_of_all_runs(problem: Problem, step: float, draws: int) -> float:
    """Of ‖θ_k − θ*‖² at k = draws, over every order of draws."""
    theta = np.zeros((1, len(problem.theta)))
    for _ in range(draws):
        theta = every_step(problem.X, problem.y, theta, step).reshape(-1, theta.shape[1])
    return float(np.mean(np.sum((theta - problem.theta) ** 2, 1)))
