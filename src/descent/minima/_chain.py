"""SGD on the rippled wells, x⁺ = x − γf_i'(x) with i uniform, and gradient descent: run by run."""

from typing import no_type_check

import numpy as np
from numba import njit


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True)
def term_slope(x, A, B, w, inside):
    """f_i'(x) with A = cos φ_i, B = sin φ_i; `inside` says on which side of a kink x lies."""
    u, wx = w.envelope * (x - w.centre), w.frequency * x
    s, c = np.sin(wx), np.cos(wx)
    base = 2 * w.sharpness * (x - w.centre) if inside else 2 * x
    ripple = w.frequency * np.cos(u) * (A * c - B * s) - w.envelope * np.sin(u) * (A * s + B * c)
    return base + w.amplitude * ripple


@no_type_check
@njit(cache=True)
def descend(x, A, B, w, gamma, steps):
    """x₀ … x_steps of gradient descent on f."""
    path = np.empty(steps + 1)
    path[0] = x
    for k in range(steps):
        x -= gamma * term_slope(x, A, B, w, w.left <= x < w.right)
        path[k + 1] = x
    return path


@no_type_check
@njit(cache=True)
def follow(x, order, cosines, sines, w, gamma):
    """x₀ … of SGD that takes the terms in this order."""
    path = np.empty(len(order) + 1)
    path[0] = x
    for k, i in enumerate(order):
        x -= gamma * term_slope(x, cosines[i], sines[i], w, w.left <= x < w.right)
        path[k + 1] = x
    return path


@no_type_check
@njit(cache=True)
def sample(rng, start, cosines, sines, w, gamma, steps, runs):
    """Last position and first k outside (steps + 1: never) of every run; how many are outside at each k."""
    last, first = np.empty(runs), np.full(runs, steps + 1)
    outside = np.zeros(steps + 1, np.int64)
    for run in range(runs):
        x = start
        for k in range(1, steps + 1):
            i = int(rng.random() * len(cosines))
            x -= gamma * term_slope(x, cosines[i], sines[i], w, w.left <= x < w.right)
            if not w.left <= x < w.right:
                outside[k] += 1
                first[run] = min(first[run], k)
        last[run] = x
    return last, first, outside
