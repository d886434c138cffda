"""Which of theory's statements the looks of a probe bear out, and why the others are not claimed.

    layers_add_up      Σ_l ‖g_l‖² = ‖g‖² of all parameters
    minibatch_law      E‖g_B‖² = ‖∇L‖² + (tr Σ/B)(n − B)/(n − 1), layer by layer
    inner_products     ⟨W_l, ∂W_l⟩ + Σ_{k ≥ l} ⟨b_k, ∂b_k⟩ is the same for all layers that scale the output alike
    balancedness       a step of SGD changes their ‖W_l‖² + Σ ‖b_k‖² by −2η(that) + η²‖G_l‖²
    stability_limit    λ_max does not stay above the stability limit of the optimiser, when every step is on all samples

The last is about two looks at least `APART` steps apart: above the limit a step multiplies what is along the top
eigenvector by more than 1, so one of the two has a sharpness at or below the limit unless the run leaves the numbers.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.config import Refusal
from descent.maths import sampling
from descent.probe._homogeneity import ALIKE
from descent.probe._looks import Memory
from descent.probe._optimisers import limit
from descent.probe._record import Row
from descent.result import Check

ADDED = 1e-9  # relative, of sums of squares in float64
FLOAT32 = 2.0**-23
SAME = 1e-4  # mismatch up to which the applied gradient is that of the minibatch
EXCESS = 0.25  # of the limit; no theory has how far above it the sharpness hovers, runs have up to a fifth
VAGUE = 0.5  # tolerance over what is predicted, above which nothing is claimed
KNOWN = 0.1  # residual of an eigenvalue over it, at the most
APART = 20  # steps: 1.5²⁰ = 3000
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
        stability(finite, memory, has_data),
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
        why = "too few samples to be parted into minibatches" if measured else "call measure()"
        return [], [f"{name}: {why}"]
    found = [
        (f"step {step}, {layer}", value, *_expected(row, layer), row.freedom)
        for step, row in there.items()
        for layer, value in row.layers["minibatch_square"].items()
    ]
    at, drawn, by_law, error, freedom = zip(*found, strict=True)
    try:
        estimate = sampling.of_error(np.array(drawn), np.array(error), min(freedom), len(found))
    except Refusal as refusal:
        return [], [f"{name}: {refusal}"]
    tols = np.asarray(estimate.tol) + 1e-5 * np.array(by_law)
    points = [Point(*p) for p in zip(at, drawn, by_law, tols.tolist(), strict=True)]
    sure = [one for one in points if one.tol <= VAGUE * one.predicted]
    vague = [one.at for one in points if one.tol > VAGUE * one.predicted]
    reasons = (
        [f"{name}: chance may be {VAGUE:.0%} of it or more at {'; '.join(vague)}"] if vague else []
    )
    return [check(name, "==", sure, f"{estimate.why}, and float32")] if sure else [], reasons


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
            tol = FLOAT32 * square + 2 * eta * _tolerance(row)
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
        return (
            "the applied gradient is not that of loss_fn on the minibatch in evaluation mode "
            "(dropout, statistics of the batch, accumulation, clipping, further losses, or lower precision)"
        )
    return ""


def stability(rows: Rows, memory: Memory, has_data: bool) -> Found:
    name = "stability_limit"
    if not has_data:
        return [], [f"{name}: claimed for full batches only, and data=(X, y) was not given"]
    looked = {k: row for k, row in rows.items() if "loss" in row.scalars}
    if not looked or not all(row.is_full_batch for row in looked.values()):
        return [], [f"{name}: claimed for full batches only, and steps are on minibatches"]
    rules = [row.rule for row in looked.values() if row.rule is not None]
    bound = limit(rules[-1] if rules else None)
    if bound.reason:
        return [], [f"{name}: {bound.reason}"]
    if any(limit(rule).value != bound.value for rule in rules):
        return [], [f"{name}: the learning rate changed on the way"]
    if any(not row.scalars.get("mismatch", 0.0) <= SAME for row in looked.values()):
        return [], [f"{name}: {_unlike_theory(_mismatched(looked))}"]
    sharp = {k: row for k, row in rows.items() if "sharpness" in row.scalars and row.is_full_batch}
    late = max(sharp, default=0)
    early = max((k for k in sharp if k <= late - APART), default=None)
    if early is None:
        return [], [f"{name}: takes two sharpnesses at least {APART} steps apart"]
    last = [sharp[early].scalars, sharp[late].scalars]
    if any(one["sharpness_residual"] > KNOWN * abs(one["sharpness"]) for one in last):
        return [], [f"{name}: Lanczos had not converged: more products"]
    least = min(one["sharpness"] for one in last)
    why = "hovers above it by an amount that no theory gives"
    return [Check(name, least, "<=", bound.value, EXCESS * abs(bound.value), why)], []


def _mismatched(rows: Rows) -> Row:
    worst = max(rows.values(), key=lambda row: row.scalars.get("mismatch", 0.0))
    return worst
