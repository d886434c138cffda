"""Stochastic gradient descent on least squares: the first two moments of the error, exactly.

One sample a step, drawn uniformly with replacement; e = Vᵀ(θ − θ*) in the eigenbasis of H = VΛVᵀ,
a_i = Vᵀφ(x_i), r = y − Xθ* (so Σ r_i a_i = 0):

    e ← (I − 2γ a_i a_iᵀ) e + 2γ r_i a_i                         (descent.maths.second_moment, rows (a_i, −r_i))
    m = E e:     m ← (I − γΛ) m
    M = E eeᵀ:   M ← M − γ(ΛM + MΛ) + (4γ²/N) Σ_i (a_iᵀM a_i − 2 r_i a_iᵀm + r_i²) a_i a_iᵀ
    s = e_0 + … + e_k:   D = (I − γΛ) E e sᵀ,   E e⁺s⁺ᵀ = D + M⁺,   E s⁺s⁺ᵀ = E ssᵀ + D + Dᵀ + M⁺
    E f(θ_k) − f* = ½ tr ΛM,   E f(θ̄_k) − f* = ½ tr(Λ E ssᵀ)/(k + 1)²

Source: FRTN50 assignment, exercise 2b; the recursion is that of second moments of a random affine map.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln, gammasgn, rgamma

from descent.config import Refusal
from descent.maths import second_moment
from descent.maths.limits import SMALL, require_time
from descent.maths.second_moment import Gradients
from descent.polynomial._kernels import evolve_moments
from descent.polynomial._problem import Problem

BESIDE = 1.25  # times a step, at which fourth moments still have to stay
MODES = 10  # of fourth moments: those of 10 are a matrix of 1540²


def gradients(problem: Problem, b: int = 1) -> Gradients:
    """Of batches of b samples, for z = (e, 1)."""
    rows = np.column_stack([problem.X @ problem.V, -problem.residual])
    # H is diagonal but for rounding, which is much beside its smallest eigenvalues.
    H = np.diag([*problem.eigenvalues, 2 * problem.lowest])
    return second_moment.of_batches(rows, b)._replace(H=H)


def limit(problem: Problem) -> float:
    """The step from which on E‖θ_k − θ*‖² grows without bound."""
    return second_moment.limit(second_moment.homogeneous(gradients(problem)))


def stationary(problem: Problem, step: float) -> Float[np.ndarray, "r r"]:
    """E eeᵀ as k → ∞ at a constant step below the limit."""
    return second_moment.stationary(gradients(problem), step)[:-1, :-1]


def require_light_tails(problem: Problem, step: float) -> None:
    """Refuse a step beside which E‖θ_k − θ*‖⁴ grows: sample means of squares then show chance alone.

    E e⊗e⊗e⊗e follows the mean of S ↦ CSCᵀ, C the map of eeᵀ of one sample; all are symmetric.

    Raises:
        Refusal: it grows, or there are too many modes to tell.
    """
    degree, A = len(problem.theta) - 1, problem.X @ problem.V
    if A.shape[1] > MODES:
        raise Refusal(
            f"degree {degree} at {len(A)} points: fourth moments of {A.shape[1]} > {MODES} modes"
        )
    pairs = A.shape[1] * (A.shape[1] + 1) // 2
    fours = pairs * (pairs + 1) // 2
    rule = f"degree {degree} at {len(A)} points: fourth moments of {A.shape[1]} modes"
    require_time(rule, 4 * SMALL * len(A) * fours * pairs**3)
    gamma, F = BESIDE * step, np.zeros((fours, fours))
    for a in A:  # one at a time: with ten modes each has 20 MB
        C = second_moment.congruence(np.eye(len(a)) - 2 * gamma * np.outer(a, a))
        F += second_moment.congruence(C) / len(A)
    try:
        np.linalg.cholesky(np.eye(len(F)) - F)
    except np.linalg.LinAlgError:
        raise Refusal(
            f"step {step * problem.beta:g} at degree {degree}: E‖θ_k − θ*‖⁴ grows at {BESIDE:g} times "
            f"this step (the mean-square limit is {limit(problem) * problem.beta:.7f}), "
            "and means of samples show chance alone"
        ) from None


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
    with np.errstate(over="ignore", invalid="ignore"):  # an expectation that grows leaves float64
        mean, second, total, sums = evolve_moments(
            A, problem.residual, problem.eigenvalues, start, step, hold, record
        )
        n = (record + 1.0)[:, None]
        return Moments(mean, second, total / n, sums / n[:, None] ** 2)


def expected_gap(problem: Problem, second: Float[np.ndarray, "*s r r"]) -> Float[np.ndarray, "*s"]:
    """½ tr ΛM."""
    return np.asarray(0.5 * np.einsum("...aa->...a", second) @ problem.eigenvalues)


def gaussian_variance(
    weights: Float[np.ndarray, " r"],
    mean: Float[np.ndarray, " r"],
    second: Float[np.ndarray, "r r"],
) -> float:
    """Var of ½ Σ w_ie_i² if e were Gaussian: ½ tr(WΣ)² + mᵀWΣWm, Σ = M − mmᵀ."""
    covariance, weighted = second - np.outer(mean, mean), weights * mean
    normal = 0.5 * np.sum(np.outer(weights, weights) * covariance**2)
    return float(normal + weighted @ covariance @ weighted)
