"""The laws of SGD for every step γ of a sweep, on two grids, of which the coarse one tells the error of the fine."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Refusal
from descent.minima._operator import Law, law, reach, stride, width
from descent.minima._wells import Wells

ENTRIES = 1e8  # of the operator: 0.8 GB, and minutes over 10³ steps


class Laws(NamedTuple):
    """Of every γ, on a coarse grid and on one of half its cells."""

    coarse: list[Law]
    fine: list[Law]

    def table(self, name: str) -> np.ndarray:
        """`outside` or `survival` of the fine grid, a probability up to rounding: (γ, k)."""
        return np.clip([getattr(law, name) for law in self.fine], 0.0, 1.0)

    def error(self, name: str) -> np.ndarray:
        """Of that: at h/2 it is less than the change from h to h/2."""
        pairs = zip(self.coarse, self.fine, strict=True)
        return np.array([np.abs(getattr(a, name) - getattr(b, name)) for a, b in pairs])

    @property
    def leaked(self) -> float:
        return max(law.leaked for law in (*self.coarse, *self.fine))


def carry(
    start: float,
    cosines: Float[np.ndarray, " N"],
    sines: Float[np.ndarray, " N"],
    w: Wells,
    gammas: list[float],
    steps: int,
    resolution: int,
) -> Laws:
    """The laws of every γ, on two grids."""
    grids = (resolution // 2, resolution)
    return Laws(*([law(start, cosines, sines, w, g, steps, n) for g in gammas] for n in grids))


def carrying(config) -> float:
    """Operations of `carry` at most: to make a row of the operator for every node, and to take each step by them.

    Args:
        config: with wells, swept steps γ, resolution, terms and steps.
    """
    w, work = config.wells, 0.0
    for gamma in config.swept:
        cell = min(stride(w, gamma), w.right - w.left) / config.resolution
        nodes = 2 * reach(w, gamma) / cell
        row = width(w, gamma, config.resolution) if nodes < ENTRIES else 1
        work += nodes * (15.0 * config.terms + 0.5 * config.steps * row)
    return work


def require_size(w: Wells, gammas: list[float], resolution: int) -> None:
    """Refuse an operator that would fill the memory: the stride is long and the sharp well narrow.

    Raises:
        Refusal: naming the step.
    """
    for gamma in gammas:
        far = reach(w, gamma)
        nodes = far * resolution / min(stride(w, gamma), w.right - w.left)  # may be beyond integers
        row = width(w, gamma, resolution) if nodes < ENTRIES else 1
        if 2 * nodes * row > ENTRIES:
            raise Refusal(
                f"step {gamma:g}: its operator has {2 * nodes:.0f} × {row} > {ENTRIES:g} entries, of "
                "0.8 GB; lower the resolution"
            )
