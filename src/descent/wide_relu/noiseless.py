"""Without noise the learned function errs by h⁴, but by h² near an end where the target is curved.

For a constant ζ the limit of a wide network is the natural cubic spline, which is straight at both ends. A target that
is not leaves an error of the size of its second derivative there. That error alternates and shrinks by 2 − √3 from
one cell to the next, so that the interior still gains a factor 16 when the distance between points is halved.

    g₀ on [0, 1],   x_j = j/N,   h = 1/N,   g* the spline through g₀(x_j)
    interior:   g* − g₀ = −h⁴ g₀⁗(x) t²(1 − t)²/24 + O(h⁵),   t the place in the cell:   at most h⁴ |g₀⁗|/384
    at an end:  0.049092 h² |g₀″(end)|,   and if g₀″ is 0 there:   a part of h⁴ |g₀⁗(end)|

x² has g₀⁗ = 0, and an error 0.098 h²: no constant makes it less than a multiple of h⁴ max |g₀⁗|.

See: left, the largest error falls with slope 4 for targets that are straight at both ends and with slope 2 for the
others; right, in the middle of the interval all fall with slope 4.

Source: slides on implicit biases, the bound ‖g* − g₀‖_∞ ≤ C‖g₀⁗‖_∞h⁴ without a condition at the ends; it is right if
g₀″ = 0 at both.
"""

import numpy as np
import xarray as xr

from descent.config import Count, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.result import Check, Erratum, Result, measured, predicted, sweep
from descent.wide_relu._network import EPS
from descent.wide_relu._spline import constant, interpolate
from descent.wide_relu._targets import Target, is_flat, leading_error, neglected, target

MIDDLE = 0.125  # of the interval, to either side of its middle
LATE = 64  # cells from which on a slope is the last one within 0.1


@experiment_config
class Config:
    targets: tuple[Target, ...]  # g₀
    cells: tuple[Count, ...]  # N
    parts: Count  # of a cell, at whose ends errors are looked at

    def __post_init__(self):
        require_increasing("cells", self.cells)
        if not self.targets or len(set(self.targets)) < len(self.targets):
            raise ValueError("targets: one or more, none of them twice")
        if len(self.cells) < 2:
            raise ValueError("cells: a slope takes at least 2 numbers")
        if self.cells[0] < 8 or self.cells[-1] > 1000:
            raise ValueError("cells: from 8, where h is small, to 1000, where h⁴ is rounding")
        if not 4 <= self.parts <= 200:
            raise ValueError(f"parts {self.parts}: between 4 and 200")
        size = len(self.targets) * sum(self.cells) * self.parts
        require_cost(self, "targets, cells, parts", 200 * size, 2000 * size)


def places(N: int, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Where errors are looked at, and which of them are in the middle."""
    x = np.arange(N * parts + 1) / (N * parts)
    return x, np.abs(x - 0.5) <= MIDDLE


def predict(config: Config) -> xr.Dataset:
    error, middle = (np.zeros((len(config.targets), len(config.cells))) for _ in range(2))
    for k, name in enumerate(config.targets):
        for n, N in enumerate(config.cells):
            off = np.abs(leading_error(name, N, config.parts))
            error[k, n] = off.max()
            middle[k, n] = off[places(N, config.parts)[1]].max()
    return xr.Dataset(
        {
            "error_predicted": predicted(("target", "cells"), error, "leading term"),
            "middle_predicted": predicted(("target", "cells"), middle, "leading term"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """The spline through each target, compared with it."""
    error, middle = (np.zeros((len(config.targets), len(config.cells))) for _ in range(2))
    for n, N in enumerate(config.cells):
        knots, (x, inner) = np.arange(N + 1) / N, places(N, config.parts)
        values = np.transpose([target(name, knots).value for name in config.targets])
        truth = np.transpose([target(name, x).value for name in config.targets])
        off = np.abs(interpolate(knots, values, constant())(x) - truth)
        error[:, n], middle[:, n] = off.max(0), off[inner].max(0)
    return xr.Dataset(
        {
            "error": measured(("target", "cells"), error, "‖g* − g₀‖_∞"),
            "middle": measured(("target", "cells"), middle, "max |g* − g₀| in the middle quarter"),
        },
        coords={
            "target": ("target", list(config.targets), {"long_name": "target g₀"}),
            "cells": sweep(config.cells, "cells", "cells N = 1/h"),
        },
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    return Result(
        data=found.merge(theory),
        metrics={"order": orders(found["error"]), "error": found["error"].isel(cells=-1)},
        checks=compare(config, found, theory),
        errata=refute(config, found),
    )


def orders(error: xr.DataArray) -> xr.DataArray:
    """Slope of ln error over ln h between the two largest N."""
    late, before = error.isel(cells=-1, drop=True), error.isel(cells=-2, drop=True)
    return np.log(before / late) / np.log(float(error["cells"][-1] / error["cells"][-2]))


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    rest = [[neglected(name, N) for N in config.cells] for name in config.targets]
    size = max(np.abs(target(name, np.linspace(0, 1, 9)).value).max() for name in config.targets)
    tol = xr.DataArray(rest, dims=("target", "cells")) + 64 * EPS * size
    why = "the next order in h, and rounding"
    return (
        Check("error", found["error"], "==", theory["error_predicted"], tol, why),
        Check("middle", found["middle"], "==", theory["middle_predicted"], tol, why),
    )


def refute(config: Config, found: xr.Dataset) -> tuple[Erratum, ...]:
    """The order of the error for targets that are curved at an end, where N is large enough to tell it."""
    where = "slides on implicit biases, noiseless data: order in h, of a target curved at an end"
    if config.cells[-2] < LATE:
        return ()
    order = orders(found["error"])
    return tuple(
        Erratum(f"order_{name}", where, 4.0, 2.0, float(order.sel(target=name)), 0.1)
        for name in config.targets
        if not is_flat(name)
    )
