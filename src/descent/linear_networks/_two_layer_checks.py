"""What a run of two layers is held against, and how far off it may be."""

import numpy as np
import xarray as xr

from descent.linear_networks._flow import RTOL
from descent.linear_networks._group_norm import sizes
from descent.linear_networks._paths import SILENT, on
from descent.linear_networks._rates import certain
from descent.linear_networks._references import Given
from descent.linear_networks._separated import A_DECADE, Setting
from descent.linear_networks._two_layer_limits import slowest
from descent.linear_networks._two_layers import EACH, SLOWEST, Kind, held
from descent.result import Check

ROUNDING = 1e-11  # of a gap, whose margins were added up and certified to less
TOLD = 0.2  # an exponent that is known worse is not compared
LARGE = 1e-9  # a share below it is the integrator's error


def arrived(config: Setting, found: xr.Dataset) -> xr.DataArray:
    """Whether a run is at rest, and its norm has little left to fall even at the slowest exponent.

    Of a run that a saddle holds, but for what the part kept back takes from its norm.
    """
    now, before = (found["norm"].isel(s=k, drop=True) for k in (-1, -1 - A_DECADE))
    left = (abs(before - now) / now - 2 * kept_back(found)) / (10**SLOWEST - 1)
    return found["settled"] & (left <= config.near / 2)


def kept_back(found: xr.Dataset) -> xr.DataArray:
    """What the parts that a saddle keeps back have taken from the norm: Σ |β̂_k|/ν (λ_k − 1)."""
    share = found["share"].isel(s=-1, drop=True)
    return (share * abs(found["rate"] - 1)).where(held(found), 0).sum("part")


def compare(
    config: Setting,
    kind: Kind,
    best: list[list[Given]],
    found: xr.Dataset,
    theory: xr.Dataset,
    close: xr.DataArray,
) -> tuple[Check, ...]:
    expected = {name.removesuffix("_predicted"): theory[name] for name in theory}
    back = held(found)
    exponent = xr.DataArray([[slowest(kind, one) for one in row] for row in best], dims=EACH)
    sure = [[certain(one, config.end) for one in row] for row in best]
    sure = xr.DataArray(sure, dims=EACH) & close & (exponent >= SLOWEST)
    share = found["share"].isel(s=-1, drop=True)
    near = (config.near + 2 * kept_back(found)) * found["norm"].isel(s=-1, drop=True)
    off = weight_error(config, found, exponent)
    off_beta = extrapolated(_length(found["turned"], "feature"), exponent)
    off_beta = off_beta + 10 / config.end * abs(found["beta"]).max("feature")
    bends = exponent_error(config, kind, best, found, off)
    told = sure & (found["along"] > 0.99) & (share > LARGE) & (bends < TOLD)
    norm = found["norm"].isel(s=-1, drop=True)
    moved = "what the last decade of s moved, extrapolated"
    free = close & ~back.any("part")
    spread_off = spread_error(found, off)
    slope, slope_expected = found["exponent"], expected["exponent"]
    return (
        *on(close, "norm", norm, "==", expected["norm"], near, "what counts as arrived"),
        *on(free & sure, "beta", found["beta"], "==", expected["beta"], off_beta, moved),
        *on(free, "gap", found["gap"], ">=", theory["gap_bound"], ROUNDING, "rounding"),
        *on(sure, "spread", found["spread"], "==", expected["spread"], spread_off, moved),
        *on(sure, "weight", found["weight"], "==", expected["weight"], off, moved),
        *on(told, "exponent", slope, "==", slope_expected, bends, moved + ", and δ_k"),
    )


def weight_error(config: Setting, found: xr.Dataset, exponent: xr.DataArray) -> xr.DataArray:
    """Of p: what is left to move, and the integrator's error of an exponent."""
    noise = RTOL * 2 * config.end * found["weight"]
    return extrapolated(_length(found["moved"], "example"), exponent) + noise + 10 / config.end**2


def _length(moved: xr.DataArray, dim: str) -> xr.DataArray:
    """Of the whole vector: one entry may stand still where two modes cancel."""
    return np.sqrt(np.square(moved).sum(dim))


def extrapolated(moved: xr.DataArray, exponent: xr.DataArray) -> xr.DataArray:
    """Twice what a power law s^(−e) that moved by so much in a decade has left, 1/(10^e − 1) of that."""
    return 2 * moved / (10**exponent - 1)


def spread_error(found: xr.Dataset, off: xr.DataArray) -> xr.DataArray:
    """What that makes of H(p) + log max p."""
    p = found["weight"].where(found["weight"] > SILENT, 1.0)
    top = found["weight"].max("example")
    at_top = off.where(found["weight"] == top, 0).max("example") / top
    return (off * (1 + abs(np.log(p)))).sum("example") + at_top


def exponent_error(
    config: Setting, kind: Kind, best: list[list[Given]], found: xr.Dataset, off: xr.DataArray
) -> xr.DataArray:
    """Of λ_k where p is off by so much, of a norm that still falls, and of a part not large against δ_k."""
    long = [[sizes(kind.groups, one.Z) for one in row] for row in best]  # |A_k z_n|
    long = xr.DataArray(long, dims=(*EACH, "example", "part"))
    norm = found["norm"]
    of_weights = (2 * (off + found["moved"]) * long).sum("example") * norm.isel(s=-1, drop=True)
    ratio = norm.isel(s=-1 - A_DECADE, drop=True) / norm.isel(s=-1, drop=True)
    falls = abs(np.log10(np.maximum(ratio, 1e-300)))  # not positive while an example is misjudged
    offset = 4 * (abs(found["height"].isel(s=0, drop=True)) + np.log(config.examples)) / config.end
    # λ√(1 + (δ_k/2β̂_k)²) − λ, a decade before the end
    bent = found["bent"] * 100.0 ** found["rate"]
    return of_weights + falls + offset + found["rate"] * bent / 2
