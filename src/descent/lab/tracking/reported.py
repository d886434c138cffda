"""The metrics of a report as curves: what it says at `t=10`, `t=20`, … is one."""

from collections.abc import Iterator

import numpy as np
import xarray as xr


def role(data: xr.Dataset, dim: str) -> str | None:
    return data.variables[dim].attrs.get("role") if dim in data.coords else None


def flat(tree: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every number of a metrics tree with its path."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, (*path, key))
        else:
            yield (*path, key), value


def reported(
    data: xr.Dataset, metrics: dict, sweep: tuple[str, ...]
) -> Iterator[tuple[str, dict, list, np.ndarray]]:
    """(metric, sweep labels, steps, values): what the tree says at `t=10`, `t=20`, … is one curve."""
    found: dict[tuple, dict[int, float]] = {}
    for path, value in flat(metrics):
        name, where, step = [], {}, 0
        for part in path:
            dim, _, at = part.rpartition("=")
            if dim in sweep:
                where[dim] = at
            elif role(data, dim) == "step" and float(at).is_integer():
                step = int(float(at))
            else:
                name.append(part)
        found.setdefault(("/".join(name), tuple(where.items())), {})[step] = value
    for (name, where), curve in found.items():
        yield name, dict(where), list(curve), np.array(list(curve.values()), float)
