"""Iterations of gradient descent on one mode (σw − y)² to an accuracy, predicted and simulated."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Refusal

LIMIT = 200_000  # iterations of one run
EPS = np.finfo(float).eps


class Span(NamedTuple):
    """The first and the last iteration at which the accuracy can be reached, rounding being what it is."""

    first: Float[np.ndarray, "..."]
    last: Float[np.ndarray, "..."]


def iterations(rho: Float[np.ndarray, "..."], accuracy: Float[np.ndarray, "..."]) -> Span:
    """⌈ln ε/ln|ρ|⌉, infinite where |ρ| ≥ 1. Both ends differ only where the ratio is an integer to rounding.

    w is rounded by u|w*| a step, of which the recursion keeps u|w*|/(1 − |ρ|); ρ itself is off by 2u.
    """
    size = np.abs(rho)
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.log(accuracy) / np.log(size)
        slack = 2 * EPS * (1 / (accuracy * (1 - size)) + exact / size) / np.abs(np.log(size))
    slack = np.where(size > 0, slack, 0)
    ends = (np.maximum(np.ceil(exact + sign * slack), 1) for sign in (-1, 1))
    return Span(*(np.where(size < 1, end, np.inf) for end in ends))


def simulated(
    sigma: Float[np.ndarray, "..."],
    y: float,
    eta: Float[np.ndarray, "..."],
    accuracy: Float[np.ndarray, "..."],
    limit: int,
) -> Float[np.ndarray, "..."]:
    """The first t at which |w_t − w*| ≤ ε|w*| along w ← w − 2ησ(σw − y); inf if there is none up to `limit`."""
    shape = np.broadcast_shapes(sigma.shape, eta.shape, accuracy.shape)
    first, target = np.full(shape, np.inf), y / sigma
    w = np.zeros(np.broadcast_shapes(sigma.shape, eta.shape))
    with np.errstate(over="ignore", invalid="ignore"):  # diverging is a result
        for t in range(1, limit + 1):
            w = w - 2 * eta * sigma * (sigma * w - y)
            reached = np.abs(w - target) <= accuracy * np.abs(target)
            first[reached & (first > t)] = t
            if np.isfinite(first).all():
                break
    return first


def horizon(span: Span) -> int:
    """Iterations that settle every run that converges.

    Raises:
        Refusal: too many.
    """
    finite = span.last[np.isfinite(span.last)]
    longest = int(finite.max()) if finite.size else 100
    if longest > LIMIT:
        raise Refusal(f"the slowest run takes {longest} > {LIMIT} iterations")
    return longest + 1


def off(found: Float[np.ndarray, "..."], span: Span) -> int:
    """Runs that did not take the predicted number of iterations."""
    return int((~((found >= span.first) & (found <= span.last))).sum())


def require_visible(rho: Float[np.ndarray, "..."], accuracy: float) -> None:
    """Refuse an accuracy that rounding keeps a stable mode from showing: it stops at u/(1 − |ρ|).

    Raises:
        Refusal: naming the least accuracy.
    """
    size = np.abs(rho)
    least = 100 * EPS / (1 - size[size < 1].max(initial=0))
    if accuracy < least:
        raise Refusal(f"accuracy {accuracy:g} < {least:.1e}: rounding hides it")
