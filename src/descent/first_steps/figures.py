"""Figures of the first_steps family, one function an experiment."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, line, panel, points, power


def depth(data: xr.Dataset) -> Figure:
    count = data.sizes["layer"]
    middle = data.isel(layer=slice(count // 4, max(3 * count // 4, 1)))
    ends, s2 = sorted({0, data.sizes["variance"] - 1}), data["variance"].values
    factors, norms = [], []
    for k, activation in enumerate(data["activation"].values):
        one = middle.sel(activation=activation)
        for name, draw, role in (("", points, "measured"), ("_predicted", line, "predicted")):
            mean = np.exp(np.log(one[f"factor{name}"]).mean(("replicate", "layer")))
            factors.append(draw(s2, mean, activation if draw is points else "√(s² E φ′²)", k, role))
        for end in ends:
            at = data.sel(activation=activation).isel(variance=end)
            label = f"{activation}, s² = {float(s2[end]):.3g}"
            norms.append(curve(at["sample_norm"], label, k if end else k + 3))
            theory = np.exp(np.log(at["sample_norm_predicted"]).mean("replicate"))
            norms.append(line(data["layer"], theory, "mean field", "ink", "predicted", width=1))
    left = panel(
        "change of the gradient a layer",
        axis(data["variance"], "log"),
        Axis("‖δ_l‖ / ‖δ_{l+1}‖, middle layers", "log"),
        *factors,
    )
    right = panel(
        f"{data.sizes['replicate']} random networks, median and 5–95 %",
        axis(data["layer"]),
        Axis("gradient norm of one image (rms)", "log"),
        *norms,
    )
    return Figure((left, right))


def vanishing(data: xr.Dataset) -> Figure:
    ratio = panel(
        "first layer over last: the same at every s²",
        axis(data["variance"], "log"),
        axis(data["ratio"], "log"),
        curve(data["ratio"], f"{data.sizes['replicate']} networks, 5–95 %", marker=True),
        curve(data["ratio_predicted"], "√(pixels/width)"),
    )
    shown = data["variance"].values[:: max(1, data.sizes["variance"] // 4)]
    norms = panel(
        "all layers vanish together",
        axis(data["layer"]),
        axis(data["sample_norm"], "log"),
        *(
            curve(data["sample_norm"].sel(variance=s2), f"s² = {power(s2)}", k)
            for k, s2 in enumerate(shown)
        ),
    )
    return Figure((ratio, norms))


def whole(coordinate: xr.DataArray) -> Axis:
    """An axis of numbered things, with a tick at each if they are few."""
    return axis(coordinate, ticks=tuple(coordinate.values) if coordinate.size <= 12 else None)


def first_pass(data: xr.Dataset) -> Figure:
    marks, theory = [], []
    for k, start in enumerate(data["start"].values):
        one = data.sel(start=start)
        marks += curve(np.exp(one["log_gradient"] / 2), f"{start}", k)
        theory += curve(np.exp(one["log_gradient_predicted"] / 2), "predicted", role="predicted")
    return Figure(
        (
            panel(
                "small weights vanish with depth",
                whole(data["layer"]),
                Axis("‖∂(u·z)/∂W_l‖/(‖x‖ ‖u‖)", "log"),
                *marks,
                *theory,
            ),
        )
    )


def gradient_norms(data: xr.Dataset) -> Figure:
    return Figure(tuple(norms_at(data, float(data["range"][k])) for k in (-1, 0)))


def norms_at(data: xr.Dataset, size: float):
    """Of all starts at one range of the pixels."""
    marks = []
    for k, start in enumerate(("he", "xavier", "lecun", "random", "zero")):
        marks += curve(data["norm"].sel(start=start, range=size), start, k)
    return panel(
        f"pixels of range {size:g}",
        axis(data["iteration"]),
        axis(data["norm"], "log"),
        *marks,
        curve(data["floor"], "floor"),
    )


def optimizers(data: xr.Dataset) -> Figure:
    return Figure(tuple(losses_at(data, float(data["range"][k])) for k in (-1, 0)))


def losses_at(data: xr.Dataset, size: float):
    """Of all rules at one range of the pixels."""
    marks = []
    for k, rule in enumerate(data["rule"].values):
        marks += curve(data["loss"].sel(rule=rule, range=size), f"{rule}", k)
    return panel(
        f"pixels of range {size:g}",
        axis(data["iteration"]),
        axis(data["loss"], "log"),
        *marks,
    )
