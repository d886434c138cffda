"""A labelled result as the flat metrics that MLflow takes: the whole, and every point of its sweep.

The roles of the coordinates (see descent.result) decide: a "sweep" gives one set of metrics a point,
a "step" gives curves of at most 500 points, "replicate" becomes mean, sd, p05 and p95, and any other
short dimension, a layer say, a part of the name. Arrays over longer dimensions are no metrics.
"""

import re
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import xarray as xr

CURVE = 500  # points of a curve at the most
PARTS = 12  # entries of a dimension that can be parts of names


class Series(NamedTuple):
    points: list[tuple[str, int, float]]  # metric, step, finite value
    nonfinite: dict[str, str]  # metric, what it is instead of a number

    def put(self, key: str, steps: list[int], values: np.ndarray) -> None:
        finite = np.isfinite(values)
        self.points.extend(
            (key, int(step), float(value))
            for step, value in zip(np.array(steps)[finite], values[finite], strict=True)
        )
        if not finite.all():
            first = int(np.flatnonzero(~finite)[0])
            at = f" from step {steps[first]}" if len(values) > 1 else ""
            self.nonfinite[key] = f"{values[first]}{at}"


class Logged(NamedTuple):
    sweep: str | None
    whole: Series
    points: dict[str, Series]  # by the sweep's point


def clean(name: str) -> str:
    """A name that MLflow takes: letters, digits and _ - . / : and spaces."""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)


def role(data: xr.Dataset, dim: str) -> str | None:
    return data[dim].attrs.get("role") if dim in data.coords else None


def summaries(array: xr.DataArray) -> dict[str, xr.DataArray]:
    """The array, or its statistics over replicates."""
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
    name: str, array: xr.DataArray, along: str | None
) -> Iterator[tuple[str, list, np.ndarray]]:
    """(metric, steps, values) of every part of an array over at most one step dimension."""
    parts = [dim for dim in array.dims if dim not in (along, "replicate")]
    for place in product(*(array[dim].values for dim in parts)):
        where = dict(zip(parts, place, strict=True))
        key = name + "".join(f"/{dim}_{value:g}" for dim, value in where.items())
        for suffix, values in summaries(array.sel(where)).items():
            if along is None:
                yield key + suffix, [0], np.atleast_1d(values.values)
            else:
                kept = np.unique(np.linspace(0, values.sizes[along] - 1, CURVE).astype(int))
                yield key + suffix, values[along].values[kept].tolist(), values.values[kept]


def flat(tree: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every number of a metrics tree with its path."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, (*path, key))
        else:
            yield (*path, key), value


def series(data: xr.Dataset, report: dict) -> Logged:
    """Metrics of the labelled data and of its report (metrics, checks, errata)."""
    sweep = next((str(dim) for dim in data.dims if role(data, dim) == "sweep"), None)
    values = data[sweep].values if sweep else []
    labels = [f"{value:g}" for value in values]
    whole, points = Series([], {}), {label: Series([], {}) for label in labels}
    for name, array in data.data_vars.items():
        steps = [dim for dim in array.dims if role(data, dim) == "step"]
        parts = [dim for dim in array.dims if role(data, dim) is None]
        named = all(dim in data.coords and array.sizes[dim] <= PARTS for dim in parts)
        if len(steps) > 1 or not named:
            continue
        along = steps[0] if steps else None
        places = zip(labels, values, strict=True) if sweep in array.dims else [(None, None)]
        for label, value in places:
            target = whole if label is None else points[label]
            chosen = array if label is None else array.sel({sweep: value})
            for key, at, numbers in curves(
                str(name), chosen.drop_vars(sweep, errors="ignore"), along
            ):
                target.put(clean(key), at, numbers)
    for path, value in flat(report["metrics"]):
        at = next((part for part in path if sweep and part.startswith(f"{sweep}=")), None)
        target = whole if at is None else points[at.removeprefix(f"{sweep}=")]
        key = "/".join(part for part in path if part != at)
        target.put(clean(key), [0], np.array([value], float))
    verdicts = [check["holds"] for check in report["checks"].values()]
    for name, check in report["checks"].items():
        whole.put(clean(f"check/{name}"), [0], np.array([check["holds"]], float))
    for name, erratum in report["errata"].items():
        whole.put(clean(f"erratum/{name}"), [0], np.array([erratum["stands"]], float))
    whole.put("checks.held", [0], np.array([sum(verdicts)], float))
    whole.put("checks.failed", [0], np.array([len(verdicts) - sum(verdicts)], float))
    return Logged(sweep, whole, points)
