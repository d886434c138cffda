"""Scaled gradient descent on seven points and ten coefficients, every way of doing it."""

import numpy as np
from threadpoolctl import threadpool_limits

from descent.maths.optimisers import descend, full_batch
from descent.polynomial._problem import Problem, build
from descent.polynomial.scaled_gd import Config, scaled
from machine import timed

STEPS = 500_000
COURSE = Config(
    points=7, interval=(-1, 1), frequency=5, growth=2, amplitude=0.1, data=(), degree=9,
    low=-3, high=0, rate=1, steps=STEPS, snapshots=500, levels=(1e-16,),
)  # fmt: skip


def document(problem: Problem, H_inverse: np.ndarray, gamma: float, steps: int) -> np.ndarray:
    """The document's way: every iterate is kept, the distances are taken one by one afterwards."""
    theta, path = np.zeros(len(problem.theta)), []
    for _ in range(steps):
        gradient = 2 / len(problem.y) * problem.X.T @ (problem.X @ theta - problem.y)
        theta = theta - gamma * H_inverse @ gradient
        path.append(theta)
    return np.array([np.linalg.norm(theta - problem.theta) ** 2 for theta in np.array(path)])


def plain(problem: Problem, h_inverse: np.ndarray, gamma: float, steps: int) -> np.ndarray:
    """The same with H as a vector, and nothing kept."""
    theta = np.zeros(len(problem.theta))
    for _ in range(steps):
        theta -= gamma * h_inverse * (2 / 7 * problem.X.T @ (problem.X @ theta - problem.y))
    return theta


def compiled(problem: Problem, h_inverse: np.ndarray, gamma: float) -> None:
    start, kept = np.zeros(len(problem.theta)), np.arange(0, STEPS + 1, STEPS // 500)
    descend(
        problem.X, problem.y, start, gamma * h_inverse, full_batch(7), kept, problem.theta, np.array([1e-16])
    )  # fmt: skip


def ways(fraction: float = 0.02) -> list[dict]:
    """Seconds for 500,000 steps on one thread; the loops in Python are timed on a fraction of them."""
    problem, h = build(COURSE, COURSE.degree), np.logspace(COURSE.low, COURSE.high, 10)
    form, some = scaled(problem, h), int(fraction * STEPS)
    gamma = 1 / form.modes.eigenvalues[0]
    every = np.arange(STEPS + 1)
    with threadpool_limits(1):
        rows = [
            ("the document's loop", timed(lambda: document(problem, np.diag(h), gamma, some), 3) / fraction),
            ("plain NumPy loop, nothing kept", timed(lambda: plain(problem, h, gamma, some), 3) / fraction),
            ("ours, with the distance of every step", timed(lambda: compiled(problem, h, gamma), 5)),
            ("closed form of every step", timed(lambda: form.squared_distance(gamma, every), 5)),
            ("closed form, first step within 1e-16", timed(lambda: form.first_within(gamma, 1e-16), 5)),
        ]  # fmt: skip
    return [
        {"way": way, "seconds": seconds, "ratio_to_document": rows[0][1] / seconds}
        for way, seconds in rows
    ]
