"""Gaussian starts of ReLU networks: their variances, and what these make of outputs and gradients.

    W_l: (n_l, n_{l−1}) ~ N(0, v_l),   b_l = 0,   l = 1 … L
    zero: v = 0;   random: v = sd²;   lecun: 1/n_{l−1};   xavier: 2/(n_{l−1} + n_l);   he: 2/n_{l−1}

    ‖z_L‖² = ‖x‖² Π_{k<L} v_k Q_k · v_L χ²,   χ² with n_L degrees of freedom
    ‖∂(u·z_L)/∂W_l‖² = ‖x‖² ‖u‖² Π_{k≠l} v_k Π_{k<L} Q_k,   Q_k = χ²_B, B ~ Binomial(n_k, ½)      (u fixed)

The units that are on for an image are B fair coins' heads, so E Q_k = n_k/2; of products of ten layers it is
the logarithm whose mean and variance a few networks tell, and these are sums over the layers (`relu`).

Source: CS182 homework 2, question 5; arXiv 1502.01852 (He), 1812.05994 (the logarithm).
"""

from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.special import digamma, polygamma

from descent.initialisation.relu import LogMoments, log_moments
from descent.maths.networks import Shape

Name = Literal["zero", "random", "lecun", "xavier", "he"]
NAMES: tuple[Name, ...] = ("zero", "random", "lecun", "xavier", "he")


def variances(name: Name, widths: tuple[int, ...], sd: float) -> Float[np.ndarray, " L"]:
    """v_1 … v_L; `sd` is that of "random"."""
    fan_in, fan_out = np.array(widths[:-1], float), np.array(widths[1:], float)
    return {
        "zero": 0 * fan_in,
        "random": 0 * fan_in + sd**2,
        "lecun": 1 / fan_in,
        "xavier": 2 / (fan_in + fan_out),
        "he": 2 / fan_in,
    }[name]


def draw(
    rng: np.random.Generator, shape: Shape, v: Float[np.ndarray, "S L"]
) -> Float[np.ndarray, "S P"]:
    """One Gaussian network at every S sets of variances: the same draws, rescaled."""
    theta = np.zeros((len(v), shape.parameters))
    for l, (W, _) in enumerate(shape.layers(theta)):
        W[:] = np.sqrt(v[:, l])[:, None, None] * rng.standard_normal(W.shape[1:])
    return theta


def log_output_square(widths: tuple[int, ...], v: Float[np.ndarray, " L"]) -> LogMoments:
    """Of ln ‖z_L‖²/‖x‖²."""
    hidden, half = _hidden(widths), widths[-1] / 2
    mean = hidden.mean + digamma(half) + np.log(2) + np.log(v).sum()
    return LogMoments(float(mean), float(hidden.variance + polygamma(1, half)))


def log_gradient_squares(
    widths: tuple[int, ...], v: Float[np.ndarray, " L"]
) -> tuple[Float[np.ndarray, " L"], float]:
    """Means of ln ‖∂(u·z_L)/∂W_l‖²/(‖x‖² ‖u‖²) for l = 1 … L, and their common variance."""
    hidden = _hidden(widths)
    return hidden.mean + np.log(v).sum() - np.log(v), hidden.variance


def _hidden(widths: tuple[int, ...]) -> LogMoments:
    """Of Σ ln Q_k over the hidden layers."""
    return LogMoments(*np.sum([log_moments(n) for n in widths[1:-1]], axis=0))
