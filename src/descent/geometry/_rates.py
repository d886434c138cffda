"""Steps of mirror descent that come to a solution, and how fast a run contracts at its end: the slowest direction."""

from typing import NamedTuple

import numpy as np

from descent.geometry._data import EPS
from descent.geometry._loops import NONE, Run, mirror
from descent.geometry._potentials import Potential, power_guess

TRIES, FEWER = 6, 5  # constant steps for p > 3, each a fifth of the one before
SMALL = 1e-7  # residual in the slowest direction, where ℓ' is linear to as much


class Contraction(NamedTuple):
    rate: float  # by which the residual in the slowest direction shrinks in a step
    eta: float  # the step, `step`/λ₁(XH⁻¹Xᵀ) at the end of the run
    blur: float  # of the rate: what is not linear, and rounding of the residual


def contraction(
    potential: Potential, X, y, dual: np.ndarray, step: float, loss: str = "square"
) -> Contraction:
    """One step of η = step/λ₁ from z + Xᵀν, XH⁻¹Xᵀν = the slowest direction, beside one from z itself.

    The perturbed weights leave z's by relative amounts that must stay small too, so that H does not change.
    """
    A = potential.factor(X, dual)
    U, sigma, _ = np.linalg.svd(A.T, full_matrices=False)
    slow, eta = U[:, -1], step / float(sigma[0]) ** 2
    shift = X.T @ slow / sigma[-1] ** 2
    moved = np.abs(shift).max()  # of z, a unit of residual
    w = potential.weights(dual)
    curved = potential.name not in ("euclidean", "quadratic")
    size = min(SMALL, SMALL / moved) if curved else SMALL
    if potential.name == "power":  # z itself is the scale of z
        size = min(SMALL, SMALL * float((np.abs(dual) / np.abs(shift)).min()))
    inverse = NONE if potential.K is None else np.linalg.inv(potential.K)
    one, ends = np.array([0, 1]), []
    for z in (dual, dual + size * shift):
        run = mirror(X, y, z, one, loss, potential.name, potential.parameter, inverse, eta, False)
        before = X @ potential.weights(z) - y
        ends.append((slow @ before, slow @ run.residual))
    (still, rested), (before, after) = ends
    rounding = 16 * EPS * float((np.abs(X) @ np.abs(w) + np.abs(y)).max()) / size
    return Contraction(float((after - rested) / (before - still)), eta, 8 * SMALL + rounding)


def settled(X, y, z0, kept, loss: str, named, close: float) -> Run:
    """By the searched step; for p > 3 by the largest constant one of a few that comes to a solution.

    There a weight that crosses 0 has no curvature, and a search stops before it; a step η < 2/λ₁(XH⁻¹Xᵀ) passes.
    """
    if named[0] != "power" or named[1] <= 3:
        return mirror(X, y, z0, kept, loss, *named, close=close)
    eta = float(np.linalg.norm(power_guess(Potential(*named[:2]), X, y)) / np.linalg.norm(y))
    for _ in range(TRIES):
        eta /= FEWER
        with np.errstate(all="ignore"):
            found = mirror(X, y, z0, kept, loss, *named, eta, False, close)
        if np.abs(found.residual).max() <= close:
            break
    return found
