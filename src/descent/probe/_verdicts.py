"""Which of theory's statements the looks of a probe bear out, and why the others are not claimed.

    layers_add_up      Σ_l ‖g_l‖² = ‖g‖² of all parameters
    minibatch_law      E‖g_B‖² = ‖∇L‖² + (tr Σ/B)(n − B)/(n − 1), layer by layer
    inner_products     ⟨W_l, ∂W_l⟩ + Σ_{k ≥ l} ⟨b_k, ∂b_k⟩ is the same for all layers that scale the output alike
    balancedness       a step of SGD changes their ‖W_l‖² + Σ ‖b_k‖² by −2η(that) + η²‖G_l‖²
    stability_limit    λ_max does not stay above the stability limit of the optimiser, when every step is on all samples

The last is in `_stability.py`.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.config import Refusal
from descent.maths import sampling
from descent.probe._homogeneity import ALIKE
from descent.probe._memory import Memory
from descent.probe._noise import FEWEST
from descent.probe._record import Row
from descent.probe._stability import MISMATCH, SAME, stability
from descent.result import Check

ADDED = 1e-9  # relative, of sums of squares in float64
FLOAT32 = 2.0**-23
LISTED = 5  # steps and layers that a reason names
VAGUE = 0.5  # tolerance over what is predicted, above which nothing is claimed
Rows = dict[int, Row]
Found = tuple[list[Check], list[str]]


class Point(NamedTuple):
    at: str
    measured: float
    predicted: float
    tol: float


def check(name: str, relation: str, points: list[Point], why: str) -> Check:
    """Of many points, each with its place."""
    at = {"at": [point.at for point in points]}
    arrays = [xr.DataArray(list(v), at, "at") for v in list(zip(*points, strict=True))[1:]]
    return Check(name, arrays[0], relation, *arrays[1:], why)


def verdicts(rows: Rows, memory: Memory, *, has_data: bool) -> Found:
    """Every check that can be made, and the reasons of those that cannot."""
    checks, reasons, finite = [], [], {}
    for step, row in rows.items():
        values = [row.scalars[n] for n in ("loss", "full_loss", "whole_norm") if n in row.scalars]
        if np.isfinite(values).all():
            finite[step] = row
        else:
            reasons.append(f"step {step}: the loss or its gradient is not finite")
    if not finite:
        return [], reasons or ["nothing was looked at yet"]
    if failed := [why for name, why in memory.unseen.items() if name.startswith("passes")]:
        reasons += [f"a pass of the probe failed: {why}" for why in failed]
    parts = (
        added(finite),
        law(finite, memory, has_data),
        inner_products(finite),
        balancedness(finite),
        stability(finite, has_data),
    )
    for made, why in parts:
        checks += made
        reasons += why
    return checks, reasons


def added(rows: Rows) -> Found:
    points = []
    for step, row in rows.items():
        for whole, layers in (("whole_norm", "minibatch_norm"), ("full_whole_norm", "full_norm")):
            if whole in row.scalars:
                square = row.scalars[whole] ** 2
                total = sum(value**2 for value in row.layers[layers].values())
                points.append(Point(f"step {step}, {layers}", total, square, ADDED * square))
    if not points:
        return [], ["layers_add_up: no gradient was seen"]
    return [check("layers_add_up", "==", points, "rounding of sums of squares in float64")], []


def law(rows: Rows, memory: Memory, has_data: bool) -> Found:
    name = "minibatch_law"
    if not has_data:
        return [], [f"{name}: the whole set was not given, as data=(X, y)"]
    if memory.coupled:
        why = "the loss of a batch is not the mean of those of its parts"
        return [], [f"{name}: {why}, so samples have no gradients of their own"]
    there = {k: r for k, r in rows.items() if "law_batch" in r.scalars}
    if not there:
        measured = any("full_loss" in row.scalars for row in rows.values())
        fewest = f"it takes {2 * FEWEST}, and minibatches of 2"
        few = f"too few samples to be parted into minibatches: {fewest}"
        why = few if measured else "call measure()"
        return [], [f"{name}: {why}"]
    found = [
        (f"step {step}, {layer}", value, *_expected(row, layer), row.freedom)
        for step, row in there.items()
        for layer, value in row.layers["minibatch_square"].items()
    ]
    at, drawn, by_law, error, freedom = zip(*found, strict=True)
    try:
        errors = xr.DataArray(np.array(error), dims="at")
        value = xr.DataArray(np.array(drawn), dims="at")
        estimate = sampling.of_error(value, errors, min(freedom))
    except Refusal as refusal:
        return [], [f"{name}: {refusal}"]
    tols = estimate.tol.values + 1e-5 * np.array(by_law)
    points = [Point(*p) for p in zip(at, drawn, by_law, tols.tolist(), strict=True)]
    sure = [one for one in points if one.tol <= VAGUE * one.predicted]
    vague = [one.at for one in points if one.tol > VAGUE * one.predicted]
    places = listed(vague) if sure else "every step and layer: too few samples"
    reasons = [f"{name}: chance may be {VAGUE:.0%} of it or more at {places}"] if vague else []
    return [check(name, "==", sure, f"{estimate.why}, and float32")] if sure else [], reasons


def listed(places: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
    return "; ".join(places[:LISTED]) + more


def _expected(row: Row, layer: str) -> tuple[float, float]:
    names = ("minibatch_square_predicted", "minibatch_square_error")
    return tuple(row.layers[name][layer] for name in names)


def inner_products(rows: Rows) -> Found:
    name, points = "inner_products", []
    there = {k: r for k, r in rows.items() if r.alike is not None and r.alike.layers}
    for step, row in there.items():
        values, layers = row.layers["product"], row.alike.layers
        for layer in layers[:-1]:
            tol = _tolerance(row)
            points.append(Point(f"step {step}, {layer}", values[layer], values[layers[-1]], tol))
    reasons = [
        f"{name}, balancedness: step {step}: {row.alike.reason}"
        for step, row in rows.items()
        if row.alike is not None and row.alike.reason
    ]
    if not points:
        return [], reasons or [f"{name}, balancedness: no minibatch was looked at"]
    why = "what scaling does to the output differs by less than 1e-4, and float32 rounding"
    return [check(name, "==", points, why)], reasons


def _tolerance(row: Row) -> float:
    """Of a product: how alike the layers were found to be, and rounding of its terms."""
    largest = max(abs(value) for value in row.layers["product"].values())
    return 10 * ALIKE * largest + 16 * FLOAT32 * max(row.layers["product_size"].values())


def balancedness(rows: Rows) -> Found:
    name, points, reasons = "balancedness", [], []
    for step, row in rows.items():
        if not (row.alike is not None and row.alike.layers) or "growth" not in row.layers:
            continue
        why, eta = _unlike_theory(row), row.scalars.get("rate", np.nan)
        if why:
            reasons.append(f"{name}: {why}")
            continue
        common = float(np.mean(list(row.layers["product"].values())))
        for layer in row.alike.layers:
            square, kick = row.layers["square"][layer], row.layers["kick"][layer]
            tol = 2 * FLOAT32 * (square + kick) + 2 * eta * _tolerance(row)
            if 2 * eta * abs(common) <= 10 * tol:
                reasons.append(f"{name}: at step {step} a step is lost in rounding")
                break
            growth = row.layers["growth"][layer]
            points.append(Point(f"step {step}, {layer}", growth, kick - 2 * eta * common, tol))
    reasons = list(dict.fromkeys(reasons))
    if not points:
        return [], reasons
    return [check(name, "==", points, "float32 rounding of W and of its gradients")], reasons


def _unlike_theory(row: Row) -> str:
    """Why a step is not θ ← θ − ηg of the minibatch's loss; empty if it is."""
    if row.rule is None or not row.rule.is_plain:
        used = "an unknown optimiser" if row.rule is None else row.rule.name
        extra = " with momentum, decay or groups" if used == "SGD" else ""
        return f"the optimiser is {used}{extra}, and the law is of plain SGD"
    if row.applied != 1:
        return f"{row.applied} optimiser steps within one step of the probe"
    if not row.scalars.get("mismatch", np.inf) <= SAME:
        return MISMATCH
    return ""
