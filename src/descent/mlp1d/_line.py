"""How far a network on some points is a straight line, and how long it has had to become the best one.

m = Pm + Qm,   P onto the lines of the N points;   bend = ‖Qm‖²/‖m − mean m‖²
gradient flow on the outputs:  ṙ = −(2/N) K r,   r = m − y,   K the tangent kernel at θ
Pr settles at −K_ll⁻¹ K_lr Qr, with the time constants of (2/N) K_ll, if Qr is slow
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.maths.network import Shape, forward
from descent.maths.tangent import kernel
from descent.maths.training import Run
from descent.mlp1d._problem import line
from descent.result import measured


class Straight(NamedTuple):
    """Of R networks at the end of training."""

    bend: Float[np.ndarray, " R"]
    rest: Float[np.ndarray, " R"]  # mean (Qm)²
    pulled: Float[np.ndarray, " R"]  # mean (K_ll⁻¹ K_lr Qr)²
    settled: Float[np.ndarray, " R"]  # the slowest line's time constants in the second half


def bend(values: Float[np.ndarray, "R N"], features: Float[np.ndarray, "N f"]) -> np.ndarray:
    """Share of ‖m − mean‖² (R,) that no line takes up; 0 of a constant and of what is not finite."""
    values = np.where(np.abs(values) < 1e100, values, 0.0)
    left = values - values @ features @ np.linalg.pinv(features)
    bent = np.sum(left**2, 1)
    spread = np.sum((values - values.mean(1, keepdims=True)) ** 2, 1)
    return np.divide(
        bent, spread, out=np.zeros_like(bent), where=spread > 1e-20 * np.abs(values).max(1) ** 2
    )


def straight(
    out: Run, x: np.ndarray, y: np.ndarray, shape: Shape, rates: np.ndarray, epochs: int
) -> Straight:
    """Of networks that were kept in the second half, too; one that was lost counts as not settled."""
    features, N = line(x), len(x)
    basis = np.linalg.qr(features, mode="complete").Q
    L, Q = basis[:, :2], basis[:, 2:]
    theta = np.where(out.is_lost[:, None], 0.0, out.theta)
    passed = forward(theta, x, shape)
    m = passed.outputs[..., 0]
    slowest = []
    for at in (*out.kept, theta):
        K = kernel(forward(np.where(out.is_lost[:, None], 0.0, at), x, shape))
        slowest.append(np.linalg.eigvalsh(L.T @ K @ L)[:, 0] * 2 / N)
    rate = np.where(out.is_lost, 0.0, np.min(slowest, 0))
    settled = rates * rate * (epochs - epochs // 2)
    left = (m - y[:, 0]) @ Q
    alive = settled > 1  # else K_ll may have no inverse
    pulled = np.zeros(len(m))
    drive = np.einsum("rij,rj->ri", L.T @ K[alive] @ Q, left[alive])
    lag = np.linalg.solve(L.T @ K[alive] @ L, drive[..., None])[..., 0]
    pulled[alive] = np.sum(lag**2, 1) / N
    final = forward(out.theta, x, shape).outputs[..., 0]
    return Straight(bend(final, features), np.sum((m @ Q) ** 2, 1) / N, pulled, settled)


def described(lines: Straight, rates: int) -> dict[str, xr.Variable]:
    """As variables over rates and replicates."""
    long = {
        "bend": "share of the 4·sigmoid network that is not a line",
        "rest": "mean square of the 4·sigmoid network off its line",
        "pulled": "mean square of the line's lag",
        "settled": "time constants of a line in half the run",
    }
    return {
        name: measured(("rate", "replicate"), getattr(lines, name).reshape(rates, -1), text)
        for name, text in long.items()
    }
