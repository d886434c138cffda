"""Of what the document says of its unseeded runs, and of the polynomial that it draws beside them."""

import numpy as np
import xarray as xr

from descent.maths.network import Shape, outputs
from descent.mlp1d import _document
from descent.result import Erratum


def reach_of(networks: tuple[np.ndarray, Shape]) -> float:
    """The largest output of the six networks of 3c on ±11."""
    theta, shape = networks
    return float(np.abs(outputs(theta[1:7], _document.FAR, shape)).max())


def errata(
    config, found: xr.Dataset, fits: xr.Dataset, places: dict[str, slice]
) -> tuple[Erratum, ...]:
    """Of what is said of these runs, and of the polynomial that they are drawn beside."""
    where, final, double = "FRTN50 assignment", found["final"].values, found["final_double"].values
    y, x_end = float(found["y"][-1]), float(np.sum(config.printed_polynomial))
    near, far = (float(abs(found[f"fit_{x}"][places["3c"]]).max()) for x in ("near", "far"))
    reach = (near, float(found["reach_double"]), far)  # it draws the narrow x there
    means = found["said_3a"].values[:, -1]
    decades = [float(np.log10(ends[1] / ends[2])) for ends in (double, final)]
    worst = [float(ends[places["3c"]].max()) for ends in (double, final)]
    return (
        Erratum(
            "degree_9_at_1", f"{where}, exercise 3", x_end, y, float(fits["degree_9_at_1"]), 1e-9
        ),
        Erratum(
            "decades_between_the_losses",
            f"{where} 3a",
            float(np.log10(means[0] / means[1])),
            *(*decades, 0.01),  # of the losses, not of the means so far
        ),
        Erratum("largest_output_of_the_wide_panel", f"{where} 3c", *reach, 0.01 * reach[1]),
        Erratum("loss_of_the_worst_start", f"{where} 3c", config.printed_stuck, *worst, 1e-3),
    )
