"""The document's test sets: the points moved by noise, with the function's values there.

    x'_i = x_i + σz_i,  z_i ~ N(0, 1),   test loss (1/N) Σ (m(x'_i) − y(x'_i))²
    P(outside) = (1/N) Σ [Φ((−1 − x_i)/σ) + Φ((x_i − 1)/σ)]

Source: FRTN50 assignment 3b, 3c, 3d, whose σ is 0.3; it draws one set in every cell and seeds none. But they go on from
numpy's generator, which exercise 5 of the pass before had seeded with 0, and which exercise 2 then drew from.
"""

import numpy as np
from jaxtyping import Float
from scipy import stats

from descent.maths.network import Shape, outputs
from descent.mlp1d import _problem

Z = np.linspace(-9, 9, 3601)  # the trapezoidal rule over normal noise
REACH = 1.5  # up to which errors are bounded by 2 or so: their mean is near normal
WEIGHTS = stats.norm.pdf(Z) * (Z[1] - Z[0])


def sets(rng: np.random.Generator, N: int, sigma: float, count: int) -> Float[np.ndarray, "S N"]:
    return _problem.points(N)[0][:, 0] + sigma * rng.standard_normal((count, N))


def documents() -> Float[np.ndarray, "3 7"]:
    """The sets of 3b, 3c and 3d: after the draws of exercises 5 and 2, whose printed averages are met from there."""
    rng = np.random.RandomState(0)
    rng.rand(2000)  # phases of exercise 5, and its steps of SGD
    rng.randint(2000, size=2000)
    rng.randint(7, size=6 * 700_000)  # exercise 2: two degrees, three rules for the step
    return _problem.points(7)[0][:, 0] + rng.normal(0, 0.3, (3, 7))


def losses_on(
    theta: Float[np.ndarray, "R P"],
    x: Float[np.ndarray, "S N"],
    shape: Shape,
    reach: float = np.inf,
) -> Float[np.ndarray, "R S"]:
    """Of every network on every set; points beyond `reach` count as met."""
    flat = x.reshape(-1, 1)
    off = outputs(theta, flat, shape)[..., 0] - _problem.target(flat)[:, 0]
    off[:, np.abs(flat[:, 0]) > reach] = 0.0
    return (off**2).reshape(len(theta), *x.shape).mean(-1)


def losses_along(
    theta: Float[np.ndarray, "K R P"], x: Float[np.ndarray, " N"], shape: Shape
) -> Float[np.ndarray, "K R"]:
    """Of networks along their training, on one set."""
    flat = theta.reshape(-1, theta.shape[-1])
    return losses_on(flat, x[None], shape).reshape(theta.shape[:2])


def error_outside(
    theta: Float[np.ndarray, "1 P"], x: Float[np.ndarray, "S N"], shape: Shape
) -> float:
    """Share of the error on all sets that arises outside of [−1, 1]."""
    square = losses_on(theta, x.reshape(-1, 1), shape)[0]
    return float(square[np.abs(x.reshape(-1)) > 1].sum() / square.sum())


def expected_loss(
    theta: Float[np.ndarray, "R P"], N: int, sigma: float, shape: Shape, reach: float = REACH
) -> Float[np.ndarray, " R"]:
    """Over the noise, of points up to `reach`."""
    x = _problem.points(N)[0] + sigma * Z
    square = losses_on(theta, x.reshape(-1, 1), shape, reach).reshape(len(theta), *x.shape)
    return (square * WEIGHTS / N).sum((1, 2))


def share_outside(N: int, sigma: float) -> float:
    x = _problem.points(N)[0][:, 0]
    return float(np.mean(stats.norm.cdf((-1 - x) / sigma) + stats.norm.cdf((x - 1) / sigma)))
