"""What becomes of the part of a start that no direction of X* takes with it, at m = ∞.

    W_p: W outside the range of X*;   Q: an orthonormal basis of the rows of W inside it
    μ_k: eigenvalues of α² W_p(1 − QQᵀ)W_pᵀ, which feel only themselves:   M' = −4ηM² a step
    its norm after t steps:   √Σ_k (1/μ_k + 4ηt)⁻²,   which is α²‖…‖ for small α and √(d − r)/4ηt for large αt

Source: arXiv 2508.20344 (closed form of the flow).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.maths.sampling import level
from descent.sensing._kernels import tiled
from descent.sensing._problem import Problem, pack


def population(factor: Float[np.ndarray, "d r"]) -> Problem:
    """Infinitely many measurements: G = 1."""
    target = pack(factor @ factor.T)
    p = len(target)
    return Problem(factor, target, tiled(np.eye(p)), np.empty((0, p)))


def unabsorbed(factor: Float[np.ndarray, "d r"], W: Float[np.ndarray, "d k"]) -> np.ndarray:
    """Eigenvalues of W_p(1 − QQᵀ)W_pᵀ, largest first."""
    V, _ = np.linalg.qr(factor)
    Q, _ = np.linalg.qr((V.T @ W).T)
    rest = W - V @ (V.T @ W)
    return np.linalg.svd(rest - (rest @ Q) @ Q.T, compute_uv=False) ** 2


def norm_after(mu: np.ndarray, eta: float, t: int) -> float:
    """√Σ_k (1/μ_k + 4ηt)⁻²; an eigenvalue of 0 stays."""
    return float(np.linalg.norm(mu / (1 + 4 * eta * t * mu)))


def damped(
    eigenvalue: xr.DataArray, eta: xr.DataArray, until: xr.DataArray, m: int
) -> xr.DataArray:
    """The share of what surplus factors leave at m = ∞ that they leave in a sample at the least.

    A surplus factor v grows by e^(2ηt vᵀMv) or more (Jensen), vᵀMv ~ N(0, ‖X*‖²/m), until X* is there; then it
    decays by the curvature of a sample, 1 ± √(2/m).
    """
    z = np.sqrt(-2 * np.log(level(until.size) / 2))
    spread = np.sqrt((eigenvalue**2).sum("i") / m)
    return np.exp(-4 * eta * until * z * spread) / (1 + z * np.sqrt(2 / m))
