"""What descent from balanced and from unbalanced factors is compared with, for balanced_start."""

import numpy as np
import xarray as xr

from descent.factorisation import _halved
from descent.factorisation._two_by_two import ACCURACY
from descent.result import Check

KINDS = ["balanced", "unbalanced"]
ACCURATE = 1e4 * ACCURACY  # of the integrations, relative


def slack(targets: tuple[float, float], found: xr.Dataset) -> xr.DataArray:
    """How far from −ab the loss at the end allows the determinant to be."""
    end = found.isel(t=-1, halving=-1, drop=True)
    e = np.sqrt(2 * end["loss"])
    return e * (end["missing"] + sum(map(abs, targets)) + e)


def compare(
    targets: tuple[float, float], found: xr.Dataset, theory: xr.Dataset
) -> tuple[tuple[Check, ...], dict[str, str]]:
    """The checks, and what is not checked and why."""
    det, added = _halved.limit(found["determinant"]), _halved.limit(found["added"])
    exact, order2 = theory["determinant_predicted"], "what is left of order η², and the integration"
    tol = det.rest + ACCURATE * abs(det.value)
    signed = np.sign(np.prod(targets)) * found["determinant"].sel(kind="balanced")
    checks = [
        Check("sign_of_balanced", signed, ">=", 0, 0, "a sign has no tolerance"),
    ]
    for kind in KINDS:
        one = {"kind": kind, "drop": True}
        near, law, off = det.value.sel(**one), exact.sel(**one), tol.sel(**one)
        checks.append(Check(f"determinant_of_{kind}", near, "==", law, off, order2))
        near, law = added.value.sel(**one), theory["added_predicted"].sel(**one)
        off = added.rest.sel(**one) + ACCURATE * near
        checks.append(Check(f"imbalance_of_{kind}", near, "==", law, off, order2))
    left = slack(targets, found).sel(kind="unbalanced", drop=True)
    arrived = left < abs(np.prod(targets)) / 2
    end = found["determinant"].isel(t=-1, halving=-1, drop=True).sel(kind="unbalanced", drop=True)
    end, left = (x.stack(run=["depth", "replicate"]).reset_index("run") for x in (end, left))
    seen = arrived.stack(run=["depth", "replicate"]).values
    why = "what the loss leaves of det W"
    law = theory["limit_predicted"]
    checks.append(Check("end_of_unbalanced", end[seen], "==", law, left[seen], why))
    late = int((~seen).sum())
    unchecked = {"end_of_the_others": f"{late} of {seen.size} have not arrived"} if late else {}
    return tuple(checks), unchecked
