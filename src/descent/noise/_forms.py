"""Ridge regression four ways, and the Gaussian posterior whose mean it is.

    Y = XW + √λN,   W ~ N(0, I_d),  N ~ N(0, I_n),   X: (n, d)

Source: CS182 homework 2, question 4.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Matrix = Float[np.ndarray, "n d"]


def primal(X: Matrix, y: Float[np.ndarray, " n"], lam: float) -> Float[np.ndarray, " d"]:
    """(XᵀX + λI)⁻¹Xᵀy: d³ operations."""
    return np.linalg.solve(X.T @ X + lam * np.eye(X.shape[1]), X.T @ y)


def dual(X: Matrix, y: Float[np.ndarray, " n"], lam: float) -> Float[np.ndarray, " d"]:
    """Xᵀ(XXᵀ + λI)⁻¹y: n³ operations."""
    return X.T @ np.linalg.solve(X @ X.T + lam * np.eye(len(X)), y)


def spectral(X: Matrix, y: Float[np.ndarray, " n"], lam: float) -> Float[np.ndarray, " d"]:
    """V diag(s/(s² + λ)) Uᵀy: nothing is squared that is then added to something smaller."""
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    return Vt.T @ (s / (s * s + lam) * (U.T @ y))


def stacked(X: Matrix, y: Float[np.ndarray, " n"], lam: float) -> Float[np.ndarray, " d"]:
    """The MAP estimate as least squares: ‖[X; √λI] w − [y; 0]‖² = ‖Xw − y‖² + λ‖w‖²."""
    A = np.concatenate([X, np.sqrt(lam) * np.eye(X.shape[1])])
    return np.linalg.lstsq(A, np.concatenate([y, np.zeros(X.shape[1])]), rcond=None)[0]


def covariance_of_y(X: Matrix, lam: float) -> Float[np.ndarray, "n n"]:
    """Σ_YY = XXᵀ + λI_n."""
    return X @ X.T + lam * np.eye(len(X))


def gain(X: Matrix, lam: float) -> Float[np.ndarray, "d n"]:
    """Σ_WY Σ_YY⁻¹, which takes y to E[W | Y = y]."""
    return np.linalg.solve(covariance_of_y(X, lam), X).T


def posterior(X: Matrix, lam: float) -> Float[np.ndarray, "d d"]:
    """Cov[W | Y] = λ(XᵀX + λI)⁻¹."""
    return lam * np.linalg.inv(X.T @ X + lam * np.eye(X.shape[1]))


def posterior_by_gain(X: Matrix, lam: float) -> Float[np.ndarray, "d d"]:
    """The same as Σ_WW − Σ_WY Σ_YY⁻¹ Σ_YW = I − Xᵀ(XXᵀ + λI)⁻¹X."""
    return np.eye(X.shape[1]) - gain(X, lam) @ X


class Regression(NamedTuple):
    """Of W on Y over draws of the model."""

    gain: Float[np.ndarray, "d n"]
    posterior: Float[np.ndarray, "d d"]  # covariance of what is left of W
    data: Float[np.ndarray, "n n"]  # covariance of Y


def regress(
    rng: np.random.Generator, X: Float[np.ndarray, "n d"], lam: float, samples: int
) -> Regression:
    """Least squares for W given Y, whose residuals are normal and independent of Y: it has no bias."""
    n, d = X.shape
    W = rng.standard_normal((samples, d))
    Y = W @ X.T + np.sqrt(lam) * rng.standard_normal((samples, n))
    S = Y.T @ Y
    found = np.linalg.solve(S, Y.T @ W).T
    residual = W - Y @ found.T
    return Regression(found, residual.T @ residual / (samples - n), S / samples)
