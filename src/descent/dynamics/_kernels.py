"""Averaged gradients on parallel modes, simulated; `maths/momentum.py` has the closed forms."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float, Integer, Shaped
from numba import njit

# From two successive |x| ≤ m on, no later one is above 2m/(e(1 − ρ)). So a run at a millionth of
# the accuracy has settled wherever 1 − ρ ≥ 1e-6; elsewhere it needs more steps than any limit here.
SETTLED = 1e-6


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True)
def _stay(beta, eta, squares, accuracies, limit, found):
    for k in range(len(beta)):
        for s in squares:
            b, e = beta[k], eta[k]
            x, before = 1.0, 1.0
            z = 0.0
            last = np.zeros(len(accuracies), np.int64)
            for t in range(1, 10 * limit):  # beyond the limit only to see whether it stays
                z = (1 - b) * z + b * 2 * s * x
                x, before = x - e * z, x
                for a in range(len(accuracies)):
                    if not abs(x) <= accuracies[a]:
                        last[a] = t
                if last[-1] >= limit or max(abs(x), abs(before)) <= SETTLED * accuracies[0]:
                    break
            for a in range(len(accuracies)):
                found[k, a] = max(found[k, a], min(last[a] + 1, limit))


def iterations_to_stay(
    beta: Float[np.ndarray, " k"],
    eta: Float[np.ndarray, " k"],
    squares: Float[np.ndarray, " n"],
    accuracies: Float[np.ndarray, " a"],
    limit: int,
) -> Integer[np.ndarray, "k a"]:
    """The first t from which on |x| ≤ ε in every mode, from x₀ = 1; `limit` stands for that or more.

    z₀ = 0; the accuracies increase.
    """
    found = np.zeros((len(beta), len(accuracies)), np.int64)
    _stay(beta, eta, squares, accuracies, limit, found)
    return found


@no_type_check
@njit(cache=True)
def _grows(beta, h, steps, found):
    for i in range(len(beta)):
        for j in range(len(h)):
            x, z = 1.0, 0.0  # z in units of 1/η
            before = 1.0
            for _ in range(steps):
                z = (1 - beta[i]) * z + 2 * h[j] * x
                x, before = x - z, x
                size = max(abs(x), abs(before))
                if size > 1e9 or size < 1e-12:
                    break
            found[i, j] = max(abs(x), abs(before)) > 1


def grows(
    beta: Float[np.ndarray, " b"], h: Float[np.ndarray, " h"], steps: int
) -> Shaped[np.ndarray, "b h"]:
    """Whether a mode of h = ηβσ² has grown after so many steps."""
    found = np.zeros((len(beta), len(h)), np.bool_)
    _grows(beta, h, steps, found)
    return found
