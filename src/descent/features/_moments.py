"""The second moment of a gradient at a start with small outputs, layer by layer.

    E‖∇_{W_l} f‖² = C_l (a₊² + a₋² + 2a₊a₋ r_l),   C_l = ∏_{k<l} (n_k v_k/2) ∏_{k>l} (n_{k−1} v_k/2)
    r_l = ρ_{l−1} ∏_{l≤k<D} κ₀(ρ_{k−1}),   ρ₀ = −1, ρ_k = κ₁(ρ_{k−1}):  what x = 1 and x = −1 share
    κ₀(ρ) = (π − θ)/π,   κ₁(ρ) = (sin θ + (π − θ) cos θ)/π,   ρ = cos θ:  arc-cosine kernels

Source: Cho and Saul (2009).
"""

import numpy as np
from jaxtyping import Float


def kappa0(rho: float) -> float:
    return float(1 - np.arccos(rho) / np.pi)


def kappa1(rho: float) -> float:
    theta = np.arccos(rho)
    return float((np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi)


def scale(widths: tuple[int, ...], v: Float[np.ndarray, " D"]) -> Float[np.ndarray, " D"]:
    """C_l."""
    D = len(v)
    forward = [widths[k + 1] * v[k] / 2 for k in range(D)]
    backward = [widths[k] * v[k] / 2 for k in range(D)]
    return np.array([np.prod(forward[:l]) * np.prod(backward[l + 1 :]) for l in range(D)])


def shared(D: int) -> Float[np.ndarray, " D"]:
    """r_l; r₁ = r₂ = 0, since no unit of the first layer sees both sides."""
    rho = [-1.0]
    for _ in range(D - 1):
        rho.append(kappa1(rho[-1]))
    return np.array([rho[l] * np.prod([kappa0(r) for r in rho[l : D - 1]]) for l in range(D)])
