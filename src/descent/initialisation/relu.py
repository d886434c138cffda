"""Random ReLU networks without biases, and the exact law of the squared norm that a layer passes on.

    h_0 = x,   h_l = max(W_l h_{l−1}, 0) for l < L,   f = W_L h_{L−1};   W_l: (n_l, n_{l−1}),  Var W_l = v_l
    δ_L = u,   δ_l = D_l W_{l+1}ᵀ δ_{l+1},   D_l = diag 1[W_l h_{l−1} > 0],   ∂(u·f)/∂W_l = δ_l h_{l−1}ᵀ

Given h_{l−1} a neuron is on with probability ½, and turning its weights around, w → −w, changes neither
(w·h)² nor (w·t)² for any t. With Gaussian weights ‖h_l‖²/‖h_{l−1}‖² and ‖δ_l‖²/‖δ_{l+1}‖² are both
Q = v χ²_B, B ~ Binomial(n_l, ½), independent from layer to layer.

Source: arXiv 1502.01852 (the mean of Q); arXiv 1812.05994 (gates as good as independent coins).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import digamma, gammaln, polygamma

Weights = list[Float[np.ndarray, "N _ _"]]


def forward(weights: Weights, x: Float[np.ndarray, " n"]) -> list[Float[np.ndarray, "N _"]]:
    """h_0 … h_{L−1} of N networks."""
    h = [np.broadcast_to(x, (len(weights[0]), len(x)))]
    for W in weights[:-1]:
        h.append(np.maximum((W @ h[-1][..., None])[..., 0], 0))
    return h


def backward(
    weights: Weights, h: list[Float[np.ndarray, "N _"]], u: Float[np.ndarray, " c"]
) -> list[Float[np.ndarray, "N _"]]:
    """δ_1 … δ_L."""
    delta = [np.broadcast_to(u, (len(weights[0]), len(u)))]
    for W, active in zip(weights[:0:-1], h[:0:-1], strict=True):
        delta.insert(0, (delta[0][:, None] @ W)[:, 0] * (active > 0))
    return delta


def kurtosis(n: int) -> float:
    """E Q²/(E Q)² of n Gaussian neurons."""
    return 1 + 5 / n


class LogMoments(NamedTuple):
    """Of ln Q for v = 1, given that a neuron is on."""

    mean: float
    variance: float


def log_moments(n: int) -> LogMoments:
    """Sums over the number of neurons that are on: ln χ²_B has mean ψ(B/2) + ln 2 and variance ψ′(B/2)."""
    B = np.arange(1, n + 1)
    p = np.exp(gammaln(n + 1) - gammaln(B + 1) - gammaln(n - B + 1) - n * np.log(2))
    p /= p.sum()
    centre = digamma(B / 2) + np.log(2)
    mean = p @ centre
    return LogMoments(float(mean), float(p @ (polygamma(1, B / 2) + (centre - mean) ** 2)))
