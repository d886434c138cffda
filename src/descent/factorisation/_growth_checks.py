"""What the singular values of a product are compared with, and whether the steps were small, for singular_growth."""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.factorisation import _halved
from descent.factorisation._halved import NEAR
from descent.result import Check

ACCURATE = 1e-8  # of the largest singular value: the flow's integration, rounding of the steps
CLOSE = 10  # times what the step moves: two singular values that are nearer turn into each other


def across(W: Float[np.ndarray, "t d d"], change: Float[np.ndarray, "t d d"]):
    """|u_rᵀ ΔW v_{r+1}| + |u_{r+1}ᵀ ΔW v_r| over (t, r), 0 for the last r."""
    U, _, Vt = np.linalg.svd(W)
    turned = np.abs(U.mT @ change @ Vt.mT)
    found = np.zeros(W.shape[:2])
    found[:, :-1] = np.diagonal(turned, 1, 1, 2) + np.diagonal(turned, -1, 1, 2)
    return found


def apart(config, found: xr.Dataset) -> xr.DataArray:
    """Where a singular value is so far from those beside it that the step changes it smoothly.

    Two that meet repel each other and their vectors turn into each other: σ_r has a bend there, in t and in η, as short
    as the two are near. They are compared where a step, and its halving, move them by far less.
    """
    sigma, speed = found["sigma"], abs(found["speed"]).sel(halving=1, drop=True)
    moved = _halved.limit(sigma).change + config.eta * speed
    finest = sigma.isel(halving=-1, drop=True)
    gap = finest - finest.shift(r=-1)  # NaN below the last, near which is none
    below = gap <= CLOSE * (moved + moved.shift(r=-1) + found["across"])
    return ~(below | below.shift(r=1, fill_value=False))


def order(deviation: xr.DataArray) -> xr.DataArray:
    """By which power of the step a deviation over `halving` shrinks."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = deviation.sel(halving=1, drop=True) / deviation.sel(halving=4, drop=True)
        return np.log2(ratio) / 2


def presuppose(config, found: xr.Dataset) -> tuple[str, ...]:
    """What is not so of these runs: that the steps are small, and that something moved."""
    sigma = found["sigma"]
    if not bool(np.isfinite(sigma).all()) or float(sigma.max()) > 1e6:
        return (f"eta {config.eta:g}: a run of gradient descent diverged",)
    clear = apart(config, found)
    if not bool(clear.any(("t", "r")).all()):
        return ("singular values are never further from each other than the step moves them",)
    top, (_, rest, change) = float(sigma.max()), _halved.limit(sigma.where(clear))
    share = rest.max(("t", "r")) / (change.max(("t", "r")) + ACCURATE * top)
    if float(share.max()) > NEAR:
        far = f"halving the step changes the extrapolated values by {float(share.max()):.2g}"
        return (f"eta {config.eta:g} is too large: {far} of what it changes the values",)
    if float(change.max(("t", "r")).min()) < 100 * ACCURATE * top:
        return ("the step makes no difference that is above rounding: all runs are short",)
    return ()


def compare(config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    top, clear = found["sigma"].max(("halving", "t", "r")), apart(config, found)
    near, rest, change = _halved.limit(found["sigma"].where(clear))
    tol = rest.max("t") + ACCURATE * top
    order2 = "what is left of order η², three times over, and the flow's integration"
    speed, expected = found["speed"].where(clear), theory["speed_predicted"].where(clear)
    law, off = _halved.limit(expected).value, _halved.limit(speed - expected)
    slack = off.rest.max("t") + ACCURATE * top
    deviation = abs(found["sigma"] - theory["sigma_predicted"]).where(clear).max(("t", "r"))
    share = rest.max(("t", "r")) / change.max(("t", "r"))
    two = "c₂η²/c₁η from the remainder of the extrapolation"
    return (
        Check("sigma", near, "==", theory["sigma_predicted"], tol, order2, clear),
        Check("speed", off.value + law, "==", law, slack, order2, clear),
        Check("order", order(deviation), "==", 1, 1.5 * share + 0.01, two),
    )
