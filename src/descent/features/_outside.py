"""What a network does where it has seen data, and beyond."""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import experiment_config
from descent.features import _jacobian
from descent.maths.network import Shape, outputs
from descent.result import measured

OUTSIDE = 50  # points of the Jacobian outside


def line_floor(x: np.ndarray, f: np.ndarray) -> float:
    """Mean square that the best line leaves."""
    basis = np.hstack([np.ones_like(x), x])
    return float(np.mean((f - basis @ np.linalg.lstsq(basis, f)[0]) ** 2))


@experiment_config
class Domain:
    low: float  # of x
    high: float
    test_points: Annotated[int, Field(ge=20, le=1_000_000)]

    def require_sides(self) -> None:
        """Refuse a domain beyond [−1, 1], one that leaves hardly anything out, and too few points to see that.

        Raises:
            ValueError: naming the fields.
        """
        ends = f"low {self.low:g}, high {self.high:g}"
        if not -1 <= self.low < self.high <= 1:
            raise ValueError(f"{ends}: must be −1 ≤ low < high ≤ 1")
        if abs(self.far - self.end) < 0.1 - 1e-9:
            raise ValueError(f"{ends}: less than 0.1 has no data")
        if not self.inside.any() or self.outside.sum() < 3:
            raise ValueError(
                f"test_points {self.test_points}: none in [low, high], or fewer than 3 beside it"
            )

    @property
    def far(self) -> float:
        """The end of [−1, 1] up to which there are no data, on the side where that is the longer way."""
        return 1.0 if 1 - self.high >= self.low + 1 else -1.0

    @property
    def end(self) -> float:
        """Of the data, on that side."""
        return self.high if self.far > 0 else self.low

    @property
    def test(self) -> np.ndarray:
        return np.linspace(-1, 1, self.test_points)[:, None]

    @property
    def inside(self) -> np.ndarray:
        return (self.test[:, 0] >= self.low) & (self.test[:, 0] <= self.high)

    @property
    def outside(self) -> np.ndarray:
        x = self.test[:, 0]
        return x > self.end if self.far > 0 else x < self.end


class Places(NamedTuple):
    """Where a network is looked at."""

    x: np.ndarray  # (n, 1)
    truth: np.ndarray  # f(x)
    inside: np.ndarray  # which of x have data
    outside: np.ndarray
    end: float  # of the data
    far: float  # end of the interval without data: 1, or −1


def seen(places: Places, shape: Shape, end: np.ndarray, lost: np.ndarray) -> xr.Dataset:
    """Outputs and errors on both sides of the end of the data, kinks and features beyond it."""
    m = outputs(end, places.x, shape)[..., 0]  # (R, points)
    square = (m - places.truth[:, 0]) ** 2
    beyond = np.linspace(places.end, places.far, OUTSIDE + 1)[1:, None]
    rank = _jacobian.effective_rank(_jacobian.singular_values(end, beyond, shape, OUTSIDE))
    low, high = sorted((places.end, places.far))
    kinks, each = _jacobian.kinks(end, shape, low, high).astype(float), "replicate"
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
