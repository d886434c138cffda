"""Whether one quantity exceeds another, network by network: a sign test at the lab's level, with three answers.

    share = pairs in which a < b over those in which a ≠ b;   without a difference it is binomial about ½

Above ½ beyond chance: it exceeds. Below ½ beyond chance: it does not, and the check fails. Between: the networks do
not tell, so there is no claim.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.maths.sampling import level, share
from descent.result import Check


class Contrasts(NamedTuple):
    checks: tuple[Check, ...]
    undecided: tuple[str, ...]


def fewest_pairs(points: int) -> int:
    """With fewer, not even all pairs of one sign are beyond chance."""
    return int(np.ceil(np.log2(2 / level(points))))


def require_pairs(replicates: int, points: int) -> None:
    """Refuse what cannot tell a difference from chance.

    Raises:
        ValueError: naming the field and the rule.
    """
    if replicates < fewest_pairs(points):
        raise ValueError(
            f"replicates {replicates} < {fewest_pairs(points)}: "
            "too few to tell a difference from chance"
        )


def exceeding(pairs: Mapping[str, tuple[xr.DataArray, xr.DataArray]]) -> Contrasts:
    """The share of networks in which the first is less than the second, for every pair of quantities."""
    checks, undecided = [], []
    for name, (less, more) in pairs.items():
        below, above = int((less < more).sum()), int((less > more).sum())
        if below + above == 0:
            undecided.append(f"{name}: all {less.size} networks are equal")
            continue
        found = share(below, below + above, 0.5, points=len(pairs))
        checks.append(Check(name, found.value, ">=", 0.5, found.tol, found.why))
        if not found.value > 0.5 + found.tol:
            undecided.append(f"{name}: {below} of {below + above} networks, no more than chance")
    return Contrasts(tuple(checks), tuple(undecided))
