"""One weight under gradient descent on one noisy example: runs, exact moments, and the tail of a sample.

    w ← (1 − ηx̌²) w + ηx̌y,   x̌ ~ N(x, σ²) fresh at every step,   w₀ = 0

Source: CS182 homework 2, question 3; Hill, Ann. Statist. 3 (1975).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.maths.limits import require_within
from descent.noise._thresholds import log_moment, raw_moments


class Chain(NamedTuple):
    x: float
    sigma: float
    y: float

    @property
    def limit(self) -> float:
        """Of E w: the ridge solution with λ = σ²."""
        return self.x * self.y / (self.x**2 + self.sigma**2)


class Moments(NamedTuple):
    """E w and Var w."""

    mean: Float[np.ndarray, " E"]
    variance: Float[np.ndarray, " E"]


def require_scales(x: float, sigmas: tuple[float, ...], name: str, y: float = 1.0) -> None:
    """Refuse noise too small beside x to tell the critical steps, and numbers whose powers leave float64.

    Raises:
        ValueError: naming the field.
    """
    if y == 0:
        raise ValueError("y 0: w stays at w₀ = 0")
    require_within("y", abs(y), 1e-50, 1e50, "squares of w leave float64")
    require_within(name, sigmas, 1e-15, 1e15, "eighth powers leave float64")
    require_within("x", x, 0, 1e15, "eighth powers leave float64")
    for sigma in sigmas:
        if sigma < 1e-3 * x:
            raise ValueError(
                f"{name} {sigma:g} < 1e-3 x = {1e-3 * x:g}: the critical steps agree to 10⁻⁶"
            )


def walk(
    rng: np.random.Generator, chain: Chain, eta: Float[np.ndarray, " E"], runs: int, steps: int
) -> Iterator[Float[np.ndarray, "E runs"]]:
    """w at t = 1, …, `steps` of every run, all steps η on the same noise."""
    step, w = eta[:, None], np.zeros((len(eta), runs))
    with np.errstate(over="ignore", invalid="ignore"):  # beyond η_as they diverge
        for _ in range(steps):
            noisy = chain.x + chain.sigma * rng.standard_normal(runs)
            w = w * (1 - step * noisy**2) + step * (noisy * chain.y)
            yield w


def simulate(
    rng: np.random.Generator, chain: Chain, eta: Float[np.ndarray, " E"], runs: int, steps: int
) -> Float[np.ndarray, "E runs"]:
    """w at t = `steps`."""
    for w in walk(rng, chain, eta, runs, steps):
        last = w
    return last


def evolved(chain: Chain, eta: Float[np.ndarray, " E"], steps: int) -> Moments:
    """Exact, at t = `steps`; infinite or nan where float64 ends."""
    y, m = chain.y, raw_moments(chain.x, chain.sigma, 4)
    mean, square = np.zeros_like(eta), np.zeros_like(eta)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            square = (
                (1 - 2 * eta * m[2] + eta**2 * m[4]) * square
                + 2 * eta * y * (m[1] - eta * m[3]) * mean
                + (eta * y) ** 2 * m[2]
            )
            mean = (1 - eta * m[2]) * mean + eta * m[1] * y
        return Moments(mean, square - mean**2)


def stationary(chain: Chain, eta: Float[np.ndarray, " E"]) -> Moments:
    """The limits for η < η_ms."""
    y, m = chain.y, raw_moments(chain.x, chain.sigma, 4)
    square = 2 * y * (m[1] - eta * m[3]) * chain.limit + eta * y**2 * m[2]
    square /= 2 * m[2] - eta * m[4]
    return Moments(np.full_like(eta, chain.limit), square - chain.limit**2)


def steps_to_settle(chain: Chain, eta: float, left: float) -> int:
    """Steps until no more than a part `left` of the start remains in mean and second moment."""
    m = raw_moments(chain.x, chain.sigma, 4)
    slowest = max(abs(1 - eta * m[2]), np.sqrt(1 - 2 * eta * m[2] + eta**2 * m[4]))
    return int(np.ceil(np.log(left) / np.log(slowest))) if slowest < 1 else 2**31


def log_excess(deviation: Float[np.ndarray, "... n"], count: int) -> Float[np.ndarray, "..."]:
    """Hill's: the mean of ln(s_i/s_{count + 1}) over the `count` largest s of |deviation|; 1/α for a power law."""
    top = np.log(np.partition(np.abs(deviation), -count - 1, axis=-1)[..., -count - 1 :])
    return (top - top.min(-1, keepdims=True)).sum(-1) / count


def steps_to_fill(chain: Chain, eta: float, alpha: float, runs: int) -> float:
    """Steps until the largest of `runs` stands where the tail of index α has it.

    Who reaches runs^(1/α) goes there at the drift d/dp ln E|1 − ηx̌²|^p at p = α.
    """
    h = 1e-4 * alpha
    above, below = (log_moment(eta, alpha + s * h, chain.x, chain.sigma) for s in (1, -1))
    return float(np.log(runs) / alpha / ((above - below) / (2 * h)))
