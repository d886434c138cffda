"""A recurrent network at rest: the parts of its gradient, step by step backwards, and what the Jacobian says of them.

h_t = tanh(z_t),   z_t = Wh_{t−1} + b;   a_k = ∂(cᵀh_T)/∂z_{T−k} = D_{T−k}Wᵀ a_{k−1},   D_t = diag(1 − h_t²)
part k of ∂(cᵀh_T)/∂W:   a_k h_{T−k−1}ᵀ
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

EPSILON = 2.0**-52
ROUNDING = 1e-12  # of a K-th root


class Backward(NamedTuple):
    """Over k = 0 … K."""

    first: Float[np.ndarray, " N"]  # a₀
    parts: Float[np.ndarray, " k"]  # ‖a_k h_{T−k−1}ᵀ‖
    # how far h_{T−k−1} is from the start, and D there in its worst unit: the larger, relative
    off: Float[np.ndarray, " k"]


def backward(
    W: Float[np.ndarray, "N N"],
    b: Float[np.ndarray, " N"],
    start: Float[np.ndarray, " N"],
    c: Float[np.ndarray, " N"],
    K: int,
) -> Backward:
    """Forwards from `start` through T = K + 1 steps, and backwards from cᵀh_T."""
    states = [start]
    for _ in range(K + 1):
        states.append(np.tanh(W @ states[-1] + b))
    a = first = (1 - states[-1] ** 2) * c
    parts, off = np.empty((2, K + 1))
    D, height = 1 - start**2, np.linalg.norm(start)
    for k in range(K + 1):
        before = states[-2 - k]  # h_{T−k−1}
        parts[k] = np.linalg.norm(a) * np.linalg.norm(before)
        away = np.linalg.norm(before - start) / height
        off[k] = max(away, np.abs((1 - before**2) / D - 1).max())
        a = (1 - before**2) * (a @ W)
    return Backward(first, parts, off)


class Powers(NamedTuple):
    """Of one Jacobian J = Σ λ_i v_i w_iᵀ with ‖v_i‖ = 1, for the parts of one gradient."""

    radius: float  # ρ
    part: Float[np.ndarray, " k"]  # ‖Σ λ_iᵏ (v_iᵀa₀) w_i‖ ‖h*‖
    most: Float[np.ndarray, " k"]  # σ₁ᵏ ‖a₀‖ ‖h*‖
    sensitivity: Float[
        np.ndarray, " k"
    ]  # of a part to a relative change of the Jacobian in one of the k steps
    rounding: Float[np.ndarray, " k"]  # how many such changes k steps are off by
    reach: float  # how far from ρ the change a step, from 0 to K, may be
    fastest: float  # (Σ |λ_i|ᴷ |v_iᵀa₀| ‖w_i‖/‖a₀‖)^(1/K), the most that it may be


def powers(
    J: Float[np.ndarray, "N N"], first: Float[np.ndarray, " N"], height: float, K: int
) -> Powers:
    """For k = 0 … K; `height` is ‖h*‖."""
    k, size = np.arange(K + 1), float(np.linalg.norm(first))
    lam, V = np.linalg.eig(J)
    W = np.linalg.inv(V)  # rows w_iᵀ
    share, grown = first @ V, np.abs(lam) ** k[:, None]
    parts = np.linalg.norm((share * grown * np.exp(1j * np.angle(lam) * k[:, None])) @ W, axis=-1)
    one = np.abs(lam).argmax()
    rho, condition = float(np.abs(lam[one])), float(np.linalg.cond(V))
    sums = grown[-1] @ (np.abs(share) * np.linalg.norm(W, axis=1)) / size
    slowest, fastest = rho * (np.abs(share[one]) / size) ** (1 / K), sums ** (1 / K)
    top = float(np.linalg.norm(J, 2))
    return Powers(
        rho,
        height * parts,
        height * size * top**k,
        height * size * condition**2 * rho**k,  # ‖Jʲ‖ ≤ cond(V)ρʲ, once before it and once behind
        EPSILON * (len(J) + 10) * (k + 1) * max(top / rho, 1.0),
        float(max(rho - slowest, fastest - rho)) + ROUNDING * rho,
        float(fastest),
    )


def off(found: xr.Dataset, theory: xr.Dataset) -> xr.DataArray:
    """By how much rounding, of the backward pass and of the state of rest, may move a part."""
    drift = found["off"].cumsum("lag")
    return theory.attrs["sensitivity"] * (theory.attrs["rounding"] + drift)
