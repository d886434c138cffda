"""How far from the end of time the weights of the examples are, to first order in 1/s.

Fully connected, β = Rβ̂ + ρ of depth L, β̂ the unit vector of the largest margin γ, R ≈ s/γ, ρ ⊥ β̂ with
e^(−z_nᵀρ) ∝ p*_n. Along β̂ the network moves L times as fast as across it, so that ρ stays only if
P Zᵀp = −(L − 1) γ ρ/R, P the projector across β̂: the weights differ from p* by the δp with

    Z_Sᵀδp = −(L − 1) γ ρ_S/R + κ β̂,      Σ δp_n = 0
"""

import numpy as np
from jaxtyping import Float

from descent.linear_networks._flow import RTOL
from descent.linear_networks._references import Given

LATE = 40  # e⁻⁴⁰ of a weight is nothing
SECOND = 100  # of second order in 1/s: 100/s²


def certain(one: Given, s: float) -> bool:
    """Whether p* is unique and all others are silent from s on."""
    return bool(one.best.unique and (one.best.next_margin(one.Z) - 1) * s > LATE)


def change(one: Given, depth: int, s: float) -> Float[np.ndarray, " n"]:
    """|δp|, twice, with what is of second order and the error of the integrator."""
    S, p = one.best.support, one.best.weights
    Zs, ps, gamma = one.Z[S], p[S], 1 / one.best.norm
    rho = np.linalg.pinv(Zs) @ (-np.log(ps) - one.best.entropy)
    delta = np.linalg.pinv(Zs.T) @ (-(depth - 1) * gamma**2 / s * rho)
    off = np.zeros(len(p))
    off[S] = 2 * np.abs(delta - ps * delta.sum())
    return off + np.where(S, SECOND / s**2 + RTOL * depth * s, 0) + 1e-15


def spread_change(one: Given, off: Float[np.ndarray, " n"]) -> float:
    """What that makes of H(p) + log max p."""
    S = one.best.support
    p, off = one.best.weights[S], off[S]
    return float((off * (1 + np.abs(np.log(p)))).sum() + off[p.argmax()] / p.max())
