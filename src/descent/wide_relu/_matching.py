"""When a random ReLU network with a free line can fit any values at M points: an exact probability.

Second divided differences at x_j, x_{j+1}, x_{j+2} remove the line, and of a neuron with its breakpoint at c they leave
a hat on (x_j, x_{j+2}) at c. So the network fits everything if and only if M − 2 of its breakpoints can be dealt
out to these M − 2 overlapping intervals, one each (Schoenberg and Whitney's condition for B-splines).

From left to right: hat j takes a breakpoint from gap j if one is left over there, else one from gap j + 1. Only
whether one is left over matters, so that the counts of breakpoints in the M − 1 gaps are summed out one by one.
"""

import numpy as np
from jaxtyping import Float, Integer
from scipy.special import gammaln


def fits(counts: Integer[np.ndarray, "... g"]) -> np.ndarray:
    """Whether so many breakpoints in the gaps can be dealt out."""
    spare = counts[..., 0] > 0
    fine = np.ones(counts.shape[:-1], bool)
    for j in range(1, counts.shape[-1]):
        now = counts[..., j] - ~spare
        fine &= now >= 0
        spare = now > 0
    return fine


def probability(n: int, p: Float[np.ndarray, " g"]) -> float:
    """That n breakpoints, each in gap j with probability p_j or in none, can be dealt out.

    weight[i]: Σ of ∏ p_j^{k_j}/k_j! over counts of i breakpoints so far, once for each state: none spare, some spare.
    """
    k = np.arange(n + 1)
    terms = [_poisson(k, n * one) for one in p]
    none, some = np.where(k == 0, terms[0], 0), np.where(k > 0, terms[0], 0)
    for term in terms[1:]:
        first, more = np.where(k == 1, term, 0), np.where(k > 1, term, 0)
        zero, any_ = np.where(k == 0, term, 0), np.where(k > 0, term, 0)
        none, some = (
            np.convolve(none, first)[: n + 1] + np.convolve(some, zero)[: n + 1],
            np.convolve(none, more)[: n + 1] + np.convolve(some, any_)[: n + 1],
        )
    out = _poisson(k, n * max(1 - float(p.sum()), 0.0))
    whole = np.convolve(none + some, out)[n]
    return float(
        min(whole / _poisson(np.array([n]), float(n))[0], 1.0)
    )  # Poisson counts, of n in all


def _poisson(k: np.ndarray, rate: float) -> np.ndarray:
    """e^{−rate} rate^k/k!."""
    if rate <= 0:
        return (k == 0).astype(float)
    return np.exp(k * np.log(rate) - rate - gammaln(k + 1))
