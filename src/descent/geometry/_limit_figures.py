"""Figures of the experiments on a flat loss and on coordinates."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, line, panel, points, segments


def flat_loss(data: xr.Dataset) -> Figure:
    k, last = data["k"].values[1:], float(data["k"][-1])
    law = float(data["distance_predicted"][-1]) * np.sqrt(last / k)
    left = panel(
        "constant step",
        axis(data["k"], "log"),
        axis(data["distance"], "log", limits=(float(law[-1]) / 2, None)),
        curve(data["distance"].isel(k=slice(1, None)), "‖w_k − w_∞‖"),
        curve(data["distance_predicted"].isel(k=slice(1, None)), "flow"),
        line(k, law, "k^(−1/2)", "grey", "predicted"),
    )
    m, size = data["m"].values.astype(float), data["rule_distance"]
    middle = len(m) // 2
    law = float(size[middle]) * float(data["factor_predicted"]) ** (m - m[middle])
    right = panel(
        "step in proportion to 1/max r²",
        axis(data["m"]),
        axis(data["distance"], "log", limits=(1e-15, None)),
        curve(size, "‖w_k − w_∞‖"),
        line(m, law, "predicted factor a step", role="predicted"),
    )
    return Figure((left, right))


def coordinate_descent(data: xr.Dataset) -> Figure:
    j, marks = data["j"].values, []
    names = {"l1": "ℓ₁ projection", "l2": "ℓ₂ projection"}
    for place, norm in enumerate(data["norm"].values):
        one = data["nearest"].sel(norm=norm)
        marks.append(points(j, one, names[str(norm)], place + 2, hollow=True, size=5))
    marks += [segments(j, 0 * j, j, data["end"].isel(share=0).values)]
    marks.append(points(j, data["end"].isel(share=0), "smallest step", 0))
    marks.append(points(j, data["limit"], "stagewise selection", "ink", marker="cross", size=5))
    left = panel("weights at the end", axis(data["j"]), Axis("w_j"), marks)
    f, apart = data["share"], []
    for place, norm in enumerate(data["norm"].values):
        gap = np.sqrt(((data["end"] - data["nearest"].sel(norm=norm)) ** 2).sum("j"))
        apart += curve(gap, f"from the {names[str(norm)]}", place + 2, marker=True)
    law = float((data["off"] / f).median()) * f
    right = panel(
        "distance of the ends",
        axis(f, "log"),
        Axis("distance", "log"),
        apart,
        curve(data["off"], "from the stagewise end", 0, "measured", marker=True),
        line(f, law, "in proportion to the step", role="predicted"),
    )
    return Figure((left, right))
