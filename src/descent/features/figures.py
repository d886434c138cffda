"""Figures of the features family: one function per experiment, named after it."""

import xarray as xr

from descent.features._lazy_figures import lazy_plane as lazy_plane
from descent.features._start_figures import lost_sides as lost_sides
from descent.features._start_figures import norms as norms
from descent.features._start_figures import printed_norms as printed_norms
from descent.features._start_figures import zero_biases as zero_biases
from descent.figure import Axis, Figure, Mark, axis, curve, level, line, moment, panel, points

SHAPES = ("deep", "shallow")


def spectrum(data: xr.Dataset) -> Figure:
    texts = (f"{data.attrs['hidden']} hidden", "1 hidden")
    k, marks = 0, []
    for name, text in zip(SHAPES, texts, strict=True):
        for when in ("before", "after"):
            sigma = data["sigma"].sel(network=name, when=when)
            marks += curve(sigma, f"{text}, {when}", k)
            k += 1
    sigmas = panel(
        "four before training, many after",
        axis(data["index"]),
        Axis("σ_k of the Jacobian, median, 5–95 %", "log", limits=(1e-6, None)),
        marks,
        level(data.attrs["root"], "√N", role="bound"),
    )
    each = [
        ("deep", texts[0], "after"),
        ("shallow", texts[1], "after"),
    ]
    shown = [
        panel(
            f"features of {text}, {when}",
            axis(data["x"]),
            Axis("column of UΣ"),
            *(
                curve(data["features"].sel(network=name, when=when, feature=f), f"feature {f}", c)
                for c, f in enumerate(data["feature"].values)
            ),
        )
        for name, text, when in each
    ]
    return Figure((sigmas, *shown))


def small_start(data: xr.Dataset) -> Figure:
    when = list(enumerate(data["when"].values))
    one = panel(
        "one feature before training, and after",
        axis(data["index"]),
        Axis("σ_k of the Jacobian, median, 5–95 %", "log", limits=(1e-6, None)),
        *(curve(data["sigma"].sel(when=w), w, k) for k, w in when),
        level(data.attrs["root"], "√N"),
    )
    fits = panel(
        "what is learned: a constant",
        axis(data["x"]),
        Axis("m(x)"),
        *(
            curve(data["output"].isel(replicate=k), "trained networks", 1)
            for k in range(min(data.sizes["replicate"], 12))
        ),
        curve(data["truth"], "f(x)", "ink"),
    )
    above, shown = data["sigma1"] / data.attrs["root"] - 1, data["on"]
    exact = data["sigma1_predicted"] / data.attrs["root"] - 1
    units = panel(
        "σ₁ above √N: the units that are on",
        Axis("share of units of the last layer on", limits=(0, None)),
        Axis("σ₁/√N − 1", "log"),
        *(points(shown.sel(when=w), above.sel(when=w), w, k) for k, w in when),
        *(
            points(
                shown.sel(when=w), exact.sel(when=w), "σ₁ of F", "ink", "predicted", marker="cross"
            )
            for _, w in when
        ),
    )
    return Figure((one, fits, units))


def mismatch(data: xr.Dataset) -> Figure:
    titles = {
        "matched": "trained on all of [−1, 1]",
        "mismatched": "trained on one side of the dotted line",
    }
    panels = []
    for kind, title in titles.items():
        marks: list[Mark] = []
        for k, name in enumerate(SHAPES):
            one = data["output"].sel(network=name, kind=kind)
            marks += curve(one, f"{name}, median, 5–95 %", k)
        marks += curve(data["truth"], "f(x)", "ink")
        if kind == "mismatched":
            marks.append(moment(data.attrs["end"], "end of the data", "grey", "bound"))
        panels.append(panel(title, axis(data["x"]), Axis("m(x)", limits=(-1.5, 2.5)), marks))
    dots: list[Mark] = []
    for name, marker in zip(SHAPES, ("circle", "cross"), strict=True):
        for k, kind in enumerate(titles):
            one = data.sel(network=name, kind=kind)
            text = f"{name}, {kind}"
            dots.append(points(one["rank"], one["error_outside"], text, k, size=4, marker=marker))
    panels.append(
        panel(
            "one feature outside, and no fit",
            Axis("effective rank outside"),
            Axis("error outside", "log"),
            dots,
            level(data["floor_bound"], "best line", role="bound"),
        )
    )
    return Figure(tuple(panels))


def stability(data: xr.Dataset) -> Figure:
    titles = {"failed": "lost or constant: beyond the edge", "spiked": "a loss ten times the first"}
    looks = ("circle", "square", "triangle", "diamond")
    panels = []
    for name, title in titles.items():
        marks: list[Mark] = []
        for k, rate in enumerate(data["rate"].values):
            for j, momentum in enumerate(data["momentum"].values):
                cell = data.sel(rate=rate, momentum=momentum)
                x, y = cell["ratio_of_bin"], cell[f"{name}_of_bin"]
                text, look = f"η = {rate:g}, μ = {momentum:g}", looks[j % len(looks)]
                marks += [line(x, y, text, k), points(x, y, text, k, size=4, marker=look)]
        x = Axis("σ₁/√((1 + μ)N/η) of the start", "log")
        y = Axis("share of networks", limits=(-0.03, 1.03))
        panels.append(panel(title, x, y, marks, moment(1.0, "predicted edge")))
    return Figure(tuple(panels))


def large_starts(data: xr.Dataset) -> Figure:
    losses = panel(
        "the loss, until it is lost",
        axis(data["step"]),
        Axis("last finite loss of the batch", "log"),
        *(
            curve(data["loss"].isel(replicate=k), "large starts", 0, marker=True)
            for k in range(min(data.sizes["replicate"], 40))
        ),
    )
    when = panel(
        "the step that loses it",
        axis(data["replicate"]),
        Axis("step", limits=(0, None)),
        points(data["replicate"], data["lost_at"] - data["off"], "measured, all layers on", size=4),
        points(
            data["replicate"],
            data["lost_at_predicted"],
            "predicted, to a step",
            "ink",
            "predicted",
            marker="cross",
        ),
    )
    return Figure((losses, when))


def kernel(data: xr.Dataset) -> Figure:
    late = data.isel(step=slice(1, None))
    loss = panel(
        "a frozen kernel stops at its floor",
        axis(data["step"], "log"),
        Axis("loss", "log"),
        curve(late["loss"], "linearised, median, 5–95 %"),
        line(
            late["step"],
            late["loss_predicted"].median("replicate"),
            "from (1 − 2ησ²/N)^t",
            role="predicted",
        ),
        level(data["floor_predicted"], "floor: two lines", role="bound"),
        level(data["trained"].median(), "trained network", 1, "measured"),
    )
    shares = panel(
        "training turns features towards y",
        axis(data["features"]),
        Axis("share of ‖y‖² in the first features", limits=(0, 1.02)),
        *(
            curve(data[f"held_{when}"], f"{when} training", k, marker=True)
            for k, when in enumerate(("before", "after"))
        ),
        level(data["reachable"], "two lines"),
    )
    return Figure((loss, shares))
