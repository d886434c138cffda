"""What deep diagonal and circular networks are held against."""

import numpy as np
import xarray as xr

from descent.linear_networks._flow import RTOL
from descent.linear_networks._paths import on
from descent.linear_networks._separated import Setting
from descent.result import Check, Erratum

SLOW = 0.5  # exponent at the least, of what a run still moves
WHERE = "slides on implicit biases, linear networks: the ℓ_{2/L} solution"


def arrived(config: Setting, found: xr.Dataset) -> xr.DataArray:
    """Whether a run moves little any more."""
    size = np.sqrt(np.square(found["beta"]).sum("feature"))
    left = np.sqrt(np.square(found["turned"]).sum("feature")) / (10**SLOW - 1)
    return found["settled"] & (left <= config.near * size)


def compare(
    config: Setting, found: xr.Dataset, theory: xr.Dataset, close: xr.DataArray
) -> tuple[Check, ...]:
    at_vertex = vertex(found, close)
    diagonal = found.sel(network="diagonal", drop=True)
    expected = {name.removesuffix("_predicted"): theory[name] for name in theory}
    size = np.abs(diagonal["beta"]).max("feature")
    turned = np.sqrt(np.square(diagonal["turned"]).sum("feature"))
    shifted = np.sqrt(np.square(diagonal["moved"]).sum("example"))
    off = 2 * turned / (10**SLOW - 1) + 100 / config.end * size
    noise = RTOL * config.depth * config.end + 100 / config.end
    off_weight = 2 * shifted / (10**SLOW - 1) + noise * diagonal["weight"]
    # A part of size b has b^q of the sum, so its change counts for q b^(q−1) of that.
    near = 2 * config.near * expected["quasinorm"]
    moved = "what the last decade of s moved, extrapolated"
    angle, zero = found["angle"].isel(s=-1, drop=True), expected["angle"]
    quasi, vertex_quasi = diagonal["quasinorm"], expected["quasinorm"]
    weight, arrival = diagonal["weight"], "what counts as arrived"
    return (
        *on(close, "angle", angle, "==", zero, config.near, arrival),
        *on(at_vertex, "beta", diagonal["beta"], "==", expected["beta"], off, moved),
        *on(at_vertex, "weight", weight, "==", expected["weight"], off_weight + 1e-9, moved),
        *on(at_vertex, "quasinorm", quasi, "==", vertex_quasi, near, arrival),
        *on(at_vertex, "least", quasi, ">=", theory["least_bound"], near, arrival),
    )


def vertex(found: xr.Dataset, close: xr.DataArray) -> xr.DataArray:
    """Diagonal runs at rest with as many examples as coordinates that count; with fewer it is a saddle."""
    enough = (found["active"] >= found["parts"]) & close
    return enough.sel(network="diagonal", drop=True)


def refute(config: Setting, found: xr.Dataset, theory: xr.Dataset, close) -> tuple[Erratum, ...]:
    """The run that ends farthest above the least quasinorm, if one does."""
    at_vertex = vertex(found, close)
    quasi = found["quasinorm"].sel(network="diagonal", drop=True)
    above = (theory["quasinorm_predicted"] / theory["least_bound"]).where(at_vertex)
    if not bool((above > 1 + 5 * config.near).any()):
        return ()
    at = above.argmax(...)
    correct, found_there = theory["quasinorm_predicted"].isel(at), quasi.isel(at)
    least = theory["least_bound"].isel(seed=at["seed"])
    tol = 2 * config.near * float(correct)
    name = "depth_ends_at_the_least_quasinorm"
    return (Erratum(name, WHERE, float(least), float(correct), float(found_there), tol),)
