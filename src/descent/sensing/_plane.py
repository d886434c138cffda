"""What is known of every point of a plane of measurements and starts without its run."""

import numpy as np
import xarray as xr

from descent.sensing._curvature import edges
from descent.sensing._phases import guarantee, last_emergence
from descent.sensing._sample import farthest_transition
from descent.sensing._surplus import damped

CONSTANT = 4  # of the guarantee: measured, theory leaves it open
ENOUGH = 4  # m/(dr) from which a small start keeps it: measured too
FEW = 0.5  # of dof: nearer to it one of the fits may be near X* by chance
SHOWN = 4  # points that a reason names

CELL = ("replicate", "oversampling", "alpha")
NAMES = {"replicate": "replicate", "oversampling": "m/(dr)", "alpha": "alpha"}


def emergences(config, given: xr.Dataset) -> xr.DataArray:
    """When the slowest direction of X* emerges, over CELL; λ_i are drawn anew for every m."""
    found = []
    for k in range(given.sizes["oversampling"]):
        lam = given["eigenvalue"].isel(oversampling=k)
        times = last_emergence(lam, config.step / lam.isel(i=0), given["alpha"], config.size)
        found.append(times.clip(0))
    return xr.concat(found, given["oversampling"]).transpose(*CELL)


def unfinished(config, given: xr.Dataset) -> xr.DataArray:
    """The share of X*'s slowest direction that may be left at T, in a sample that slows it the most, over CELL."""
    lam, slowed = given["eigenvalue"], [edges(config.freedom, m)[0] for m in config.measurements]
    slowest = 2 * config.step * lam.isel(i=-1) / lam.isel(i=0)
    slowest = slowest * xr.DataArray(slowed, dims="oversampling")
    return np.exp((config.steps - emergences(config, given)) * np.log1p(-slowest)).transpose(*CELL)


def least(config, given: xr.Dataset) -> xr.DataArray:
    """The error at T that surplus factors leave in a sample at the least, over CELL."""
    until, shares = emergences(config, given), []
    for k, m in enumerate(config.measurements):
        lam = given["eigenvalue"].isel(oversampling=k)
        shares.append(damped(lam, config.step / lam.isel(i=0), until.isel(oversampling=k), m))
    return given["left"] * xr.concat(shares, given["oversampling"]).transpose(*CELL)


def names(where: xr.DataArray) -> list[str]:
    """Where it is true: replicate 0, m/(dr) 4.5, alpha 0.001."""
    said = [NAMES[dim] for dim in where.dims]
    at = [where[dim].values for dim in where.dims]
    return [
        ", ".join(f"{name} {values[k]:g}" for name, values, k in zip(said, at, place, strict=True))
        for place in np.argwhere(where.values)
    ]


def named(reason: str, points: xr.DataArray) -> str:
    """A reason with the points that it is of, as far as one line has room."""
    known = names(points.transpose(*CELL[1:]))
    more = f"; and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"{reason}; not judged: {'; '.join(known[:SHOWN])}{more}"


def regions(config, given: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Where every run has to find X*, and where none can, over (oversampling, alpha)."""
    m, alpha = given["measurements"], given["alpha"]
    small = CONSTANT * guarantee(alpha, config.size)
    off = farthest_transition(config)
    every = (m >= config.count(ENOUGH)) & (small <= config.claim_found)
    every = every | (m > config.threshold + off) & (alpha > 0)
    none = (m < config.threshold - off) & (given["start"].min("replicate") > 1)
    none = none | (m <= FEW * config.freedom) & (alpha > 0)
    return every.transpose(*CELL[1:]), none.transpose(*CELL[1:])
