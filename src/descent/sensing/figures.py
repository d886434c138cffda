"""Figures of the sensing family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level, power


def exact(data: xr.Dataset) -> Figure:
    drawing, (axes,) = figure()
    distance = data["distance"]
    against(axes, distance, label=f"median of {data.sizes['replicate']} problems, 5–95 %")
    against(axes, slowest_mode(data), label="(1 − ηλ⁺)ᵗ, first problem", colour="black")
    axes.set(yscale="log", ylim=(distance.min() / 3, distance.max() * 3))
    axes.set_title("R = r: linear convergence at the predicted rate")
    axes.legend()
    return drawing


def slowest_mode(data: xr.Dataset) -> xr.DataArray:
    """The predicted rate through the last point of the first problem that stands above rounding."""
    distance = data["distance"].isel(replicate=0)
    last = int(np.flatnonzero(distance > 1e-12)[-1])
    line = distance[last] * data["rate_bound"].isel(replicate=0) ** (data["t"] - last)
    return line.assign_attrs(distance.attrs, role="prediction")


def by_alpha(axes: Axes, curve: xr.DataArray) -> None:
    """One curve an α over log-spaced t ≥ 1, both axes logarithmic."""
    last = curve.sizes["t"] - 1
    curve = curve.isel(t=np.unique(np.geomspace(1, last, 200).round().astype(int)))
    for alpha, colour in zip(curve["alpha"].values, COLOURS * len(curve["alpha"]), strict=False):
        against(axes, curve.sel(alpha=alpha), f"α = {power(alpha)}", colour)
    axes.set(xscale="log", yscale="log")


def overparam(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    by_alpha(left, data["relative_distance"])
    left.set_title("R = d: error along the run")
    left.legend()
    final = data["relative_distance"].isel(t=-1)
    against(right, final, "measured", marker="o")
    anchor = final.isel(alpha=0).median()
    for slope, name in ((0.5, "slope ½ (guarantee)"), (2, "slope 2 (m = ∞)")):
        line = anchor * (data["alpha"] / data["alpha"][0]) ** slope
        against(right, line.assign_attrs(final.attrs, role="prediction"), name, "black")
    right.set(xscale="log", yscale="log", ylim=(final.min() / 3, final.max() * 30))
    right.lines[-1].set_linestyle(":")
    right.set_title(f"error at t = {int(data['t'][-1])} against the start")
    right.legend()
    return drawing


def scarce(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    by_alpha(left, data["relative_distance"])
    level(left, 1.0, "U = 0")
    left.set_title("distance to X*")
    left.legend()
    by_alpha(right, data["training_loss"].clip(1e-18, keep_attrs=True))
    right.set_title("fit to the measurements")
    right.legend()
    return drawing


def uniqueness(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for name, colour in zip(("found", "missed", "undecided"), COLOURS, strict=False):
        against(left, data[name], colour=colour, marker="o")
    left.set(ylabel=f"share of {data.sizes['replicate']} problems")
    left.set_title("least squares over X ⪰ 0 from far away")
    distance = data["relative_distance"].clip(1e-9, keep_attrs=True)
    for one in distance:
        right.plot(one["ratio"], one, ".", color=COLOURS[0])
    right.set(yscale="log", xlabel=data["ratio"].attrs["long_name"])
    right.set(ylabel=distance.attrs["long_name"])
    right.set_title("where it ends, each fitting every measurement")
    for axes in (left, right):
        axes.axvline(1, color="black", linestyle="--", linewidth=1, label="δ")
        axes.legend()
    return drawing


def recovery(data: xr.Dataset) -> Figure:
    drawing, (axes,) = figure()
    for name, colour in zip(("exact", "small", "large"), COLOURS, strict=False):
        against(axes, data[name].clip(1e-16, keep_attrs=True), colour=colour, marker="o")
    thresholds = (
        ("degrees_of_freedom", "dof", ":"),
        ("uniqueness_threshold", "δ", "--"),
        ("unknowns", "d(d+1)/2", "-."),
    )
    for name, label, dashes in thresholds:
        axes.axvline(data.attrs[name], color="black", linestyle=dashes, linewidth=1, label=label)
    axes.set(xscale="log", yscale="log", ylabel="‖U_TU_Tᵀ − X*‖ / ‖X*‖")
    axes.set_title("measurements needed")
    axes.legend(loc="lower left")
    return drawing


def plateau(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    many = data["oversampling"].values
    for c, colour in zip(many, COLOURS * len(many), strict=False):
        against(left, data["error"].sel(oversampling=c), f"m = {c:g}dr", colour, marker="o")
    against(left, data["infinite"], "m = ∞", COLOURS[-1], marker="o")
    against(left, data["predicted"], colour="black")
    left.set(xscale="log", yscale="log", ylabel=data["error"].attrs["long_name"])
    left.set_title("error that a small start leaves")
    left.legend()
    against(right, data["slope"], "measured", marker="o")
    level(right, 2.0, "m = ∞")
    level(right, 0.5, "guarantee")
    right.lines[-1].set_linestyle(":")
    right.set_title("slope at the smallest α")
    right.legend()
    return drawing


def width(data: xr.Dataset) -> Figure:
    drawing, panels = figure(data.sizes["alpha"] + 1)
    *runs, last = panels
    error = data["relative_distance"].isel(t=slice(1, None)).clip(1e-16, keep_attrs=True)
    for axes, alpha in zip(runs, data["alpha"].values, strict=True):
        for R, colour in zip(data["width"].values, COLOURS * data.sizes["width"], strict=False):
            against(axes, error.sel(alpha=alpha, width=R), f"R = {R}", colour)
        axes.set(xscale="log", yscale="log")
        axes.set_title(f"start α = {power(alpha)}")
        axes.legend()
    first = data["first"].isel(alpha=0)
    against(last, first, "measured", marker="o")
    against(last, data["predicted"], colour="black")
    last.set(xscale="log")
    last.set_xticks(data["width"].values, map(str, data["width"].values))
    last.minorticks_off()
    last.set_title(f"the first steps, α = {power(float(data['alpha'][0]))}")
    last.legend()
    return drawing


def noise(data: xr.Dataset) -> Figure:
    drawing, (axes,) = figure()
    late = data.isel(t=slice(1, None))
    against(
        axes, late["exact"].isel(sigma=0), f"R = r, σ = {float(data['sigma'][0]):g}", COLOURS[-1]
    )
    for sigma, colour in zip(data["sigma"].values, COLOURS[:-1] * len(data["sigma"]), strict=False):
        against(axes, late["wide"].sel(sigma=sigma), f"R = d, σ = {sigma:g}", colour)
    level(axes, data.attrs["least_squares"], "√(p/(m − p − 1))")
    level(axes, data.attrs["cone"], "√(δ/(m − δ))")
    axes.lines[-1].set_linestyle(":")
    bottom, top = data.attrs["least_squares"] / 3, 10 * data.attrs["cone"]
    axes.set(xscale="log", yscale="log", ylim=(bottom, top), ylabel="‖U_tU_tᵀ − X*‖/σ")
    axes.set_title("noise: stopped in time, and too late")
    axes.legend()
    return drawing


def emergence(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    one = data.isel(replicate=0)
    for i, colour in zip(one["i"].values, COLOURS * one.sizes["i"], strict=False):
        against(left, one["measured"].sel(i=i), f"s{i}", colour, marker="o")
        against(left, one["predicted"].sel(i=i), "", colour)
    against(left, one["first_predicted"], "t₁ from λ̂₁", "black", linestyle=":")
    left.set(xscale="log")
    left.set_title("emergence in the first problem (dashed: predicted)")
    left.legend()
    rest = (data["measured"].sel(i=1) - data["first_predicted"]).assign_attrs(
        long_name="t₁ − predicted t₁, in steps", role="measurement"
    )
    against(right, rest, "measured", marker="o")
    level(right, 0.0, "predicted")
    right.set(xscale="log")
    right.set_title("t₁ against λ̂₁ and ‖vᵀW‖")
    right.legend()
    return drawing
