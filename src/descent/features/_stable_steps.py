"""Gradient descent with momentum on a linearised network: up to which singular value it is stable.

r ← r − ηJv,  v ← μv + (2/N) Jᵀr:   mode k is stable ⇔ ησ_k² (2/N) < 2(1 + μ) ⇔ σ_k < √((1 + μ)N/η)
"""

import numpy as np
from scipy import optimize


def edge(N: int, rate: float, momentum: float) -> float:
    """√((1 + μ)N/η)."""
    return float(np.sqrt((1 + momentum) * N / rate))


def radius(sigma: float, N: int, rate: float, momentum: float) -> float:
    """Spectral radius of (v, r) ← (μv + (2/N)σr, r − ησ(μv + (2/N)σr)), in units in which both are alike."""
    pull = 2 * rate * sigma**2 / N
    step = np.array([[momentum, pull], [-momentum, 1 - pull]])
    return float(np.abs(np.linalg.eigvals(step)).max())


def last_stable(N: int, rate: float, momentum: float) -> float:
    """The σ at which the radius passes 1, by bisection."""
    unit = np.sqrt(N / rate)
    scaled = lambda s: radius(s * unit, N, rate, momentum) - (1 + 1e-13)  # noqa: E731
    return float(unit * optimize.bisect(scaled, 0.1, 10.0, xtol=1e-12))
