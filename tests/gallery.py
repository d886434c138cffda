"""Figures that hold what no experiment should hold, and that are drawn nevertheless."""

import numpy as np

from descent.figure import (
    Axis,
    Figure,
    Panel,
    band,
    heat,
    level,
    line,
    moment,
    panel,
    points,
    segments,
    text,
)

WORDS = "_hidden $x_1^2$ \\alpha <!-- ]]> </script> & \"quotes\" 'too' \u2028 \x00\x0b \ud800 漢 %"


def of_every_kind(values: np.ndarray, scale: str = "linear", limits=(None, None)) -> Panel:
    """All marks of one set of numbers."""
    x, one = values, values[:1] if len(values) else [np.nan]
    return panel(
        WORDS,
        Axis(WORDS, scale, limits),
        Axis("y " + WORDS, scale, limits),
        line(x, x[::-1], WORDS, role="predicted"),
        line(np.arange(len(x)), x, "measured"),
        band(x, x[::-1], 2 * np.clip(x, -1e300, 1e300), "band"),
        points(x, x, "points", hollow=True, marker="star"),
        segments(x, x, x[::-1], x, "segments"),
        level(one[0], "level"),
        moment(one[0], "moment", role="bound"),
        text(one[0], one[0], WORDS, raised=True),
        heat(x, x, np.add.outer(*2 * [np.clip(x, -1e300, 1e300)]), WORDS, limits=(np.nan, 1.0)),
    )


def pictures() -> dict[str, Figure]:
    """Figures by name."""
    t, empty = np.arange(1, 10_001.0), np.empty(0)
    steps, error = Axis("step t", "log"), Axis("error", "log")
    angle, x, y = np.linspace(0, 7, 5000), np.linspace(-2, 2, 40), np.geomspace(0.01, 10, 30)
    sample = np.random.default_rng(0).random((2, 1000))
    decades = [
        panel("few", steps, error, line(t[:30], 1 / t[:30], "measured"), level(0.1, WORDS)),
        panel("many", steps, error, line(t, np.exp(-t / 20), "measured")),
        panel(
            "part of one", steps, error, line([1, 1.2, 1.5, 1.9], [3, 3.1, 3.15, 3.2], "measured")
        ),
        panel("all", Axis("x"), error, line([0, 1, 2], [1e-290, 1, 1e308], "measured")),
    ]
    nothing = [
        panel("zero", steps, error, line(t, 0 * t, "measured"), level(0.3, "predicted")),
        panel("NaN", Axis("x"), Axis("y"), line(t, t * np.nan, "measured")),
        panel("no mark", Axis("x"), Axis("y")),
        panel("empty", Axis("x"), Axis("y"), points(empty, empty), band(empty, empty, empty)),
    ]
    little = [
        panel("one point", Axis("x"), Axis("y"), line([3], [4], "measured")),
        panel("constant", Axis("x"), Axis("y"), line(t, 0 * t + 7, "measured")),
        panel(
            "nearly",
            Axis("x", "symlog"),
            Axis("y"),
            line([0, 1, 99], [1, 1 + 1e-10, 1], "measured"),
        ),
        panel("backwards", Axis("x", limits=(9, 0)), error, line([0, 9], [1, 2], "measured")),
    ]
    maps = [
        panel(
            "map",
            Axis("x"),
            error,
            heat(x, y, np.add.outer(y, x), "y + x"),
            line(x, np.exp(-x), "e"),
        ),
        panel(
            "circle",
            Axis("x"),
            Axis("y"),
            line(np.cos(angle), np.sin(angle), "circle"),
            square=True,
        ),
        panel(
            "cloud", Axis("x"), Axis("y"), points(*sample, "sample"), line([0, 1], [0, 1], "law")
        ),
        panel(
            "long",
            steps,
            Axis("y"),
            [line(t, np.sin(np.log(t) + k), f"n = {k}", k) for k in range(14)],
        ),
    ]
    return {
        "decades": Figure(tuple(decades), caption=WORDS),
        "nothing": Figure(tuple(nothing)),
        "little": Figure(tuple(little)),
        "maps": Figure(tuple(maps)),
        "kinds": Figure(
            (of_every_kind(np.array([1.0, np.nan, 3.0, -np.inf, 0.0, -1e300, 1e-310])),)
        ),
    }
