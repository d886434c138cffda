"""Figures of the document's own networks: what it prints, and the loss around the end of training."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, Panel, axis, curve, heat, line, panel, points
from descent.mlp1d._drawing import EPOCH, LOSS, late
from descent.mlp1d._networks import FORMULA

CUT = 200.0  # loss at which the document cuts off its planes


def landscape(data: xr.Dataset) -> Figure:
    lines = []
    for k, (name, text) in enumerate(FORMULA.items()):
        lines.append(curve(data[f"{name}_along"], f"{text}, Δ as drawn", k))
        normal = data[f"{name}_filtered"].median("replicate", keep_attrs=True)
        lines.append(curve(normal, f"{text}, filter-normalised", k + 2))
    left = panel("one direction says little", axis(data["t"]), Axis("f(θ* + tΔ)", "log"), *lines)
    traces = []
    for k, (name, text) in enumerate(FORMULA.items()):
        exact = data[f"{name}_trace_predicted"]
        mean = data[f"{name}_quadratic"].mean("replicate")
        traces.append(points(exact, mean, text, k))
    largest = max(float(data[f"{name}_trace_predicted"].max()) for name in FORMULA)
    middle = panel(
        "mean curvature against the trace",
        Axis("tr H"),
        Axis("mean of ΔᵀHΔ over the directions"),
        traces,
        line([0, largest], [0, largest], "predicted", role="predicted"),
    )
    with np.errstate(divide="ignore"):
        surface = np.log10(data["plane"])
    right = panel(
        "ReLU, filter-normalised",
        axis(data["s"]),
        axis(data["t"]),
        heat(data["s"], data["t"], surface, "log₁₀ f"),
    )
    return Figure((left, middle, right))


def rescaling(data: xr.Dataset) -> Figure:
    shown = {"along": "Δ as drawn", "rescaled": "Δ as drawn, network rescaled"}
    raw = [
        curve(data[name].median("replicate", keep_attrs=True), text, k)
        for k, (name, text) in enumerate(shown.items())
    ]
    after, before = (
        data[name].median("replicate", keep_attrs=True)
        for name in ("filtered", "filtered_predicted")
    )
    height = Axis("f(θ* + tΔ), median of directions", "log")
    return Figure(
        (
            panel("as drawn, rescaling changes everything", axis(data["t"]), height, *raw),
            panel(
                "with its norms, nothing",
                axis(data["t"]),
                height,
                curve(after, "network rescaled", 1),
                curve(before, "before", role="predicted"),
            ),
        )
    )


def growth(data: xr.Dataset) -> Figure:
    panels = []
    for k, (name, text) in enumerate(FORMULA.items()):
        coefficient = float(data[f"{name}_coefficient_predicted"].sel(side=1).median())
        power = float(data[f"{name}_exponent_predicted"])
        law = coefficient * data["t"].values ** power
        panels.append(
            panel(
                f"{text} grows like t^{power:g}",
                Axis("t", "log"),
                Axis("f(θ* + tΔ)", "log"),
                curve(data[f"{name}_along"], "median and 5–95 % of directions", k),
                line(
                    data["t"], np.where(law > 1e-4, law, np.nan), f"t^{power:g}", role="predicted"
                ),
            )
        )
    return Figure(tuple(panels))


def running_mean(data: xr.Dataset) -> Figure:
    return Figure(
        tuple(
            panel(
                f"{FORMULA[name]}: printed is the mean so far",
                EPOCH,
                LOSS,
                curve(late(one["loss"]), "loss", 0),
                curve(late(one["running_mean"]), "mean of the losses so far", 1),
                points(
                    one["printed"].where(one["printed"] > 0),
                    one["mean_predicted"],
                    "printed",
                    "ink",
                    "printed",
                ),
            )
            for name in data["network"].values
            for one in [data.sel(network=name)]
        )
    )


def printed_landscape(data: xr.Dataset) -> Figure:
    near, far = [], []
    for k, (name, text) in enumerate(FORMULA.items()):
        for j, (kind, words) in enumerate((("raw", "Δ as drawn"), ("normalised", "normalised"))):
            label, shade = f"{text}, {words}", k + 2 * j
            near += curve(data[f"{name}_near"].sel(kind=kind), label, shade)
            far += curve(data[f"{name}_far"].sel(kind=kind), label, shade)
    planes = [_plane(data, name, kind) for kind in ("raw", "normalised") for name in FORMULA]
    return Figure(
        (
            panel("along the document's Δ", axis(data["near"]), Axis("f(θ* + tΔ)", "log"), near),
            panel("the same from afar", axis(data["far"]), Axis("f(θ* + tΔ)"), far),
            *planes,
        )
    )


def _plane(data: xr.Dataset, name: str, kind: str) -> Panel:
    surface = data[f"{name}_plane"].sel(kind=kind)
    marks = heat(data["s2"], data["t2"], surface.clip(max=CUT), "f", (0, CUT))
    title, surface = f"{FORMULA[name]}, cut off at {CUT:g}", surface.values
    if kind == "normalised":  # far lower, on scales of their own
        with np.errstate(divide="ignore"):
            marks = heat(data["s2"], data["t2"], np.log10(surface), "log₁₀ f")
        title = f"{FORMULA[name]}, normalised"
    return panel(title, axis(data["s2"]), axis(data["t2"]), marks)
