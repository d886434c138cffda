"""Iterations to an accuracy over the plane (β, η) around Polyak's point, and where they are fewest."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from descent.dynamics._kernels import iterations_to_stay
from descent.dynamics._modes import computed_rate, least
from descent.maths.momentum import discriminant, polyak, trace


class Plane(NamedTuple):
    """For a accuracies over b weights and e steps."""

    beta: Float[np.ndarray, " b"]
    eta: Float[np.ndarray, " e"]
    iterations: Integer[np.ndarray, "a b e"]  # `limit` at the most
    fewest: list["Fewest"]  # to every accuracy
    at_polyak: Integer[np.ndarray, " a"]


class Fewest(NamedTuple):
    iterations: int
    beta: float
    eta: float


def lighter(beta: float) -> Float[np.ndarray, " b"]:
    """Weights up to Polyak's, tried with his step; there every mode is complex."""
    return beta * np.linspace(0.5, 1, 400, endpoint=False)


def envelope(squares: Float[np.ndarray, " n"], accuracies: Float[np.ndarray, " a"]) -> np.ndarray:
    """Iterations that suffice with Polyak's step and the best of the lighter weights, for every accuracy.

    A complex mode is |x_t| = rᵗ|cos tθ + c sin tθ| ≤ rᵗ√(1 + c²),  c = (cos θ − r)/sin θ.
    """
    joint = polyak(squares.max(), squares.min())
    beta = lighter(joint.beta)[:, None]
    h, r = joint.eta * beta * squares, np.sqrt(1 - beta)
    # 2r cos θ = τ, 2r sin θ = √−Δ.
    sine = np.sqrt(np.maximum(-discriminant(beta, h), np.finfo(float).tiny))
    size = np.hypot(1, (trace(beta, h) - 2 * (1 - beta)) / sine)
    needed = np.log(size[..., None] / accuracies) / -np.log(r[..., None])
    return np.ceil(needed).max(1).min(0).astype(int)


def zoomed(
    squares: Float[np.ndarray, " n"],
    seen: tuple[np.ndarray, np.ndarray, np.ndarray],
    accuracy: float,
) -> Fewest:
    """The least number of iterations, and its (β, η), from ever finer grids around the best so far."""
    T, beta, eta = seen
    width = 0.1
    for _ in range(3):
        b, e = beta[T.argmin()], eta[T.argmin()]
        near = np.linspace(-width, width, 41)
        more = np.meshgrid(np.clip(b + near, 1e-6, 1.9), e * np.exp(near), indexing="ij")
        beta, eta = (np.append(middle, tried) for middle, tried in zip((b, e), more, strict=True))
        T = iterations_to_stay(beta, eta, squares, np.array([accuracy]), int(T.min()) + 1)[:, 0]
        width /= 4
    k = T.argmin()
    return Fewest(int(T[k]), float(beta[k]), float(eta[k]))


def plane(
    squares: Float[np.ndarray, " n"],
    accuracies: Float[np.ndarray, " a"],
    points: int,
    limit: int,
) -> Plane:
    """`points` weights and as many steps, and the lighter weights with Polyak's step."""
    joint = polyak(squares.max(), squares.min())
    beta = (np.arange(points) + 0.5) / points
    eta = joint.eta * np.geomspace(1 / 30, 3, points)
    weights, tried = (values.ravel() for values in np.meshgrid(beta, eta, indexing="ij"))
    line = np.append(lighter(joint.beta), joint.beta)
    weights, tried = np.append(weights, line), np.append(tried, np.full(len(line), joint.eta))
    T = iterations_to_stay(weights, tried, squares, accuracies, limit)
    best = [zoomed(squares, (T[:, k], weights, tried), a) for k, a in enumerate(accuracies)]
    table = T[: points**2].T.reshape(-1, points, points)
    return Plane(beta, eta, table, best, T[-1])


class Point(NamedTuple):
    beta: float
    eta: float
    rate: float


def search(squares: Float[np.ndarray, " n"]) -> Point:
    """The β and η with the least rate of all, by searches one in the other."""

    def best_step(beta: float) -> float:
        edge = (2 - beta) / (beta * squares.max())
        return least(lambda eta: computed_rate(beta, eta, squares), 0.0, edge)

    def weight(r):
        return 1 - r * np.abs(r)  # r = √(1 − β), negative for β > 1

    def best_rate(r: np.ndarray) -> np.ndarray:
        found = [computed_rate(b, best_step(b), squares) for b in weight(r).tolist()]
        return np.array(found)

    beta = float(weight(least(best_rate, -1.0, 1.0, zooms=20)))
    eta = best_step(beta)
    return Point(beta, eta, float(computed_rate(beta, eta, squares)))
