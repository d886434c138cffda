"""Marks as Matplotlib draws them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke

from descent.figure import Mark
from descent.lab.colours import FARTHEST, colour, edges, shades
from descent.lab.rulers import stretched, unstretched
from descent.lab.seen import COORDINATES, Seen, words

DASHES = {"solid": "-", "dashed": "--", "dotted": ":"}
MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "cross": "x",
    "star": "*",
    "diamond": "D",
}


def draw_mark(axes: Axes, mark: Mark, panel: Seen) -> None:
    shade, values = colour(mark.colour), _reachable(mark, panel)
    look = {"color": shade, "linestyle": DASHES[mark.stroke], "linewidth": float(mark.width)}
    if any(each.kind == "heat" for each in panel.marks):  # a line over its colours has an edge
        edge = withStroke(linewidth=float(mark.width) + 2, foreground="white", alpha=0.8)
        look["path_effects"] = [edge]
    if mark.kind == "line":
        axes.plot(values["x"], values["y"], **look)
    elif mark.kind == "points":
        dots = marker(mark.marker, shade, float(mark.size), mark.hollow)
        axes.plot(values["x"], values["y"], linestyle="none", zorder=2.5, **dots)
    elif mark.kind == "band":
        axes.fill_between(
            values["x"], values["low"], values["high"], color=shade, alpha=0.2, linewidth=0
        )
    elif mark.kind == "level":
        for at in values["at"]:
            axes.axhline(at, **look)
    elif mark.kind == "moment":
        for at in values["at"]:
            axes.axvline(at, **look)
    elif mark.kind == "segments":
        ends = np.stack([values[key] for key in ("x", "y", "x2", "y2")], 1)
        ends = ends[np.isfinite(ends).all(1)].reshape(-1, 2, 2)
        axes.add_collection(
            LineCollection(
                list(ends),
                colors=shade,
                linestyles=DASHES[mark.stroke],
                linewidths=float(mark.width),
            ),
            autolim=False,
        )
    elif mark.kind == "text":
        _words(axes, mark)
    else:
        _heat(axes, mark, panel)


def _reachable(mark: Mark, panel: Seen) -> dict[str, np.ndarray]:
    """Nothing more than a thousand widths away, where browsers lose their digits."""
    values = dict(mark.values)
    if mark.kind == "heat":
        return values
    for name, ruler in (("x", panel.x), ("y", panel.y)):
        low, high = sorted(stretched(np.array([ruler.low, ruler.high]), ruler.scale))
        reach = 1000 * (high - low)
        with np.errstate(over="ignore"):
            ends = unstretched(np.array([low - reach, high + reach]), ruler.scale)
        for key in COORDINATES[name]:
            if key in values:
                near = values[key].clip(*ends)
                placed = values[key] > 0 if ruler.scale == "log" else True
                values[key] = np.where(placed, near, values[key])
    return values


def marker(name: str, shade: str, size: float, hollow: bool) -> dict:
    return {
        "marker": MARKERS[name],
        "markersize": size * (1.5 if name == "star" else 1.0),
        "markerfacecolor": "white" if hollow else shade,
        "markeredgecolor": shade,
        "markeredgewidth": 1.2 if hollow or name == "cross" else 0.5,
    }


def _words(axes: Axes, mark: Mark) -> None:
    for x, y in zip(mark.values["x"], mark.values["y"], strict=True):
        axes.annotate(
            words(mark.label),
            (x, y),
            (0, 6 if mark.raised else 0),
            textcoords="offset points",
            ha="center",
            va="bottom" if mark.raised else "center",
            color=colour(mark.colour),
            fontsize="small",
        )


def _heat(axes: Axes, mark: Mark, panel: Seen) -> None:
    low, high = shades(mark)
    mesh = axes.pcolormesh(
        edges(mark.values["x"], panel.x.scale),
        edges(mark.values["y"], panel.y.scale),
        np.ma.masked_invalid(mark.values["z"]).clip(-FARTHEST, FARTHEST),
        cmap="RdBu_r" if mark.diverging else "viridis",
        vmin=low,
        vmax=high,
        rasterized=True,
        zorder=0.5,
    )
    axes.grid(False)
    bar = axes.figure.colorbar(mesh, ax=axes)
    bar.set_label(words(mark.label, 38))
    bar.ax.grid(False)
    bar.outline.set_visible(False)
