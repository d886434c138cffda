"""Where the points come from: a smooth, growing oscillation at equally spaced x, or the reader's own x and y."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from descent.config import Count, Number, Positive, experiment_config

LARGEST = 1e70  # of data: fourth powers are summed
COURSE = {
    "points": 7,
    "interval": (-1, 1),
    "frequency": 5,
    "growth": 2,
    "amplitude": 0.1,
    "data": (),
}


@experiment_config
class Points:
    """The data, for experiments with degrees of their own."""

    points: Count  # N
    interval: tuple[Number, Number]
    frequency: Number  # ω
    growth: Number  # c
    amplitude: Positive  # A
    data: tuple[tuple[Number, Number], ...]  # x_i and y_i of your own, or [] for the function's

    def __post_init__(self):
        if not self.interval[0] < self.interval[1]:
            low, high = self.interval
            raise ValueError(f"interval [{low:g}, {high:g}]: the lower end must come first")
        if not 1e-70 <= self.amplitude <= LARGEST:
            raise ValueError(
                f"amplitude {self.amplitude:g}: its fourth power leaves float64, 1e-70 … "
                f"{LARGEST:g}"
            )
        if self.data:
            self._require_own()

    def _require_own(self) -> None:
        """Refuse data of another number than `points`, outside of the interval, or with one x twice."""
        if len(self.data) != self.points:
            raise ValueError(f"points {self.points}: data has {len(self.data)} of them")
        low, high = self.interval
        x = sorted(x for x, _ in self.data)
        if x[0] < low or x[-1] > high:
            raise ValueError(
                f"data: x from {x[0]:g} to {x[-1]:g} must lie in the interval [{low:g}, {high:g}]"
            )
        twice = [a for a, b in pairwise(x) if a == b]
        if twice:
            raise ValueError(f"data: x {twice[0]:g} stands twice, and the points must be distinct")

    @property
    def of_the_course(self) -> bool:
        """Whether what the course document prints is about these very data."""
        return all(getattr(self, name) == value for name, value in COURSE.items())

    @property
    def nothing(self) -> float:
        """Up to where the largest |y| is that of a function which is 0 at every point."""
        return 0.0 if self.data else 1e-12 * self.amplitude

    def taken(self) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
        """x and y."""
        if self.data:
            x, y = np.array(self.data, float).T
            return x.copy(), y.copy()
        x = np.linspace(*self.interval, self.points)
        return x, self.truth(x)

    def truth(self, x: Float[np.ndarray, " s"]) -> Float[np.ndarray, " s"]:
        """The function that fits are compared with, and that the points are taken from without `data`."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.amplitude * np.sin(self.frequency * x) * np.exp(np.abs(self.growth * x))
