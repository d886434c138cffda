"""Where two layers end, and how fast: the least norm, its weights, and the exponents of every part."""

import numpy as np
import xarray as xr
from scipy.linalg import null_space

from descent.linear_networks import _references
from descent.linear_networks._group_norm import Groups, sizes
from descent.linear_networks._references import Given
from descent.linear_networks._two_layers import EACH, Kind
from descent.result import bound, predicted


def references(kind: Kind, given: list[Given], kept_back: xr.DataArray) -> list[list[Given]]:
    """For every run the largest margin of the predictors without the parts that are kept back."""
    found = []
    for one, row in zip(given, kept_back.values, strict=True):
        found.append([_without(kind, one, back) if back.any() else one for back in row])
    return found


def _without(kind: Kind, one: Given, back: np.ndarray) -> Given:
    maps = kind.groups.maps[~back]
    _, sigma, rows = np.linalg.svd(maps.reshape(-1, maps.shape[-1]), full_matrices=False)
    V = rows[sigma > 1e-9 * sigma[0]].T
    best = _references.largest_margin(one.Z @ V, Groups(maps @ V, kind.groups.counts[~back]))
    return one if best is None else one._replace(best=best._replace(beta=V @ best.beta))


def rates(kind: Kind, one: Given) -> np.ndarray:
    """λ_k."""
    return one.best.norm * sizes(kind.groups, one.best.weights @ one.Z)


def slowest(kind: Kind, one: Given) -> float:
    """The exponent with which a run closes in on its limit.

    Parts beside the support fade like s^(λ_k − 1). On it, ε = β/ν − β*/ν* keeps Z_Sε = 0 and turns by
    dε/d log s = −Π Tε: T takes the part of ε_k across β*_k, Π projects on Z_Sε = 0 in the metric of 1/|β̂*_k|.
    """
    parts, maps = sizes(kind.groups, one.best.beta), kind.groups.maps
    on = parts > 1e-9 * one.best.norm
    beside = np.abs(1 - rates(kind, one))[~on].min(initial=1.0)
    Q = kind.groups.counts[on, None, None] * np.einsum("gki,gkj->gij", maps[on], maps[on])
    radial = Q @ one.best.beta
    radial /= np.linalg.norm(radial, axis=1, keepdims=True)
    across, root = Q.sum(0) - radial.T @ radial, np.einsum("g,gij->ij", np.sqrt(parts[on]), Q)
    left = np.eye(len(root)) - Q.sum(0)  # parts beside the support
    free = null_space(np.vstack([one.Z[one.best.support] @ root, left]), rcond=1e-9)
    turning = np.linalg.eigvalsh(free.T @ across @ free)
    return float(min(1.0, beside, turning.min(initial=1.0)))


def predict(kind: Kind, best: list[list[Given]], loss: np.ndarray, times: np.ndarray) -> xr.Dataset:
    """The best norm of every run, its weights, and the exponents; `loss` is −log ℒ at the start."""

    def of(pick) -> np.ndarray:
        return np.array([[pick(one.best) for one in row] for row in best])

    height = loss[..., None] + times
    H = of(lambda b: b.entropy)[..., None]
    floor = H / np.maximum(height + H, H + 1e-300)
    exponents = [[rates(kind, one) - 1 for one in row] for row in best]
    return xr.Dataset(
        {
            "norm_predicted": predicted(EACH, of(lambda b: b.norm), "least ν(β)"),
            "beta_predicted": predicted((*EACH, "feature"), of(lambda b: b.beta), "β*"),
            "weight_predicted": predicted((*EACH, "example"), of(lambda b: b.weights), "p*"),
            "spread_predicted": predicted(EACH, of(lambda b: b.constant), "H(p*) + log max p*"),
            "gap_bound": bound((*EACH, "s"), floor, "H(p*)/(−log ℒ + H(p*))"),
            "exponent_predicted": predicted((*EACH, "part"), exponents, "λ_k − 1"),
        }
    )
