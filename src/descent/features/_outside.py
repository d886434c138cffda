"""What a network does where it has seen data, and beyond."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.features import _jacobian
from descent.maths.network import Shape, outputs
from descent.result import measured

OUTSIDE = 50  # points of the Jacobian outside


def line_floor(x: np.ndarray, f: np.ndarray) -> float:
    """Mean square that the best line leaves."""
    basis = np.hstack([np.ones_like(x), x])
    return float(np.mean((f - basis @ np.linalg.lstsq(basis, f)[0]) ** 2))


class Places(NamedTuple):
    """Where a network is looked at."""

    x: np.ndarray  # (n, 1)
    truth: np.ndarray  # f(x)
    inside: np.ndarray  # which of x have data
    outside: np.ndarray
    high: float  # end of the data


def seen(places: Places, shape: Shape, end: np.ndarray, lost: np.ndarray) -> xr.Dataset:
    """Outputs and errors on both sides of the end of the data, kinks and features beyond it."""
    m = outputs(end, places.x, shape)[..., 0]  # (R, points)
    square = (m - places.truth[:, 0]) ** 2
    beyond = np.linspace(places.high, 1, OUTSIDE + 1)[1:, None]
    rank = _jacobian.effective_rank(_jacobian.singular_values(end, beyond, shape, OUTSIDE))
    kinks, each = _jacobian.kinks(end, shape, places.high, 1.0).astype(float), "replicate"
    return xr.Dataset(
        {
            "output": measured((each, "x"), m, "m(x)"),
            "error_inside": measured(each, square[:, places.inside].mean(1), "error inside"),
            "error_outside": measured(each, square[:, places.outside].mean(1), "error outside"),
            "kinks": measured(each, kinks, "kinks outside"),
            "rank": measured(each, rank, "effective rank outside"),
            "lost": measured(each, lost.astype(float), "the loss was lost"),
        }
    )
