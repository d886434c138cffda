"""With unit steps of a constant length η/B, the margin ends within ηB/2 of the largest, and can stall there.

A unit step does not get shorter near the solution. In ℓ₂ the steps settle on the right direction all the same. In ℓ₁
and ℓ_∞ they are coordinates and signs, which can only be mixed, and if η is large the mixture itself goes round in
a cycle that leaves the support vectors unbalanced.

    p = softmax(−Zw),   g = Zᵀp,   w ← w + (η/B) argmax {gᵀv: ‖v‖ = 1},   B = max_n ‖z_n‖_*,   w₀ = 0
    log L falls by at least (η/B)‖g‖_* − η²/2 a step, ‖g‖_* ≥ γ, ‖w_k‖ ≤ ηk/B, so
    γ − min_n z_nᵀw_k/‖w_k‖ ≤ B(log n/(ηk) + η/2)     where that is at most γ
    ℓ₂, stable:  ‖w_k‖(γ − min_n z_nᵀw_k/‖w_k‖) → c*, the constant of max_margin

The bound is no prediction of the floor, and whether a run stalls hangs on the samples; what is claimed of all
is the bound, and of ℓ₂ the gap c*/‖w‖.

See: gaps that fall like 1/k, and those of large steps in ℓ_∞ that end on a floor; dotted is the bound.

Source: slides on implicit biases, theorem 4: "suitable learning rate". Sign descent and coordinate descent with a
constant rate are these steps; the theorem of arXiv 1802.08246 scales the step with the gradient.
"""

import numpy as np
import xarray as xr

from descent.config import Positive, experiment_config, require_increasing
from descent.margin import _machine, _normed, _steepest
from descent.margin._normed import A_HALVING, bests, unsure
from descent.margin._norms import Best, Norm
from descent.margin._problem import Samples
from descent.margin._reading import ERROR, converged, read
from descent.maths.limits import require_within
from descent.result import Check, Result, bound, measured, predicted, steps, sweep


@experiment_config
class Config(_normed.Normed):
    etas: tuple[Positive, ...]  # η, in units of 1/B

    def __post_init__(self):
        super().__post_init__()
        require_increasing("etas", self.etas)
        require_within("etas", self.etas, 1e-4, 10, "smaller ones stay at the start")
        self.require_time(len(self.etas))


def predict(config: Config, given: Samples, references: list[Best], k: np.ndarray) -> xr.Dataset:
    """The least margin that every run has, and c* of the one in ℓ₂."""
    gamma, low = (
        np.array([one.gamma for one in references]),
        guaranteed(config, given, references, k),
    )
    theory = {
        "gamma_bound": bound("norm", gamma, "largest margin γ"),
        "margin_bound": bound(("norm", "eta", "k"), low, "γ − B(log n/(ηk) + η/2)"),
    }
    machine = _machine.machine(given.Z)
    a = _machine.weights(given.Z, machine)
    if a is not None and "l2" in config.norms:
        theory["offset_predicted"] = predicted((), _machine.constant(a), "c*")
    return xr.Dataset(theory)


def guaranteed(config: Config, given: Samples, references: list[Best], k: np.ndarray) -> np.ndarray:
    """The least margin (norm, η, k); −B where it may be negative, and then of a shorter w."""
    B = np.array([float(which.dual(given.Z).max()) for which in config.all_norms()])
    eta = np.array(config.etas)[:, None]
    short = np.log(config.samples) / (eta * k) + eta / 2
    low = np.array([one.gamma for one in references])[:, None, None] - B[:, None, None] * short
    return np.where(low >= 0, low, -B[:, None, None])


def measure(config: Config, given: Samples) -> xr.Dataset:
    runs = [
        xr.concat([_one(config, given, which, eta) for eta in config.etas], "eta")
        for which in config.all_norms()
    ]
    k = _steepest.halvings(config.steps, A_HALVING)[1:]
    return xr.concat(runs, "norm").assign_coords(
        norm=sweep(config.norms, "norm", "norm"),
        eta=sweep(config.etas, "eta", "step η"),
        k=steps(k, "k", "step k"),
    )


def _one(config: Config, given: Samples, which: Norm, eta: float) -> xr.Dataset:
    kept = _steepest.halvings(config.steps, A_HALVING)
    w = _steepest.run(given.Z, which, "unit", eta, kept).w[1:]
    least = (w @ given.Z.T).min(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        margin = np.where(which.of(w) > 0, least / which.of(w), -which.dual(given.Z).max())
    return read(w, least).assign(margin=measured("k", margin, "min zᵀw/‖w‖"))


def run(config: Config) -> Result:
    given = config.draw()
    references = bests(config, given)
    found = measure(config, given)
    theory = predict(config, given, references, found["k"].values)
    data = found.merge(theory)
    gap = 1 - data["margin"] / data["gamma_bound"]
    gap.attrs = {"long_name": "relative gap of the margin"}
    with np.errstate(invalid="ignore", divide="ignore"):
        before = gap.isel(k=-1 - A_HALVING, drop=True)
        slope = np.log2(gap.isel(k=-1, drop=True) / before)
    checks, unchecked = compare(given, found, theory, unsure(config, references))
    kept = ["margin", "gamma_bound", "margin_bound"]
    return Result(
        data=data[kept].assign(gap=gap),
        metrics={"gap": gap.isel(k=-1, drop=True), "slope": slope},
        checks=checks,
        no_claim=nothing_said(config, given, references),
        unchecked=unchecked,
    )


def nothing_said(config: Config, given: Samples, references: list[Best]) -> tuple[str, ...]:
    """Why nothing is claimed where the bound is beyond the margin in every run."""
    if (guaranteed(config, given, references, np.array([config.steps])) >= 0).any():
        return ()
    return ("etas, steps: B(log n/(ηk) + η/2) is more than the largest margin in every run",)


def compare(
    given: Samples, found: xr.Dataset, theory: xr.Dataset, rounding: xr.DataArray
) -> tuple[tuple[Check, ...], dict[str, str]]:
    margin, why = found["margin"], "rounding and the programme"
    checks = (
        Check("largest_margin", margin, "<=", theory["gamma_bound"], rounding, why),
        Check("floor", margin, ">=", theory["margin_bound"], rounding, why),
    )
    if "offset_predicted" not in theory:
        return checks, {"offset_in_l2": "no run in ℓ₂, or no weights of its support vectors"}
    one = found.sel(norm="l2", drop=True)
    there = settled(given, one)
    if not there.any():
        return checks, {"offset_in_l2": "no run in ℓ₂ has converged: fewer or longer steps"}
    parts = one["offset"], "==", theory["offset_predicted"], one["offset_error"]
    return (*checks, Check("offset_in_l2", *parts, ERROR, there)), {}


def settled(given: Samples, one: xr.Dataset) -> xr.DataArray:
    """Of every run in ℓ₂, whether it has converged: unit steps longer than 2γ/fast end in a cycle."""
    found = _machine.machine(given.Z)
    rates = _machine.rates(given.Z, found, _machine.weights(given.Z, found))
    stable = one["eta"] < 2 * found.gamma * given.longest / rates.fast
    return converged(one.expand_dims("problem"), [rates.slow]).isel(problem=0) & stable
