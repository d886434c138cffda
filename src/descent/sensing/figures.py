"""Figures of the sensing family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from descent.figure import Axis, Figure, axis, curve, level, panel
from descent.style import COLOURS, against, figure, power
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
