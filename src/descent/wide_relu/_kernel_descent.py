"""Gradient descent on outer weights: Σ_j (f(x_j) − y_j)² over f = Φa, with the momentum that is best for it.

    a_{t+1} = a_t − 2ηΦᵀ(Φa_t − y) + β(a_t − a_{t−1}),   a_{−1} = a₀

Every step adds a combination of the rows of Φ, with and without momentum, so that only its speed depends on β.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.maths.nesterov import best_heavy_ball_pair
from descent.wide_relu._data import Points
from descent.wide_relu._initial import Neurons
from descent.wide_relu._network import EPS, features

FLAT = 1e-7  # of the largest singular value; below it the slowest mode takes 10⁷ steps
LOOKS = 16  # steps from one look at the end to the next


class Descended(NamedTuple):
    weights: Float[np.ndarray, "R n"]
    residual: Float[np.ndarray, "R M"]  # Φa − y


def descend(
    Phi: Float[np.ndarray, "M n"],
    y: Float[np.ndarray, " M"],
    start: Float[np.ndarray, "R n"],
    limit: int,
) -> Descended:
    """From R starts at once, until rounding is all that is left of the residuals, or for `limit` steps."""
    S = np.linalg.svd(Phi, compute_uv=False)
    beta, eta, _ = best_heavy_ball_pair(S[0] ** 2, max(S[-1], FLAT * S[0]) ** 2)
    a, before = start.copy(), start.copy()
    high = np.abs(y).max()
    close = EPS * S[0] / max(S[-1], FLAT * S[0])  # momentum adds up so many steps' roundings
    for t in range(limit):
        r = a @ Phi.T - y
        if t % LOOKS == 0:
            size = high + S[0] * np.linalg.norm(a, axis=1)
            if (np.abs(r).max(1) <= close * size).all():
                break
        a, before = a - eta * (r @ Phi) + beta * (a - before), a
    return Descended(a, a @ Phi.T - y)


class Sizes(NamedTuple):
    """What errors are measured in, one number a network: (replicate,)."""

    condition: xr.DataArray  # of Φ
    lever: xr.DataArray  # by how much a residual at the points moves f in between
    length: xr.DataArray  # of the values and of f₀


def sizes(data: Points, x: Float[np.ndarray, " p"], neurons: Neurons, start: np.ndarray) -> Sizes:
    rows = []
    for w, b, a0 in zip(*neurons, start, strict=True):
        Phi, at = features(data.x, w, b), features(x, w, b)
        S = np.linalg.svd(Phi, compute_uv=False)
        lever = np.abs(np.linalg.lstsq(Phi.T, at.T)[0]).sum(0).max()
        large = np.abs(data.y).max() + np.abs(a0 @ at.T).max()
        rows.append((S[0] / max(S[-1], EPS * S[0]), lever, large))
    return Sizes(*(xr.DataArray(one, dims="replicate") for one in np.transpose(rows)))
