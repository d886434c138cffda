"""The polynomials that the document draws before its networks.

Source: FRTN50 assignment 3. The coefficient of x⁹ is missing from its polynomial of degree 9.
"""

import numpy as np
import xarray as xr

from descent.mlp1d import _document, _problem
from descent.result import measured


def polynomials(N: int, printed: tuple[float, ...]) -> xr.Dataset:
    """Fits of degree 3 and 9, the second of least norm, and what the printed coefficients make of the second."""
    (x, y), near = _problem.points(N), _document.NEAR[:, 0]
    fits = [np.linalg.lstsq(np.vander(x[:, 0], d + 1, True), y[:, 0])[0] for d in (3, 9)]
    values = [np.polyval(fit[::-1], near) for fit in fits]
    lacking = np.polyval(np.array(printed, float)[::-1], near)
    return xr.Dataset(
        {
            "polynomial": measured(("degree", "near"), values, "polynomial"),
            "polynomial_printed": measured("near", lacking, "as printed"),
            "degree_9_at_1": measured((), float(np.sum(fits[1])), "degree 9 at x = 1"),
        },
        coords={"degree": ("degree", [3, 9], {"long_name": "degree"})},
    )
