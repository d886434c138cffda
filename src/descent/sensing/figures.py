"""Figures of the sensing family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from descent.figure import Axis, Figure, Mark, axis, curve, level, moment, panel, points, power
from descent.style import COLOURS, against, figure
from descent.style import level as flat


def exact(data: xr.Dataset) -> Figure:
    distance, first = data["distance"], data.isel(replicate=0)
    line = slowest_mode(first)
    return Figure(
        (
            panel(
                "R = r: linear convergence at the predicted rate",
                axis(data["t"]),
                axis(distance, "log"),
                curve(distance, f"median of {data.sizes['replicate']} problems, 5–95 %"),
                curve(line, "(1 − ημ⁺)ᵗ, first problem"),
            ),
        )
    )


def slowest_mode(first: xr.Dataset) -> xr.DataArray:
    """The rate of the slowest mode through the last point of a problem that stands above rounding."""
    distance, t = first["distance"], first["t"]
    above = np.flatnonzero(distance > 1e-12)
    last = int(above[-1]) if len(above) else 0
    with np.errstate(over="ignore", invalid="ignore"):
        line = distance[last] * first["rate_bound"] ** (t - last)
    return line.where(line <= 10 * distance[0]).assign_attrs(distance.attrs, role="prediction")


def by_alpha(axes: Axes, curve: xr.DataArray) -> None:
    """One curve an α over log-spaced t ≥ 1, both axes logarithmic."""
    last = curve.sizes["t"] - 1
    curve = curve.isel(t=np.unique(np.geomspace(1, last, 200).round().astype(int)))
    for alpha, colour in zip(curve["alpha"].values, COLOURS * len(curve["alpha"]), strict=False):
        against(axes, curve.sel(alpha=alpha), f"α = {power(alpha)}", colour)
    axes.set(xscale="log", yscale="log")


def per_alpha(array: xr.DataArray) -> list[Mark]:
    """One curve an α over log-spaced t ≥ 1."""
    last = array.sizes["t"] - 1
    some = array.isel(t=np.unique(np.geomspace(1, max(last, 1), 200).round().astype(int)))
    marks = []
    for k, alpha in enumerate(some["alpha"].values):
        marks += curve(some.sel(alpha=alpha, drop=True), f"α = {power(alpha)}", k)
    return marks


def overparam(data: xr.Dataset) -> Figure:
    final, alpha = data["relative_distance"].isel(t=-1, drop=True), data["alpha"]
    run = panel(
        "R = d: error along the run",
        axis(data["t"], "log"),
        axis(data["relative_distance"], "log"),
        per_alpha(data["relative_distance"]),
    )
    start = final.isel(alpha=0, drop=True).median("replicate")
    bound, highest = (start * (alpha / alpha[0]) ** s for s in (0.5, 2))
    with np.errstate(invalid="ignore"):
        top = 30 * float(final.max())
    against = panel(
        f"error at t = {int(data['t'][-1])} against the start",
        axis(alpha, "log"),
        axis(data["relative_distance"], "log", limits=(None, top if top > 0 else None)),
        curve(final, "measured", marker=True),
        curve(bound, "slope ½ (guarantee)", role="bound"),
        curve(highest, "slope 2 (m = ∞)", role="predicted"),
        curve(data["relative_distance_bound"], "√(α√d)", "grey"),
    )
    return Figure((run, against))


def scarce(data: xr.Dataset) -> Figure:
    near = panel(
        "distance to X*",
        axis(data["t"], "log"),
        axis(data["relative_distance"], "log"),
        per_alpha(data["relative_distance"]),
        level(1.0, "U = 0"),
    )
    fit = panel(
        "fit to the measurements",
        axis(data["t"], "log"),
        axis(data["training_loss"], "log"),
        per_alpha(data["training_loss"].clip(1e-18, keep_attrs=True)),
    )
    return Figure((near, fit))


def landscape(data: xr.Dataset) -> Drawing:
    drawing, (left, middle, right) = figure(3)
    against(left, data["along"].isel(replicate=0), "along u*")
    against(left, data["across"].isel(replicate=0), "across u*")
    against(left, data["across_predicted"], "(1 + t⁴)/2", "black")
    ends, starts = np.unique(data["newton_end"], return_counts=True)
    height = np.interp(ends, data["position"], data["along"].isel(replicate=0))
    for end, count, y in zip(ends, starts, height, strict=True):
        left.annotate(f"{count}", (end, y), (0, 6), textcoords="offset points", ha="center")
    left.plot(ends, height, "o", color="black", label="ends of Newton's method, how often")
    left.set(ylabel="f/‖u*‖⁴", ylim=(-0.1, 2.2))
    left.set_title("0 is a saddle, ±u* are minima")
    left.legend()
    spectrum = data["spectrum"].isel(replicate=0)
    for point, marker in zip((0, 1), "o.", strict=True):
        name = "∇²f(u*)" if point else "∇²f(0)"
        against(middle, spectrum.sel(point=point), name, linestyle="none", marker=marker)
    for value in (-2.0, 0.0, 2.0, 4.0):
        flat(middle, value, "predicted" if value == 4 else "")
    middle.set_title("curvature at the critical points")
    middle.legend()
    against(right, data["edge"], "edge of the noise", marker="o")
    against(right, data["edge_predicted"], "2√(2d/m)", "black")
    against(right, -data["lowest"], "saddle, −λ₁", marker="o")
    against(right, -data["lowest_predicted"], "2(1 + d/2m)", "black", linestyle="--")
    right.set(xscale="log", yscale="log", ylabel="eigenvalues of ∇²f_m(0)/‖u*‖²")
    right.set_title("m measurements blur the saddle at 0")
    right.legend()
    return drawing


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


def population(data: xr.Dataset) -> Drawing:
    drawing, (left, middle, right) = figure(3)
    by_alpha(left, data["distance"])
    by_alpha(left, data["distance_predicted"].isel(replicate=0).assign_attrs(role="prediction"))
    for line in left.lines[data.sizes["alpha"] :]:
        line.set(color="black", linewidth=1, label="")
    left.plot([], [], "--", color="black", label="√Σ(1/μ_k + 4ηt)⁻²")
    low = float(data["distance"].min())
    left.set(ylim=(low / 1e3, 10 * float(data["distance"].isel(t=0).max())))
    left.set_title("m = ∞: a plateau or a tail")
    left.legend(ncols=2)
    final = data["distance"].isel(t=-1)
    against(middle, final, f"error at t = {int(data['t'][-1])}", marker="o")
    against(middle, data["plateau"].isel(replicate=0), "α²‖W_p(1 − QQᵀ)W_pᵀ‖", "black")
    flat(middle, float(data["tail_limit"][0]), "√(d − r)/4ηT")
    middle.lines[-1].set_linestyle(":")
    middle.set(xscale="log", yscale="log", ylabel="‖UUᵀ − X*‖")
    middle.set_title("its height against the start")
    middle.legend()
    error = data["flow_error"]
    against(right, error, "gradient descent", marker="o")
    first = error.isel(flow_step=0).median("replicate")
    line = (first * data["flow_step"] / data["flow_step"][0]).assign_attrs(
        error.attrs, role="prediction"
    )
    against(right, line, "slope 1", "black")
    right.set(xscale="log", yscale="log", ylabel="distance from the gradient flow")
    right.set_title("the flow's closed form")
    right.legend()
    return drawing


def symmetry(data: xr.Dataset) -> Drawing:
    drawing, (left, right) = figure(2)
    first = data.isel(replicate=0)
    for alpha, colour in zip(data["alpha"].values, COLOURS * data.sizes["alpha"], strict=False):
        at = first.sel(alpha=alpha)
        label = f"{power(float(at['literal']))} W on N(0, 1)"
        against(left, at["large"], label, colour)
        against(left, at["large_predicted"], "", "black", linewidth=1)
        against(left, at["small"], "", colour, linestyle=":")
        floor = at["apart"].clip(1e-17, keep_attrs=True)
        against(right, floor, f"α = {power(alpha)}", colour, linestyle="none", marker=".")
    left.plot([], [], ":", color="0.3", label="U* ~ N(0, 1/d), α = 10⁻⁵ …")
    left.plot([], [], "--", color="black", linewidth=1, label="d times that")
    low = float(min(first["small"].min(), first["large"].min()))
    left.set(yscale="log", ylabel="‖U_tU_tᵀ − X*‖", ylim=(low / 1e3, None))
    left.set_title("two readings of the starts")
    left.legend(fontsize="x-small", loc="lower left")
    right.set(yscale="log")
    right.set_title("are one experiment, to rounding")
    right.legend(ncols=2)
    return drawing


def published(data: xr.Dataset) -> Drawing:
    drawing, (left, middle, right) = figure(3)
    against(left, data["emulated"], f"emulated, {data.sizes['replicate']} draws", marker="o")
    printed = np.atleast_1d(data.attrs.get("printed", []))
    left.plot(data["epoch"][: len(printed)], printed, "s", color="black", label="printed")
    left.set(ylabel="‖U_tU_tᵀ − X*‖", xticks=data["epoch"].values, ylim=(0, None))
    left.set_title("the notebook's algorithm")
    left.legend()
    first = data.isel(replicate=0)
    against(middle, data["distance"])
    flat(middle, float(first["saddle"]), "√Σ_{i≥2} λ_i², first draw")
    middle.axvline(data.attrs["steps"], color="0.3", linestyle=":", label="published length T")
    middle.set(yscale="log")
    middle.set_title("the correct update parks on a saddle")
    middle.legend()
    for i in first["i"].values:
        colour = COLOURS[(i - 1) % len(COLOURS)]
        against(right, first["caught"].sel(i=i), f"i = {i}", colour)
        right.axvline(float(first["predicted"].sel(i=i)), color=colour, linestyle="--", linewidth=1)
    right.axvline(np.nan, color="black", linestyle="--", linewidth=1, label="predicted t_i")
    right.axvline(data.attrs["steps"], color="0.3", linestyle=":", label="T")
    right.set(yscale="log")
    right.set_title("one direction after another, after T")
    right.legend(ncols=2)
    return drawing


def uniqueness(data: xr.Dataset) -> Figure:
    threshold = moment(1.0, "δ")
    shares = panel(
        "least squares over X ⪰ 0 from far away",
        axis(data["ratio"]),
        Axis(f"share of {data.sizes['replicate']} problems"),
        *(
            curve(data[name], colour=k, marker=True)
            for k, name in enumerate(("found", "missed", "undecided"))
        ),
        threshold,
    )
    distance = data["relative_distance"].clip(1e-9, keep_attrs=True)
    ends = panel(
        "where it ends",
        axis(data["ratio"]),
        axis(distance, "log"),
        *(points(data["ratio"], one, "one problem", 0) for one in distance),
        threshold,
    )
    return Figure((shares, ends))


def recovery(data: xr.Dataset) -> Figure:
    dr = data.attrs["dr"]
    marks = [
        curve(data[name].clip(1e-16, keep_attrs=True), colour=k, marker=True)
        for k, name in enumerate(("exact", "small", "large"))
    ]
    lines = [
        moment(float(data[name]) / dr, label, k, role="bound")
        for k, (name, label) in enumerate(
            (
                ("degrees_of_freedom", "dof"),
                ("twice_the_rank", "dof₂"),
                ("uniqueness_threshold", "δ"),
            )
        )
    ]
    return Figure(
        (
            panel(
                "measurements needed",
                axis(data["oversampling"], "log"),
                Axis("‖U_TU_Tᵀ − X*‖ / ‖X*‖", "log"),
                *marks,
                lines,
                moment(data.attrs["unknowns"], "d(d+1)/2", "grey"),
            ),
        )
    )


def plateau(data: xr.Dataset) -> Figure:
    many = data["oversampling"].values
    errors = panel(
        "error that a small start leaves",
        axis(data["alpha"], "log"),
        axis(data["error"], "log"),
        *(
            curve(data["error"].sel(oversampling=c, drop=True), f"m = {c:g}dr", k, marker=True)
            for k, c in enumerate(many)
        ),
        curve(data["infinite"], "m = ∞", len(many), marker=True),
        curve(data["predicted"], "predicted, m = ∞"),
    )
    slopes = panel(
        "slope at the smallest α",
        axis(data["oversampling"]),
        axis(data["slope"]),
        curve(data["slope"], "measured", marker=True),
        level(float(data["slope_highest_bound"]), "m = ∞", role="bound"),
        level(float(data["slope_lowest_bound"]), "guarantee", role="bound"),
    )
    return Figure((errors, slopes))


def width(data: xr.Dataset) -> Figure:
    error = data["relative_distance"].isel(t=slice(1, None)).clip(1e-16, keep_attrs=True)
    least = data["relative_distance_bound"].isel(width=slice(1, None))
    panels = []
    for k, alpha in enumerate(data["alpha"].values):
        here = error.sel(alpha=alpha, drop=True)
        lowest = float(least.isel(alpha=k).min())
        panels.append(
            panel(
                f"start α = {power(alpha)}",
                axis(data["t"], "log"),
                axis(error, "log"),
                *(
                    curve(here.sel(width=R, drop=True), f"R = {R}", j)
                    for j, R in enumerate(data["width"].values)
                ),
                level(lowest, "least of R > r at the end", role="bound"),
            )
        )
    first = data["first"].isel(alpha=0, drop=True)
    ticks = tuple(float(R) for R in data["width"].values)
    times = panel(
        f"the first steps, α = {power(data['alpha'].values[0])}",
        Axis(data["width"].attrs["long_name"], "log", ticks=ticks),
        axis(first),
        curve(first, "measured", marker=True),
        curve(data["first_predicted"], "predicted"),
    )
    return Figure((*panels, times))


def noise(data: xr.Dataset) -> Figure:
    late = data.isel(t=slice(1, None))
    few, many = float(data["exact_predicted"]), float(data["limit_predicted"])
    return Figure(
        (
            panel(
                "noise: stopped in time, and too late",
                axis(data["t"], "log"),
                Axis("‖U_tU_tᵀ − X*‖/σ", "log", limits=(few / 3, 10 * many)),
                curve(
                    late["exact"].isel(sigma=0, drop=True),
                    f"R = r, σ = {data['sigma'].values[0]:g}",
                    "grey",
                ),
                *(
                    curve(late["wide"].sel(sigma=sigma, drop=True), f"R = d, σ = {sigma:g}", k)
                    for k, sigma in enumerate(data["sigma"].values)
                ),
                level(few, "√(p/(m − p − 1))"),
                level(many, "√(δ/(m − δ))", role="bound"),
            ),
        )
    )


def emergence(data: xr.Dataset) -> Drawing:
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
    flat(right, 0.0, "predicted")
    right.set(xscale="log")
    right.set_title("t₁ against λ̂₁ and ‖vᵀW‖")
    right.legend()
    return drawing
