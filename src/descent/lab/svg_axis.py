"""Painter of one axis of a still picture: its scale, its words and its ticks, which are decided already."""

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, ScalarFormatter

from descent.lab.rulers import Ruler, stretched, unstretched
from descent.lab.seen import words
from descent.lab.ticks import is_power

LINES = {"x": 56, "y": 38}  # characters of a line


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
    axis.set_minor_locator(_Places(list(ruler.minor)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_tick_params(which="minor", label1On=False)  # layout would measure them


def decided(axis: Axis) -> None:
    """From now on its ticks stay, wherever the layout puts it.

    Matplotlib works them out again for each of the twenty measurements of a layout, 7 % of the time of a picture.
    Where it no longer has the function, nothing is changed.
    """
    work_out, found = getattr(axis, "_update_ticks", None), []

    def once() -> list:
        if not found:
            found.append(work_out())
        return found[0]

    if work_out:
        axis._update_ticks = once


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
