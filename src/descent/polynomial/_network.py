"""A network of one hidden layer on the points: m(x; w) = Σ_j a_j tanh(b_j x + c_j), w = (a, b, c) of 3 · width numbers."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

MOST = 500  # steps of Levenberg and Marquardt


def start(rng, width: int, scale: float) -> Float[np.ndarray, " q"]:
    """Random weights, with outputs of about this size."""
    return np.concatenate(
        [
            rng.standard_normal(width) * scale / np.sqrt(width),
            3 * rng.standard_normal(width),
            rng.standard_normal(width),
        ]
    )


def model(w: Float[np.ndarray, " q"], x: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    a, b, c = w.reshape(3, -1)
    return np.tanh(x[:, None] * b + c) @ a


def jacobian(w: Float[np.ndarray, " q"], x: Float[np.ndarray, " N"]) -> Float[np.ndarray, "N q"]:
    """The gradients of the outputs: the features of the network at w."""
    a, b, c = w.reshape(3, -1)
    hidden = np.tanh(x[:, None] * b + c)
    inner = a * (1 - hidden**2)
    return np.concatenate([hidden, inner * x[:, None], inner], 1)


def bend(w: Float[np.ndarray, " q"], x: Float[np.ndarray, " N"]) -> float:
    """A bound on ‖∇²m(x_i; w)‖, for |tanh'| ≤ 1 and |tanh''| < 0.77."""
    square = 1 + float(np.abs(x).max()) ** 2
    return float(np.sqrt(square) + 0.77 * np.abs(w.reshape(3, -1)[0]).max() * square)


def fitted(
    w: Float[np.ndarray, " q"], x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]
) -> Float[np.ndarray, " q"]:
    """Weights at which the outputs are y, if damped Gauss–Newton steps find them."""
    damping, loss = 1e-2, np.inf
    for _ in range(MOST):
        J, short = jacobian(w, x), y - model(w, x)
        try:
            step = J.T @ np.linalg.solve(J @ J.T + damping * np.eye(len(x)), short)
            after = float(np.mean((model(w + step, x) - y) ** 2))
        except np.linalg.LinAlgError:  # the damping is below rounding, and J Jᵀ singular
            after = np.inf
        if after < loss:
            w, loss, damping = w + step, after, damping / 5
        else:
            damping *= 5
        if loss <= 1e-26 * float(np.mean(y**2)) or not 1e-30 < damping < 1e30:
            break
    return w


@no_type_check
@njit(cache=True)
def train(rng, x, y, weights, step, hold, record):
    """f(w_k) at `record` of stochastic gradient descent with one sample a step, γ_k as for polynomials."""
    N, width = len(x), len(weights) // 3
    w, hidden = weights.copy(), np.empty(len(weights) // 3)
    found, s = np.empty(len(record)), 0
    for k in range(record[-1] + 1):
        if k == record[s]:
            total = 0.0
            for i in range(N):
                error = -y[i]
                for j in range(width):
                    error += w[j] * np.tanh(w[width + j] * x[i] + w[2 * width + j])
                total += error * error
            found[s] = total / N
            s += 1
        gamma = step if hold == 0 else step / (k // hold + 1)
        i = int(rng.random() * N)
        error = -y[i]
        for j in range(width):
            hidden[j] = np.tanh(w[width + j] * x[i] + w[2 * width + j])
            error += w[j] * hidden[j]
        for j in range(width):
            inner = w[j] * (1 - hidden[j] ** 2)
            w[j] -= gamma * 2 * error * hidden[j]
            w[width + j] -= gamma * 2 * error * inner * x[i]
            w[2 * width + j] -= gamma * 2 * error * inner
    return found
