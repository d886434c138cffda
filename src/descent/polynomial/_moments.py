"""Stochastic gradient descent on least squares: the first two moments of the error, exactly.

One sample a step, drawn uniformly with replacement; e = Vᵀ(θ − θ*) in the eigenbasis of H = VΛVᵀ,
a_i = Vᵀφ(x_i), r = y − Xθ* (so Σ r_i a_i = 0):

    e ← (I − 2γ a_i a_iᵀ) e + 2γ r_i a_i
    m = E e:     m ← (I − γΛ) m
    M = E eeᵀ:   M ← M − γ(ΛM + MΛ) + (4γ²/N) Σ_i (a_iᵀM a_i − 2 r_i a_iᵀm + r_i²) a_i a_iᵀ
    s = e_0 + … + e_k:   D = (I − γΛ) E e sᵀ,   E e⁺s⁺ᵀ = D + M⁺,   E s⁺s⁺ᵀ = E ssᵀ + D + Dᵀ + M⁺
    E f(θ_k) − f* = ½ tr ΛM,   E f(θ̄_k) − f* = ½ tr(Λ E ssᵀ)/(k + 1)²

On symmetric matrices (their upper triangle, off the diagonal times √2) the second line is
M ← (I − γL + γ²Q) M + γ²(B m + q) with symmetric L, Q ≥ 0. So E‖e‖² stays bounded exactly for
γ < 1/λ_max(L^{−½} Q L^{−½}), whatever the start.

Source: FRTN50 assignment, exercise 2b; the recursion is that of second moments of a random affine map.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln, gammasgn, rgamma

from descent.polynomial._kernels import evolve_moments
from descent.polynomial._problem import Problem


class Operator(NamedTuple):
    """Of one step: M ← (I − γL + γ²Q)M + γ²(Bm + q), d = r(r + 1)/2."""

    L: Float[np.ndarray, " d"]  # a diagonal
    Q: Float[np.ndarray, "d d"]
    B: Float[np.ndarray, "d r"]
    q: Float[np.ndarray, " d"]

    def second(self, step: float) -> Float[np.ndarray, "d d"]:
        """What one step makes of M, without the noise."""
        return np.diag(1 - step * self.L) + step**2 * self.Q


def vectors(M: Float[np.ndarray, "*s r r"]) -> Float[np.ndarray, "*s d"]:
    """Symmetric matrices as vectors with the same inner products."""
    i, j = np.triu_indices(M.shape[-1])
    return np.where(i == j, 1.0, np.sqrt(2)) * M[..., i, j]


def matrices(v: Float[np.ndarray, "*s d"]) -> Float[np.ndarray, "*s r r"]:
    """The inverse of `vectors`."""
    r = round((np.sqrt(8 * v.shape[-1] + 1) - 1) / 2)
    i, j = np.triu_indices(r)
    M = np.zeros((*v.shape[:-1], r, r))
    M[..., i, j] = M[..., j, i] = v / np.where(i == j, 1.0, np.sqrt(2))
    return M


def operator(problem: Problem) -> Operator:
    A, r, lam = problem.X @ problem.V, problem.residual, problem.eigenvalues
    N, (i, j) = len(A), np.triu_indices(len(lam))
    outer = vectors(A[:, :, None] * A[:, None, :])
    return Operator(
        L=lam[i] + lam[j],
        Q=4 / N * outer.T @ outer,
        B=-8 / N * (r[:, None] * outer).T @ A,
        q=4 / N * r**2 @ outer,
    )


def limit(problem: Problem) -> float:
    """The step from which on E‖θ_k − θ*‖² grows without bound."""
    L, Q, _, _ = operator(problem)
    return float(1 / np.linalg.eigvalsh(Q / np.sqrt(np.outer(L, L)))[-1])


def stationary(problem: Problem, step: float) -> Float[np.ndarray, "r r"]:
    """E eeᵀ as k → ∞ at a constant step below the limit."""
    L, Q, _, q = operator(problem)
    return matrices(np.linalg.solve(np.diag(L) - step * Q, step * q))


def mean_factor(
    problem: Problem, step: float, hold: int, k: Int[np.ndarray, " s"]
) -> Float[np.ndarray, "s r"]:
    """E e_k/e_0 of every mode, Π_{l<k} (1 − γ_lλ) with γ_l = step/(⌊l/hold⌋ + 1), or step if hold is 0.

    Whole blocks are Γ functions: Π_{j<J} (1 − a/(j + 1)) = Γ(J + 1 − a)/(Γ(1 − a)Γ(J + 1)), a = step·λ.
    """
    a, k = step * problem.eigenvalues, k[:, None].astype(float)
    if hold == 0:
        return (1 - a) ** k
    J = k // hold
    block = np.exp(gammaln(J + 1 - a) - gammaln(J + 1)) * gammasgn(J + 1 - a) * rgamma(1 - a)
    product = np.where(J < 1, 1.0, block)  # at J = 0 it is 1, where a pole over a pole would be nan
    return product**hold * (1 - a / (J + 1)) ** (k - hold * J)


class Moments(NamedTuple):
    """At the recorded k."""

    mean: Float[np.ndarray, "s r"]  # E e
    second: Float[np.ndarray, "s r r"]  # E eeᵀ
    average_mean: Float[np.ndarray, "s r"]  # E ē, ē = Vᵀ(θ̄ − θ*)
    average_second: Float[np.ndarray, "s r r"]  # E ēēᵀ


def moments(problem: Problem, step: float, hold: int, record: Int[np.ndarray, " s"]) -> Moments:
    """From θ₀ = 0, with γ_k = step/(⌊k/hold⌋ + 1), or step if hold is 0."""
    A, start = np.ascontiguousarray(problem.X @ problem.V), -(problem.V.T @ problem.theta)
    mean, second, total, sums = evolve_moments(
        A, problem.residual, problem.eigenvalues, start, step, hold, record
    )
    n = (record + 1.0)[:, None]
    return Moments(mean, second, total / n, sums / n[:, None] ** 2)


def expected_gap(problem: Problem, second: Float[np.ndarray, "*s r r"]) -> Float[np.ndarray, "*s"]:
    """½ tr ΛM."""
    return np.asarray(0.5 * np.einsum("...aa->...a", second) @ problem.eigenvalues)


def gaussian_variance(
    problem: Problem, mean: Float[np.ndarray, " r"], second: Float[np.ndarray, "r r"]
) -> float:
    """Var of ½ eᵀΛe if e were Gaussian: ½ tr(ΛΣ)² + mᵀΛΣΛm, Σ = M − mmᵀ."""
    lam, covariance = problem.eigenvalues, second - np.outer(mean, mean)
    return float(
        0.5 * np.sum(np.outer(lam, lam) * covariance**2) + (lam * mean) @ covariance @ (lam * mean)
    )


def standard_errors(
    sample: Float[np.ndarray, "R ..."], expected: Float[np.ndarray, "..."], variance
) -> Float[np.ndarray, "..."]:
    """(mean − expected) in standard errors, of this variance or of the sample's if that is larger."""
    spread = np.sqrt(np.maximum(variance, sample.var(0, ddof=1)) / len(sample))
    off = sample.mean(0) - expected
    rounding = 1e-12 * np.abs(expected) + 1e-300
    return np.asarray(off / np.maximum(spread, rounding))
