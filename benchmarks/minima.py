"""The rippled wells of `minima.flat_sharp`: gradient descent and SGD the exercise's way, and ours."""

from functools import partial

import numpy as np

from descent.minima._chain import descend, sample
from descent.minima._wells import wells
from machine import timed

N, STEP, STEPS, START = 2000, 1e-3, 2000, 5.0
PART = 5  # steps of the slow way that are timed


def derivative_of_term(phase, x):
    """One term's slope, for one x."""
    sharp = 50 / 11 <= x < 50 / 9
    base = 200 * (x - 5) if sharp else 2 * x
    wave = 10 * np.cos(10 * x + phase) * np.cos(2 * (x - 5))
    return base + 20 * (wave - 2 * np.sin(2 * (x - 5)) * np.sin(10 * x + phase))


def term_by_term(terms, count: int) -> float:
    """Gradient descent with a vectorised function for each of the N terms."""
    x = START
    for _ in range(count):
        x = x - STEP * np.mean([term(x) for term in terms])
    return x


def all_phases(phases: np.ndarray, count: int) -> float:
    """Gradient descent with one array operation over the N terms."""
    x = START
    for _ in range(count):
        x = x - STEP * derivative_of_term(phases, x).mean()
    return x


def term_at_random(rng, terms, count: int) -> float:
    """SGD with one vectorised function a step."""
    x = START
    for _ in range(count):
        x = x - STEP * terms[rng.integers(N)](x)
    return x


def ways() -> list[dict]:
    """Seconds of 2000 steps of gradient descent, and of 2000 steps of SGD a run."""
    rng = np.random.default_rng(0)
    phases = 2 * np.pi * rng.random(N)
    terms = [np.vectorize(partial(derivative_of_term, phase)) for phase in phases]
    w = wells(5.0, 100.0, 20.0, 10.0, 2.0)
    cosines, sines = np.cos(phases), np.sin(phases)
    A, B = cosines.mean(), sines.mean()
    runs = 1000

    def many():
        sample(rng, START, cosines, sines, w, STEP, STEPS, runs)

    gd = [
        ("GD, term by term", STEPS / PART * timed(lambda: term_by_term(terms, PART), 3)),
        ("GD, an array of phases", timed(lambda: all_phases(phases, STEPS), 3)),
        ("GD, two Fourier coefficients", timed(lambda: descend(START, A, B, w, STEP, STEPS))),
    ]
    sgd = [
        ("SGD, a function a term", timed(lambda: term_at_random(rng, terms, STEPS), 3)),
        ("SGD, compiled", timed(many, 3) / runs),
    ]
    return [
        {"way": way, "seconds_per_2000_steps": seconds, "ratio": rows[0][1] / seconds}
        for rows in (gd, sgd)
        for way, seconds in rows
    ]
