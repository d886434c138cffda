"""Gradient flow in logarithmic time, in which t = 10¹⁰⁰ is near and t = 10¹⁰⁰⁰⁰⁰ can be had.

    s = log t:   dw/ds = e^s Σ_n −ℓ′(z_nᵀw) z_n         (w grows like s, so no exponent is large)

It begins where time is so short that w has moved along the first gradient only. It goes in legs, each a factor 4
in s, and integrates what w does beside going on as it went at the leg's beginning, so that what is small is
not lost beside a long w.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp
from scipy.special import expit, logsumexp

from descent.margin._problem import EPS

Loss = Literal["exponential", "logistic"]
ACCURACY = 1e-10  # of the integration, in units of a margin
EARLY = 1e-6  # of the time in which the first gradient would change the loss by as much as it is
LEG = 16.0  # s of the first leg's end
MOST = 50_000  # evaluations of the right-hand side


class Flow(NamedTuple):
    w: Float[np.ndarray, "s d"]
    margins: Float[np.ndarray, "s n"]
    log_loss: Float[np.ndarray, " s"]


class _TooLong(Exception):
    pass


def log_slopes(margins: Float[np.ndarray, "..."], loss: Loss) -> Float[np.ndarray, "..."]:
    """log −ℓ′(m)."""
    return -margins if loss == "exponential" else -np.logaddexp(0, margins)


def log_losses(margins: Float[np.ndarray, "..."], loss: Loss) -> Float[np.ndarray, "..."]:
    """log ℓ(m)."""
    if loss == "exponential":
        return -margins
    small = margins > 30  # log(1 + x) = x to the last bit
    return np.where(small, -margins, np.log(np.logaddexp(0, -np.where(small, 0, margins))))


def times(decades: int, horizon: int, points: int = 200) -> Float[np.ndarray, " s"]:
    """log₁₀ t: evenly up to `decades`, then by factors √2 up to `horizon`."""
    far = horizon / np.sqrt(2.0) ** np.arange(60)
    return np.concatenate([np.linspace(0, decades, points + 1)[1:], far[far > decades][::-1]])


def flow(
    Z: Float[np.ndarray, "n d"],
    loss: Loss,
    start: Float[np.ndarray, " d"],
    log_times: Float[np.ndarray, " s"],
) -> Flow | None:
    """w at these log t, increasing; None where it takes too many evaluations.

    A time before the flow begins has the w along the first gradient.
    """
    unit = np.linalg.norm(Z, axis=1).max()
    X, w0 = Z / unit, start * unit  # lengths in units of 1/B, times of 1/B²
    asked = log_times + 2 * np.log(unit)
    slopes = log_slopes(X @ w0, loss)
    begin = np.log(EARLY) - logsumexp(slopes)
    w = w0 + np.exp(np.minimum(asked, begin))[:, None] * (X.T @ np.exp(slopes))
    s, now, left = begin, w0 + np.exp(begin) * (X.T @ np.exp(slopes)), [MOST]
    try:
        while s < asked[-1]:
            end = min(max(4 * s, LEG), asked[-1])
            here = (asked > s) & (asked <= end)
            path = _leg(X, loss, now, s, np.append(asked[here], end), left)
            w[here], now, s = path[:-1], path[-1], end
    except _TooLong:
        return None
    margins = w @ X.T
    return Flow(w / unit, margins, logsumexp(log_losses(margins, loss), axis=1))


def _leg(X, loss: Loss, w, s: float, asked, left: list[int]) -> Float[np.ndarray, "s d"]:
    """w at the times asked, from w at s on; `left` counts the evaluations."""
    margins = X @ w
    speed = X.T @ np.exp(s + log_slopes(margins, loss))
    along = X @ speed

    def at(tau, y):
        return margins + along * tau + X @ y

    def rhs(tau, y):
        left[0] -= 1
        if left[0] < 0:
            raise _TooLong
        with np.errstate(over="ignore"):  # a trial step too far: LSODA takes a shorter one
            return X.T @ np.exp(s + tau + log_slopes(at(tau, y), loss)) - speed

    def jacobian(tau, y):
        now = at(tau, y)
        with np.errstate(over="ignore"):
            curvature = np.exp(s + tau + log_slopes(now, loss))
        if loss == "logistic":
            curvature = curvature * expit(now)
        return -(X.T * curvature) @ X

    tau = np.unique(asked) - s
    noise = max(ACCURACY, 100 * EPS * (abs(s) + tau[-1]))  # of margins as long as s
    start = np.zeros(len(w))
    found = solve_ivp(
        rhs, (0, tau[-1]), start, "LSODA", tau, jac=jacobian, rtol=ACCURACY, atol=noise
    )
    if not found.success or not np.isfinite(found.y).all():
        raise _TooLong
    path = w + np.outer(tau, speed) + found.y.T
    return path[np.searchsorted(np.unique(asked), asked)]
