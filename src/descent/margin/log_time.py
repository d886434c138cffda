"""A million steps of gradient descent are the flow in log time, which takes a second to t = 10¹⁰⁰⁰⁰⁰.

Steps and flow part early, where the loss is large. From there on the steps become small beside the length on
which the loss changes, and all that is left of the difference is a shift in time, which log t forgets.

    w_{k+1} = w_k − η∇L(w_k),   L(w) = Σ_n e^{−z_nᵀw}          dw/ds = e^s Σ_n e^{−z_nᵀw} z_n,  s = log ηk
    difference at k:  O(η) in η;  on the span of the support vectors O(log k/k) in k

The tolerance is what the difference itself says: halving the step about halves it, so the run with half the step is as
far from the flow as the two runs are from each other.

See: left, the length of w by steps and by the flow; right, their distance, which falls like 1/k.

Source: slides on implicit biases, theorem 3 and its proof, which prints ∇L = Σ exp(−wᵀx)x: the sign is missing (and
y_n, which z_n = y_n x_n has); arXiv 1710.10345.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, experiment_config
from descent.margin import _machine, _problem, _steepest
from descent.margin._flow import ACCURACY, flow
from descent.margin._norms import norm
from descent.margin._problem import EPS, Samples
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.result import Check, Erratum, Result, measured, predicted, steps, sweep

A_HALVING = 1  # steps kept a halving
FACTORS = (1.0, 0.5)  # of η


@experiment_config
class Config(_problem.Drawn):
    steps: Count  # of the larger step
    eta: Positive  # ηnB²

    def __post_init__(self):
        super().__post_init__()
        require_within("eta", self.eta, 1e-4, 1, "a larger step jumps at the start")
        require_at_most(self, "rounding of so many steps is that of the margin", steps=10**7)
        if self.steps < 8:
            raise ValueError(f"steps {self.steps} < 8: there is nothing to compare yet")
        cost = 12.0 * (self.samples + 10) * (self.dimension + 10) * self.steps
        require_cost(self, "samples, dimension, steps", 0, cost)

    def steps_kept(self) -> np.ndarray:
        return _steepest.halvings(self.steps, A_HALVING)[1:]


def predict(config: Config, given: Samples) -> xr.Dataset:
    """The flow at t = ηk, and the slope of the loss at 0 along the sum of the samples."""
    _machine.machine(given.Z)  # refuses what is not separated
    t = config.eta * config.steps_kept() / (config.samples * given.longest**2)
    found = flow(given.Z, "exponential", np.zeros(config.dimension), np.log(t))
    if found is None:
        raise Refusal("samples: the flow takes too many evaluations")
    pull = given.Z.sum(0)
    return xr.Dataset(
        {
            "w_predicted": predicted(("k", "i"), found.w, "flow"),
            "slope_predicted": predicted((), -np.linalg.norm(pull), "−‖Σz_n‖"),
        }
    )


def measure(config: Config, given: Samples) -> xr.Dataset:
    """Runs with step η and η/2 at the same times, and the slope of the loss by a difference."""
    which, k = norm("l2", config.dimension, 0), config.steps_kept()
    runs = []
    for factor in FACTORS:
        kept = np.append(0, (k / factor).round().astype(np.int64))
        eta = factor * config.eta / config.samples
        runs.append(_steepest.run(given.Z, which, "plain", eta, kept).w[1:])
    unit = given.Z.sum(0) / np.linalg.norm(given.Z.sum(0))
    h = 1e-5 / given.longest
    up, down = (np.exp(-(given.Z @ unit) * side).sum() for side in (h, -h))
    return xr.Dataset(
        {
            "w": measured(("factor", "k", "i"), np.array(runs), "gradient descent"),
            "slope": measured((), (up - down) / (2 * h), "slope of L at 0 along Σz_n"),
        },
        coords={
            "factor": sweep(FACTORS, "factor", "step over η"),
            "k": steps(k, "k", "step k of η"),
            "i": ("i", np.arange(1, config.dimension + 1), {"long_name": "coordinate i"}),
        },
    )


def length(w: xr.DataArray) -> xr.DataArray:
    return np.sqrt((w**2).sum("i"))


def run(config: Config) -> Result:
    given = config.draw()
    theory, found = predict(config, given), measure(config, given)
    data = found.merge(theory)
    apart = length(data["w"] - data["w_predicted"]) / length(data["w_predicted"])
    apart.attrs = {"long_name": "‖w − w of the flow‖/‖w‖"}
    slope = float(theory["slope_predicted"])
    where = "slides on implicit biases, proof of theorem 3: ∇L = Σ exp(−wᵀx)x"
    tol = 1e-6 * abs(slope)
    return Result(
        data=data.assign(apart=apart),
        metrics={"apart": apart.isel(k=-1, drop=True), "slope": found["slope"]},
        checks=compare(config, found, theory, given),
        errata=(Erratum("sign", where, -slope, slope, float(found["slope"]), tol),),
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, given: Samples
) -> tuple[Check, ...]:
    one, half = (found["w"].sel(factor=factor, drop=True) for factor in FACTORS)
    accuracy = 10 * ACCURACY * length(half).max() + 1e2 * ACCURACY / given.longest
    tol = 2 * length(one - half) + accuracy + EPS * config.steps * length(half) / 1e3
    slope = theory["slope_predicted"]
    return (
        Check("w", half, "==", theory["w_predicted"], tol, "twice what halving the step changes"),
        Check("slope", found["slope"], "==", slope, 1e-6 * abs(float(found["slope"])), "h² of it"),
    )
