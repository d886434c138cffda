"""Figures of the experiments on rules with momentum and with adaptive steps."""

import numpy as np
import xarray as xr

from descent.figure import (
    Axis,
    Figure,
    Mark,
    Panel,
    axis,
    curve,
    level,
    line,
    panel,
    points,
    segments,
)

RULES = {
    "descent": "gradient descent",
    "minibatches": "minibatches",
    "heavy_ball": "heavy ball",
    "nesterov": "Nesterov",
    "adam": "Adam",
    "adagrad": "AdaGrad",
    "sign": "sign descent",
}


def _ends(data: xr.Dataset, target: str, words: str) -> list[Mark]:
    """The weights at the end of every run beside those of a solution."""
    j = data["j"].values
    marks = [segments(j, 0 * j, j, data[target].values)]
    for place, rule in enumerate(data["rule"].values):
        end = data["end"].sel(rule=rule)
        marks.append(points(j, end, RULES[rule], place, hollow=True, size=5 + 2 * place))
    return [*marks, points(j, data[target].values, words, "ink", marker="cross", size=4)]


def optimisers(data: xr.Dataset) -> Figure:
    distances = []
    for place, rule in enumerate(data["rule"].values):
        distances += curve(data["distance"].sel(rule=rule), RULES[rule], place)
    left = panel(
        "to the predicted solution",
        axis(data["k"], "symlog"),
        axis(data["distance"], "log", limits=(1e-15, None)),
        distances,
    )
    ends = _ends(data, "limit", "w₀ + X⁺(y − Xw₀)")
    return Figure((left, panel("weights at the end", axis(data["j"]), Axis("w_j"), ends)))


def _ball(data: xr.Dataset) -> Panel:
    """Paths to the affine set of solutions, and the ball around the start that touches it."""
    radius, marks = float(data["radius"]), []
    far = 1.1 * max(radius, float(data["across"].max()))
    for place, rule in enumerate(data["rule"].values):
        one = data.sel(rule=rule)
        marks.append(line(one["along"], one["across"], RULES[rule], place))
        marks.append(points(one["along"][-1:], one["across"][-1:], colour=place))
    angle = np.linspace(0, np.pi / 2, 60)
    ball = line(radius * np.cos(angle), radius * np.sin(angle), "ball around w₀", "grey")
    wide = 1.05 * max(radius, float(data["along"].max()))
    return panel(
        "to the solutions",
        Axis("towards the nearest solution", limits=(0, wide)),
        Axis("‖P(w − w₀)‖", limits=(-0.03 * far, far)),
        marks,
        ball,
        line([radius, radius], [0, far], "solutions Xw = y", "ink", width=1),
        line([0, radius], [0, 0], "gradient descent", role="predicted"),
        points([radius], [0], colour="ink", marker="star", size=9),
        square=True,
    )


def adaptive(data: xr.Dataset) -> Figure:
    across = []
    first = np.sqrt((data["first_predicted"] ** 2).sum("j"))
    for place, rule in enumerate(data["rule"].values):
        across += curve(data["across"].sel(rule=rule), RULES[rule], place)
        across += [level(float(first.sel(rule=rule)), "predicted after one step", place)]
    middle = panel(
        "what no sample sees", axis(data["k"], "log"), axis(data["across"], "log"), across
    )
    ends = panel(
        "weights at the end",
        axis(data["j"]),
        Axis("w_j"),
        _ends(data, "nearest", "nearest solution"),
    )
    return Figure((_ball(data), middle, ends))
