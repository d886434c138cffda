"""The completion of a low-rank matrix: what is drawn, its least nuclear norm, and what the entries say of a run."""

import numpy as np
import xarray as xr

from descent.factorisation import _least_norm, _nearby, _products

GAP = 1e-6  # of the certificate, relative
ITERATIONS = 20_000  # of ADMM at most
OPEN = 1e-6  # a smaller s: rounding, or a matrix that no run can tell


def problem(config):
    """M, the mask of its observed entries, and the product at the start."""
    rng = np.random.default_rng(config.seed)
    M, mask = _products.completion(rng, config.size, config.rank, config.share)
    W = rng.standard_normal(M.shape)
    return M, mask, W * (config.start / np.linalg.norm(W))


def certified(config) -> _least_norm.Least:
    """The least nuclear norm with the same entries."""
    M, mask, _ = problem(config)
    seen = np.flatnonzero(mask.ravel())
    rows = np.eye(M.size)[seen]
    return _least_norm.least(_least_norm.NUCLEAR, rows, M.ravel()[seen], GAP, ITERATIONS)


def nearby(config, found: xr.Dataset) -> dict[int, _nearby.Nearby]:
    """What the entries on Ω say of those runs of several factors that end near rank r; by their depths."""
    M, mask, _ = problem(config)
    at = _nearby.tangent(M, config.rank, mask)
    runs = {int(N): found["W"].sel(depth=N).values for N in config.depths if N > 1}
    seen = {N: _nearby.seen_from(W, M, mask, at) for N, W in runs.items() if abs(W).max() < 1e6}
    return {N: one for N, one in seen.items() if one.first <= at.near}


def clearly(config, near: dict[int, _nearby.Nearby], found: xr.Dataset) -> list[int]:
    """Depths whose entries say that they are nearer to M and of a larger nuclear norm than the least."""
    size, least = np.sqrt(config.size), float(found["least"])
    nearer = float(found["least_error"]) * size
    return [
        N
        for N, one in near.items()
        if one.error + one.error_tol < nearer and one.nuclear - one.nuclear_tol > least
    ]


def presuppose(
    config,
    found: xr.Dataset,
    least: _least_norm.Least,
    near: dict[int, _nearby.Nearby],
    clear: list[int],
) -> tuple[str, ...]:
    """What is not so of this matrix, or of these runs."""
    M, mask, _ = problem(config)
    s = _nearby.tangent(M, config.rank, mask).s
    if s < OPEN:
        return (f"the entries leave M open among the matrices of rank {config.rank}: s = {s:.1g}",)
    if least.gap > GAP:
        return (f"the least nuclear norm is known only up to {least.gap:.1g} of it",)
    if not near:
        left = float(found["residual"].sel(depth=[N for N in config.depths if N > 1]).min())
        rank = float(found["effective_rank"].min())
        return (f"no product came near rank {config.rank}: residual {left:.2g}, rank {rank:.3g}",)
    if not clear:
        error = float(found["least_error"])
        return (f"the least nuclear norm leads to M as well: its error is {error:.2g}",)
    return ()
