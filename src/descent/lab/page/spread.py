"""The numbers of a result with their spread over replicates, as rows of a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.lab.files import dataset, whole
from descent.lab.results import label
from descent.lab.tracking.reported import role
from descent.lab.tracking.series import PARTS

ROWS = 60  # of one experiment at the most


class Row(NamedTuple):
    """Of one quantity at one place: mean, standard deviation, 5–95 % over `n` replicates."""

    quantity: str
    at: str
    mean: float
    sd: float
    low: float
    high: float
    n: int


def rows(path: Path | str) -> list[Row]:
    """One row a quantity and setting, for all that is measured over replicates; of a run, its last step.

    Raises:
        Damaged: the artifact cannot be read.
    """
    data, found = dataset(path), []
    with whole(path):
        for name, array in data.data_vars.items():
            predicted = array.attrs.get("role") == "prediction"
            if "replicate" in array.dims and array.dtype.kind in "fiu" and not predicted:
                found.extend(_of(str(name), array, data))
    return found[:ROWS]


def _of(name: str, array: xr.DataArray, data: xr.Dataset) -> Iterator[Row]:
    """A quantity over dimensions that are short or a run."""
    ends = {dim: -1 for dim in array.dims if role(data, str(dim)) == "step"}
    last = array.isel(ends)
    places = [dim for dim in last.dims if dim != "replicate"]
    if any(dim not in data.coords or last.sizes[dim] > PARTS for dim in places):
        return
    values = last.transpose(*places, "replicate").values.astype(float)
    n, quantity = values.shape[-1], array.attrs.get("long_name", name)
    with np.errstate(invalid="ignore"):  # inf − inf, where a replicate diverged
        low, high = np.quantile(values, [0.05, 0.95], axis=-1)
        mean, sd = values.mean(-1), values.std(-1, ddof=min(1, n - 1))
    end = {dim: data[dim].values[-1] for dim in ends}
    for place in np.ndindex(mean.shape):
        where = {dim: last[dim].values[k] for dim, k in zip(places, place, strict=True)} | end
        at = ", ".join(f"{dim} = {label(value)}" for dim, value in where.items())
        yield Row(quantity, at, *(float(x[place]) for x in (mean, sd, low, high)), n)
