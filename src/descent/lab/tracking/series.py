"""A labelled result as the flat metrics that MLflow takes: the whole, and every point of its sweep.

The roles of the coordinates (see descent.result) decide: every point of the "sweep" dimensions that most
variables share has a set of metrics of its own, under the same names; a "step" gives curves; "replicate"
becomes a mean, and at the last step sd, p05 and p95; any other short dimension, a layer or a second sweep
say, is a part of the name. Arrays over longer dimensions are no metrics. What MLflow shows of a curve, in its tables and
its parallel coordinates, is the value at the last step.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.lab.results import label
from descent.lab.tracking.reported import reported, role

CURVE = 50  # points of a curve at the most: each costs 0.1 ms
PARTS = 12  # entries of a dimension that can be parts of names
POINTS = 40  # of a sweep at the most: each is a run
DECADES = 100  # a sweep that spans so much has logarithms
SPREAD = ("/sd", "/p05", "/p95")


class Series(NamedTuple):
    curves: dict[str, dict[int, float]]  # by metric: finite values by step
    nonfinite: dict[str, str]  # metric, what it is instead of a number

    def put(self, key: str, steps: list[int], values: np.ndarray) -> None:
        """Log a metric, unless it is there: MLflow would double it."""
        if key in self.curves or key in self.nonfinite:
            return
        finite = np.isfinite(values)
        if finite.any():
            self.curves[key] = {
                int(step): float(value)
                for step, value in zip(steps, values, strict=True)
                if np.isfinite(value)
            }
        if not finite.all():
            first = int(np.flatnonzero(~finite)[0])
            at = f" from step {steps[first]}" if len(values) > 1 else ""
            self.nonfinite[key] = f"{values[first]}{at}"

    @property
    def points(self) -> list[tuple[str, int, float]]:
        """(metric, step, value) of everything."""
        return [(key, *point) for key, curve in self.curves.items() for point in curve.items()]


class Logged(NamedTuple):
    sweep: tuple[str, ...]  # its dimensions
    whole: Series
    points: dict[tuple[str, ...], Series]  # by the point's labels, one a dimension


def clean(name: str) -> str:
    """A name that MLflow takes: letters, digits and _ - . / : and spaces."""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)


def shared(data: xr.Dataset) -> tuple[str, ...]:
    """The sweep dimensions that most variables have together, if their points are not too many."""
    dims = [str(dim) for dim in data.dims if role(data, dim) == "sweep"]
    found = Counter(
        tuple(dim for dim in dims if dim in array.dims) for array in data.data_vars.values()
    )
    fitting = {
        group: count
        for group, count in found.items()
        if group and prod(data.sizes[dim] for dim in group) <= POINTS
    }
    return max(fitting, key=lambda group: (fitting[group], len(group)), default=())


def summaries(array: xr.Variable) -> dict[str, xr.Variable]:
    """The array, or its statistics over replicates; true and false count as 1 and 0."""
    array = array.astype(float) if array.dtype == bool else array
    if "replicate" not in array.dims:
        return {"": array}
    spare = min(1, array.sizes["replicate"] - 1)
    with np.errstate(invalid="ignore"):  # inf − inf, where a replicate diverged
        return {
            "/mean": array.mean("replicate", skipna=False),
            "/sd": array.std("replicate", ddof=spare, skipna=False),
            "/p05": array.quantile(0.05, "replicate", skipna=False),
            "/p95": array.quantile(0.95, "replicate", skipna=False),
        }


def curves(
    name: str, array: xr.Variable, along: str | None, places: dict[str, np.ndarray]
) -> Iterator[tuple[str, list, np.ndarray]]:
    """(metric, steps, values) of every part of an array over at most one step dimension.

    Args:
        places: the values of its coordinates.
    """
    steps = [0]
    if along is not None:
        kept = np.unique(np.linspace(0, array.sizes[along] - 1, CURVE).astype(int))
        array, steps = array.isel({along: kept}), places[along][kept].tolist()
    parts = [str(dim) for dim in array.dims if dim not in (along, "replicate")]
    labels = [[f"/{dim}_{label(value)}" for value in places[dim]] for dim in parts]
    for suffix, values in summaries(array).items():
        # A lone point not at step 0 is a line chart of a dot in the UI; at 0, a bar.
        last = along is not None and suffix in SPREAD
        table = (values.isel({along: -1}) if last else values).transpose(*parts, ...).values
        for at in np.ndindex(table.shape[: len(parts)]):
            key = name + "".join(names[k] for names, k in zip(labels, at, strict=True))
            yield key + suffix, [0] if last else steps, np.atleast_1d(table[at])


def over(dim: str, values: np.ndarray, points: list[Series], whole: Series) -> None:
    """How every final value changes along the sweep, as curves of the whole: `over_alpha/distance/mean`.

    The step is the sweep's value where that is an integer, else its index; `over_alpha/alpha` is the value.
    """
    if values.dtype.kind not in "fiu":
        values = np.arange(len(values))
    integers = bool((values == np.round(values)).all()) and len(set(values)) == len(values)
    steps = [int(value) for value in values] if integers else list(range(len(values)))
    whole.put(clean(f"over_{dim}/{dim}"), steps, values)
    shown = [key for key in points[0].curves if not key.endswith(SPREAD)]
    for key in shown:
        ends = [p.curves[key] for p in points if key in p.curves and key not in p.nonfinite]
        if len(ends) == len(points):
            finals = np.array([end[max(end)] for end in ends])
            whole.put(clean(f"over_{dim}/{key}"), steps, finals)


def series(data: xr.Dataset, report: dict) -> Logged:
    """Metrics of the labelled data and of its report (metrics, checks, errata)."""
    sweep = shared(data)
    labels = {dim: [label(value) for value in data[dim].values] for dim in sweep}
    whole = Series({}, {})
    points = {place: Series({}, {}) for place in product(*labels.values())} if sweep else {}

    def put(where: dict[str, str], key: str, steps: list, values: np.ndarray) -> None:
        """Log to every point that has these labels; to the whole if it is about no point."""
        agree = [
            target
            for place, target in points.items()
            if where.items() <= dict(zip(sweep, place, strict=True)).items()
        ]
        for target in agree if where else [whole]:
            target.put(clean(key), steps, values)

    places = {str(dim): data[dim].values for dim in data.dims if dim in data.coords}
    roles = {dim: role(data, str(dim)) for dim in data.dims}
    for name, array in data.data_vars.items():
        steps = [dim for dim in array.dims if roles[dim] == "step"]
        parts = [dim for dim in array.dims if dim not in (*steps, *sweep, "replicate")]
        named = all(dim in data.coords and array.sizes[dim] <= PARTS for dim in parts)
        if len(steps) > 1 or not named:
            continue
        swept = [dim for dim in sweep if dim in array.dims]
        for place in product(*(range(array.sizes[dim]) for dim in swept)):
            where = {dim: labels[dim][at] for dim, at in zip(swept, place, strict=True)}
            chosen = array.variable.isel(dict(zip(swept, place, strict=True)))
            for curve in curves(str(name), chosen, steps[0] if steps else None, places):
                put(where, *curve)
    for key, where, steps, values in reported(data, report["metrics"], sweep):
        put(where, key, steps, values)
    if len(sweep) == 1 and len(points) > 1:
        over(sweep[0], data[sweep[0]].values, list(points.values()), whole)
    for place, target in points.items():
        for dim, at in zip(sweep, place, strict=True):
            values = data[dim].values
            number = float(at) if values.dtype.kind in "fiu" else labels[dim].index(at)
            target.put(clean(f"sweep/{dim}"), [0], np.array([float(number)]))
    verdicts = [check["holds"] for check in report["checks"].values()]
    for name, check in report["checks"].items():
        whole.put(clean(f"check/{name}"), [0], np.array([check["holds"]], float))
    for name, erratum in report["errata"].items():
        whole.put(clean(f"erratum/{name}"), [0], np.array([erratum["stands"]], float))
    whole.put("checks.held", [0], np.array([sum(verdicts)], float))
    whole.put("checks.failed", [0], np.array([len(verdicts) - sum(verdicts)], float))
    return Logged(sweep, whole, points)


def logarithms(logged: Logged, point: dict[str, str]) -> dict[str, str]:
    """`log10_alpha` beside `alpha` where a sweep goes over decades, since parallel coordinates are linear."""
    found = {}
    for k, dim in enumerate(logged.sweep):
        try:
            values = [float(labels[k]) for labels in logged.points]
        except ValueError:  # names
            continue
        if min(values) > 0 and max(values) >= DECADES * min(values):
            found[f"log10_{dim}"] = f"{math.log10(float(point[dim])):.6g}"
    return found
