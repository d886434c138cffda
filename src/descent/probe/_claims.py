"""What a probe claims of each replicate as labelled arrays: measured here, predicted there, and compared again.

A check of the name `law` becomes the variables `law` and `law_tolerance` over (replicate, law_step, law_layer, …), and
`law_predicted`; its own dimensions carry its name, since it is of some steps and layers only.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from descent.result import Check, replicates

KIND = {"==": "prediction", "<=": "bound", ">=": "bound"}


def shared(checks: Sequence[Sequence[Check]]) -> list[str]:
    """The names of the checks that every replicate has."""
    names = [[check.name for check in ours] for ours in checks]
    return [name for name in names[0] if all(name in others for others in names)]


def stacked(checks: Sequence[Sequence[Check]], name: str, part: str) -> xr.DataArray:
    """`measured`, `predicted` or `tol` of one check, over the replicates; the points that all of them have."""
    ours = [next(check for check in one if check.name == name) for one in checks]
    wide = [
        xr.broadcast(*(xr.DataArray(getattr(check, p)) for p in ("measured", "predicted", "tol")))
        for check in ours
    ]
    arrays = [points[("measured", "predicted", "tol").index(part)].astype(float) for points in wide]
    bare = [array.drop_vars([c for c in array.coords if c not in array.dims]) for array in arrays]
    whole = xr.concat(bare, "replicate", join="inner", coords="minimal", compat="override")
    whole = whole.assign_coords(replicate=replicates(len(ours)))
    return whole.rename({dim: f"{name}_{dim}" for dim in whole.dims if dim != "replicate"})


def of_measured(checks: Sequence[Sequence[Check]]) -> xr.Dataset:
    """What was measured for each claim, and its tolerance."""
    found = {}
    for name in shared(checks):
        one = next(check for check in checks[0] if check.name == name)
        words = name.replace("_", " ")
        look = {"long_name": words, "relation": one.relation, "why": one.why}
        found[name] = stacked(checks, name, "measured").assign_attrs(look)
        tolerance = stacked(checks, name, "tol")
        found[f"{name}_tolerance"] = tolerance.assign_attrs(long_name=f"tolerance of {words}")
    return named(xr.Dataset(found))


def of_predicted(checks: Sequence[Sequence[Check]]) -> xr.Dataset:
    """What theory gives for each."""
    found = {}
    for name in shared(checks):
        one = next(check for check in checks[0] if check.name == name)
        look = {"long_name": f"{name.replace('_', ' ')} by theory", "role": KIND[one.relation]}
        found[f"{name}_predicted"] = stacked(checks, name, "predicted").assign_attrs(look)
    return named(xr.Dataset(found))


def named(data: xr.Dataset) -> xr.Dataset:
    """With a name for every coordinate."""
    for coordinate in data.coords.values():
        coordinate.attrs.setdefault("long_name", str(coordinate.name).rpartition("_")[2])
    return data


def compared(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    """The checks again, from the arrays."""
    checks = []
    for name in found.data_vars:
        if f"{name}_tolerance" not in found:
            continue
        values = found[name], theory[f"{name}_predicted"], found[f"{name}_tolerance"]
        plain = [
            array.rename({d: str(d).removeprefix(f"{name}_") for d in array.dims})
            for array in values
        ]
        if len(found["replicate"]) == 1:
            plain = [array.isel(replicate=0, drop=True) for array in plain]
        measured, predicted, tol = plain
        if measured.size:
            look = found[name].attrs
            checks.append(Check(str(name), measured, look["relation"], predicted, tol, look["why"]))
    return tuple(checks)


def without_gaps(data: xr.Dataset) -> xr.Dataset:
    """Each variable over the steps and the layers at which it was taken, in dimensions of their own.

    What is taken at every look is over `step`, what is taken of the whole set over `moment`.
    """
    taken = {
        dim: np.isfinite(data[name]).values
        for dim, name in (("moment", "full_loss"), ("step", "loss"))
        if name in data
    }
    found = {}
    for name, array in data.data_vars.items():
        at = np.isfinite(array).any([dim for dim in array.dims if dim != "step"]).values
        along = next((dim for dim, steps in taken.items() if not (steps & ~at).any()), None)
        one = of_layers(array.isel(step=taken[along] if along else at), str(name))
        found[name] = one if along == "step" else one.rename(step=along or f"{name}_step")
    return xr.Dataset(found)


def of_layers(array: xr.DataArray, name: str) -> xr.DataArray:
    """Without the layers that do not have it, and without singular values that some layer does not have."""
    if "layer" not in array.dims:
        return array
    has = np.isfinite(array).any([dim for dim in array.dims if dim != "layer"]).values
    one = array.isel(layer=has)
    if "k" in array.dims:
        one = one.isel(k=np.isfinite(one).all([dim for dim in one.dims if dim != "k"]).values)
    if not has.all():
        one = one.drop_vars("kind", errors="ignore").rename(layer=f"{name}_layer")
    return one
