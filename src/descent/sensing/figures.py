"""Figures of the sensing family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from descent.figure import (
    Axis,
    Figure,
    axis,
    curve,
    level,
    line,
    moment,
    panel,
    points,
    power,
    text,
)
from descent.style import COLOURS, against, figure
from descent.style import level as flat


def exact(data: xr.Dataset) -> Drawing:
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


def overparam(data: xr.Dataset) -> Drawing:
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


def scarce(data: xr.Dataset) -> Drawing:
    drawing, (left, right) = figure(2)
    by_alpha(left, data["relative_distance"])
    flat(left, 1.0, "U = 0")
    left.set_title("distance to X*")
    left.legend()
    by_alpha(right, data["training_loss"].clip(1e-18, keep_attrs=True))
    right.set_title("fit to the measurements")
    right.legend()
    return drawing


def critical_points(data: xr.Dataset) -> Figure:
    first = data.isel(replicate=0)
    ends, starts = np.unique(data["newton_end"], return_counts=True)
    height = np.interp(ends, data["position"], first["along"])
    profile = panel(
        "0 is a saddle, ±u* are minima",
        axis(data["position"]),
        Axis("f/‖u*‖⁴", limits=(-0.1, 2.2)),
        curve(first["along"], "along u*"),
        curve(first["across"], "across u*", 1),
        curve(data["along_predicted"], "(1 − t²)²/2, (1 + t⁴)/2"),
        curve(data["across_predicted"], "(1 − t²)²/2, (1 + t⁴)/2"),
        points(ends, height, "ends of Newton's method, how often", "ink", size=7),
        [text(x, y, str(n), raised=True) for x, y, n in zip(ends, height, starts, strict=True)],
    )
    spectrum = panel(
        "curvature at the critical points",
        axis(data["mode"]),
        axis(data["spectrum"]),
        points(data["mode"], first["spectrum"].sel(point=0), "∇²f(0)", hollow=True),
        points(data["mode"], first["spectrum"].sel(point=1), "∇²f(u*)", 1, size=3),
        [level(value, "predicted") for value in (-2.0, 0.0, 2.0, 4.0)],
    )
    return Figure((profile, spectrum))


def sampled_saddle(data: xr.Dataset) -> Figure:
    return Figure(
        (
            panel(
                "m measurements blur the saddle at 0",
                axis(data["m"], "log"),
                Axis("eigenvalues of ∇²f_m(0)/‖u*‖²", "log"),
                curve(data["edge"], "edge of the noise", marker=True),
                curve(data["edge_predicted"], "2√(2d/m)"),
                curve(-data["lowest"], "saddle, −λ₁", 1, marker=True),
                curve(-data["lowest_predicted"], "2(1 + d/2m)", 1, "predicted"),
            ),
        )
    )


def hessian(data: xr.Dataset) -> Figure:
    first, margin = data.isel(replicate=0), data.attrs["margin"]
    slowest, below, above = data.attrs["ends"]
    curvature = panel(
        "curvature at U*, first problem",
        axis(data["mode"]),
        Axis("eigenvalues of ∇²f(U*)"),
        curve(first["sample"], "sample"),
        curve(first["population"], "m = ∞", 1),
        curve(first["population_predicted"], "predicted, m = ∞"),
        level(float(first["lowest_bound"]), "ends of the sample", role="bound"),
        level(float(first["highest_bound"]), "ends of the sample", role="bound"),
    )
    rate = panel(
        "the slowest direction sets the rate",
        axis(data["t"]),
        axis(data["distance"], "log"),
        curve(data["distance"].sel(run="slowest", t=slice(0, slowest)), "measured"),
        curve(predicted_line(data, "slowest", slowest), "(1 − ηλ⁺)ᵗ"),
    )
    critical = panel(
        "the fastest one sets the critical step",
        axis(data["t"]),
        axis(data["distance"], "log", limits=(None, 10)),
        curve(data["distance"].sel(run="below", t=slice(0, below)), f"η = (1 − {margin:g}) 2/λmax"),
        curve(
            data["distance"].sel(run="above", t=slice(0, above)), f"η = (1 + {margin:g}) 2/λmax", 1
        ),
        curve(predicted_line(data, "below", below), "(1 ∓ 2·margin)ᵗ"),
        curve(predicted_line(data, "above", above), "(1 ∓ 2·margin)ᵗ"),
    )
    return Figure((curvature, rate, critical))


def predicted_line(data: xr.Dataset, run: str, end: int) -> xr.DataArray:
    """The first problem's distance at the predicted rate."""
    one = data.isel(replicate=0).sel(run=run, t=slice(0, end))
    return (one["distance"][0] * one["rate_predicted"] ** one["t"]).assign_attrs(role="prediction")


def population(data: xr.Dataset) -> Figure:
    low, high = float(data["distance"].min()), float(data["distance"].isel(t=0).max())
    first = data.isel(replicate=0)
    late = np.unique(np.geomspace(1, data.sizes["t"] - 1, 200).round().astype(int))
    runs = panel(
        "m = ∞: a plateau or a tail",
        axis(data["t"], "log"),
        axis(data["distance"], "log", limits=(low / 1e3, 10 * high)),
        *[
            curve(data["distance"].isel(alpha=k, t=late), f"α = {power(alpha)}", k)
            for k, alpha in enumerate(data["alpha"].values)
        ],
        *[
            curve(first["distance_predicted"].isel(alpha=k, t=late), "√Σ(1/μ_k + 4ηt)⁻²", width=1)
            for k in range(data.sizes["alpha"])
        ],
    )
    height = panel(
        "its height against the start",
        axis(data["alpha"], "log"),
        Axis("‖UUᵀ − X*‖", "log"),
        curve(data["distance"].isel(t=-1), f"error at t = {int(data['t'][-1])}", marker=True),
        curve(first["plateau"], "α²‖W_p(1 − QQᵀ)W_pᵀ‖"),
        level(float(first["tail_limit"]), "√(d − r)/4ηT", role="bound"),
    )
    return Figure((runs, height))


def gradient_flow(data: xr.Dataset) -> Figure:
    error = data["flow_error"]
    first = error.isel(flow_step=0).median("replicate")
    slope = (first * data["flow_step"] / data["flow_step"][0]).assign_attrs(role="prediction")
    return Figure(
        (
            panel(
                "the flow's closed form",
                axis(data["flow_step"], "log"),
                Axis("distance from the gradient flow", "log"),
                curve(error, "gradient descent", marker=True),
                curve(slope, "slope 1"),
            ),
        )
    )


def symmetry(data: xr.Dataset) -> Figure:
    first, s = data.isel(replicate=0), float(data.attrs["scale"])
    low = float(min(first["reference"].min(), first["scaled"].min()))
    runs, rest = [], []
    for k, alpha in enumerate(data["alpha"].values):
        at = first.isel(alpha=k)
        runs += curve(at["scaled"], f"start {power(float(s * alpha))} W", k)
        runs += curve(at["scaled_predicted"], "s² times the reference", width=1)
        runs += curve(at["reference"], "reference, starts αW", k, "bound")
        rest.append(points(data["t"], at["apart"].clip(1e-17), f"α = {power(alpha)}", k, size=2))
    two = panel(
        f"target and start s = {s:g} times as large",
        axis(data["t"]),
        Axis("‖U_tU_tᵀ − X*‖", "log", limits=(low / 1e3, None)),
        runs,
    )
    one = panel(
        "are one experiment, to rounding", axis(data["t"]), axis(data["apart"], "log"), rest
    )
    return Figure((two, one))


def published_update(data: xr.Dataset) -> Figure:
    panels = []
    for name, title, words in (
        ("printed", "AE(A + Aᵀ), as published", "tr(E)1 + E"),
        ("correct", "⟨A, E⟩(A + Aᵀ), matrix sensing", "2E"),
    ):
        expected = data[f"{name}_predicted"].values.ravel()
        found = data[name].values.ravel()
        ends = [expected.min(), expected.max()]
        panels.append(
            panel(
                title,
                Axis(f"entry of {words}"),
                Axis("mean over the draws"),
                points(expected, found, "entries", size=3),
                line(ends, ends, words, role="predicted"),
            )
        )
    return Figure(tuple(panels))


def published_distances(data: xr.Dataset) -> Figure:
    printed = np.atleast_1d(data.attrs.get("printed", []))
    number = data["replicate"].values
    distances = panel(
        "the first steps",
        axis(data["t"], ticks=tuple(data["t"].values)),
        axis(data["distance"], limits=(0, None)),
        curve(data["distance"], f"published algorithm, {len(number)} draws", marker=True),
        curve(data["sensing"], "matrix sensing, m = ∞", 1, marker=True),
        points(data["t"][: len(printed)], printed, "printed", "ink", marker="square"),
    )
    factor = panel(
        "what the first step leaves beside X*",
        axis(data["replicate"]),
        Axis("⟨PU₁, PU₀⟩/‖PU₀‖²", limits=(None, 1.1)),
        points(number, data["first_factor"], "published algorithm"),
        points(number, data["first_factor_of_sensing"], "matrix sensing, m = ∞", 1),
        line(number, data["first_factor_predicted"], "1 − 2η(tr(E) + …)", role="predicted"),
    )
    return Figure((distances, factor))


def published_length(data: xr.Dataset) -> Figure:
    first, T = data.isel(replicate=0), float(data.attrs["steps"])
    distance = panel(
        "the run parks on a saddle",
        axis(data["t"]),
        axis(data["distance"], "log"),
        curve(data["distance"], "measured"),
        level(float(first["saddle"]), "√Σ_{i≥2} λ_i², first draw"),
        moment(T, "published length T", "grey", "printed"),
    )
    found = panel(
        "one direction after another, after T",
        axis(data["t"]),
        axis(data["caught"], "log"),
        *[curve(first["caught"].sel(i=i), f"i = {i}", k) for k, i in enumerate(first["i"].values)],
        [moment(float(t), "predicted t_i", k) for k, t in enumerate(first["emergence_predicted"])],
        moment(T, "T", "grey", "printed"),
    )
    return Figure((distance, found))


def uniqueness(data: xr.Dataset) -> Drawing:
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


def recovery(data: xr.Dataset) -> Drawing:
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


def plateau(data: xr.Dataset) -> Drawing:
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
    flat(right, 2.0, "m = ∞")
    flat(right, 0.5, "guarantee")
    right.lines[-1].set_linestyle(":")
    right.set_title("slope at the smallest α")
    right.legend()
    return drawing


def width(data: xr.Dataset) -> Drawing:
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


def noise(data: xr.Dataset) -> Drawing:
    drawing, (axes,) = figure()
    late = data.isel(t=slice(1, None))
    against(
        axes, late["exact"].isel(sigma=0), f"R = r, σ = {float(data['sigma'][0]):g}", COLOURS[-1]
    )
    for sigma, colour in zip(data["sigma"].values, COLOURS[:-1] * len(data["sigma"]), strict=False):
        against(axes, late["wide"].sel(sigma=sigma), f"R = d, σ = {sigma:g}", colour)
    flat(axes, data.attrs["least_squares"], "√(p/(m − p − 1))")
    flat(axes, data.attrs["cone"], "√(δ/(m − δ))")
    axes.lines[-1].set_linestyle(":")
    bottom, top = data.attrs["least_squares"] / 3, 10 * data.attrs["cone"]
    axes.set(xscale="log", yscale="log", ylim=(bottom, top), ylabel="‖U_tU_tᵀ − X*‖/σ")
    axes.set_title("noise: stopped in time, and too late")
    axes.legend()
    return drawing


def emergence(data: xr.Dataset) -> Figure:
    one = data.isel(replicate=0)
    marks = []
    for k, i in enumerate(one["i"].values):
        marks += curve(one["emergence"].sel(i=i), f"s{i}", k, marker=True)
        marks += curve(one["emergence_predicted"].sel(i=i), "predicted")
    times = panel(
        "emergence in the first problem", axis(data["alpha"], "log"), axis(data["emergence"]), marks
    )
    index, number = data["i"].values, data.sizes["replicate"]
    eta = float(one["eta"])
    naive = np.log(10) / np.log1p(2 * eta * one["eigenvalue"])
    shift = panel(
        "a start ten times smaller",
        axis(data["i"], ticks=tuple(index)),
        axis(data["shift"]),
        [points(index, data["shift"].isel(replicate=k), "measured", k) for k in range(number)],
        [
            line(index, data["shift_predicted"].isel(replicate=k), "predicted", role="predicted")
            for k in range(number)
        ],
        line(index, naive, "m = ∞, first problem", 0, role="bound"),
    )
    return Figure((times, shift))
