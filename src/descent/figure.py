"""A figure as data: panels of marks, each with its label and its role. Two painters make a picture of it.

    line, points     x, y                 band       x, low, high
    level, moment    at: a horizontal or a vertical line over the whole panel
    segments         x, y, x2, y2         text       x, y and the words
    heat             x, y, z(y, x): a map of colours with a bar of its own

A mark's role says what it is: "measured" is drawn solid, "predicted" dashed, "bound" (a limit that theory
gives, not the value) and "printed" (what a source prints) dotted. A dashed or dotted line is always in its
legend. Several marks may share a label; they share an entry of the legend then.

The values are in the units of the axes and may hold anything: what an axis has no place for (NaN, an
infinity, zero on a logarithmic scale) is left out by the painters, and a panel with nothing left says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

Kind = Literal["line", "points", "band", "level", "moment", "segments", "text", "heat"]
Role = Literal["measured", "predicted", "bound", "printed"]
Scale = Literal["linear", "log", "symlog"]
Marker = Literal["circle", "square", "triangle", "cross", "star", "diamond"]
Real = float | int | np.number | xr.DataArray  # a single number
Colour = (
    int | Literal["ink", "grey"]
)  # a place in the palette; the colour of text; what stands back

STROKES: Mapping[str, str] = {
    "measured": "solid",
    "predicted": "dashed",
    "bound": "dotted",
    "printed": "dotted",
}


ROLES: Mapping[str | None, Role] = {"prediction": "predicted", "bound": "bound"}  # of arrays


@dataclass(frozen=True)
class Mark:
    """One thing in a panel. `values` are arrays by the names in the table above.

    Raises:
        ValueError: they have different lengths, or a heat map's z is no array of (length of y, length of x).
    """

    kind: Kind
    values: Mapping[str, np.ndarray]
    label: str = ""  # its entry in the legend; for a text its words; for a heat map the name of z
    role: Role = "measured"
    colour: Colour = 0
    width: Real = 1.6  # of a line, in points
    size: Real = 5.0  # of a marker across, in points
    marker: Marker = "circle"
    hollow: bool = False
    raised: bool = False  # a text a little above its point
    limits: tuple[Real, Real] | None = None  # of the colours of a heat map
    diverging: bool = False  # colours of a heat map from one hue to another

    def __post_init__(self):
        shapes = {name: values.shape for name, values in self.values.items()}
        if self.kind == "heat":
            fitting = shapes["z"] == shapes["y"] + shapes["x"]
        else:
            fitting = len(set(shapes.values())) < 2
        if not fitting:
            raise ValueError(f"{self.kind} {self.label!r}: its values have shapes {shapes}")

    @property
    def stroke(self) -> str:
        return STROKES[self.role]


@dataclass(frozen=True)
class Axis:
    label: str
    scale: Scale = "linear"
    limits: tuple[Real | None, Real | None] = (None, None)
    ticks: tuple[Real, ...] | None = (
        None  # where they have to stand; by default the painter chooses
    )


@dataclass(frozen=True)
class Panel:
    """One set of axes.

    Raises:
        ValueError: a dashed or dotted line has no label.
    """

    title: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    square: bool = False  # one unit is as long on both axes

    def __post_init__(self):
        for mark in self.marks:
            drawn = mark.kind in ("line", "level", "moment")
            if drawn and mark.stroke != "solid" and not mark.label:
                raise ValueError(f"{self.title}: a {mark.stroke} {mark.kind} without a label")


@dataclass(frozen=True)
class Figure:
    """Panels from left to right."""

    panels: tuple[Panel, ...]
    caption: str = ""  # what to see: the "See" of the experiment's docstring
    main: int | None = None  # the panel of `dvc plots`; by default the first with named curves


def panel(
    title: str, x: Axis, y: Axis, *marks: Mark | Iterable[Mark], square: bool = False
) -> Panel:
    """A panel of marks and of groups of marks."""
    flat: list[Mark] = []
    for mark in marks:
        flat.extend([mark] if isinstance(mark, Mark) else mark)
    return Panel(title, x, y, tuple(flat), square)


def _array(values) -> np.ndarray:
    return np.atleast_1d(np.asarray(values, float))


def line(
    x, y, label: str = "", colour: Colour | None = None, role: Role = "measured", **look
) -> Mark:
    """A curve through the points in their order. What is predicted is in the colour of the text by default."""
    values = {"x": _array(x), "y": _array(y)}
    return Mark("line", values, label, role, _colour(colour, role), **look)


def points(
    x, y, label: str = "", colour: Colour | None = None, role: Role = "measured", **look
) -> Mark:
    """Markers."""
    values = {"x": _array(x), "y": _array(y)}
    return Mark("points", values, label, role, _colour(colour, role), **look)


def band(x, low, high, label: str = "", colour: Colour = 0) -> Mark:
    """The area between two curves."""
    return Mark(
        "band", {"x": _array(x), "low": _array(low), "high": _array(high)}, label, colour=colour
    )


def level(at: Real, label: str, colour: Colour = "ink", role: Role = "predicted") -> Mark:
    """A horizontal line over the whole panel."""
    return Mark("level", {"at": _array(at)}, label, role, colour, width=1.0)


def moment(at: Real, label: str, colour: Colour = "ink", role: Role = "predicted") -> Mark:
    """A vertical line over the whole panel."""
    return Mark("moment", {"at": _array(at)}, label, role, colour, width=1.0)


def segments(x, y, x2, y2, label: str = "", colour: Colour = "grey", **look) -> Mark:
    """Straight lines from (x, y) to (x2, y2)."""
    values = {"x": _array(x), "y": _array(y), "x2": _array(x2), "y2": _array(y2)}
    return Mark("segments", values, label, colour=colour, **look)


def text(x: Real, y: Real, words: str, colour: Colour = "ink", raised: bool = False) -> Mark:
    """Words at a point, or a little above it."""
    return Mark("text", {"x": _array(x), "y": _array(y)}, words, colour=colour, raised=raised)


def heat(
    x, y, z, label: str, limits: tuple[Real, Real] | None = None, diverging: bool = False
) -> Mark:
    """z over the grid of x and y, z: (len(y), len(x)), with a bar of colours named `label`."""
    values = {"x": _array(x), "y": _array(y), "z": np.asarray(z, float)}
    return Mark("heat", values, label, limits=limits, diverging=diverging)


def curve(
    array: xr.DataArray,
    label: str | None = None,
    colour: Colour | None = None,
    role: Role | None = None,
    marker: bool = False,
    **look,
) -> list[Mark]:
    """An array over one coordinate; over replicates too, as their median and a 5–95 % band.

    Role and label are by default the array's own (`role` "prediction", `long_name`). With `marker` its points
    are marked as well.
    """
    if role is None:
        role = ROLES.get(array.attrs.get("role"), "measured")
    name = array.attrs.get("long_name", str(array.name)) if label is None else label
    shade = _colour(colour, role)
    along = next(dim for dim in array.dims if dim != "replicate")
    x, marks, middle = array[along].values, [], array.values
    if "replicate" in array.dims:
        table = array.transpose("replicate", along).values.astype(float)
        with np.errstate(invalid="ignore"):  # between two runs that left float64: no value
            low, middle, high = _quantiles(table)
        marks.append(band(x, low, high, colour=shade))
    marks.append(line(x, middle, name, shade, role, **look))
    if marker:
        marks.append(points(x, middle, name, shade, role))
    return marks


def axis(coordinate: xr.DataArray, scale: Scale = "linear", **rest) -> Axis:
    """The axis of a coordinate or of an array, labelled with its long_name and its units."""
    units = coordinate.attrs.get("units", "")
    label = coordinate.attrs.get("long_name", str(coordinate.name))
    return Axis(f"{label} ({units})" if units else label, scale, **rest)


def _quantiles(table: np.ndarray) -> np.ndarray:
    """5 %, median and 95 % of every column; NaN only where a whole column is NaN."""
    found = np.full((3, table.shape[1]), np.nan)
    gaps = np.isnan(table)
    whole, some = ~gaps.any(0), gaps.any(0) & ~gaps.all(0)
    for columns, quantiles in ((whole, np.quantile), (some, np.nanquantile)):  # the second is slow
        if columns.any():
            found[:, columns] = quantiles(table[:, columns], [0.05, 0.5, 0.95], axis=0)
    return found


def _colour(colour: Colour | None, role: Role) -> Colour:
    if colour is not None:
        return colour
    return 0 if role == "measured" else "ink"


def power(value: Real) -> str:
    """1e-05 as 10⁻⁵ where it is a power of ten, else the number."""
    exponent = np.log10(value) if 0 < value < np.inf else np.nan
    if exponent != np.round(exponent):
        return f"{value:g}"
    return "10" + str(round(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
