"""What the document prints as norms of gradients, and of which networks and data."""

from itertools import pairwise

import numpy as np
import xarray as xr

from descent.result import Erratum

NETWORK = {"hidden": (20, 20, 20, 20)}
DOCUMENT = NETWORK | {
    "function_seed": 0,
    "sample_seed": 10,
    "components": 5,
    "samples": 1500,
    "noise": 0.1,
}
PRINTED_AT = {"small": (200, 0.03), "large": (300, 3), "student": (600, "student")}  # seed, start
WHERE = {
    "small": "CS182 homework 2, question 6a: norms of gradients at the small start",
    "large": "CS182 homework 2, question 6d: norms of gradients at the large start",
    "student": "CS182 homework 2, question 6f: norms of gradients at the start called He",
}
PRINTED = 1e-6  # eight decimals of sums in float32, relative


def errata(
    printed: dict[str, tuple[float, ...]],
    widths: tuple[int, ...],
    found: xr.Dataset,
    theory: xr.Dataset,
) -> tuple[Erratum, ...]:
    """Norms of gradients that are norms of weights, and a variance that is a third of He's."""
    wrong = []
    for name, values in printed.items():
        right = theory["gradient_predicted"].sel(start=name).values
        seen = found["gradient"].sel(start=name).values
        wrong += [
            Erratum(
                f"{name}_gradient_norm_{l + 1}", WHERE[name], p, right[l], seen[l], 1e-9 * right[l]
            )
            for l, p in enumerate(values)
        ]
    if "student" in printed:
        sizes = np.array([a * b for a, b in pairwise(widths)])
        shares = np.square(printed["student"]) * widths[:-1] / 2  # Σ w² over 2/fan_in
        where = "CS182 homework 2, question 6f: the start called He"
        tol = 4 * np.sqrt(0.8 / sizes.sum()) / 3
        name, measured_share = (
            "he_variance_times_half_the_fan_in",
            float(shares.sum() / sizes.sum()),
        )
        wrong.append(Erratum(name, where, 1.0, 1 / 3, measured_share, float(tol)))
    return tuple(wrong)
