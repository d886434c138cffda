"""The critical steps of gradient descent on one noisy example, one for every moment of its iterates.

    w ← (1 − ηx̌²) w + ηx̌y,   x̌ ~ N(x, σ²) fresh at every step

E|w_t|^p stays bounded while E|1 − ηx̌²|^p < 1. That expectation is convex in η for p ≥ 1 and 1 at η = 0,
so the critical step η_p is its one positive root; it is log-convex in p, so η_p falls as p grows. Below
the step at which E ln|1 − ηx̌²| = 0 the law converges, and its tail is P(|w| > s) ~ s^(−α) with
E|1 − ηx̌²|^α = 1, the one positive root (Kesten).

Source: CS182 homework 2, question 3c, which asks for the mean only; Kesten, Acta Math. 131 (1973);
arXiv 2006.04740 (the tail of SGD).
"""

from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field
from scipy.optimize import brentq
from scipy.special import logsumexp

NonNegative = Annotated[float, Field(ge=0, strict=True)]

# Nodes of the tanh-sinh rule on (−1, 1), and their weights: exact to rounding where the integrand
# is smooth inside, whatever power or logarithm it ends in.
_t = np.linspace(-3.2, 3.2, 641)
NODES = np.tanh(np.pi / 2 * np.sinh(_t))
WEIGHTS = np.pi / 2 * np.cosh(_t) / np.cosh(np.pi / 2 * np.sinh(_t)) ** 2 * (_t[1] - _t[0])
REACH = 12.0  # standard deviations beyond which a Gaussian is nothing: e⁻⁷²


def raw_moments(x: float, sigma: float, count: int) -> Float[np.ndarray, " k"]:
    """E x̌⁰ … E x̌^count by E x̌ⁿ = x E x̌ⁿ⁻¹ + (n − 1) σ² E x̌ⁿ⁻²."""
    found = [1.0, float(x)]
    for n in range(2, count + 1):
        found.append(x * found[-1] + (n - 1) * sigma**2 * found[-2])
    return np.array(found[: count + 1])


def _logarithms(eta: float, p: float, x: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """ln|1 − ηx̌²| and the logarithm of the weight of x̌ = x + σg, on the pieces between the zeros ±1/√η."""
    zero, ratio = 1 / np.sqrt(eta), x / sigma
    # |1 − ηx̌²|^p moves the bulk of the integrand out to where 2p/x̌ = (x̌ − x)/σ².
    far = np.sqrt(ratio * ratio / 4 + 2 * p)
    low, high = min(0, -ratio / 2 - far) - REACH, max(0, -ratio / 2 + far) + REACH
    ends = np.clip([-zero / sigma - ratio, zero / sigma - ratio], low, high)
    edges = np.unique([low, *ends, high])
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    g = middle[:, None] + half[:, None] * NODES
    noisy = x + sigma * g
    factor = np.abs((1 - noisy / zero) * (1 + noisy / zero))
    # At the ends the weights are 1e-16, so that the floor does not show.
    value = np.log(np.maximum(factor, np.finfo(float).eps ** 2))
    weight = np.log(half)[:, None] + np.log(WEIGHTS) - g**2 / 2 - np.log(2 * np.pi) / 2
    return value.ravel(), weight.ravel()


def log_moment(eta: float, p: float, x: float, sigma: float) -> float:
    """ln E|1 − ηx̌²|^p for p ≥ 0."""
    value, weight = _logarithms(eta, p, x, sigma)
    return float(logsumexp(p * value + weight))


def lyapunov(eta: float, x: float, sigma: float) -> float:
    """E ln|1 − ηx̌²|: two runs on the same noise approach each other at this rate a step."""
    value, weight = _logarithms(eta, 0.0, x, sigma)
    return float(np.exp(weight) @ value)


def critical_step(p: float, x: float, sigma: float) -> float:
    """η_p for p ≥ 1: E|1 − ηx̌²|^p = 1."""
    mean = 2 / (x * x + sigma**2)  # above η_1: E|z| ≥ |Ez| = 1 there
    low = mean
    while log_moment(low, p, x, sigma) >= 0:
        low /= 2
    if low == mean:
        return mean  # to rounding: hardly any noise, and p = 1
    return brentq(lambda eta: log_moment(eta, p, x, sigma), low, 2 * low, xtol=1e-15 * mean)


class Thresholds(NamedTuple):
    """The steps below which, in this order but for the last two, the named quantity of w_t converges."""

    fourth: float  # η_4: E w⁴, without which no sample tells the variance
    mean_square: float  # η_2 = 2E x̌²/E x̌⁴
    first: float  # η_1: E|w|, so that the limiting law has a mean
    mean: float  # E w, from a fixed start: 2/(x² + σ²)
    almost_sure: float  # the law of w


def thresholds(x: float, sigma: float) -> Thresholds:
    """All five.

    By convexity E|1 − ηx̌²| < 1 all the way to η_1, and E ln ≤ ln E, so the law converges beyond η_1.
    """
    m = raw_moments(x, sigma, 8)
    mean_square = 2 * m[2] / m[4]
    fourth = brentq(  # (E(1 − ηx̌²)⁴ − 1)/η
        lambda eta: -4 * m[2] + eta * (6 * m[4] + eta * (-4 * m[6] + eta * m[8])),
        0.0,
        mean_square,
        xtol=1e-15 * mean_square,
    )
    first = critical_step(1.0, x, sigma)
    high = first
    while lyapunov(high, x, sigma) < 0:
        low, high = high, 1.1 * high
    almost_sure = brentq(lambda eta: lyapunov(eta, x, sigma), low, high, xtol=1e-15 * first)
    return Thresholds(fourth, mean_square, first, 2 / m[2], almost_sure)


def tail_index(eta: float, x: float, sigma: float, largest: float = 64.0) -> float:
    """Kesten's α(η), at most `largest`; 0 where the law does not converge."""
    if lyapunov(eta, x, sigma) >= 0:
        return 0.0
    if log_moment(eta, largest, x, sigma) <= 0:
        return largest
    high = 1e-3
    while log_moment(eta, high, x, sigma) < 0:
        high *= 2
    low = high / 2
    while log_moment(eta, low, x, sigma) >= 0:  # α < 1e-3
        low /= 2
    return brentq(lambda p: log_moment(eta, p, x, sigma), low, high, xtol=1e-13)
