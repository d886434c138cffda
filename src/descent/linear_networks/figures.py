"""Figures of the linear_networks family: one function per experiment, named after it."""

import numpy as np
import xarray as xr

from descent.figure import (
    Axis,
    Colour,
    Figure,
    Mark,
    Panel,
    axis,
    level,
    line,
    panel,
    points,
)
from descent.linear_networks._architectures import transform


def _over_s(array: xr.DataArray, label: str, colour: Colour, **look) -> Mark:
    """A curve over s > 0; what is not positive has no place on the axis."""
    values = np.asarray(array.values, float)
    return line(array["s"].values[1:], values[1:], label, colour, **look)


def fully_connected(data: xr.Dataset) -> Figure:
    first = data.isel(seed=0)
    gaps, shares = [], []
    for k, depth in enumerate(data["depth"].values):
        one = first.sel(depth=depth)
        gaps.append(_over_s(one["gap"], f"depth {depth}", k))
        shares.append(_over_s(one["beside"], f"depth {depth}", k))
        s = data["s"].values[-16:]
        power = float(one["beside"][-1]) * (s / s[-1]) ** float(one["exponent_predicted"])
        shares.append(line(s, power, "s^(−1/L)", role="predicted", width=1))
    seed = int(first["seed"])
    gap = panel(
        f"every depth has the same limit (seed {seed})",
        axis(data["s"], "log"),
        Axis("1 + log ℒ/(γ‖β‖)", "log"),
        gaps,
        _over_s(first.isel(depth=0)["gap_bound"], "H(p*)/(−log ℒ + H(p*))", "ink", role="bound"),
    )
    share = panel(
        "what is beside the support vectors fades slowly",
        axis(data["s"], "log"),
        axis(data["beside"], "log"),
        shares,
    )
    return Figure((gap, share))


def alignment(data: xr.Dataset) -> Figure:
    first = data.isel(seed=0)
    values, angles = [], []
    for k, depth in enumerate(data["depth"].values):
        one = first.sel(depth=depth)
        for layer in ("first", "last"):
            values.append(_over_s(one["top"].sel(layer=layer), f"σ₁, depth {depth}", k))
        values.append(_over_s(one["second"], f"σ₂(W₁), depth {depth}", k, width=0.8))
        values.append(_over_s(one["top_predicted"], "predicted σ₁", "ink", role="predicted"))
        angles.append(_over_s(one["angle"], f"depth {depth}", k))
        s = data["s"].values[-11:]
        power = float(one["angle"][-1]) * (s / s[-1]) ** float(one["angle_exponent_predicted"])
        angles.append(line(s, power, "s^(−2/L)", role="predicted", width=1))
    layers = panel(
        f"layers become rank one (seed {int(first['seed'])})",
        axis(data["s"], "log"),
        Axis("singular values", "log"),
        values,
    )
    angle = panel(
        "the weights turn into the gradient",
        axis(data["s"], "log"),
        axis(data["angle"], "log"),
        angles,
    )
    return Figure((layers, angle))


def _gaps(data: xr.Dataset, label: str) -> Panel:
    """The gap of the norm of every run of the first data set, and its bound."""
    first = data.isel(seed=0)
    runs = [
        _over_s(first["gap"].isel(start=k), f"start {k}", k) for k in range(data.sizes["start"])
    ]
    return panel(
        f"{label} tends to its least (seed {int(first['seed'])})",
        axis(data["s"], "log"),
        Axis("1 + ν* log ℒ/ν(β)", "log"),
        runs,
        _over_s(first["gap_bound"].isel(start=0), "H(p*)/(−log ℒ + H(p*))", "ink", role="bound"),
    )


def convolutional(data: xr.Dataset) -> Figure:
    first = data.isel(seed=0)
    F = transform(data.sizes["feature"])
    k = np.arange(len(F))
    marks = [
        points(k, np.abs(F @ first["beta"].isel(start=j).values), f"start {j}", j, size=8 - 2 * j)
        for j in range(min(3, data.sizes["start"]))
    ]
    least = np.abs(F @ first["beta_predicted"].isel(start=0).values)
    spectrum = panel(
        "the spectrum of the limit",
        axis(data["part"]),
        Axis("|Fβ|_k at margin 1"),
        marks,
        line(k, least, "least ‖Fβ‖₁", role="predicted"),
        line(k, np.abs(F @ first["short"].values), "least ‖β‖₂", "grey", role="bound"),
    )
    return Figure((_gaps(data, "‖Fβ‖₁"), spectrum))


def diagonal(data: xr.Dataset) -> Figure:
    first = data.isel(seed=0)
    k = data["feature"].values
    marks = [
        points(k, first["beta"].isel(start=j), f"start {j}", j, size=8 - 2 * j)
        for j in range(min(3, data.sizes["start"]))
    ]
    limit = panel(
        "the limit",
        axis(data["feature"]),
        Axis("β_k at margin 1"),
        marks,
        line(k, first["beta_predicted"].isel(start=0), "least ‖β‖₁", role="predicted"),
        line(k, first["short"], "least ‖β‖₂", "grey", role="bound"),
    )
    return Figure((_gaps(data, "‖β‖₁"), limit))


def deep_quasinorm(data: xr.Dataset) -> Figure:
    first = data.isel(seed=0)
    angles = [
        _over_s(first["angle"].sel(network=network).isel(start=k), network, colour)
        for colour, network in enumerate(data["network"].values)
        for k in range(data.sizes["start"])
    ]
    angle = panel(
        f"every run turns into its gradient (seed {int(first['seed'])})",
        axis(data["s"], "log"),
        axis(data["angle"], "log"),
        angles,
    )
    ends = first.sel(network="diagonal")
    limits = panel(
        "where diagonal networks end",
        axis(data["start"]),
        Axis("‖β‖_q at margin 1"),
        points(data["start"], ends["quasinorm"], "end of the run"),
        points(
            data["start"],
            ends["quasinorm_predicted"],
            "nearest stationary vertex",
            role="predicted",
            marker="cross",
            size=9,
        ),
        level(float(ends["least_bound"]), "least of all vertices", role="bound"),
    )
    return Figure((angle, limits))
