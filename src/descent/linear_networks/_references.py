"""The largest margin in a norm ν, with the weights that prove it.

    β* = argmin ν(β)  s.t.  Zβ ≥ 1,      a = argmax Σa_n  s.t.  ν°(Zᵀa) ≤ 1, a ≥ 0,      ν(β*) = Σa_n
    p* = a/Σa:   the largest margin is max_β min_n z_nᵀβ/ν(β) = min_p ν°(Zᵀp) = 1/ν(β*)

ν° is the dual norm. ν = ‖·‖₂ is solved by non-negative least squares, ‖·‖₁ by a linear programme, and the ℓ₁ norm
of the spectrum, a sum of Euclidean norms, by `_group_norm`. Every β and a are compared: `gap` is how far Σa_n, of a
scaled into its constraint, stays below ν(β), of β scaled into its own, so it bounds the error of both.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linprog, nnls

from descent.config import Refusal
from descent.linear_networks import _separated
from descent.linear_networks._architectures import copies, transform
from descent.linear_networks._group_norm import Groups, dual, least_norm, norm

ACTIVE = 1e-9  # a weight below this is none
PROVED = 1e-9  # the largest gap that proves a solution
FREE = 1e-7  # how far above the margin an example is none of the support vectors


class Reference(NamedTuple):
    beta: Float[np.ndarray, " d"]  # β*, with margin 1
    norm: float  # ν(β*)
    weights: Float[np.ndarray, " n"]  # p*
    gap: float  # relative, between ν(β*) and Σa
    unique: bool  # whether p* is the only one, and positive wherever the margin is 1

    @property
    def support(self) -> Bool[np.ndarray, " n"]:
        return self.weights > ACTIVE

    @property
    def entropy(self) -> float:
        """H(p*)."""
        p = self.weights[self.support]
        return float(-(p * np.log(p)).sum())

    @property
    def constant(self) -> float:
        """c = H(p*) + log max p*: the sum of weighted margins minus the least, in the long run."""
        return self.entropy + float(np.log(self.weights.max()))

    def next_margin(self, Z: Float[np.ndarray, "n d"]) -> float:
        """The least margin of those that are not support vectors; infinite if all are."""
        return float((Z @ self.beta)[~self.support].min(initial=np.inf))


class Given(NamedTuple):
    seed: int
    Z: Float[np.ndarray, "n d"]
    best: Reference


def draw(config: _separated.Setting, groups: Groups) -> list[Given]:
    """Every data set with its largest margin.

    Raises:
        Refusal: no solver proves one to 1e-9.
    """
    given = []
    for seed in config.seeds:
        Z = _separated.separated(config, seed)
        best = largest_margin(Z, groups)
        if best is None or not best.gap <= PROVED:
            raise Refusal(f"seeds {seed}: the largest margin of these examples could not be proved")
        given.append(Given(seed, Z, best))
    return given


def euclidean(d: int) -> Groups:
    return Groups(np.eye(d)[None], np.ones(1))


def absolute(d: int) -> Groups:
    return Groups(np.eye(d)[:, None], np.ones(d))


def spectral(d: int) -> Groups:
    """Σ_k |Fβ|_k, a frequency and its conjugate together."""
    F = transform(d)
    return Groups(np.stack([F.real, F.imag], 1), copies(d))


def largest_margin(Z: Float[np.ndarray, "n d"], groups: Groups) -> Reference | None:
    """The reference of this norm; None if the solver fails."""
    unit = np.linalg.norm(Z, axis=1).max()
    A = Z / unit
    if len(groups.maps) == 1:
        found = _euclidean(A)
    elif groups.maps.shape[1] == 1:
        found = _absolute(A)
    else:
        start = _euclidean(A)
        found = None if start is None else least_norm(A, groups, start[0])
    return None if found is None else certified(Z, groups, found[0] / unit, found[1] / unit)


def shortest(Z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
    """The β of the largest ℓ₂ margin."""
    best = largest_margin(Z, euclidean(Z.shape[1]))
    return np.full(Z.shape[1], np.nan) if best is None else best.beta


def certified(Z, groups: Groups, beta, a) -> Reference | None:
    """β and a scaled into their constraints, and the gap between them."""
    least, most = (Z @ beta).min(), dual(groups, Z.T @ a)
    if not (least > 0 and most > 0 and np.isfinite(least) and np.isfinite(most)):
        return None
    beta, a = beta / least, np.maximum(a, 0) / most
    value = norm(groups, beta)
    p = a / a.sum()
    tight = Z @ beta < 1 + FREE
    seen = groups.maps[_seen(groups, beta)].reshape(-1, Z.shape[1])
    rank = np.linalg.matrix_rank(Z[tight] @ np.linalg.pinv(seen) @ seen)
    unique = bool(rank == tight.sum() == (p > ACTIVE).sum())
    return Reference(beta, float(value), p, float(1 - a.sum() / value), unique)


def _seen(groups: Groups, beta) -> Bool[np.ndarray, " G"]:
    """The groups in which β is not 0."""
    sizes = np.linalg.norm(groups.maps @ beta, axis=-1)
    return sizes > 1e-9 * sizes.max()


def _euclidean(Z):
    """The nearest point of the polyhedron, by the residual of non-negative least squares."""
    rows = np.vstack([Z.T, np.ones(len(Z))])
    target = np.append(np.zeros(Z.shape[1]), 1.0)
    try:
        u, _ = nnls(rows, target, maxiter=100 * len(Z) + 1000)
    except RuntimeError:
        return None
    residual = rows @ u - target
    if not residual[-1] < 0:
        return None
    a, beta = -u / residual[-1], -residual[:-1] / residual[-1]
    return beta, a / np.linalg.norm(Z.T @ a)


def _absolute(Z):
    n, d = Z.shape
    found = linprog(
        np.ones(2 * d), A_ub=-np.hstack([Z, -Z]), b_ub=-np.ones(n), bounds=(0, None), method="highs"
    )
    if not found.success:
        return None
    return found.x[:d] - found.x[d:], -found.ineqlin.marginals
