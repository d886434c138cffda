"""Least squares over positive semidefinite matrices, by accelerated projected gradient descent.

    min over X ⪰ 0 of f(X) = ½ eᵀGe − eᵀb,   e = pack(X − X*),   G = SᵀS/m,   b = Sᵀξ/m

    X ← P(Y − ∇f(Y)/L),   L ≥ λmax(G),   P: negative eigenvalues → 0
    Y ← X + momentum · (X − X before),   momentum restarted when it points uphill

X solves the problem if and only if the gradient mapping L (X − P(X − ∇f(X)/L)) vanishes (the KKT conditions).

Source: FISTA of Beck and Teboulle, SIAM J. Imaging Sci. 2 (2009) 183; restart: arXiv 1204.3982, Section 3.2.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh

from descent.sensing._kernels import apply
from descent.sensing._problem import Problem, pack, unpack


class Solution(NamedTuple):
    X: Float[np.ndarray, "d d"]
    loss: float  # ½ eᵀGe, the misfit to the measurements without noise
    residual: float  # Frobenius norm of the gradient mapping at the end
    iterations: int


def projected(X: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """The nearest positive semidefinite matrix."""
    values, V = np.linalg.eigh(X)
    return (V * np.maximum(values, 0)) @ V.T


def largest_eigenvalue(problem: Problem) -> float:
    """λmax(G) or up to 2 % more: Lanczos ends below it, by its tolerance at most."""
    p = len(problem.target)
    if p == 1:
        return float(apply(problem.gram, np.ones((1, 1)))[0, 0])
    G = LinearOperator(
        (p, p), matvec=lambda x: apply(problem.gram, x.reshape(1, p))[0], dtype=float
    )
    (top,) = eigsh(G, k=1, tol=0.01, v0=np.ones(p), return_eigenvectors=False)
    return 1.02 * float(top)


def least_squares(
    problem: Problem, start: Float[np.ndarray, "d d"], count: int, tolerance: float
) -> Solution:
    """From a symmetric start, until the gradient mapping is below tolerance · ‖X*‖ or for `count` iterations."""
    L = largest_eigenvalue(problem)
    small = tolerance * np.linalg.norm(problem.target)
    offset = 0.0 if problem.offset is None else problem.offset
    X = Y = projected(start)
    inertia, iteration, residual = 1.0, 0, np.inf
    while residual > small and iteration < count:
        before = X
        error = pack(Y) - problem.target
        slope = unpack(apply(problem.gram, error[None])[0] - offset)
        X = projected(Y - slope / L)
        residual = L * np.linalg.norm(Y - X)
        if np.vdot(Y - X, X - before) > 0:
            inertia = 1.0
        following = (1 + np.sqrt(1 + 4 * inertia**2)) / 2
        Y = X + (inertia - 1) / following * (X - before)
        inertia = following
        iteration += 1
    error = pack(X) - problem.target
    loss = max(float(error @ apply(problem.gram, error[None])[0]), 0.0) / 2
    return Solution(X, loss, float(residual), iteration)
