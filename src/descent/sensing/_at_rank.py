"""Runs with as many factors as the rank, and the Hessian at the U* that they come to."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.sensing import _problem
from descent.sensing._phases import remaining
from descent.sensing._trajectories import Trajectory, from_random_starts

ZERO = 1e-9  # of the largest eigenvalue; one is known to dr·2⁻⁵² of it


class One(NamedTuple):
    """What a replicate brings back."""

    trajectory: Trajectory
    factor: Float[np.ndarray, "d r"]  # U*
    hessian: Float[np.ndarray, "dr dr"]  # at U*
    spectrum: Float[np.ndarray, " dr"]  # its eigenvalues, increasing
    remaining: float  # share of X* that may be left at the end, if the measurements are Gaussian


def measure_one(rng: np.random.Generator, config) -> One:
    """Of the Config of sensing@exact."""
    given, path = from_random_starts(rng, config, config.rank, (config.start,))
    H = _problem.hessian(given)
    eta, m = config.step / given.eigenvalues[0], config.measurements
    spectrum = np.linalg.eigvalsh(H)
    left = remaining(given.factor, path.factors[0, 0], eta, config.steps, m, spectrum)
    return One(path, given.factor, H, spectrum, left)


def flat_or_steep(config, found: xr.Dataset) -> tuple[str, ...]:
    """Why your own measurements leave the claim nothing: X* is not alone, or the step too long for them."""
    most, rotations = int(zero_modes(found).max()), config.rank * (config.rank - 1) // 2
    top = float((found["eta"] * found["spectrum"][:, -1]).max())
    reasons = ()
    if most > rotations:
        reasons += (f"matrices: {most - rotations} directions at X* are not measured",)
    if not top < 2:
        reasons += (f"step {config.step:g}: η times the largest curvature is {top:.3g} ≥ 2",)
    return reasons


def zero_modes(found: xr.Dataset) -> xr.DataArray:
    return (abs(found["spectrum"]) < ZERO * found["spectrum"][:, -1]).sum("mode")
