"""Figures of spectral bias, rates, other activations, several inputs, norms and interpolation."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, line, panel, points


def norms(data: xr.Dataset) -> Figure:
    one = data.isel(replicate=0)
    names = {"zero": "from 0", "random": "from a random start"}
    functions = [
        mark
        for k, start in enumerate(data["start"].values)
        for mark in (
            line(data["x"], one["end"].sel(start=start), names[start], k),
            line(
                data["x"],
                one["end_predicted"].sel(start=start),
                "f₀ + kK⁻¹r",
                role="predicted",
                width=1,
            ),
        )
    ]
    functions += [
        line(data["point"], data["value"], "least ∫ |f″|", role="bound"),
        points(data["point"], data["value"], "points", "ink"),
    ]
    place, marks = 0, []
    for k, start in enumerate(data["start"].values):
        for r in range(data.sizes["replicate"]):
            here = data.sel(start=start).isel(replicate=r)
            other = here["other_moved"].values
            marks += [
                points(np.full(len(other), place), other, "other interpolants", "grey", size=3),
                points([place], [here["moved"]], f"gradient descent {names[start]}", k),
                points(
                    [place],
                    [here["moved_predicted"]],
                    "rᵀK⁻¹r",
                    role="predicted",
                    marker="cross",
                    size=8,
                ),
            ]
            place += 1
    return Figure(
        (
            panel("one network, two starts", axis(data["x"]), Axis("f"), *functions),
            panel("how far the weights moved", Axis("run"), Axis("‖a − a₀‖²", "log"), *marks),
        )
    )
