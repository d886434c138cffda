"""The legend of a panel, decided once for both painters."""

from collections.abc import Iterable
from dataclasses import dataclass

from descent.figure import Colour, Mark, Marker


@dataclass(frozen=True)
class Entry:
    """One label of a legend and what stands before it."""

    label: str
    colour: Colour  # that of its marks; "ink" if they differ
    stroke: str = ""  # of its lines; empty if it has none
    marker: Marker | None = None  # of its points, if it has any
    hollow: bool = False
    area: bool = False  # it has a band


def legend(marks: Iterable[Mark]) -> tuple[Entry, ...]:
    """One entry a label, in the order of the marks; words and maps of colours have none."""
    groups: dict[str, list[Mark]] = {}
    for mark in marks:
        if mark.label and mark.kind not in ("text", "heat"):
            groups.setdefault(mark.label, []).append(mark)
    return tuple(_entry(label, group) for label, group in groups.items())


def _entry(label: str, group: list[Mark]) -> Entry:
    lines = [mark for mark in group if mark.kind not in ("points", "band")]
    dots = [mark for mark in group if mark.kind == "points"]
    colours = {mark.colour for mark in group}
    return Entry(
        label,
        colours.pop() if len(colours) == 1 else "ink",
        lines[0].stroke if lines else "",
        dots[0].marker if dots else None,
        bool(dots) and dots[0].hollow,
        any(mark.kind == "band" for mark in group),
    )
