"""Figures of the minima family: one function per experiment, named after it."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, level, panel, points


def sharp_well(data: xr.Dataset) -> Figure:
    ends = [
        level(data.attrs[side], "ends of the sharp well", "grey", "bound")
        for side in ("left", "right")
    ]
    run = panel(
        f"gradient descent, γ = {data.attrs['step']:g}",
        axis(data["k"]),
        axis(data["x"]),
        curve(data["x"], "x_k"),
        level(data["end_predicted"], "minimiser downhill of the start"),
        ends,
    )
    predicted, reached = data["minimiser_predicted"], data["reached"]
    places = panel(
        "every minimum, and where descent ends",
        Axis("x"),
        Axis("minimum, from the left"),
        points(
            reached, np.arange(reached.size), "ends of descent from a grid", size=9, hollow=True
        ),
        points(predicted, np.arange(predicted.size), "f' = 0, rising", 1, marker="cross"),
    )
    whole = panel(
        "f: a flat well and a sharp one",
        axis(data["x_grid"]),
        Axis("f(x)"),
        curve(data["f"], "the mean of all terms"),
        curve(data["f_predicted"], "by two means"),
    )
    terms = panel(
        "two of its terms",
        axis(data["x_grid"]),
        Axis("f_i(x)"),
        *(curve(data["f_i"].sel(term=i), f"f_{i}", k) for k, i in enumerate(data["term"].values)),
    )
    return Figure((whole, terms, run, places))


def flat_sharp(data: xr.Dataset) -> Figure:
    runs = f"share of {data.sizes['replicate']} runs of SGD"
    ends = [
        level(data.attrs[side], "ends of the sharp well", "grey", "bound")
        for side in ("left", "right")
    ]
    one = panel(
        f"one run each, γ = {data.attrs['step']:g}",
        axis(data["k"]),
        Axis("x_k"),
        curve(data["x_sgd"], colour=1, width=0.8),
        curve(data["x_gd"], colour=0),
        level(data.attrs["minimiser"], "the sharp minimiser"),
        ends,
    )
    over_time = panel(
        f"the way out, γ = {data.attrs['step']:g}",
        axis(data["k"]),
        Axis(runs),
        *(curve(data[name], colour=k) for k, name in enumerate(("outside", "survival"))),
        *(curve(data[f"{name}_predicted"], "operator") for name in ("outside", "survival")),
    )
    over_steps = panel(
        "a larger step leaves more surely",
        axis(data["gamma"], "log"),
        Axis(runs, limits=(-0.05, 1.05)),
        *(
            points(data["gamma"], data[name], data[name].attrs["long_name"], k)
            for k, name in enumerate(("escaped", "ever_left"))
        ),
        *(curve(data[f"{name}_predicted"], "operator") for name in ("escaped", "ever_left")),
    )
    return Figure((one, over_time, over_steps))
