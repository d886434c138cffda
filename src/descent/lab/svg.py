"""Painter of still pictures: a Figure as a Matplotlib figure, and as an SVG whose bytes depend on it alone.

Matplotlib is used without pyplot, with its own defaults and the look below: no file or variable of the
user's changes a picture. Words are drawn as they are written, never read as mathematics.
"""

import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, ScalarFormatter

from descent.figure import Entry, Figure, Mark, legend
from descent.lab.seen import (
    COORDINATES,
    Ruler,
    Seen,
    colour,
    edges,
    seen,
    shades,
    stretched,
    unstretched,
)

DASHES = {"solid": "-", "dashed": "--", "dotted": ":"}
MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "cross": "x",
    "star": "*",
    "diamond": "D",
}
WIDTH, HEIGHT, ROW = 4.6, 3.4, 0.15  # of a panel and of a row of a legend below it, in inches
LINES = {"title": 48, "x": 56, "y": 38, "legend": 48}  # characters of a line
FEW, MANY = 5, 9  # entries of a legend in its usual size; those beyond stand below the panel

LOOK = {
    "svg.hashsalt": "descent",  # same data, same bytes
    "svg.fonttype": "none",  # words stay words: half the bytes, and they can be found and read aloud
    "text.parse_math": False,
    "font.sans-serif": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": "small",
}


def paint(figure: Figure) -> Drawing:
    """The panels side by side."""
    with _look():
        panels = [seen(panel) for panel in figure.panels]
        drawing = _laid_out(panels, [_is_long(panel) for panel in panels])
        drawing.draw_without_rendering()
        below = [_hides(axes) for axes in drawing.axes[: len(panels)]]
        if any(below):  # once more, with the legends that cover something below
            below = [b or _is_long(panel) for b, panel in zip(below, panels, strict=True)]
            drawing = _laid_out(panels, below)
        return drawing


def save(figure: Figure, path: Path) -> None:
    """Write the picture as an SVG with a title and a description for who cannot see it.

    Raises:
        OSError: the disk is full, say.
    """
    drawing, text = paint(figure), StringIO()
    with _look():
        FigureCanvasSVG(drawing).print_svg(text, metadata={"Date": None})
    title = "; ".join(panel.title for panel in figure.panels)
    said = f"<title>{escape(words(title))}</title>"
    if figure.caption:
        said += f"<desc>{escape(words(figure.caption))}</desc>"
    svg = re.sub(r"(<svg [^>]*>)", lambda tag: f"{tag[1]}\n {said}", text.getvalue(), count=1)
    path.write_text(svg, encoding="utf-8")


@contextmanager
def _look() -> Iterator[None]:
    """Matplotlib's defaults and LOOK, whatever the user's files say; nothing that layout has to say."""
    default = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore", matplotlib.MatplotlibDeprecationWarning)
        # Of a character that DejaVu lacks: the reader's browser has it. Of words too long for a panel.
        warnings.filterwarnings("ignore", message=r"(?s)Glyph|constrained_layout")
        matplotlib.rcParams.update(default | LOOK)
        yield


def words(text: str, width: int = 0) -> str:
    """Without what XML has no place for, and in lines of `width` characters."""
    text = re.sub(r"[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", " ", text)
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False)) if width else text


# ---- The places of panels and legends.


def _is_long(panel: Seen) -> bool:
    return len(legend(panel.marks)) > MANY


def _laid_out(panels: list[Seen], below: list[bool]) -> Drawing:
    """All panels; a second row holds the legends of those that have theirs `below`."""
    grids = [_columns(legend(p.marks)) if b else (0, 0) for p, b in zip(panels, below, strict=True)]
    rows = max((rows for rows, _ in grids), default=0)
    extra = ROW * (rows + 1) if rows else 0.0
    drawing = Drawing(
        figsize=(WIDTH * max(len(panels), 1) + 0.4, HEIGHT + extra), layout="constrained"
    )
    FigureCanvasSVG(drawing)
    grid = drawing.add_gridspec(
        1 + bool(extra), max(len(panels), 1), height_ratios=[HEIGHT, extra] if extra else [1]
    )
    every = [drawing.add_subplot(grid[0, k]) for k in range(len(panels))]
    for k, (axes, panel) in enumerate(zip(every, panels, strict=True)):
        _panel(axes, panel)
        entries = legend(panel.marks)
        if not entries:
            continue
        if below[k]:
            place = drawing.add_subplot(grid[1, k])
            place.set_axis_off()
            _legend(place, entries, loc="upper center", columns=grids[k][1])
        else:
            _legend(axes, entries, loc="best")
    return drawing


def _columns(entries: tuple[Entry, ...]) -> tuple[int, int]:
    """Rows and columns of a legend below a panel."""
    if not entries:
        return 0, 1
    longest = max(min(len(entry.label), LINES["legend"]) for entry in entries)
    columns = max(1, min(4, 74 // (longest + 8)))
    lines = sum(words(e.label, LINES["legend"]).count("\n") + 1 for e in entries)
    return -(-lines // columns), columns


def _legend(axes: Axes, entries: tuple[Entry, ...], loc: str, columns: int = 1) -> None:
    """Words are set afterwards: Matplotlib takes a label that begins with _ for none."""
    size = "small" if len(entries) <= FEW else "x-small"
    found = axes.legend(
        [_swatch(entry) for entry in entries],
        [str(k) for k in range(len(entries))],
        loc=loc,
        ncols=columns,
        fontsize=size,
        labelspacing=0.35,
        columnspacing=1.2,
        frameon=bool(axes.collections and axes.collections[0].get_array() is not None),
        edgecolor="none",
    )
    for text, entry in zip(found.get_texts(), entries, strict=True):
        text.set_text(words(entry.label, LINES["legend"]))


def _swatch(entry: Entry) -> Line2D | Patch | tuple[Patch, Line2D]:
    shade = colour(entry.colour)
    area = Patch(facecolor=shade, alpha=0.2, linewidth=0)
    if not entry.stroke and not entry.marker:
        return area
    line = Line2D(
        [],
        [],
        color=shade,
        linestyle=DASHES.get(entry.stroke, "none"),
        linewidth=1.6,
        **(_marker(entry.marker, shade, 5.0, entry.hollow) if entry.marker else {}),
    )
    return (area, line) if entry.area else line


def _hides(axes: Axes) -> bool:
    """Whether the legend lies on a point, on words, or on more than a touch of a curve."""
    found = axes.get_legend()
    if found is None:
        return False
    box = found.get_window_extent()
    if any(box.overlaps(text.get_window_extent()) for text in axes.texts):
        return True
    for line in axes.lines:
        path = line.get_transform().transform_path(line.get_path())
        loose = line.get_linestyle() == "None"
        if not loose and len(path.vertices) > 1:
            path = path.interpolated(8)
        at = path.vertices[np.isfinite(path.vertices).all(1)]
        if len(at) and box.count_contains(at) > (0 if loose else 0.04 * len(at)):
            return True
    return False


# ---- One panel.


def _panel(axes: Axes, panel: Seen) -> None:
    axes.set_title(words(panel.title, LINES["title"]))
    for which, ruler in (("x", panel.x), ("y", panel.y)):
        _axis(axes, which, ruler)
    axes.set_autoscale_on(False)
    axes.set_xlim(panel.x.low, panel.x.high)
    axes.set_ylim(panel.y.low, panel.y.high)
    for mark in panel.marks:
        _mark(axes, mark, panel)
    if panel.square:
        axes.set_aspect("equal", adjustable="box")


class _Places(FixedLocator):
    """Ticks that are decided, and limits as they are: Matplotlib widens those below 10⁻²⁸⁷."""

    def nonsingular(self, v0, v1):
        return v0, v1


def _axis(axes: Axes, which: str, ruler: Ruler) -> None:
    """Scale, words and ticks."""
    axis: Axis = getattr(axes, f"{which}axis")
    if ruler.scale == "log":
        axis._set_axes_scale("log")
    elif ruler.scale == "symlog":
        axis._set_axes_scale("function", functions=(stretched, unstretched))
    axis.set_label_text(words(ruler.label, LINES[which]))
    if ruler.ticks is None:
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(ScalarFormatter())
        return
    ticks = _apart(ruler, 7.0 if which == "x" else 0.0)
    axis.set_major_locator(_Places([value for value, _ in ruler.ticks]))
    axis.set_major_formatter(lambda value, place: ticks[place] if place is not None else "")
    axis.set_minor_locator(_Places(list(ruler.minor)))
    axis.set_minor_formatter(NullFormatter())


def _apart(ruler: Ruler, letter: float) -> list[str]:
    """The words of the ticks without those that would run into their neighbour."""
    length, gap = (270.0, 8.0) if letter else (180.0, 12.0)  # of an axis, in points
    shown, taken = [], -np.inf
    for value, name in ruler.ticks or ():
        middle, half = length * float(ruler.place(value)), letter * len(name) / 2
        middle = length - middle if ruler.low > ruler.high else middle
        free = middle - half >= taken + gap
        shown.append(name if free else "")
        taken = middle + half if free else taken
    return shown


def _mark(axes: Axes, mark: Mark, panel: Seen) -> None:
    shade, values = colour(mark.colour), _reachable(mark, panel)
    look = {"color": shade, "linestyle": DASHES[mark.stroke], "linewidth": float(mark.width)}
    if mark.kind == "line":
        axes.plot(values["x"], values["y"], **look)
    elif mark.kind == "points":
        marker = _marker(mark.marker, shade, float(mark.size), mark.hollow)
        axes.plot(values["x"], values["y"], linestyle="none", zorder=2.5, **marker)
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
        if ruler.scale == "linear":
            low, high = sorted((ruler.low, ruler.high))
            reach = 1000 * (high - low)
            for key in COORDINATES[name]:
                if key in values:
                    values[key] = values[key].clip(low - reach, high + reach)
    return values


def _marker(name: str, shade: str, size: float, hollow: bool) -> dict:
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
        np.ma.masked_invalid(mark.values["z"]),
        cmap="RdBu_r" if mark.diverging else "viridis",
        vmin=low,
        vmax=high,
        rasterized=True,
        zorder=0.5,
    )
    axes.grid(False)
    bar = axes.figure.colorbar(mesh, ax=axes)
    bar.set_label(words(mark.label, LINES["y"]))
    bar.ax.grid(False)
    bar.outline.set_visible(False)
