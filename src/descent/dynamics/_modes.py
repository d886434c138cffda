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
    return system(np.asarray(beta, float), np.ones(h.shape), np.asarray(h / beta))


def roots(beta, h) -> np.ndarray:
    """Both eigenvalues of R, by a numerical solver: (…, 2)."""
    return np.linalg.eigvals(balanced(beta, h))


def computed_rate(beta: float, eta, squares: Float[np.ndarray, " n"]) -> np.ndarray | np.float64:
    """max |λ| over the modes, for every step."""
    h = np.asarray(eta, float)[..., None] * beta * squares
    return np.abs(roots(beta, h)).max((-2, -1))


def bisected(low, high, inside: Callable) -> np.ndarray | np.float64:
    """Where `inside` turns from true to false, for one interval or for an array of them."""
    low, high = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
    for _ in range(60):
        middle = (low + high) / 2
        holds = inside(middle)
        low, high = np.where(holds, middle, low), np.where(holds, high, middle)
    return (low + high) / 2


def least(value: Callable, low: float, high: float, zooms: int = 27) -> float:
    """Where a function of an array that falls and then rises is least: 9 points, then those around the best, again."""
    for _ in range(zooms):
        x = np.linspace(low, high, 9)
        k = int(np.clip(np.argmin(value(x[1:-1])) + 1, 1, 7))
        low, high = x[k - 1], x[k + 1]
    return float((low + high) / 2)


def complex_ends(beta) -> tuple:
    """Between which h a solver returns complex roots."""
    middle = (2 - beta) / 2  # the trace is 0 there

    def real(h):
        return np.abs(roots(beta, h).imag).max(-1) == 0

    return bisected(0 * middle, middle, real), bisected(middle, 2.0, lambda h: ~real(h))


def last_stable(beta) -> np.ndarray | np.float64:
    """The h up to which a solver returns roots inside the unit circle."""
    return bisected(0 * beta, 2.5, lambda h: np.abs(roots(beta, h)).max(-1) < 1)


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


def undecided_iterations(
    beta: float, eta: float, squares: np.ndarray, accuracy: float, limit: int
) -> int:
    """By how much rounding may change the count: by what a part 10⁻⁹ of ε does, or t² roundings of η."""
    about = closed_iterations(beta, eta, squares, accuracy, limit)
    slack = min(0.5, 1e-9 + 16 * np.finfo(float).eps * about**2)
    first, last = (
        closed_iterations(beta, eta, squares, accuracy * (1 + sign * slack), limit)
        for sign in (1, -1)
    )
    return last - first


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
