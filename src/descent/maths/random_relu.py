"""Random ReLU networks without biases: exact laws of what a layer does to the length of a signal.

    h_0 = x,   h_l = max(W_l h_{l−1}, 0) for l < L,   f = W_L h_{L−1};   W_l: (n_l, n_{l−1}),  Var W_l = v_l
    δ_L = u,   δ_l = D_l W_{l+1}ᵀ δ_{l+1},   D_l = diag 1[W_l h_{l−1} > 0],   ∂(u·f)/∂W_l = δ_l h_{l−1}ᵀ

Given h_{l−1} a neuron is on with probability ½, and turning its weights around, w → −w, changes neither
(w·h)² nor (w·t)² for any t. With Gaussian weights ‖h_l‖²/‖h_{l−1}‖² and ‖δ_l‖²/‖δ_{l+1}‖² are both v Q,
Q = χ²_B, B ~ Binomial(n_l, ½), independent from layer to layer. So for a u that does not depend on the weights

    ‖f‖² = ‖x‖² ∏_{k<L} v_k Q_k · v_L χ²,   χ² with n_L degrees of freedom
    ‖∂(u·f)/∂W_l‖² = ‖x‖² ‖u‖² ∏_{k≠l} v_k ∏_{k<L} Q_k

and the logarithms are sums over the layers, whose moments add up.

Source: arXiv 1502.01852 (the mean of Q); arXiv 1812.05994 (gates as good as independent coins, the logarithm).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import digamma, gammaln, polygamma


def kurtosis(n: int) -> float:
    """E Q²/(E Q)² of n Gaussian neurons."""
    return 1 + 5 / n


class LogMoments(NamedTuple):
    """Cumulants of a logarithm."""

    mean: float
    variance: float
    fourth: float


def log_moments(n: int) -> LogMoments:
    """Of ln Q given that a neuron is on: sums over the number B of neurons that are.

    ln χ²_B has the cumulants ψ(B/2) + ln 2, ψ′(B/2), ψ″(B/2), ψ‴(B/2).
    """
    B = np.arange(1, n + 1)
    p = np.exp(gammaln(n + 1) - gammaln(B + 1) - gammaln(n - B + 1) - n * np.log(2))
    p /= p.sum()
    centre = digamma(B / 2) + np.log(2)
    mean = p @ centre
    d, k2, k3, k4 = centre - mean, *(polygamma(k, B / 2) for k in (1, 2, 3))
    second = p @ (k2 + d**2)
    fourth = p @ (k4 + 3 * k2**2 + 4 * k3 * d + 6 * k2 * d**2 + d**4)
    return LogMoments(float(mean), float(second), float(fourth - 3 * second**2))


def second_moments(
    widths: tuple[int, ...], variances: Float[np.ndarray, " L"]
) -> Float[np.ndarray, " L"]:
    """E ‖∂(u·f)/∂W_l‖²/(‖x‖² ‖u‖²) for l = 1 … L; variances are v_1 … v_L, of any symmetric law."""
    n = np.array(widths)
    before = n[1:-1] * variances[:-1] / 2  # n_k v_k/2 for k < L
    behind = n[1:-1] * variances[1:] / 2  # n_{k−1} v_k/2 for k > 1
    return np.append(1.0, np.cumprod(before)) * np.append(np.cumprod(behind[::-1])[::-1], 1.0)


def log_output_square(widths: tuple[int, ...], v: Float[np.ndarray, " L"]) -> LogMoments:
    """Of ln ‖f‖²/‖x‖²."""
    hidden, half = hidden_layers(widths), widths[-1] / 2
    return LogMoments(
        float(hidden.mean + digamma(half) + np.log(2) + np.log(v).sum()),
        float(hidden.variance + polygamma(1, half)),
        float(hidden.fourth + polygamma(3, half)),
    )


def log_gradient_squares(
    widths: tuple[int, ...], v: Float[np.ndarray, " L"]
) -> Float[np.ndarray, " L"]:
    """Means of ln ‖∂(u·f)/∂W_l‖²/(‖x‖² ‖u‖²), l = 1 … L; their variance is that of `hidden_layers`."""
    return hidden_layers(widths).mean + np.log(v).sum() - np.log(v)


def hidden_layers(widths: tuple[int, ...]) -> LogMoments:
    """Of Σ ln Q_k over the hidden layers."""
    return LogMoments(*np.sum([log_moments(n) for n in widths[1:-1]], axis=0).tolist())
