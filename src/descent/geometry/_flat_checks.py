"""What descent on r⁴/4 is compared with, and whether it has come far enough, for flat_loss."""

import numpy as np
import xarray as xr

from descent.geometry import _flat
from descent.geometry._data import EPS, Data
from descent.result import Check

MARKS = (1e-3, 1e-6, 1e-9)  # of the first residual, between which the factor is read off
NEAR = 0.1  # of √(ηk)r_k, within which it has to be of its limit
ACCURATE = 1e-6  # of the flow's integration, relative


def _shapes(given: Data, found: xr.Dataset) -> list[_flat.Near]:
    A, pinv = given.X @ given.X.T, np.linalg.pinv(given.X)
    return [_flat.near(A, pinv, p) for p in found["shape"].values]


def presuppose(given: Data, found: xr.Dataset, share: float) -> dict[str, str]:
    """What is not so of these runs, and which check needs it."""
    reasons = {}
    blur = float((found["slow_blur"] / found["slow"]).max())
    if not blur <= NEAR:
        reasons["flow"] = f"its distance is known to {blur:.2g} of itself: smaller steps"
    early, late = _shapes(given, found)
    if not late.minimum or late.of_itself > NEAR:
        where = f"{late.of_itself:.2g} of itself from rest" if late.minimum else "near no minimum"
        reasons["constant"] = f"√(ηk)r_k is {where} at the last step: more of them"
    elif not early.minimum or early.of_itself > 2 * NEAR:
        reasons["power"] = "√(ηk)r_k is not near its limit for a decade"
    if not found["rule_left"] <= MARKS[-1]:
        left = float(found["rule_left"])
        reasons["factor"] = f"with the step rule {left:.2g} of the residual is left: more steps"
    elif (left := off_shape(given, found, share)) > 0.5:
        kept = f"{left:.2g} of what its residuals' shape is off stays from mark to mark"
        reasons["factor"] = f"share {share:g}: with the step rule {kept}"
    return reasons


def off_shape(given: Data, found: xr.Dataset, share: float) -> float:
    """What is left, from mark to mark, of a shape's distance from ρ: more than 1 where a step overshoots it."""
    A = given.X @ given.X.T
    rho = _flat.rest(A, found["passed"].values).rho
    beside = _flat.wavers(A, rho, share / given.sigma[0] ** 2)
    steps = np.log(MARKS[2] / MARKS[1]) / np.log(found["factor"].values[-1])
    return float(beside**steps)


def compare(
    given: Data, found: xr.Dataset, theory: xr.Dataset, eta: float, missing: dict[str, str]
) -> tuple[Check, ...]:
    """The checks that these runs allow."""
    X, y, w0 = given
    checks, slow, blur = [], found["slow"], found["slow_blur"] + ACCURATE * found["slow"]
    if "flow" not in missing:
        why = "what the largest step adds, and the integration"
        checks.append(Check("flow", slow, "==", theory["distance_predicted"], blur, why))
    scaled = float(np.sqrt(eta * found["k"][-1]) * slow[-1])
    early, late = _shapes(given, found)
    if not {"flow", "constant"} & missing.keys():
        c, why = theory["constant_predicted"], "the rest that is next to where the run is, twice"
        tol = 2 * late.distance + float(blur[-1] / slow[-1]) * scaled
        checks.append(Check("constant", scaled, "==", c, tol, why))
    if not {"flow", "constant", "power"} & missing.keys():
        slope = float(np.log10(slow[-1] / slow[-11]))
        tol = 2 * (early.of_itself + late.of_itself + float((blur / slow).max())) / np.log(10)
        why = "from where the run is and was a decade before to the rest, twice"
        checks.append(Check("power", slope, "==", theory["power_predicted"], tol, why))
    if "factor" not in missing:
        length = np.linalg.norm(w0) + np.linalg.norm(y) / given.sigma[-1]
        r0, steps = np.abs(X @ w0 - y).max(), float(found["m"][-1])
        off = found["rule_left"] * r0 * np.sqrt(len(y)) / given.sigma[-1]
        off, why = off + EPS * (16 + steps) * length, "the residual left, and ε a step"
        checks.append(Check("limit", found["rule_end"], "==", theory["limit"], off, why))
        first, last = found["factor"].values
        tol, why = abs(last - first) + float(found["rounding"]), "its change between marks"
        checks.append(Check("factor", last, "==", theory["factor_predicted"], tol, why))
    return tuple(checks)
