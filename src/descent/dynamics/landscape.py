"""Iterations to an accuracy over the plane (β, η) around Polyak's point, and where they are fewest."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from descent.config import Refusal
from descent.dynamics.kernels import iterations_to_stay
from descent.maths.momentum import polyak, radius

LIMIT = 2000  # iterations of one run


class Landscape(NamedTuple):
    """For a accuracies over b weights and e steps."""

    beta: Float[np.ndarray, " b"]
    eta: Float[np.ndarray, " e"]
    iterations: Integer[np.ndarray, "a b e"]  # LIMIT at the most
    least: Integer[np.ndarray, " a"]
    least_beta: Float[np.ndarray, " a"]
    least_eta: Float[np.ndarray, " a"]
    at_polyak: Integer[np.ndarray, " a"]
    rate: float  # the least over the plane


def zoomed(
    squares: Float[np.ndarray, " n"],
    T: Integer[np.ndarray, " k"],
    beta: Float[np.ndarray, " k"],
    eta: Float[np.ndarray, " k"],
    accuracy: float,
) -> tuple[int, float, float]:
    """The least number of iterations, and its (β, η), from ever finer grids around the best so far."""
    width = 0.1
    for _ in range(3):
        b, e = beta[T.argmin()], eta[T.argmin()]
        near = np.linspace(-width, width, 41)
        more = np.meshgrid(np.clip(b + near, 1e-6, 1.9), e * np.exp(near), indexing="ij")
        beta, eta = (np.append(middle, tried) for middle, tried in zip((b, e), more, strict=True))
        T = iterations_to_stay(beta, eta, squares, np.array([accuracy]), int(T.min()) + 1)[:, 0]
        width /= 4
    k = T.argmin()
    return int(T[k]), float(beta[k]), float(eta[k])


def landscape(
    squares: Float[np.ndarray, " n"], accuracies: Float[np.ndarray, " a"], points: int
) -> Landscape:
    """`points` weights and as many steps.

    Raises:
        Refusal: nothing on the plane is fast enough.
    """
    joint = polyak(squares.max(), squares.min())
    beta = (np.arange(points) + 0.5) / points
    eta = joint.eta * np.geomspace(1 / 30, 3, points)
    weights, tried = (values.ravel() for values in np.meshgrid(beta, eta, indexing="ij"))
    T = iterations_to_stay(weights, tried, squares, accuracies, LIMIT)
    if (T.min(0) == LIMIT).any():
        kappa = squares.max() / squares.min()
        raise Refusal(f"κ = {kappa:g}: no step of the grid gets there in {LIMIT} iterations")
    at = np.array([joint.beta]), np.array([joint.eta])
    at_polyak = iterations_to_stay(*at, squares, accuracies, LIMIT)
    # From Polyak's point too, so that a coarse grid does not lose to it.
    seen, b, e = (
        np.append(*pair, 0) for pair in ((T, at_polyak), (weights, at[0]), (tried, at[1]))
    )
    best = [zoomed(squares, seen[:, k], b, e, a) for k, a in enumerate(accuracies)]
    rate = radius(weights[:, None], (weights * tried)[:, None] * squares).max(1)
    return Landscape(
        beta,
        eta,
        T.T.reshape(-1, points, points),
        *map(np.array, zip(*best, strict=True)),
        at_polyak[0],
        float(rate.min()),
    )
