"""The losses of a network's outputs z against a target, per sample i and as means over the N samples.

    square       Σ_k (z_ik − y_ik)², a sum over the k outputs without a ½ (torch's MSELoss is a mean over both)
    half_square  the same with a ½, so that ∂/∂z_i = z_i − y_i
    softmax      −log p_i[label_i],  log p = log softmax z,  formed without its exponentials: finite as long as z is

The target is y: (N, k) or labels: (N,), shared by the R networks, or with a leading R of its own.
Everything is read off the `fit`, r = z − y or log p, which a pass computes once.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Integer, Shaped

Loss = Literal["square", "half_square", "softmax"]

Outputs = Float[np.ndarray, "*R N k"]
Target = Float[np.ndarray, "*S N k"] | Integer[np.ndarray, "*S N"]


def log_softmax(z: Outputs) -> Outputs:
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def fitted(loss: Loss, z: Outputs, target: Target) -> Outputs:
    """r = z − y, or log p."""
    return log_softmax(z) if loss == "softmax" else z - target


def _places(fit: Outputs, labels: Shaped[np.ndarray, "*S N"]) -> tuple[np.ndarray, np.ndarray]:
    """Where log p[label] lies in the flattened samples: (RN, k)."""
    count = fit.size // fit.shape[-1]
    if labels.size < count:  # shared by the networks
        labels = np.broadcast_to(labels, fit.shape[:-1])
    return np.arange(count), labels.reshape(-1)


def of_samples(loss: Loss, fit: Outputs, target: Target) -> Float[np.ndarray, "*R N"]:
    """The loss of every sample."""
    if loss == "softmax":
        return -fit.reshape(-1, fit.shape[-1])[_places(fit, target)].reshape(fit.shape[:-1])
    squares = np.vecdot(fit, fit)
    return squares if loss == "square" else squares / 2


def mean(loss: Loss, fit: Outputs, target: Target) -> Float[np.ndarray, "*R"] | np.floating:
    """The mean over the samples; added up in float64 for softmax, in the fit's own precision else."""
    if loss == "softmax":
        return of_samples(loss, fit, target).mean(-1, dtype=float)
    total = np.sum(fit * fit, axis=(-2, -1))
    return total / (fit.shape[-2] if loss == "square" else 2 * fit.shape[-2])


def slopes(loss: Loss, fit: Outputs, target: Target, averaged: bool) -> Outputs:
    """∂/∂z_i of the mean over the samples, or else of their sum."""
    N = fit.shape[-2] if averaged else 1
    if loss == "square":
        return fit * (2 / N)
    if loss == "half_square":
        return fit / N
    p = np.exp(fit)
    p.reshape(-1, p.shape[-1])[_places(p, target)] -= 1
    if averaged:
        p /= N
    return p


def curvature_times(
    loss: Loss, fit: Outputs, dz: Float[np.ndarray, "*V N k"]
) -> Float[np.ndarray, "..."]:
    """∂²/∂z_i² of the mean over the samples, times dz."""
    N = fit.shape[-2]
    if loss == "square":
        return dz * (2 / N)
    if loss == "half_square":
        return dz / N
    p = np.exp(fit)
    return p * (dz - np.vecdot(p, dz)[..., None]) / N


def accuracy(z: Outputs, labels: Integer[np.ndarray, "*S N"]) -> Float[np.ndarray, "*R"]:
    """The share of samples whose largest output (or log p) is that of their label."""
    return np.asarray((z.argmax(-1) == labels).mean(-1))
