"""Polynomial least squares at n = 9: gradient descent of 10⁵ steps and a stochastic run of 7·10⁵, every way."""

import numpy as np
from threadpoolctl import threadpool_limits

from descent.maths import quadratic
from descent.polynomial import _moments
from descent.polynomial._kernels import descend, descend_sampled, log_spaced
from descent.polynomial._problem import Points, build, loss, modes
from machine import timed

DATA = Points(points=7, interval=(-1, 1), frequency=5, growth=2, amplitude=0.1, data=())
DEGREE, STEPS, SAMPLED = 9, 100_000, 700_000
SHORT = 50  # the plain loops run this part of their steps


def errors(problem, thetas: list) -> list:
    """f of every iterate and of every running average, one at a time."""
    total, found = np.zeros_like(problem.theta), []
    for k, theta in enumerate(thetas):
        total += theta
        found.append((float(loss(problem, theta)), float(loss(problem, total / (k + 1)))))
    return found


def loop(problem, steps: int) -> list:
    """A NumPy loop that keeps every θ_k."""
    X, y, theta, thetas = problem.X, problem.y, np.zeros_like(problem.theta), []
    for _ in range(steps):
        thetas.append(theta)
        theta = theta - 2 / problem.beta / len(y) * X.T @ (X @ theta - y)
    return errors(problem, thetas)


def sampled_loop(problem, steps: int, every: bool) -> list:
    X, y, theta, thetas = problem.X, problem.y, np.zeros_like(problem.theta), []
    rng = np.random.default_rng(0)
    for _ in range(steps):
        thetas.append(theta)
        i = rng.integers(len(y))
        theta = theta - 0.2 / problem.beta * X[i] * (X[i] @ theta - y[i])
    return errors(problem, thetas) if every else thetas


def ways() -> list[dict]:
    """Seconds a run on one thread; the plain loops' are scaled up from a part of their steps."""
    problem = build(DATA, DEGREE)
    start, record = np.zeros(DEGREE + 1), log_spaced(STEPS, 400)
    q, few = modes(problem, start), log_spaced(SAMPLED, 200)
    step, k = 1 / problem.beta, np.arange(STEPS + 1.0)

    def kernel():
        descend(problem.X, problem.y, start, problem.theta, step, record, 1e-16)

    def stochastic():
        descend_sampled(
            np.random.default_rng(0), problem.X, problem.y, problem.theta,
            0.1 * step, 0, few, SAMPLED + 1,
        )  # fmt: skip

    with threadpool_limits(1):
        plain = SHORT * timed(lambda: loop(problem, STEPS // SHORT), 3)
        sampled = SHORT * timed(lambda: sampled_loop(problem, SAMPLED // SHORT, False), 3)
        judged = SHORT * timed(lambda: sampled_loop(problem, SAMPLED // SHORT, True), 3)
        rows = [
            ("gradient descent: NumPy loop, f and average every step", plain, plain),
            ("gradient descent: ours, thinned", timed(kernel), plain),
            (
                "gradient descent: closed form, every step",
                timed(lambda: (quadratic.iterate(q, step, k), quadratic.average(q, step, k)), 3),
                plain,
            ),
            ("stochastic: NumPy loop, iterates only", sampled, judged),
            ("stochastic: NumPy loop, f and average every step", judged, judged),
            ("stochastic: ours, thinned", timed(stochastic), judged),
            (
                "stochastic: exact expectations",
                timed(lambda: _moments.moments(problem, 0.1 * step, 0, few), 3),
                judged,
            ),
        ]
    return [
        {"way": way, "seconds": seconds, "ratio_to_loop": base / seconds}
        for way, seconds, base in rows
    ]
