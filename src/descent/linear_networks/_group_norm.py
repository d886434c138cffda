"""The least Σ_g c_g‖A_gβ‖ with Zβ ≥ 1: a barrier method finds what is active, Newton's method the last digits.

    barrier, τ → ∞:   τ Σ c_g t_g − Σ log(t_g² − ‖A_gβ‖²) − Σ log(z_nᵀβ − 1),   its multipliers a_n = 1/(τ(z_nᵀβ − 1))
    on the groups with A_gβ ≠ 0, v their span, and the examples S with z_nᵀβ = 1, what is left is smooth:
        Σ c_g A_gᵀA_gβ/‖A_gβ‖ = Z_Sᵀa  within v,      Z_Sβ = 1

The result is proved by the duality gap, which is computed elsewhere from β and a alone.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

CLOSE = 1e-6  # relative gap at which the barrier hands over
SMALL = (
    1e-4,
    1e-6,
    1e-2,
)  # of the largest: a group, or a multiplier, on its way to 0; tried in turn
ROUNDS, STEPS = 40, 60  # caps


class Groups(NamedTuple):
    """ν(β) = Σ_g counts_g ‖maps_g β‖, where Σ_g counts_g maps_gᵀmaps_g = 1."""

    maps: Float[np.ndarray, "G k d"]
    counts: Float[np.ndarray, " G"]


def sizes(groups: Groups, beta: np.ndarray) -> np.ndarray:
    """‖A_gβ‖ for every g. β: (*batch, d)."""
    return np.linalg.norm(np.einsum("gkd,...d->...gk", groups.maps, beta), axis=-1)


def norm(groups: Groups, beta: np.ndarray):
    return sizes(groups, beta) @ groups.counts


def dual(groups: Groups, c: np.ndarray):
    """ν°(c) = max_g ‖A_gc‖."""
    return sizes(groups, c).max(-1)


class _Point(NamedTuple):
    beta: np.ndarray
    t: np.ndarray

    def slack(self, Z, groups: Groups):
        """t_g² − ‖A_gβ‖² and z_nᵀβ − 1."""
        u = sizes(groups, self.beta)
        return (self.t - u) * (self.t + u), Z @ self.beta - 1

    def value(self, Z, groups: Groups, tau: float) -> float:
        q, r = self.slack(Z, groups)
        if min(q.min(), r.min(), self.t.min()) <= 0:
            return np.inf
        return float(tau * groups.counts @ self.t - np.log(q).sum() - np.log(r).sum())


def least_norm(Z, groups: Groups, beta: np.ndarray):
    """β and a; None if the barrier fails. The given β classifies every example."""
    beta = 2 * beta / (Z @ beta).min()
    u = sizes(groups, beta)
    at = _Point(beta, 1.5 * u + 0.1 * u.max())
    barriers = 2 * len(u) + len(Z)
    tau = barriers / (groups.counts @ at.t)
    for _ in range(ROUNDS):
        centred = _centre(Z, groups, at, tau)
        if centred is None:
            return None
        at = centred
        if barriers / tau < CLOSE * (groups.counts @ at.t):
            break
        tau *= 10
    a = 1 / (tau * at.slack(Z, groups)[1])
    for small in SMALL:
        polished = _polish(Z, groups, at.beta, a, small)
        if polished is not None:
            return polished
    return at.beta, a


def _centre(Z, groups: Groups, at: _Point, tau: float) -> _Point | None:
    """Newton's method on the barrier at this τ; t is eliminated."""
    outer = np.einsum("gki,gkj->gij", groups.maps, groups.maps)
    for _ in range(STEPS):
        q, r = at.slack(Z, groups)
        Au = outer @ at.beta
        by_beta = 2 * (Au / q[:, None]).sum(0) - Z.T @ (1 / r)
        by_t = tau * groups.counts - 2 * at.t / q
        H = (2 * outer / q[:, None, None]).sum(0) + 4 * (Au.T / q**2) @ Au + (Z.T / r**2) @ Z
        cross, own = -4 * (Au * (at.t / q**2)[:, None]).T, 2 / q + 4 * sizes_squared(at, q) / q**2
        try:
            step = np.linalg.solve(H - (cross / own) @ cross.T, (cross / own) @ by_t - by_beta)
        except np.linalg.LinAlgError:
            return None
        move = _Point(step, (-by_t - cross.T @ step) / own)
        decrease = -float(by_beta @ move.beta + by_t @ move.t)
        if not np.isfinite(decrease):
            return None
        if decrease < 1e-9:
            break
        value, length = at.value(Z, groups, tau), 1.0
        ahead = _Point(at.beta + move.beta, at.t + move.t)
        while ahead.value(Z, groups, tau) > value - 0.1 * length * decrease and length > 1e-10:
            length /= 2
            ahead = _Point(at.beta + length * move.beta, at.t + length * move.t)
        if length <= 1e-10:
            break
        at = ahead
    return at


def sizes_squared(at: _Point, q: np.ndarray) -> np.ndarray:
    """‖A_gβ‖² = t² − q."""
    return at.t**2 - q


def _polish(Z, groups: Groups, beta, a, small: float):
    """Newton's method on what is active; None where it does not converge."""
    u = sizes(groups, beta)
    on, S = u > small * u.max(), a > small * a.max()
    maps, counts = groups.maps[on], groups.counts[on]
    _, sigma, rows = np.linalg.svd(maps.reshape(-1, Z.shape[1]), full_matrices=False)
    V = rows[sigma > 1e-9 * sigma[0]].T
    A, Zs = maps @ V, Z[S] @ V
    x, mult = V.T @ beta, a[S]
    for _ in range(STEPS):
        Ax = np.einsum("gki,i->gk", A, x)
        size = np.linalg.norm(Ax, axis=1)
        if not size.min() > 0:
            return None
        pull = np.einsum("gki,gk->gi", A, Ax / size[:, None])
        curve = np.einsum("gki,gkj,g->ij", A, A, counts / size) - (pull.T * counts / size) @ pull
        residual = np.concatenate([counts @ pull - Zs.T @ mult, 1 - Zs @ x])
        system = np.block([[curve, -Zs.T], [-Zs, np.zeros((len(Zs), len(Zs)))]])
        step = np.linalg.lstsq(system, -residual)[0]
        x, mult = x + step[: len(x)], mult + step[len(x) :]
        if np.linalg.norm(step) < 1e-13 * (np.linalg.norm(x) + np.linalg.norm(mult)):
            break
    beta, full_a = V @ x, np.zeros(len(Z))
    full_a[S] = mult
    fine = np.isfinite(beta).all() and mult.min() >= 0 and (Z @ beta).min() > 1 - 1e-9
    fine = fine and dual(groups, Z.T @ full_a) < 1 + 1e-9
    return (beta, full_a) if fine else None
