"""Matrix sensing with infinitely many measurements, in the eigenbasis of X*, where a Gaussian start is one.

f(U) = ½‖UUᵀ − X*‖²,   U: (d, k),   U ← U − 2η(UUᵀ − X*)U
"""

import numpy as np
from jaxtyping import Float


def draw(
    rng: np.random.Generator, d: int, r: int
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    """The eigenvalues of X* = U*U*ᵀ with N(0, 1/d) entries of U*: (d, r), and the direction W of a start."""
    factor = rng.standard_normal((d, r)) / np.sqrt(d)
    lam = np.linalg.svd(factor, compute_uv=False) ** 2
    return np.concatenate([lam, np.zeros(d - r)]), rng.standard_normal((d, d))


def descend(
    spectrum: Float[np.ndarray, " d"], U: Float[np.ndarray, "a d k"], eta: float, count: int
) -> tuple[Float[np.ndarray, "a t"], Float[np.ndarray, "a d k"]]:
    """‖UUᵀ − X*‖ along `count` steps in the eigenbasis of X*, and the last U."""
    distance = np.empty((len(U), count + 1))
    place = np.arange(len(spectrum))
    with np.errstate(over="ignore", invalid="ignore"):  # a start that diverges goes on as nan
        for t in range(count + 1):
            error = U @ U.mT
            error[:, place, place] -= spectrum
            distance[:, t] = np.linalg.norm(error, axis=(-2, -1))
            if t < count:
                U = U - 2 * eta * error @ U
    return distance, U


def unabsorbed(W: Float[np.ndarray, "d k"], rank: int) -> Float[np.ndarray, " rest"]:
    """Eigenvalues of W_p(1 − QQᵀ)W_pᵀ, the part of a start that gradient descent leaves."""
    Q = np.linalg.qr(W[:rank].T)[0]
    rest = W[rank:] - W[rank:] @ Q @ Q.T
    return np.linalg.svd(rest, compute_uv=False) ** 2


def law(mu: np.ndarray, eta: float, t: np.ndarray) -> np.ndarray:
    """√Σ_k (1/μ_k + 4ηt)⁻² at every t; an eigenvalue of 0 stays."""
    return np.linalg.norm(mu / (1 + 4 * eta * np.multiply.outer(t, mu)), axis=-1)
