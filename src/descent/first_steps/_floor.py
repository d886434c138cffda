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
import xarray as xr
from jaxtyping import Float
from scipy.special import softmax

from descent.config import Refusal
from descent.maths.sampling import mean_of_known_spread

LEFT_OUT = 0.1  # of the floor, that the order which its law leaves out may have at the most
KNOWN = 0.5  # of the mean square, to which chance lets it be known at the most


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


def require_known(
    c: Float[np.ndarray, " C"], batch: int, rate: float, iterations: int, replicates: int
) -> float:
    """How well chance, and what the floor's law leaves out, let its mean square be known.

    Raises:
        Refusal: too badly for a claim.
    """
    law = floor(c, batch, rate, iterations)
    square, left_out = law.mean.mean(), law.neglected.mean()
    if left_out > LEFT_OUT * square:
        raise Refusal(
            f"rate {rate:g}: the law of the floor leaves out {left_out / square:.2g} of it; "
            f"at most {LEFT_OUT:g}"
        )
    draws = xr.DataArray(np.zeros(replicates), dims="replicate")
    sd = float(np.sqrt(law.variance.mean() / iterations))
    tol = mean_of_known_spread(draws, sd).tol + left_out
    if tol > KNOWN * square:
        raise Refusal(
            f"replicates {replicates}, iterations {iterations}: the floor's square is "
            f"known to {tol / square:.2g} of itself; at most {KNOWN:g}"
        )
    return tol
