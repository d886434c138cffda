"""Polynomial fits of least norm in three bases, and what their test error is expected to be.

    A: (n, d + 1) the features at the points,   θ = A⁺y,   m(x) = Σ_i y_i L_i(x),   L = b(x)A⁺

With y = truth + noise · z the test error ½ mean (m − truth)² is ½ mean bias² + vᵀz + zᵀSz,
S = ½ noise² mean LLᵀ, v = noise · mean(bias L): its mean is exact, and its tails are those of a sum of χ².
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.polynomial import chebyshev, legendre

from descent.config import Refusal
from descent.maths.sampling import level

BASES = {
    "chebyshev": chebyshev.chebvander,
    "legendre": legendre.legvander,
    "monomial": lambda x, degree: x[..., None] ** np.arange(degree + 1),
}


class Data(NamedTuple):
    x: Float[np.ndarray, "r n"]
    y: Float[np.ndarray, "r n"]
    truth: Float[np.ndarray, "r n"]  # at the points
    grid: Float[np.ndarray, " g"]
    truth_on_grid: Float[np.ndarray, " g"]


class Errors(NamedTuple):
    """By replicate and degree."""

    error: Float[np.ndarray, "r d"]  # ½ mean (m − truth)²
    met: Float[np.ndarray, "r d n"]  # m at the points
    size: Float[np.ndarray, "r d"]  # of the terms of the fit
    condition: Float[np.ndarray, "r d"]


def pseudo_inverse(
    A: Float[np.ndarray, "*r n p"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U, 1/σ, V of A⁺ = V diag(1/σ) Uᵀ; no singular value is cut off.

    Raises:
        Refusal: a singular value is 0.
    """
    U, sigma, Vt = np.linalg.svd(A, full_matrices=False)
    if not (sigma[..., -1] > 0).all():
        raise Refusal("two points of a data set coincide: no polynomial has its rank there")
    return U, sigma, Vt.mT


def errors(basis: str, data: Data, degrees: tuple[int, ...]) -> Errors:
    features, test = (BASES[basis](x, degrees[-1]) for x in (data.x, data.grid))
    rows = []
    for d in degrees:
        A = features[..., : d + 1]
        U, sigma, V = pseudo_inverse(A)
        coefficients = (U.mT @ data.y[..., None])[..., 0] / sigma
        theta = (V @ coefficients[..., None])[..., 0]
        error = 0.5 * np.mean((theta @ test[:, : d + 1].T - data.truth_on_grid) ** 2, -1)
        met = (A @ theta[..., None])[..., 0]
        size = np.linalg.norm(A, axis=(-2, -1)) * np.linalg.norm(theta, axis=-1)
        size = size + np.abs(data.y).max(-1)
        rows.append((error, met, size, sigma[..., 0] / sigma[..., -1]))
    return Errors(*(np.stack(column, 1) for column in zip(*rows, strict=True)))


def orthogonal_fit(
    data: Data, degree: int, interval: tuple[float, float]
) -> Float[np.ndarray, " r"]:
    """√ of the test error of the best fit, by QR of Legendre polynomials of the interval itself."""
    low, high = interval
    at_points, on_grid = (
        legendre.legvander((2 * x - low - high) / (high - low), degree) for x in (data.x, data.grid)
    )
    Q, R = np.linalg.qr(at_points)
    theta = np.linalg.solve(R, (Q.mT @ data.y[..., None]))[..., 0]
    return np.sqrt(0.5 * np.mean((theta @ on_grid.T - data.truth_on_grid) ** 2, -1))


class Expected(NamedTuple):
    mean: Float[np.ndarray, "basis r"]  # E of the test error given the points
    chance: Float[
        np.ndarray, " basis"
    ]  # how far the mean of r errors, each over its E, may be from 1


def expected(data: Data, degree: int, noise: float) -> Expected:
    means, chances = [], []
    for features in BASES.values():
        A, test = features(data.x, degree), features(data.grid, degree)
        U, sigma, V = pseudo_inverse(A)
        theta = (V / sigma[:, None]) @ U.mT  # (r, d + 1, n)
        gram = test.T @ test / len(test)
        S = 0.5 * noise**2 * theta.mT @ gram @ theta
        bias = (theta @ data.truth[..., None])[..., 0] @ test.T - data.truth_on_grid
        v = noise * ((bias @ test / len(test))[:, None] @ theta)[:, 0]
        mean = 0.5 * np.mean(bias**2, -1) + np.trace(S, axis1=1, axis2=2)
        variance = (2 * (S**2).sum((1, 2)) + (v**2).sum(1)) / mean**2
        largest = np.sqrt((S**2).sum((1, 2))) / mean  # at least the largest eigenvalue
        x = np.log(2 / level(len(BASES)))
        chance = np.sqrt(2 * x * variance.sum()) + 2 * x * largest.max()
        means.append(mean)
        chances.append(chance / len(data.x))
    return Expected(np.array(means), np.array(chances))


def gain_of_spikes(data: Data) -> Float[np.ndarray, " r"]:
    """(π/2) Σ √(1 − x²)(2y sin ωx − y²): what spikes of width 1/d gain over no fit, times d(b − a)."""
    gain = np.sqrt(1 - data.x**2) * (2 * data.y * data.truth - data.y**2)
    return np.pi / 2 * gain.sum(1)


def narrow(config) -> bool:
    """Whether spikes are narrow against the room of a point, the wave, and the grid that sees them.

    And the noise well below the wave, for points that nearly coincide amplify it.
    """
    width, of_one = config.interval[1] - config.interval[0], np.pi / config.degrees[-1]
    room = 2 * of_one * max(config.points / width, config.frequency) <= 1
    wave = np.sin(config.frequency * np.linspace(*config.interval, config.grid))
    clear = 2 * config.noise <= np.sqrt(np.mean(wave**2))
    return bool(room and clear and width <= of_one * config.grid)
