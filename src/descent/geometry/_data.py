"""Linear regressions Xw = y with fewer samples than features, and the directions that no sample sees.

X: (n, d) of N(0, 1),   n < d,   P = 1 − X⁺X
regression:   y ~ N(0, 1),   w₀ = c N(0, 1)
nonnegative:  y = Xu, u of k entries in [½, 3/2] at random places, 0 elsewhere
signed:       the same with random signs
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from descent.maths.limits import require_cost

EPS = float(np.finfo(float).eps)


class Data(NamedTuple):
    X: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    vector: Float[np.ndarray, " d"]  # the start w₀ of a regression, else the sparse u

    @property
    def sigma(self) -> Float[np.ndarray, " n"]:
        """Singular values of X, decreasing."""
        return np.linalg.svd(self.X, compute_uv=False)


def regression(seed: int, n: int, d: int, scale: float | int = 1) -> Data:
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    return Data(X, y, scale * rng.standard_normal(d))


def nonnegative(seed: int, n: int, d: int, k: int) -> Data:
    rng = np.random.default_rng(seed)
    X, u = rng.standard_normal((n, d)), np.zeros(d)
    places = rng.choice(d, k, replace=False)
    u[places] = rng.uniform(0.5, 1.5, k)
    return Data(X, X @ u, u)


def signed(seed: int, n: int, d: int, k: int) -> Data:
    rng = np.random.default_rng(seed)
    X, u = rng.standard_normal((n, d)), np.zeros(d)
    places = rng.choice(d, k, replace=False)
    u[places] = rng.choice([-1, 1], k) * rng.uniform(0.5, 1.5, k)
    return Data(X, X @ u, u)


def unseen(X: Float[np.ndarray, "n d"], w: Float[np.ndarray, "*k d"]) -> Float[np.ndarray, "*k d"]:
    """Pw, the part of w that is orthogonal to every row of X."""
    Q = np.linalg.qr(X.T)[0]
    rest = w - (w @ Q) @ Q.T
    return rest - (rest @ Q) @ Q.T  # once more, for the rounding of the first time


def require_underdetermined(config) -> None:
    """Refuse as many samples as features, or more.

    Raises:
        ValueError: naming both.
    """
    n, d = config.samples, config.features
    if n >= d:
        raise ValueError(f"samples {n} ≥ features {d}: one w at the most fits, nothing is chosen")


def require_sparse(config) -> None:
    """Refuse more non-zero entries than samples or features.

    Raises:
        ValueError: naming both.
    """
    if config.sparsity > config.features:
        raise ValueError(f"sparsity {config.sparsity} > features {config.features}")


def require_runs(config, fields: str, runs: float | int, steps: float | int) -> None:
    """Refuse runs that take hours: a step with its search takes about 8nd operations.

    Raises:
        Refusal: naming the fields.
    """
    size = 1.0 * config.samples * config.features
    require_cost(config, fields, 200.0 * runs * config.features + 8 * size, 8 * size * runs * steps)


def positive_solution(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> float:
    """How large the smallest weight of a solution of Xw = y can be, as a share of max|w|'s order; a linear programme."""
    d = X.shape[1]
    scale = float(np.abs(np.linalg.lstsq(X, y)[0]).max()) or 1.0
    equations = np.hstack([X, X.sum(1)[:, None]])  # w = v + t, v ≥ 0
    found = linprog(
        np.r_[np.zeros(d), -1.0],
        A_eq=equations,
        b_eq=y / scale,
        bounds=[(0, None)] * d + [(None, 1.0)],
    )
    return float(-found.fun) if found.status == 0 else -np.inf
