"""The function on a grid, as the sum over all of its terms and by the two means; and two of the terms.

Source: FRTN50 assignment, exercise 5, whose figures show f, f₁ and f₂.
"""

import numpy as np
import xarray as xr

from descent.minima._setting import Setting, Terms
from descent.minima._wells import value
from descent.result import Check, measured, predicted

POINTS = 401
EPS = float(np.finfo(float).eps)


def grid(config: Setting) -> np.ndarray:
    """Beyond both wells."""
    c = config.centre
    return np.linspace(-1.2 * c, 1.4 * c, POINTS)


def predict_landscape(config: Setting, terms: Terms) -> xr.Dataset:
    """f by the mean cosine and the mean sine."""
    f = value(grid(config), terms.A, terms.B, config.wells)
    return xr.Dataset({"f_predicted": predicted("x_grid", f, "f by two means")})


def measure_landscape(config: Setting, terms: Terms) -> xr.Dataset:
    """The mean of all f_i, and the first two of them."""
    x, w = grid(config), config.wells
    every = [float(np.mean(value(one, terms.cosines, terms.sines, w))) for one in x]
    pairs = zip(terms.cosines[:2], terms.sines[:2], strict=True)
    few = np.array([value(x, A, B, w) for A, B in pairs])
    return xr.Dataset(
        {
            "f": measured("x_grid", every, "f, the mean of all terms"),
            "f_i": measured(("term", "x_grid"), few, "f_i"),
        },
        coords={
            "x_grid": ("x_grid", x, {"long_name": "x"}),
            "term": ("term", np.arange(1, len(few) + 1), {"long_name": "term i"}),
        },
    )


def compare_landscape(config: Setting, found: xr.Dataset, theory: xr.Dataset) -> Check:
    """Rounding of the arguments, of the terms and of their sum."""
    largest = max(map(abs, found["x_grid"].values[[0, -1]]))
    sums = 10 + np.log2(config.terms) + (config.frequency + config.envelope) * largest
    size = config.amplitude * sums + config.sharpness * largest**2
    why = "rounding of the arguments and of the sum"
    return Check("landscape", found["f"], "==", theory["f_predicted"], 10 * EPS * size, why)
