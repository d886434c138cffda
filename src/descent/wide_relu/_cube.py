"""Points in the cube [−1, 1]^d, and where functions of them are looked at: a grid, a diagonal, and a plane."""

from typing import NamedTuple

import numpy as np

SIDE = 41  # places along a line or a side of a plane


class Problem(NamedTuple):
    x: np.ndarray  # (M, d)
    y: np.ndarray
    at: np.ndarray  # (p, d), a grid of the cube


def problems(config) -> list[Problem]:
    """One for each of the fields `dimensions` of a Config."""
    found = []
    for d in config.dimensions:
        rng = np.random.default_rng([config.seed, d])
        side = np.linspace(-1, 1, config.grid)
        at = np.stack(np.meshgrid(*[side] * d, indexing="ij"), axis=-1).reshape(-1, d)
        x = rng.uniform(-1, 1, (config.points, d))
        found.append(Problem(x, rng.standard_normal(config.points), at))
    return found


def diagonal(d: int) -> np.ndarray:
    """Points from one corner of the cube to the opposite one."""
    return np.tile(np.linspace(-1, 1, SIDE)[:, None], d)


def plane(d: int) -> np.ndarray:
    """Points (second, first) of the plane of the first two coordinates, the others 0."""
    side, at = np.linspace(-1, 1, SIDE), np.zeros((SIDE, SIDE, d))
    at[..., 0], at[..., 1] = side, side[:, None]
    return at.reshape(-1, d)
