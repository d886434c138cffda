"""Painter of one axis of a still picture: its scale, its words and its ticks, which are decided already."""

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.markers import TICKDOWN, TICKLEFT
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter

from descent.lab.rulers import Ruler, stretched, unstretched
from descent.lab.seen import words
from descent.lab.ticks import is_power

LINES = {"x": 56, "y": 38}  # characters of a line
OUTWARDS = {"x": TICKDOWN, "y": TICKLEFT}


class _Places(FixedLocator):
    """Ticks that are decided, and limits as they are: Matplotlib widens those below 10⁻²⁸⁷."""

    def nonsingular(self, v0, v1):
        return v0, v1


def draw_axis(axes: Axes, which: str, ruler: Ruler) -> None:
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
    axis.set_minor_locator(NullLocator())
    _draw_minor(axes, which, ruler)


def _draw_minor(axes: Axes, which: str, ruler: Ruler) -> None:
    """The bare ticks, as the markers of one line: each as an object of its own, they took a fifth of a picture's time."""
    places, edge = ruler.place(ruler.minor), np.zeros(len(ruler.minor))
    ticks = Line2D(
        *((places, edge) if which == "x" else (edge, places)),
        transform=axes.transAxes,
        linestyle="none",
        marker=OUTWARDS[which],
        markersize=rcParams[f"{which}tick.minor.size"],
        markeredgewidth=rcParams[f"{which}tick.minor.width"],
        color=rcParams[f"{which}tick.color"],
        clip_on=False,
    )
    ticks.set_in_layout(False)
    axes.add_artist(ticks)


def decided(axis: Axis) -> None:
    """From now on its ticks stay, and their words are measured once for each place where the layout puts it.

    Matplotlib works both out again for each of the twenty measurements of a layout, a sixth of the time of a picture.
    Where it no longer has the functions, nothing is changed.
    """
    work_out = getattr(axis, "_update_ticks", None)
    measure = getattr(axis, "_get_ticklabel_bboxes", None)
    found, boxes = [], {}

    def once() -> list:
        if not found:
            found.append(work_out())
        return found[0]

    def once_a_place(ticks: list, renderer: object = None) -> tuple:
        place = axis.axes.bbox.bounds
        if place not in boxes:
            boxes[place] = measure(ticks, renderer)
        return boxes[place]

    if work_out and measure:
        axis._update_ticks, axis._get_ticklabel_bboxes = once, once_a_place


def _apart(ruler: Ruler, letter: float) -> list[str]:
    """The words of the ticks without those that would run into another; powers of ten stay first of all."""
    length, gap = (270.0, 8.0) if letter else (180.0, 12.0)  # of an axis, in points
    ticks, taken = ruler.ticks or (), []
    shown = [""] * len(ticks)
    for k in sorted(range(len(ticks)), key=lambda k: not is_power(ticks[k][0])):
        value, name = ticks[k]
        middle, half = length * float(ruler.place(value)), (letter * len(name) + gap) / 2
        if all(abs(middle - other) >= half + room for other, room in taken):
            shown[k] = name
            taken.append((middle, half))
    return shown
