"""Modes under averaged gradients without their closed forms: the system matrix, its eigenvalues, runs, iterations."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from descent.maths.momentum import trajectory


def system(
    beta: Float[np.ndarray, "*k"], eta: Float[np.ndarray, "*k"], square: Float[np.ndarray, "*k"]
) -> Float[np.ndarray, "*k 2 2"]:
    """R, column by column: where one update takes (a, x) = (1, 0) and (0, 1)."""
    columns = []
    for a, x in ((1.0, 0.0), (0.0, 1.0)):
        a_next = (1 - beta) * a + beta * 2 * square * x
        columns.append(np.stack([a_next, x - eta * a_next], -1))
    return np.stack(columns, -1)


def balanced(beta, h) -> Float[np.ndarray, "*k 2 2"]:
    """R with a in units of 1/η, which has the same eigenvalues."""
    beta, h = np.broadcast_arrays(beta, h)
    return system(beta, np.ones_like(h), np.asarray(h / beta))


def computed_rate(beta: float, eta: np.ndarray, squares: np.ndarray) -> float:
    """max |λ| over steps and modes, by a numerical eigenvalue solver."""
    R = system(*np.broadcast_arrays(beta, eta[..., None], squares))
    return float(np.abs(np.linalg.eigvals(R)).max())


def bisected(low: float, high: float, inside: Callable[[float], bool]) -> float:
    """Where `inside` turns from true to false."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) else (low, middle)
    return (low + high) / 2


def simulated(beta: float, h: float, length: int) -> Float[np.ndarray, " t"]:
    """x₀ … x_{length − 1} by the update itself."""
    x, z, path = 1.0, 0.0, [1.0]
    for _ in range(length - 1):
        z = (1 - beta) * z + 2 * h * x
        x -= z
        path.append(x)
    return np.array(path)


def closed_iterations(
    beta: float, eta: float, squares: np.ndarray, accuracy: float, limit: int
) -> int:
    """The first t from which on |x_t| ≤ ε in every mode, by the closed form up to t = limit."""
    t, last = np.arange(limit + 1), 0
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        for square in squares:
            h = eta * beta * square
            above = t[~(np.abs(trajectory(beta, h, 1 - 2 * h, t)) <= accuracy)]
            last = max(last, int(above.max(initial=0)))
    return min(last + 1, limit)


def repeated_iterations(r: float, accuracy: float) -> int:
    """The first t from which on rᵗ(1 + t(1 + r)) ≤ ε, for which t is at least 1/ln(1/r)."""

    def there(t):
        return t * np.log(r) + np.log1p(t * (1 + r)) <= np.log(accuracy)

    low = high = int(1 / np.log(1 / r)) + 1
    while not there(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if there(middle) else (middle, high)
    return high
