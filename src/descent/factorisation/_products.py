"""Products of square matrices W = W_N ⋯ W_1: balanced starts, gradient descent on the factors, the flow of the product.

    L(W) = ½ Σ_{ij observed} (W_ij − M_ij)²,   G = ∇L(W),   W_j ← W_j − η (W_N⋯W_{j+1})ᵀ G (W_{j−1}⋯W_1)ᵀ
    balanced: W_{j+1}ᵀW_{j+1} = W_jW_jᵀ for all j, which the flow conserves; then W = USVᵀ obeys
    Ẇ = −Σ_j (WWᵀ)^{(j−1)/N} G (WᵀW)^{(N−j)/N} = −U(K ∘ UᵀGV)Vᵀ,   K_rs = Σ_j σ_r^{2(j−1)/N} σ_s^{2(N−j)/N}

Source: arXiv 1802.06509, theorem 1 (the product's flow); arXiv 1905.13655, theorem 3.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int, Num
from numba import njit

from descent.maths.compiled import assign

Square = Float[np.ndarray, "d d"]
Factors = Float[np.ndarray, "N d d"]


class Run(NamedTuple):
    """Of gradient descent on the factors."""

    products: Float[np.ndarray, "s d d"]  # at the steps that were asked for
    factors: Factors  # at the end
    steps: int  # made


def completion(rng: np.random.Generator, size: int, rank: int, share: float):
    """A matrix of this rank with Frobenius norm √size, and a mask of the share of its entries that is observed."""
    M = rng.standard_normal((size, rank)) @ rng.standard_normal((size, rank)).T
    M *= np.sqrt(size) / np.linalg.norm(M)
    mask = np.zeros(size * size)
    mask[rng.permutation(size * size)[: round(share * size * size)]] = 1
    return M, mask.reshape(size, size)


def balanced(W: Square, depth: int) -> Factors:
    """Factors W_1, …, W_N of W that are balanced: S^{1/N}Vᵀ, S^{1/N}, …, US^{1/N}."""
    U, sigma, Vt = np.linalg.svd(W)
    factors = np.stack([np.diag(sigma ** (1 / depth))] * depth)
    factors[0] = factors[0] @ Vt
    factors[-1] = U @ factors[-1]
    return factors


def imbalance(factors: Factors) -> float:
    """The largest ‖W_{j+1}ᵀW_{j+1} − W_jW_jᵀ‖; 0 of a single factor."""
    above, below = factors[1:], factors[:-1]
    gap = above.mT @ above - below @ below.mT
    return float(np.linalg.norm(gap, axis=(-2, -1)).max(initial=0))


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True)
def _multiply(A, B, out):
    """out = AB, by BLAS where that is worth its call."""
    if A.shape[0] >= 8:
        np.dot(A, B, out)
        return
    for i in range(A.shape[0]):
        out[i] = 0.0
        for k in range(A.shape[1]):
            a = A[i, k]
            for j in range(B.shape[1]):
                out[i, j] += a * B[k, j]


@no_type_check
@njit(cache=True)
def _descend(factors, mask, target, eta, small, marks, kept):
    N, d = factors.shape[0], factors.shape[1]
    below = np.empty((N, d, d))  # W_j⋯W_1
    behind = np.empty((d, d))  # (W_N⋯W_{j+1})ᵀG
    other = np.empty((d, d))
    slope = np.empty((d, d))
    flipped = np.empty((d, d))
    k = 0
    for t in range(marks[-1] + 1):
        assign(below[0], factors[0])
        for j in range(1, N):
            _multiply(factors[j], below[j - 1], below[j])
        while t == marks[k]:
            assign(kept[k], below[N - 1])
            k += 1
            if k == len(marks):
                return t
        loss = 0.0
        for a in range(d):
            for b in range(d):
                behind[a, b] = mask[a, b] * (below[N - 1, a, b] - target[a, b])
                loss += behind[a, b] ** 2
        if not (small <= loss / 2 < 1e100):
            for rest in range(k, len(marks)):
                assign(kept[rest], below[N - 1])
            return t
        for j in range(N - 1, -1, -1):
            if j > 0:
                for a in range(d):
                    for b in range(d):
                        flipped[a, b] = below[j - 1, b, a]
                _multiply(behind, flipped, slope)
                for a in range(d):
                    for b in range(d):
                        flipped[a, b] = factors[j, b, a]
                _multiply(flipped, behind, other)
                for a in range(d):
                    for b in range(d):
                        factors[j, a, b] -= eta * slope[a, b]
                        behind[a, b] = other[a, b]
            else:
                for a in range(d):
                    for b in range(d):
                        factors[0, a, b] -= eta * behind[a, b]
    return marks[-1]


def descend(
    factors: Factors,
    mask: Square,
    target: Square,
    eta: float,
    marks: Int[np.ndarray, " s"],
    small: float = 0.0,
) -> Run:
    """The products at the steps `marks` of gradient descent, the factors at its end, and the steps made.

    It ends where the loss is below `small`, or has left float64: what comes later is as it was there.
    """
    kept, factors = np.empty((len(marks), *mask.shape)), factors.copy()
    made = _descend(factors, mask, target, eta, small, marks, kept)
    return Run(kept, factors, int(made))


def speeds(sigma: Float[np.ndarray, " d"], depth: int) -> Square:
    """K: how much faster the entries of UᵀGV act on a product than on a matrix."""
    powers = [sigma ** (2 * j / depth) for j in range(depth)]
    return sum(np.outer(p, q) for p, q in zip(powers, powers[::-1], strict=True))


def velocity(W: Square, mask: Square, target: Square, depth: int) -> Square:
    """Ẇ of a balanced product."""
    U, sigma, Vt = np.linalg.svd(W)
    G = mask * (W - target)
    return -U @ (speeds(sigma, depth) * (U.T @ G @ Vt.T)) @ Vt


def singular_values(W: Float[np.ndarray, "*n d d"]) -> Float[np.ndarray, "*n d"]:
    return np.linalg.svd(W, compute_uv=False)


def effective_rank(sigma: Float[np.ndarray, "*n d"]) -> Num[np.ndarray, "*n"]:
    """exp of the entropy of σ/Σσ; of the zero matrix 0."""
    total = sigma.sum(-1, keepdims=True)
    p = sigma / np.where(total > 0, total, 1)
    rank = np.exp(-(p * np.log(np.where(p > 0, p, 1))).sum(-1))
    return np.where(total[..., 0] > 0, rank, 0.0)
