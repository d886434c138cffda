"""Painter of still pictures: a Figure as a Matplotlib figure, and as an SVG whose bytes depend on it alone.

Matplotlib is used without pyplot, with its own defaults and the look below: no file or variable of the
user's changes a picture. Words are drawn as they are written, never read as mathematics.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

from descent.figure import Figure
from descent.lab.legend import legend
from descent.lab.seen import Seen, seen, words
from descent.lab.svg_axis import decided, draw_axis
from descent.lab.svg_digits import with_few_digits
from descent.lab.svg_legend import columns_of, draw_legend, hides
from descent.lab.svg_marks import draw_mark

WIDTH, HEIGHT, ROW = 4.6, 3.4, 0.15  # of a panel and of a row of a legend below it, in inches
TITLE = 48  # characters of a line
FEW, MANY = 5, 9  # entries of a legend in its usual size; those beyond stand below the panel

LOOK = {
    "svg.hashsalt": "descent",  # same data, same bytes
    # words stay words: half the bytes, and they can be found and read aloud
    "svg.fonttype": "none",
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
    with look():
        panels = [seen(panel) for panel in figure.panels]
        drawing = _laid_out(panels, [_is_outside(panel) for panel in panels])
        below = [hides(axes) for axes in drawing.axes[: len(panels)]]
        if any(below):  # once more, with the legends that cover something below
            below = [b or _is_outside(panel) for b, panel in zip(below, panels, strict=True)]
            drawing = _laid_out(panels, below)
        return drawing


def save(figure: Figure, path: Path) -> None:
    """Write the picture as an SVG.

    Raises:
        OSError: the disk is full, say.
    """
    path.write_text(text_of(figure), encoding="utf-8")


def text_of(figure: Figure) -> str:
    """The picture as an SVG with a title and a description for who cannot see it."""
    drawing, text = paint(figure), StringIO()
    with look():
        FigureCanvasSVG(drawing).print_svg(text, metadata={"Date": None})
    title = "; ".join(panel.title for panel in figure.panels)
    said = f"<title>{escape(words(title))}</title>"
    if figure.caption:
        said += f"<desc>{escape(words(figure.caption))}</desc>"
    short = with_few_digits(text.getvalue())
    return re.sub(r"(<svg [^>]*>)", lambda tag: f"{tag[1]}\n {said}", short, count=1)


@contextmanager
def look() -> Iterator[None]:
    """Matplotlib's defaults and LOOK, whatever the user's files say; nothing that layout has to say."""
    default = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore", matplotlib.MatplotlibDeprecationWarning)
        # Of a character that DejaVu lacks: the reader's browser has it. Of words too long for a
        # panel.
        warnings.filterwarnings("ignore", message=r"(?s)Glyph|constrained_layout")
        matplotlib.rcParams.update(default | LOOK)
        yield


# ---- The places of panels and legends.


def _is_outside(panel: Seen) -> bool:
    """Whether the legend has no room on the panel: it is long, or would hide a part of a map."""
    mapped = any(mark.kind == "heat" for mark in panel.marks)
    return mapped or len(legend(panel.marks)) > MANY


def _laid_out(panels: list[Seen], below: list[bool]) -> Drawing:
    """All panels; a second row holds the legends of those that have theirs `below`."""
    grids = [
        columns_of(legend(p.marks)) if b else (0, 0) for p, b in zip(panels, below, strict=True)
    ]
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
            draw_legend(place, entries, loc="upper center", columns=grids[k][1])
        else:
            draw_legend(axes, entries, loc="best")
    drawing.get_layout_engine().execute(drawing)
    for axes in every:
        axes.apply_aspect()  # as drawing would
    drawing.set_layout_engine("none")  # everything has its place: who draws it need not look again
    return drawing


# ---- One panel.


def _panel(axes: Axes, panel: Seen) -> None:
    axes.set_title(words(panel.title, TITLE))
    for which, ruler in (("x", panel.x), ("y", panel.y)):
        draw_axis(axes, which, ruler)
    axes.set_autoscale_on(False)
    axes.set_xlim(panel.x.low, panel.x.high)
    axes.set_ylim(panel.y.low, panel.y.high)
    for mark in panel.marks:
        draw_mark(axes, mark, panel)
    if panel.square:
        axes.set_aspect("equal", adjustable="box")
    for axis in (axes.xaxis, axes.yaxis):
        decided(axis)
