"""Figures of what a small start comes to."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, line, panel, points, power, segments

COLOURS = 8


def _slope(data: xr.Dataset, dim: str, name: str, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """A straight line on logarithmic axes through the smallest point with a value."""
    x, v = data[dim].values, data[name].values
    some = np.flatnonzero(v > 0)
    if not len(some) or not np.isfinite(slope):
        return x[:0], x[:0]
    return x, v[some[0]] * (x / x[some[0]]) ** slope


def sparsity(data: xr.Dataset) -> Figure:
    gap = float(data["gap_predicted"])
    left = panel(
        "as the start shrinks",
        axis(data["alpha"], "log"),
        Axis("distance", "log"),
        curve(data["distance"], "‖u_α − u_*‖", 0, marker=True),
        curve(data["off_support"], "weights off the support", 1, marker=True),
        line(
            *_slope(data, "alpha", "distance", gap), f"slope {gap:.3f} predicted", role="predicted"
        ),
    )
    stems = []
    shown = data["alpha"].values[[-1, len(data["alpha"]) // 2, 0]]
    j, tall = data["j"].values, 1.2 * float(data["limit"].max())
    for place, alpha in enumerate(shown):
        base = np.full(len(j), (len(shown) - place - 1) * tall)
        end = base + data["limit"].sel(alpha=alpha).values
        stems += [segments(j, base, j, end, colour=place)]
        stems += [points(j, end, f"α = {power(alpha)}", place, size=4)]
        stems += [points(j, base + data["sparse"].values, "u_*", "ink", marker="cross", size=3)]
    right = panel("limits, each from its own baseline", axis(data["j"]), Axis("u_j"), stems)
    return Figure((left, right))


def signed(data: xr.Dataset) -> Figure:
    rich = float(data["exponent_predicted"])
    alpha = data["alpha"].values
    late = alpha[alpha >= 0.3]
    large = float(np.sqrt((data["large_predicted"] ** 2).sum()))
    top = 10 * float(data["from_shortest"].max())
    low = float(data["from_shortest"].min()) / 10
    lead = panel(
        "",
        axis(data["alpha"], "log"),
        Axis("distance of u_α", "log", limits=(low if low > 0 else None, top if top > 0 else None)),
        curve(data["from_sparse"], "from the least ℓ₁ norm", 0, marker=True),
        curve(data["from_shortest"], "from the least ℓ₂ norm", 1, marker=True),
        line(
            *_slope(data.isel(alpha=slice(1, None)), "alpha", "from_sparse", rich),
            f"slope 2 gap = {rich:.3f}",
            role="predicted",
        ),
        line(late, large / late**4, "‖Pu₂³‖/(24α⁴)", 1, role="predicted"),
    )
    return Figure((lead,))


def depth(data: xr.Dataset) -> Figure:
    marks, alpha = [], data["alpha"].values
    for place, D in enumerate(data["depth"].values):
        one = data.sel(depth=D)
        factor = float(np.sqrt((one["lead_predicted"] ** 2).sum()))
        marks += curve(one["off_support"], f"D = {D}", place, marker=True)
        marks += [line(alpha, factor * alpha**D, "predicted, slope D", place, role="predicted")]
    x, y = axis(data["alpha"], "log"), axis(data["off_support"], "log")
    return Figure((panel("", x, y, marks),))
