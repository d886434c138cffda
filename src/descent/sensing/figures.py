"""Figures of the sensing family: one function per experiment, named after it."""

import numpy as np
import xarray as xr

from descent.figure import (
    Axis,
    Figure,
    Mark,
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
from descent.sensing._early_figures import (  # noqa: F401  drawn by name
    power_iteration,
    two_factors,
)
from descent.sensing._phase_figures import phase  # noqa: F401  drawn by name


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
