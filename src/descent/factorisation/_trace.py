"""Measurements of a positive semidefinite matrix, gradient descent on its square root, and the limits of theory."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit
from scipy.optimize import linprog
from scipy.special import logsumexp

from descent.factorisation import _least_norm

Square = Float[np.ndarray, "d d"]
MOST = 500  # Newton steps
ZERO = 1e-9  # of the largest: an eigenvalue of the linear programme's solution that is none


class Problem(NamedTuple):
    Q: Square  # the eigenvectors that the measurements share
    a: Float[np.ndarray, "m d"]  # their eigenvalues; ⟨A_k, A_l⟩ = δ_kl
    x: Float[np.ndarray, " d"]  # those of the matrix that is measured
    b: Float[np.ndarray, " m"]
    commuting: Float[np.ndarray, "m d d"]  # A_k
    generic: Float[np.ndarray, "m d d"]  # of the same size, but with eigenvectors of their own


def drawn(seed: int, size: int, measurements: int, rank: int) -> Problem:
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((size, size)))[0]
    a = np.linalg.qr(rng.standard_normal((size, measurements)))[0].T
    x = np.zeros(size)
    x[rng.choice(size, rank, replace=False)] = rng.uniform(0.5, 1.5, rank)
    noise = rng.standard_normal((measurements, size, size))
    flat = (noise + noise.mT).reshape(measurements, -1)
    generic = np.linalg.qr(flat.T)[0].T.reshape(noise.shape)
    return Problem(Q, a, x, a @ x, np.einsum("ij,kj,lj->kil", Q, a, Q), generic)


@no_type_check
@njit(cache=True)
def _descend(A, b, U, eta, count):
    m, d = A.shape[0], A.shape[1]
    flat = A.reshape(m, d * d)
    for _ in range(count):
        r = np.dot(flat, np.dot(U, U.T).reshape(d * d)) - b
        size = np.dot(r, r)
        if not (1e-26 * np.dot(b, b) < size < 1e100):
            break
        G = np.dot(r, flat).reshape(d, d)
        U -= 2 * eta * np.dot(G, U)
    return U


def descend(
    A: Float[np.ndarray, "m d d"], b: Float[np.ndarray, " m"], alpha: float, eta: float, count: int
) -> Square:
    """UUᵀ after gradient descent from √α I."""
    U = np.sqrt(alpha) * np.eye(A.shape[1])
    U = _descend(np.ascontiguousarray(A), b, U, eta, count)
    return U @ U.T


def entropic(given: Problem, alpha: float) -> Float[np.ndarray, " d"]:
    """argmin Σ x ln(x/α) − x over Ax = b, by Newton's method on its dual, Σ_j αe^{a_jᵀν} − bᵀν, in ν/ln(1/α).

    x = α e^{Aᵀν}; nan where the method does not come to an end.
    """
    a, b, start = given.a, given.b, np.log(alpha)
    nu = np.zeros(len(b))

    def dual(nu):
        return np.exp(min(logsumexp(start + a.T @ nu), 600.0)) - b @ nu

    for _ in range(MOST):
        x = np.exp(np.minimum(start + a.T @ nu, 600))
        slope = a @ x - b
        if np.linalg.norm(slope) <= 1e-13 * np.linalg.norm(b):
            return x
        scaled = a * np.sqrt(x)
        U, sigma, _ = np.linalg.svd(scaled, full_matrices=False)
        move = -U @ ((U.T @ slope) / np.maximum(sigma, 1e-300) ** 2)
        # No x may change by more than e a step, nor the dual function grow.
        size, now = min(1.0, 1 / max(np.abs(a.T @ move).max(), 1e-300)), dual(nu)
        while dual(nu + size * move) > now + 1e-12 * abs(now) and size > 1e-12:
            size /= 2
        nu = nu + size * move
    x = np.exp(np.minimum(start + a.T @ nu, 600))
    solved = np.linalg.norm(a @ x - b) <= 1e-9 * np.linalg.norm(b)
    return x if solved else np.full(len(x), np.nan)


class Programme(NamedTuple):
    """min Σx over Ax = b, x ≥ 0."""

    x: Float[np.ndarray, " d"]
    mu: Float[np.ndarray, " m"]  # the dual solution that leaves the largest gap
    gap: float  # 0 where x is not the only solution


def programme(given: Problem) -> Programme:
    d, m = given.a.shape[1], len(given.b)
    x = linprog(np.ones(d), A_eq=given.a, b_eq=given.b, method="highs-ds").x
    on = x > ZERO * x.max()
    # maximise s over (μ, s):  a_jᵀμ = 1 on the support, a_jᵀμ + s ≤ 1 elsewhere
    cost = np.append(np.zeros(m), -1)
    equal = np.hstack([given.a[:, on].T, np.zeros((on.sum(), 1))])
    most = np.hstack([given.a[:, ~on].T, np.ones(((~on).sum(), 1))])
    free = [(None, None)] * m + [(0, None)]
    found = linprog(cost, most, np.ones(len(most)), equal, np.ones(len(equal)), free, "highs-ds")
    if found.x is None:
        return Programme(x, np.zeros(m), 0.0)
    return Programme(x, found.x[:m], float(found.x[m]))


def above(given: Problem, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Σx − least = Σ_j x_j s_j over j outside of the support, for every x with Ax = b: no cancellation.

    s_j = 1 − a_jᵀμ.
    """
    return x @ _slack(given, programme(given))


def steeper(given: Problem, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """By how much the power of α with which Σx − least falls is above its limit, the gap, at flows' limits x.

    x_j is of order α^{s_j}, so the power is the mean of s_j over the parts s_j x_j of the sum. Another s_j that is hardly
    larger than the gap counts until α^{s_j − gap} is small, which may be never.
    """
    found = programme(given)
    slack = _slack(given, found)
    return x @ slack**2 / (x @ slack) - found.gap


def _slack(given: Problem, found: Programme) -> Float[np.ndarray, " d"]:
    """s_j outside of the support, 0 on it."""
    off = found.x <= ZERO * found.x.max()
    return np.where(off, np.maximum(1 - given.a.T @ found.mu, 0), 0.0)


def beside(
    given: Problem, starts: tuple[float, ...], eta: float, count: int
) -> tuple[list[float], list[float]]:
    """For measurements that do not commute: the trace over the least one, and ‖A(X) − b‖/‖b‖ at the end."""
    target = (given.Q * given.x) @ given.Q.T
    b = np.einsum("kij,ij->k", given.generic, target)
    rows = given.generic.reshape(len(b), -1)
    least = _least_norm.least(_least_norm.TRACE, rows, b, 1e-5, 5000).bound
    ends = [descend(given.generic, b, alpha, eta, count) for alpha in starts]
    left = [float(np.linalg.norm(rows @ X.ravel() - b) / np.linalg.norm(b)) for X in ends]
    return [float(np.trace(X)) / max(least, 1e-300) for X in ends], left
