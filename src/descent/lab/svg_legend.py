"""Legends as Matplotlib draws them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from descent.lab.colours import colour
from descent.lab.legend import Entry
from descent.lab.seen import words
from descent.lab.svg_marks import DASHES, marker

LINE = 48  # characters
FEW = 5  # entries in the usual size


def columns_of(entries: tuple[Entry, ...]) -> tuple[int, int]:
    """Rows and columns of a legend below a panel."""
    if not entries:
        return 0, 1
    longest = max(min(len(entry.label), LINE) for entry in entries)
    columns = max(1, min(4, 74 // (longest + 8)))
    lines = sum(words(e.label, LINE).count("\n") + 1 for e in entries)
    return -(-lines // columns), columns


def draw_legend(axes: Axes, entries: tuple[Entry, ...], loc: str, columns: int = 1) -> None:
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
    )
    for text, entry in zip(found.get_texts(), entries, strict=True):
        text.set_text(words(entry.label, LINE))


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
        **(marker(entry.marker, shade, 5.0, entry.hollow) if entry.marker else {}),
    )
    return (area, line) if entry.area else line


def hides(axes: Axes) -> bool:
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
        if len(at) and box.count_contains(at) > (0 if loose else 0.015 * len(at)):
            return True
    return False
