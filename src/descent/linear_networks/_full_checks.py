"""What a run of a fully connected network is held against, and how far off it may be."""

import numpy as np
import xarray as xr

from descent.linear_networks import _architectures
from descent.linear_networks._paths import on
from descent.linear_networks._rates import certain, change, spread_change
from descent.linear_networks._references import Given
from descent.linear_networks._separated import A_DECADE
from descent.maths.limits import require_cost
from descent.result import Check

ROUNDING = 1e-11  # of a gap, whose margins were added up and certified to less
SEEN = 1e-7  # a share of β below it is rounding of the integrator


def require_affordable(config) -> None:
    """Refuse depths and widths whose Jacobians, or whose calls, are too many."""
    size = _architectures.full(config.features, config.width, config.depths[-1]).size
    runs = len(config.seeds) * len(config.depths)
    work = runs * config.calls * (30.0 * size + size**2 / 10)
    require_cost(config, "features, width, depths, seeds, calls", 20.0 * size**2, work)


def unbalanced(config, depth: int, gamma: float) -> float:
    """(L − 1)‖D‖/σ² a decade before the end: D what differs between layers at the start, σ^L = ‖β‖ = s/γ."""
    size = config.start**2 * 4 * max(config.width, config.features)
    return (depth - 1) * size / (0.1 * config.end / gamma) ** (2 / depth)


def slope_error(config, given: list[Given], found: xr.Dataset) -> xr.DataArray:
    """What moves a slope off −1/L over the last decade: offsets of s, and layers that differ at the start."""
    offset = 4 * (abs(found["height"].isel(s=0, drop=True)) + np.log(config.examples)) / config.end
    apart = [[unbalanced(config, L, 1 / g.best.norm) for L in config.depths] for g in given]
    return offset + xr.DataArray(apart, dims=("seed", "depth"))


def compare(
    config, given: list[Given], found: xr.Dataset, theory: xr.Dataset, close: xr.DataArray
) -> tuple[Check, ...]:
    done, still = found["finished"], found["settled"]
    sure = xr.DataArray([certain(one, config.end) for one in given], dims="seed") & still
    each = ("seed", "depth")
    off = [[change(one, L, config.end) for L in config.depths] for one in given]
    drift = [[spread_change(g, o) for o in row] for g, row in zip(given, off, strict=True)]
    off_slope = slope_error(config, given, found)
    off_slope = off_slope + found["beside"].isel(s=-1 - A_DECADE, drop=True) ** 2
    shown = still & (found["beside"].isel(s=-1) > SEEN) & (off_slope < 0.25 / found["depth"])
    order = "twice the first order in 1/s, and the integrator's error"
    expected = {name.removesuffix("_predicted"): theory[name] for name in theory}
    near = config.near * expected["margin"]
    beside = "s counted from the start, layers not balanced there, the share itself"
    off, drift = xr.DataArray(off, dims=(*each, "example")), xr.DataArray(drift, dims=each)
    end = found["margin"].isel(s=-1, drop=True)
    return (
        *on(close, "margin", end, "==", expected["margin"], near, "what counts as arrived"),
        *on(done, "gap", found["gap"], ">=", theory["gap_bound"], ROUNDING, "rounding"),
        *on(sure, "spread", found["spread"], "==", expected["spread"], drift, order),
        *on(sure, "weight", found["weight"], "==", expected["weight"], off, order),
        *on(shown, "exponent", found["exponent"], "==", expected["exponent"], off_slope, beside),
    )
