"""The risk of a wide network that stops early, on M evenly spaced points over a length 1 with noise of variance σ².

    E ‖f_t − g₀‖² (mean over the points) = bias + σ²/M (2 + Σ_j (1 − e^{−2tμ_j/M})²),   t the time of the mean loss
    B = (2tζΛ³)^¼,  Λ = M/(M − 1):   Σ_j (1 − e^{−(B/β_j)⁴})² = BI/π − 1 up to what `neglected` says
    I = ∫₀^∞ (1 − e^{−u⁻⁴})² du,   bias = (1/M) Σ_j e^{−4tμ_j/M} (u_jᵀg₀)² ≤ ∫ g₀″²/(4etζ)

β_j = (j + ½)π for j = 1, 2, …, so that the sum is a midpoint rule for the integral from π on, and below π the
integrand is 1. The summed loss has the same risk at t/M.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import gamma

from descent.wide_relu._beam import eigenvalues
from descent.wide_relu._waves import shapes

SLOWEST = 4.7300407  # β_1


def integral() -> float:
    """I = Γ(−¼)(2^¼ − 2)/4 = 0.99356."""
    return float(gamma(-0.25) * (2**0.25 - 2) / 4)


def reach(M: int, t: float, zeta: float) -> float:
    """B: modes with β < B are learned."""
    return float((2 * t * zeta * (M / (M - 1)) ** 3) ** 0.25)


def freedom(M: int, t: float, zeta: float) -> float:
    """2 + Σ_j (1 − e^{−2tμ_j/M})²."""
    return 1 + reach(M, t, zeta) * integral() / np.pi


def neglected(M: int, t: float, zeta: float) -> float:
    """More than that leaves out: rows of points at the ends, modes from M on, and the slowest if it is not learned."""
    B = reach(M, t, zeta)
    return B**2 / (3 * M**2) + 2 * (B / (np.pi * M)) ** 7 * B + 4 * np.exp(-((B / SLOWEST) ** 4))


def target(u: Float[np.ndarray, " M"]) -> Float[np.ndarray, " M"]:
    """g₀ for u from 0 to 1."""
    return np.sin(2 * np.pi * u) + u**2


def bias(M: int, t: float, zeta: float) -> float:
    """By the modes of the beam."""
    many = min(M // 2, 200)
    u = np.arange(M) / (M - 1)
    share = (target(u) @ shapes(M, many)) ** 2
    mu = eigenvalues(M, 1.0, zeta, many)
    return float(np.exp(-np.minimum(4 * t * mu / M, 700)) @ share) / M
