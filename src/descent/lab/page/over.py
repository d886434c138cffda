"""The figure of an experiment at two times in the same axes: as it was, pale and wide, beneath as it is.

Both are lists of panels as descent/lab/vega.py makes them, and so is what comes out. What is the same at both times is
drawn once.
"""

import numpy as np

from descent.lab.rulers import Ruler

GREY = "#808080"  # of what is in the colour of the text, pale on white and on black
PALE = "66"  # opacity, behind a colour
WIDER = 3.5  # than the line over it
SEEN = 0.003  # of an axis: about a pixel; less is the same to the eye
PLACED = {"x": ("x", "x2"), "y": ("y", "y2", "low", "high")}


def over(base: list[dict], now: list[dict], when: str) -> list[dict]:
    """The panels of two times, over each other as far as their axes are the same.

    Args:
        when: the name of the earlier time, for the legend.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: a panel is of another layout.
    """
    found, pairs = [], paired(base, now)
    for was, panel in pairs:
        if was is None or was == panel:
            found.append(panel if was else titled(panel, "now"))
        elif alike(was, panel):
            found.append(merged(was, panel, when))
        else:
            found += [titled(was, when), titled(panel, "now")]
    left = [panel for panel in base if not any(panel is was for was, _ in pairs)]
    return found + [titled(panel, when) for panel in left]


def paired(base: list[dict], now: list[dict]) -> list[tuple[dict | None, dict]]:
    """Every panel of now with the one that it was: by its place, or by its title if some came or went."""
    if len(base) == len(now):
        return list(zip(base, now, strict=True))
    known = {panel["title"]: panel for panel in base}
    return [(known.pop(panel["title"], None), panel) for panel in now]


def titled(panel: dict, when: str) -> dict:
    return panel | {"title": f"{when}: {panel['title']}"}


def alike(one: dict, other: dict) -> bool:
    """Whether two panels have the same axes but for their limits, and no map, which would hide the other."""
    maps = any(mark["kind"] == "heat" for panel in (one, other) for mark in panel["marks"])
    axes = [
        (panel[axis]["label"], panel[axis]["scale"], backwards(panel[axis]))
        for axis in "xy"
        for panel in (one, other)
    ]
    return not maps and axes[0] == axes[1] and axes[2] == axes[3]


def backwards(axis: dict) -> bool:
    low, high = axis["domain"]
    return low > high


def merged(was: dict, panel: dict, when: str) -> dict:
    """One panel of two."""
    old = [mark for mark in was["marks"] if mark not in panel["marks"] and mark["kind"] != "text"]
    labels = {mark["label"] for mark in old}
    entries = [entry for entry in was["legend"] if entry["label"] in labels]
    return panel | {
        "x": joined(was["x"], panel["x"]),
        "y": joined(was["y"], panel["y"]),
        "marks": [pale(mark, when) for mark in old] + panel["marks"],
        "legend": panel["legend"] + [pale(entry, when) for entry in entries],
    }


def joined(one: dict, other: dict) -> dict:
    """An axis with a place for both."""
    (a, b), (c, d) = one["domain"], other["domain"]
    ends = [min(a, c), max(b, d)] if a <= b else [max(a, c), min(b, d)]
    ticks = {at: words for axis in (one, other) for at, words in axis["ticks"] or ()}
    return other | {
        "domain": ends,
        "ticks": [[at, ticks[at]] for at in sorted(ticks)] or other["ticks"],
        "digits": max(one["digits"], other["digits"]),
    }


def pale(shown: dict, when: str) -> dict:
    """A mark, or its entry in the legend, as it stands back."""
    colour = GREY if shown["colour"] == "#000000" else shown["colour"]
    look = {"colour": colour + PALE}
    if shown["label"]:
        look["label"] = f"{shown['label']}, {when}"
    for size in ("width", "size"):
        if size in shown:
            look[size] = shown[size] * WIDER if size == "width" else shown[size] * 2
    return shown | look


def same(base: list[dict], now: list[dict]) -> bool:
    """Whether two figures look the same: no point of a mark is elsewhere by more than a pixel.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: a panel is of another layout.
    """
    return len(base) == len(now) and all(
        was == panel or (outline(was) == outline(panel) and near(was, panel))
        for was, panel in zip(base, now, strict=True)
    )


def outline(panel: dict) -> object:
    """What of a panel is no place: titles, and what its marks are."""
    axes = [(panel[axis]["label"], panel[axis]["scale"]) for axis in "xy"]
    marks = [(mark["kind"], mark["label"], mark["role"]) for mark in panel["marks"]]
    return panel["title"], axes, marks


def near(was: dict, panel: dict) -> bool:
    """Whether the marks of two panels with the same outline are at the same places, as drawn."""
    for axis, keys in PLACED.items():
        ruler = Ruler("", panel[axis]["scale"], *panel[axis]["domain"], None)
        for old, mark in zip(was["marks"], panel["marks"], strict=True):
            level = {"level": "y", "moment": "x"}.get(mark["kind"]) == axis
            pairs = [(old.get(key), mark.get(key)) for key in (*keys, *["at"] * level)]
            if not all(close(ruler, *pair) for pair in pairs):
                return False
    maps = zip(was["marks"], panel["marks"], strict=True)
    return all(shaded(old["z"], mark["z"]) for old, mark in maps if "z" in mark)


def close(ruler: Ruler, old: list | float | None, new: list | float | None) -> bool:
    """Whether numbers, or lists of numbers and gaps, have the same places on an axis."""
    if old is None or new is None:
        return old is new
    one, other = np.array(old, float), np.array(new, float)
    if one.shape != other.shape:
        return False
    apart = np.abs(ruler.place(one) - ruler.place(other)) > SEEN
    return not np.any(apart | (np.isnan(one) != np.isnan(other)))


def shaded(old: list, new: list) -> bool:
    """Whether two maps have the same values to a thousandth."""
    one, other = np.array(old, float), np.array(new, float)
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-3, equal_nan=True)
