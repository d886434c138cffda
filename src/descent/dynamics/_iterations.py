"""Iterations of gradient descent on one mode (σw − y)² to an accuracy, predicted and simulated."""

import numpy as np
from jaxtyping import Float, Integer

from descent.config import Refusal

EPS = np.finfo(float).eps

Numbers = Float[np.ndarray, "..."] | float


def _exact(rho: Numbers, accuracy: Numbers) -> Numbers:
    """ln ε/ln|ρ|; not a number of steps where |ρ| ≥ 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(accuracy) / np.log(np.abs(rho))


def iterations(
    rho: Numbers, accuracy: Numbers, limit: int
) -> Integer[np.ndarray, "..."] | np.int64:
    """⌈ln ε/ln|ρ|⌉; `limit` + 1 where that is more, or where |ρ| ≥ 1."""
    first = np.ceil(np.where(np.abs(rho) < 1, _exact(rho, accuracy), np.inf))
    return np.clip(first, 1, limit + 1).astype(int)


def undecided(rho: Numbers, accuracy: Numbers, limit: int) -> Integer[np.ndarray, "..."] | np.int64:
    """By how much rounding may change the count: 0 but where ln ε/ln|ρ| is an integer to rounding.

    w is rounded by u|w*| a step, of which the recursion keeps u|w*|/(1 − |ρ|); ρ itself is off by 2u.
    """
    size, exact = np.abs(rho), _exact(rho, accuracy)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slack = 2 * EPS * (1 / (accuracy * (1 - size)) + exact / size) / np.abs(np.log(size))
        slack = np.where((size > 0) & (size < 1), slack, 0.0)
        ends = [np.clip(np.ceil(exact + sign * slack), 1, limit + 1) for sign in (-1, 1)]
    return np.where(size < 1, ends[1] - ends[0], 0).astype(int)


def simulated(
    sigma: Float[np.ndarray, "..."],
    y: float,
    eta: Float[np.ndarray, "..."],
    accuracy: Float[np.ndarray, "..."],
    limit: int,
) -> Integer[np.ndarray, "..."]:
    """The first t at which |w_t − w*| ≤ ε|w*| along w ← w − 2ησ(σw − y); `limit` + 1 if there is none."""
    shape = np.broadcast_shapes(sigma.shape, eta.shape, accuracy.shape)
    first, target = np.full(shape, limit + 1), y / sigma
    w = np.zeros(np.broadcast_shapes(sigma.shape, eta.shape))
    with np.errstate(over="ignore", invalid="ignore"):  # diverging is a result
        for t in range(1, limit + 1):
            w = w - 2 * eta * sigma * (sigma * w - y)
            reached = np.abs(w - target) <= accuracy * np.abs(target)
            first[reached & (first > t)] = t
            if (first <= limit).all():
                break
    return first


def require_reached(name: str, rho: Numbers, accuracy: float, limit: int) -> None:
    """Refuse a convergent run that is longer than `limit`, or whose accuracy rounding hides: it stops at u/(1 − |ρ|).

    Raises:
        Refusal: naming the field that makes it so.
    """
    size = np.abs(rho)
    slowest = size[size < 1].max(initial=0)
    longest = int(iterations(slowest, accuracy, 2**62))
    if longest > limit:
        raise Refusal(f"{name}: the slowest run takes {longest} > limit {limit} iterations")
    least = 100 * EPS / (1 - slowest)
    if accuracy < least:
        raise Refusal(f"accuracy {accuracy:g} < {least:.1e}: rounding hides it from {name}")
