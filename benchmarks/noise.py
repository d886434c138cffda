"""Noisy gradient descent and random networks: the plain way, one run after another, against all at once."""

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from descent.maths.initialise import initialise
from descent.maths.network import Shape, backward, forward, input_squares
from descent.noise._chain import Chain, simulate
from machine import timed

ETAS = np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.1, 1.4, 1.7, 1.9, 2.2])
CHAINS, STEPS, X, SIGMA, Y = 4096, 300, 1.0, 0.5, 2.0
WIDTHS = (10, 40, 20, 30, 20, 5)
SHAPE = Shape(WIDTHS, "relu", biases=False)


def one_chain(rng, eta: float) -> float:
    """The homework's recurrence as it is written."""
    w = 0.0
    for _ in range(STEPS):
        noisy = X + rng.normal(0, SIGMA)
        w = w - eta * noisy * (noisy * w - Y)
    return w


def one_step_size(rng, eta: float) -> np.ndarray:
    """All chains of one η at once."""
    w = np.zeros(CHAINS)
    for _ in range(STEPS):
        noisy = X + rng.normal(0, SIGMA, CHAINS)
        w = w - eta * noisy * (noisy * w - Y)
    return w


def one_network(rng, x: torch.Tensor) -> list[float]:
    """Squared norms of the gradients of a sum of outputs, by autograd."""
    theta = initialise(rng, "he", SHAPE)[0]
    weights = [torch.from_numpy(W).requires_grad_() for W, _ in SHAPE.layers(theta)]
    h = x
    for W in weights[:-1]:
        h = torch.relu(W @ h)
    (weights[-1] @ h).sum().backward()
    return [float(W.grad.square().sum()) for W in weights]


def batched(rng, x: np.ndarray, count: int) -> list[np.ndarray]:
    passed = forward(initialise(rng, "he", SHAPE, count), x[None], SHAPE)
    deltas = backward(passed, np.ones_like(passed.outputs))
    squares = input_squares(passed)
    return [np.vecdot(d, d) * h for d, h in zip(deltas, squares, strict=True)]


def ways() -> list[dict]:
    """Nanoseconds a step of one chain, microseconds a network; on one thread."""
    rng, x = np.random.default_rng(0), np.ones(WIDTHS[0])
    chain, steps = Chain(X, SIGMA, Y), STEPS * CHAINS
    torch.set_num_threads(1)
    with threadpool_limits(1):
        chains = [
            ("a Python loop a chain", timed(lambda: one_chain(rng, 0.2), 5) / STEPS),
            ("vectorised, one η after another", timed(lambda: one_step_size(rng, 0.2), 5) / steps),
            ("ours, all η on one noise", timed(lambda: simulate(rng, chain, ETAS, CHAINS, STEPS), 5) / steps / len(ETAS)),
            ("floor: one Gaussian for all η", timed(lambda: rng.standard_normal(steps), 5) / steps / len(ETAS)),
        ]  # fmt: skip
        drawn = [
            ("autograd, one network after another", timed(lambda: one_network(rng, torch.from_numpy(x)), 51)),
            ("ours, 500 networks", timed(lambda: batched(rng, x, 500), 5) / 500),
            ("floor: the Gaussians", timed(lambda: initialise(rng, "he", SHAPE, 500), 5) / 500),
        ]  # fmt: skip
    return [
        {"way": way, "unit": unit, "time": scale * seconds, "ratio_to_first": rows[0][1] / seconds}
        for rows, unit, scale in ((chains, "ns a step", 1e9), (drawn, "µs a network", 1e6))
        for way, seconds in rows
    ]
