"""Gradient descent at the steps η, η/2 and η/4, extrapolated to the flow, whose error is then of order η².

    x_η = x + c₁η + c₂η² + …;   R_η = 2x_{η/2} − x_η = x − c₂η²/2;   R_{η/2} − R_η = (3/8)c₂η²

so R_{η/2} is wrong by a third of |R_{η/2} − R_η|, up to order η³. Where c₂ passes through zero, order η³ is left: along
a run the remainder is taken for the largest of three times that follow each other.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.maths.remainder import of_neighbours

HALVINGS = (1, 2, 4)  # η divided by these
NEAR = 0.1  # of the change from η to η/2: a larger remainder is no small one


class Limit(NamedTuple):
    value: xr.DataArray  # R_{η/2}
    rest: xr.DataArray  # |R_{η/2} − R_η|, the largest of three neighbours in t
    change: xr.DataArray  # |x_η − x_{η/2}|


def limit(x: xr.DataArray) -> Limit:
    """Of an array over `halving`."""
    first, second, third = (x.sel(halving=k, drop=True) for k in HALVINGS)
    with np.errstate(over="ignore", invalid="ignore"):
        early, late = 2 * second - first, 2 * third - second
        rest = abs(late - early)
        if "t" in rest.dims:
            rest = rest.transpose(..., "t")
            rest = rest.copy(data=of_neighbours(rest.values))
        return Limit(late, rest, abs(first - second))


def coordinate() -> xr.Variable:
    attrs = {"long_name": "η over the step", "role": "sweep"}
    return xr.Variable("halving", list(HALVINGS), attrs)
