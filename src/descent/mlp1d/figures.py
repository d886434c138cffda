"""Figures of the mlp1d family."""

import xarray as xr

from descent.figure import Axis, Figure, axis, curve, level, line, panel, points
from descent.mlp1d._drawing import (
    EPOCH,
    HIGHEST,
    LOSS,
    ROUNDING,
    at_rates,
    by_rank,
    late,
    rates_of,
)
from descent.mlp1d._landscape_figures import (
    growth,
    landscape,
    printed_landscape,
    rescaling,
    running_mean,
)
from descent.mlp1d._networks import FORMULA
from descent.mlp1d._pair import FORMULA as RULES
from descent.mlp1d._run_figures import adam_minima, carried_rates, unseeded_runs

__all__ = [
    "activation",
    "adam_minima",
    "carried_rates",
    "growth",
    "landscape",
    "optimizer",
    "printed_landscape",
    "rescaling",
    "running_mean",
    "saturation",
    "sharpness",
    "start",
    "unseeded_runs",
    "width",
]


def width(data: xr.Dataset) -> Figure:
    names = data.attrs["hidden"].split(",")
    labels = [
        f"hidden {name}: P = {int(P)}" for name, P in zip(names, data["parameters"], strict=True)
    ]
    floors = [
        level(data.attrs["constant"], "dead: Var y"),
        level(float(data["hinge_bound"]), "best single hinge", role="bound"),
    ]
    along = [
        curve(late(data["loss"].isel(parameters=k)), label, k) for k, label in enumerate(labels)
    ]
    ends = [by_rank(data["final"].isel(parameters=k), label, k) for k, label in enumerate(labels)]
    return Figure(
        (
            panel("loss along training, median and 5–95 %", EPOCH, LOSS, *along, floors),
            panel(
                "dead, on one hinge, or below",
                Axis("share of networks"),
                Axis("loss at the end", "log"),
                ends,
                floors,
            ),
        )
    )


def saturation(data: xr.Dataset) -> Figure:
    constant = data.attrs["constant"]
    saturated = data["loss"].where(data["saturated"] == 1, drop=True)
    rest = data["loss"].where(data["saturated"] == 0, drop=True)
    groups = (
        curve(late(group.assign_attrs(data["loss"].attrs), 10.0), label, k)
        for k, (group, label) in enumerate(((saturated, "saturated"), (rest, "the others")))
        if group.sizes["replicate"]
    )
    loss = panel(
        "a saturated network stays at Var y", EPOCH, LOSS, *groups, level(constant, "Var y")
    )
    exact, bound = data["sharpness_predicted"], float(data["critical_bound"])
    largest = max(bound, float(exact.max()) if exact.size else 0.0)
    curvature = panel(
        "its sharpness is that of a constant",
        Axis("2(1 + 16 · units on)", limits=(0.0, 1.1 * largest)),
        Axis("λ_max at the end", limits=(0.0, 1.1 * largest)),
        points(exact, data["sharpness"], "λ_max"),
        line([0, largest], [0, largest], "predicted", role="predicted"),
        level(bound, "2/η: steeper ones leave", role="bound"),
    )
    return Figure((loss, curvature))


def activation(data: xr.Dataset) -> Figure:
    floors = [
        level(float(data["line_predicted"]), "best line"),
        level(data.attrs["constant"], "Var y", role="bound"),
    ]
    relu = panel("ReLU, fresh weights", EPOCH, LOSS, *at_rates(data, "relu_loss", 10.0))
    sigmoid = panel(
        "4·sigmoid waits at the best line",
        EPOCH,
        Axis("training loss", "log", limits=(0.02, 12)),
        *at_rates(data, "sigmoid_loss", 10.0),
        floors,
    )
    ends = []
    for k, (name, text) in enumerate(FORMULA.items()):
        for j, (kind, words) in enumerate((("final", "fresh"), ("chained", "carried over"))):
            values = data[f"{name}_{kind}"].clip(ROUNDING, 10, keep_attrs=True)
            ends.append(curve(values, f"{text}, {words}", 2 * k + j, marker=True))
    carried = panel(
        "weights carried from rate to rate mislead",
        rates_of(data),
        Axis("loss at the end", "log"),
        *ends,
    )
    return Figure((relu, sigmoid, carried))


def start(data: xr.Dataset) -> Figure:
    loss = data["loss"].clip(ROUNDING, HIGHEST, keep_attrs=True)
    six = [
        line(loss["epoch"], loss.isel(replicate=k), "six of them", "grey", width=0.6)
        for k in range(min(6, loss.sizes["replicate"]))
    ]
    training = panel(
        "training loss from many starts",
        EPOCH,
        LOSS,
        curve(late(data["loss"]), f"median of {data.sizes['replicate']} starts, 5–95 %"),
        six,
        level(float(data["start_loss_predicted"]), "mean at the start"),
    )
    fits = panel(
        "the fits part between the points",
        axis(data["x"]),
        Axis("m(x)"),
        curve(data["fit"], "m(x; θ_T), median, 5–95 %"),
        line(data["x"], data["truth"], "y(x)", role="predicted"),
        points(data["point"], data["y"], "y_i", "ink"),
    )
    ends = panel(
        "where training ends",
        Axis("loss at the end", "log"),
        Axis("sharpness", "log"),
        points(
            data["final"].clip(ROUNDING, HIGHEST), data["sharpness"], "λ_max at the end", size=4
        ),
        level(data.attrs["critical"], "2/η", role="bound"),
    )
    return Figure((training, fits, ends))


def optimizer(data: xr.Dataset) -> Figure:
    losses = Axis("training loss", "log", limits=(1e-15, 10))
    stop = level(data.attrs["stop"], "the loss that is claimed")
    training = [
        panel(f"{text}, median and 5–95 %", EPOCH, losses, *at_rates(data, f"{name}_loss"), stop)
        for name, text in RULES.items()
    ]
    shares = []
    for k, (name, text) in enumerate(RULES.items()):
        for j, (what, words) in enumerate((("stopped", "reached it"), ("stuck", "stuck"))):
            share = data[f"{name}_{what}"].mean("replicate", keep_attrs=True)
            shares.append(curve(share, f"{text}, {words}", 2 * k + j, marker=True))
    right = panel(
        "a large rate leaves Adam stuck",
        rates_of(data),
        Axis("share of networks", limits=(-0.03, 1.03)),
        *shares,
    )
    return Figure((*training, right))


def sharpness(data: xr.Dataset) -> Figure:
    scaled = (data["sharpness"] / data["critical_predicted"]).clip(0, 3)
    scaled = scaled.assign_attrs(long_name="λ_max η/2", role="measured")
    sharp = [
        curve(scaled.isel(rate=k), f"η = {float(rate):g}", k) for k, rate in enumerate(data["rate"])
    ]
    return Figure(
        (
            panel(
                "λ_max rises to the edge and stays",
                axis(data["time"]),
                Axis("λ_max(∇²f(θ_t)) / (2/η)"),
                *sharp,
                level(1.0, "2/η"),
            ),
            panel("training goes on at the edge", EPOCH, LOSS, *at_rates(data, "loss")),
        )
    )
