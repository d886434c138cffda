"""Gradient descent on a network that is linearised at its start, in parameters, and what its features hold."""

import numpy as np
import xarray as xr

from descent.maths.network import Shape, forward
from descent.maths.tangent import jacobian, kernel
from descent.result import measured, steps

ROUNDING = 2.3e-16
SHOWN = 20  # features
MODES = 4  # of a network without biases


def linearised(J: np.ndarray, r: np.ndarray, rate: float, count: int) -> np.ndarray:
    """r_t = r₀ + J(θ_t − θ₀) for t = 0 … count, in parameters: (count + 1, N)."""
    N = len(r)
    shift, path = np.zeros(J.shape[1]), [r]
    for _ in range(count):
        shift = shift - rate * (2 / N) * (J.T @ path[-1])
        path.append(r + J @ shift)
    return np.array(path)


def linearised_runs(
    theta: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    shape: Shape,
    rates: tuple[float, ...],
    kept: np.ndarray,
) -> xr.Dataset:
    """Runs at several rates, in N/σ₁², seen along the singular vectors at the steps `kept`."""
    passed, N = forward(theta, x, shape), len(x)
    J, r = jacobian(passed), (passed.outputs - y)[:, 0]
    U, sigma, _ = np.linalg.svd(J, full_matrices=False)
    rank = min(MODES, int(np.sum(sigma > max(J.shape) * ROUNDING * sigma[0])))
    inside = U[:, :rank]
    top = np.linalg.eigvalsh(kernel(passed))[::-1][:MODES]
    paths = np.array([linearised(J, r, k * N / sigma[0] ** 2, int(kept[-1])) for k in rates])
    amplitude = np.zeros((len(paths), len(kept), MODES))
    amplitude[..., :rank] = paths[:, kept] @ inside
    left = np.mean((r - inside @ (inside.T @ r)) ** 2)
    return xr.Dataset(
        {
            "eigenvalue": measured("mode", top, "eigenvalue of K"),
            "amplitude": measured(("run", "step", "mode"), amplitude, "u_kᵀr_t"),
            "loss": measured("step", np.mean(paths[0, kept] ** 2, axis=-1), "linearised loss"),
            "left": measured((), left, "mean square of what is orthogonal to U"),
            "rank": measured((), float(rank), "rank of J"),
        },
        coords={
            "step": steps(kept, "step", "step"),
            "run": ("run", np.array(rates), {"long_name": "rate in N/σ₁²"}),
            "mode": ("mode", np.arange(MODES) + 1, {"long_name": "mode"}),
        },
    )


def held_by(theta: np.ndarray, x: np.ndarray, y: np.ndarray, shape: Shape) -> np.ndarray:
    """Share of ‖y‖² in the span of the first 1, 2, … SHOWN features."""
    U = np.linalg.eigh(kernel(forward(theta, x, shape)))[1][:, ::-1][:, :SHOWN]
    return np.cumsum((U.T @ y[:, 0]) ** 2) / np.sum(y**2)
