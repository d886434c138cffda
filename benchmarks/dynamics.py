"""Iterations to an accuracy over a plane of (β, η), every way of counting them."""

import numpy as np

from descent.dynamics._kernels import iterations_to_stay
from machine import timed

SQUARES, ACCURACIES, LIMIT = np.array([5.0, 0.05]), np.array([1e-6, 1e-3, 1e-2]), 2000
SIDE = 100  # of the plane


def plane(side: int) -> tuple[np.ndarray, np.ndarray]:
    beta = (np.arange(side) + 0.5) / side
    weights, eta = np.meshgrid(beta, np.geomspace(1 / 30, 3, side), indexing="ij")
    return weights.ravel(), eta.ravel()


def settled(x: float, before: float) -> bool:
    return max(abs(x), abs(before)) <= 1e-6 * ACCURACIES[0]


def loops(beta: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """One setting, one mode, one step after another."""
    found = np.zeros((len(beta), len(ACCURACIES)), int)
    for k, (b, e) in enumerate(zip(beta.tolist(), eta.tolist(), strict=True)):
        for s in SQUARES.tolist():
            x, before, z, last = 1.0, 1.0, 0.0, [0] * len(ACCURACIES)
            for t in range(1, 10 * LIMIT):
                z = (1 - b) * z + b * 2 * s * x
                x, before = x - e * z, x
                for a, accuracy in enumerate(ACCURACIES.tolist()):
                    if not abs(x) <= accuracy:
                        last[a] = t
                if last[-1] >= LIMIT or settled(x, before):
                    break
            found[k] = np.maximum(found[k], np.minimum(np.array(last) + 1, LIMIT))
    return found


def arrays(beta: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """All settings and modes at once, as many steps as the slowest takes."""
    b, e, s = beta[:, None], eta[:, None], SQUARES
    x, z = np.ones((len(beta), len(s))), np.zeros((len(beta), len(s)))
    last = np.zeros((*x.shape, len(ACCURACIES)), int)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(1, 10 * LIMIT):
            z = (1 - b) * z + b * 2 * s * x
            before, x = x, x - e * z
            last[~(np.abs(x)[..., None] <= ACCURACIES)] = t
            there = np.maximum(np.abs(x), np.abs(before)) <= 1e-6 * ACCURACIES[0]
            if (there | (last[..., -1] >= LIMIT)).all():
                break
    return np.minimum(last.max(1) + 1, LIMIT)


def ways() -> list[dict]:
    """Seconds for the whole plane on one thread; the loop is timed on a sample of it."""
    beta, eta = plane(SIDE)
    few = np.random.default_rng(0).choice(len(beta), len(beta) // 50, replace=False)
    expected = iterations_to_stay(beta, eta, SQUARES, ACCURACIES, LIMIT)
    np.testing.assert_array_equal(loops(beta[few], eta[few]), expected[few])
    np.testing.assert_array_equal(arrays(beta, eta), expected)
    rows = [
        ("a Python loop", 50 * timed(lambda: loops(beta[few], eta[few]), 1)),
        ("NumPy over the plane", timed(lambda: arrays(beta, eta), 1)),
        ("ours", timed(lambda: iterations_to_stay(beta, eta, SQUARES, ACCURACIES, LIMIT), 5)),
    ]
    return [
        {"way": way, "seconds_per_plane": seconds, "ratio_to_loop": rows[0][1] / seconds}
        for way, seconds in rows
    ]
