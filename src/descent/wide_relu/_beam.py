"""How fast a wide network learns on M evenly spaced points: the modes of a beam with free ends.

    ζ constant, lines free,  Λ = Mh,  h the distance of points:   ΠK₀Π has the eigenvalues μ_j, j = 1 … M − 2
    μ_j/M = ζΛ³/β_j⁴ · (1 − 2β_j τ_j/(3M²) + O(β_j³/M⁴)),   cosh β cos β = 1,   τ_j = tanh(β_j/2) for odd j, else coth
    β = 4.7300, 7.8532, 10.9956, …:  (j + ½)π up to 2e^{−β}

The least curvature ∫ g″²/ζ of a function with values of a given size is that of a vibrating beam with free ends.
Points have the weight h each, so the beam is longer than they are by h/2 at either end. The factor is what the rows of
points at the ends add: inside, the eigenvalues of the spline are those of the beam up to (βh)⁴/720.
"""

import numpy as np
from jaxtyping import Float

from descent.wide_relu._network import free, polynomials


def roots(count: int) -> Float[np.ndarray, " j"]:
    """β_1 … of cosh β cos β = 1, by Newton's method on cos β = 1/cosh β."""
    beta = (np.arange(count) + 1.5) * np.pi
    for _ in range(8):
        off, slope = np.cos(beta) - 1 / np.cosh(np.minimum(beta, 700)), -np.sin(beta)
        beta = beta - off / slope
    return beta


def eigenvalues(M: int, width: float, zeta: float, count: int) -> Float[np.ndarray, " j"]:
    """μ_1 … for points that span `width`."""
    beta = roots(count)
    tau = np.tanh(beta / 2) ** np.where(np.arange(count) % 2, -1, 1)
    long = width * M / (M - 1)
    return M * zeta * long**3 / beta**4 * (1 - 2 * beta * tau / (3 * M**2))


def neglected(M: int, count: int) -> Float[np.ndarray, " j"]:
    """A bound of the relative error of `eigenvalues`."""
    return 0.1 * roots(count) ** 3 / M**4


def projected(K: Float[np.ndarray, "M M"], x: Float[np.ndarray, " M"]) -> tuple:
    """Eigenvalues of ΠKΠ, largest first, and its eigenvectors as columns (M, M − 2)."""
    N = free(polynomials(x))
    mu, u = np.linalg.eigh(N.T @ K @ N)
    return mu[::-1], N @ u[:, ::-1]
