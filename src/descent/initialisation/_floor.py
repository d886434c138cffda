"""A softmax of nothing but biases, trained by SGD: how large its minibatch gradient is, step by step.

    p = softmax(b), b = 0 at first,   b ← b − ηĝ,   ĝ = p − ĉ
    c: the class fractions of all samples; ĉ: those of B samples drawn with replacement

    E ‖ĝ‖² = tr N + E ‖p − c‖²,   N = (diag c − ccᵀ)/B, the covariance of ĉ,   tr N = (1 − Σ c_k²)/B
    b̄ ← b̄ − η(p̄ − c),   S ← (I − ηJ) S (I − ηJ) + η²N,   E ‖p − c‖² ≈ ‖p̄ − c‖² + tr JSJ,   J = diag p̄ − p̄p̄ᵀ

Exact at the first step, later to first order in S, the covariance of b. J has eigenvalues up to ½, so that
the recursion is stable for η < 4.

Source: CS182 homework 2, question 5a: the norm that its answer takes for 0.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import softmax


class Floor(NamedTuple):
    """‖p − ĉ‖² at every iteration."""

    mean: Float[np.ndarray, " T"]
    variance: Float[np.ndarray, " T"]  # if ĉ were Gaussian
    neglected: Float[np.ndarray, " T"]  # tr JSJ tr S, the order of the next term of the mean


def floor(c: Float[np.ndarray, " C"], batch: int, rate: float, iterations: int) -> Floor:
    """Of the gradient of the last bias, when nothing else learns."""
    C = len(c)
    N = (np.diag(c) - np.outer(c, c)) / batch
    b, S, found = np.zeros(C), np.zeros((C, C)), []
    for _ in range(iterations):
        p = softmax(b)
        J, e = np.diag(p) - np.outer(p, p), p - c
        noise = np.trace(J @ S @ J)
        variance = 2 * np.sum(N * N) + 4 * e @ N @ e
        found.append((np.trace(N) + noise + e @ e, variance, noise * np.trace(S)))
        A = np.eye(C) - rate * J
        b, S = b - rate * e, A @ S @ A + rate**2 * N
    return Floor(*np.array(found).T)
