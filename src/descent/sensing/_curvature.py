"""The Hessian of matrix sensing at its minimum U*, where the residuals vanish, and what theory says of it.

    ∇²f(U*) = KGKᵀ,   K: (dr, p) the packed tangents U*Vᵀ + VU*ᵀ,   G the Gram operator of the measurements

Source: CS7180 problem set 2, question 2b; Davidson and Szarek's bound of Gaussian singular values.
"""

import numpy as np


def population_spectrum(eigenvalues: np.ndarray, d: int) -> np.ndarray:
    """Of ∇²f(U*) at m = ∞, increasing."""
    r = len(eigenvalues)
    inside = 2 * np.add.outer(eigenvalues, eigenvalues)[np.triu_indices(r)]
    outside = np.repeat(2 * eigenvalues, d - r)
    return np.sort(np.concatenate([np.zeros(r * (r - 1) // 2), inside, outside]))


def edges(p: int, m: int, slack: float = 0.0) -> tuple[float, float]:
    """(1 ∓ √(p/m))²: where the eigenvalues of p-dimensional noise end; by `slack`/√m further out with
    probability 1 − e^(−slack²/2)."""
    spread, further = np.sqrt(p / m), slack / np.sqrt(m)
    return max(0.0, 1 - spread - further) ** 2, (1 + spread + further) ** 2
