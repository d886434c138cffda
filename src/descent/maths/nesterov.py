"""One mode of a quadratic under Nesterov's method with constant momentum, in closed form; heavy ball beside it.

    f = ½ λx²,   y_t = x_t + β(x_t − x_{t−1}),   x_{t+1} = y_t − ηλy_t,   x₋₁ = x₀,   h = ηλ
    Nesterov:    x_{t+1} = (1 + β)(1 − h) x_t − β(1 − h) x_{t−1},   Δ = (1 − h)((1 + β)²(1 − h) − 4β)
    heavy ball:  x_{t+1} = (1 + β − h) x_t − βx_{t−1},   Δ = (h − (1 − √β)²)(h − (1 + √β)²)
    both:        x₁ = (1 − h) x₀

Warning: β is the momentum here, the weight of the last move; in `maths/momentum.py` it is the weight of the
new gradient, so that 1 − β is this momentum.

Source: arXiv 1408.3595, section 4.1, for the best pair of Nesterov's method; Polyak (1964) for heavy ball's.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from descent.maths import recurrence

Array = Float[np.ndarray, "..."]


class Pair(NamedTuple):
    """The momentum β and the step η of the least rate for curvatures between two ends."""

    beta: float
    eta: float
    rate: float


def coefficients(beta: Array | float, h: Array | float) -> recurrence.Coefficients:
    """Of Nesterov's recurrence."""
    damped = 1 - np.asarray(h, float)
    discriminant = damped * ((1 + beta) ** 2 * damped - 4 * beta)
    return recurrence.Coefficients((1 + beta) * damped, beta * damped, discriminant)


def heavy_ball_coefficients(beta: Array | float, h: Array | float) -> recurrence.Coefficients:
    """Of heavy ball's recurrence."""
    h, r = np.asarray(h, float), np.sqrt(beta)
    near = (1 - beta) / (1 + r)  # 1 − √β, without cancellation
    return recurrence.Coefficients(1 + beta - h, beta + 0 * h, (h - near**2) * (h - (1 + r) ** 2))


def highest(beta: Array | float) -> Array | float:
    """The h below which a mode is stable under Nesterov's method, for 0 ≤ β < 1."""
    return 2 * (1 + beta) / (1 + 2 * beta)


def best_pair(largest: float, smallest: float) -> Pair:
    """Of Nesterov's method."""
    root = np.sqrt(3 * largest / smallest + 1)
    eta = 4 / (3 * largest + smallest)
    return Pair(float((root - 2) / (root + 2)), float(eta), float(1 - 2 / root))


def best_heavy_ball_pair(largest: float, smallest: float) -> Pair:
    """Of heavy ball."""
    top, low = np.sqrt(largest), np.sqrt(smallest)
    rate = float((top - low) / (top + low))
    return Pair(rate**2, float(4 / (top + low) ** 2), rate)


FORMS = (coefficients, heavy_ball_coefficients)


def worst_errors(
    pairs: tuple[Pair, Pair], curvatures: tuple[float, ...], t: Real[np.ndarray, " t"]
) -> Float[np.ndarray, "2 t"]:
    """max_i |x_t| of both methods, each at its pair, over modes of these curvatures from x₀ = 1."""
    worst = np.zeros((2, len(t)))
    for one, form, p in zip(worst, FORMS, pairs, strict=True):
        for c in curvatures:  # one after the other, since all of them may fill the memory
            mode = recurrence.solution(form(p.beta, p.eta * c), 1 - p.eta * c, t)
            np.maximum(one, np.abs(mode), out=one)
    return worst
