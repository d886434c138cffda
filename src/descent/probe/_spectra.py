"""Singular values of weights, and two ranks that do not ask what counts as zero.

    W: (out, in × kernel) for every kind of layer;   σ₁ ≥ σ₂ ≥ …
    effective rank  exp(−Σ p_k ln p_k),  p_k = σ_k/Σσ     stable rank  ‖W‖²/σ₁²

The σ_k are roots of the eigenvalues of the smaller of WWᵀ and WᵀW in float64, exact to about 10⁻⁸ σ₁, the rounding of
a float32 weight.

Source: Roy and Vetterli, The effective rank (2007).
"""

from typing import NamedTuple

import torch
from torch import Tensor

LARGEST = 3e9  # multiplications: about as many as a second of a core


class Spectrum(NamedTuple):
    values: Tensor  # all σ, descending
    effective_rank: float
    stable_rank: float


def is_affordable(weight: Tensor) -> bool:
    """Whether its singular values cost less than a second."""
    rows, columns = len(weight), weight[0].numel()
    return rows * columns * min(rows, columns) <= LARGEST


def spectrum(weight: Tensor) -> Spectrum:
    """Of one weight of two or more dimensions."""
    W = weight.detach().double().flatten(1)
    gram = W @ W.T if len(W) <= W.shape[1] else W.T @ W
    if not torch.isfinite(gram).all():
        nan = float("nan")
        return Spectrum(torch.full((len(gram),), nan), nan, nan)
    squares = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0)
    sigma = squares.sqrt()
    total = float(sigma.sum())
    if not total > 0:
        return Spectrum(sigma, 0.0, 0.0)
    p = sigma[sigma > 0] / total
    rank = float(torch.exp(-(p * p.log()).sum()))
    return Spectrum(sigma, rank, float(squares.sum() / squares[0]))
