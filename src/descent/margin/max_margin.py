"""Gradient flow on separated classes grows along the maximum-margin direction, by 1/γ per unit of log t.

The loss of a sample falls exponentially in its margin, so after a while only the samples of the least margin pull.
They pull w towards a combination of themselves with weights a_n ≥ 0, which is what defines the support vector
machine. It takes exponentially long: the direction is off by O(1/log t), and 10⁶ steps leave several degrees.

    z_n = y_n x_n,   L(w) = Σ_n e^{−z_nᵀw} or Σ_n log(1 + e^{−z_nᵀw}),   dw/dt = −∇L(w)
    w = ŵ log t + ρ(t), ρ bounded;   ŵ = argmin ‖w‖ s.t. Zw ≥ 1;   ‖ŵ‖ = 1/γ
    t L → 1/γ²;   min_n z_nᵀw = γ‖w‖ − c* + O(1/‖w‖);   relative gap of the margin → c*/log t
    c* = log max a − Σ a_n log a_n/Σ a_n,   ŵ = Σ a_n z_n over the support vectors

Both losses and every start have these limits. The flow is integrated in s = log t, where they are approached like
e^{−λs}; λ can be small (a sample that is nearly a support vector), so limits are read at a far end of the integration.

See: left, the angle to ŵ, which falls like 1/log t and is still a few tenths of a degree at t = 10¹⁰; right, the
gap of the margin against its limit.

Source: slides on implicit biases, theorem 3; arXiv 1710.10345, theorems 3 to 5. "Suitable learning rate" hides that
the direction converges only like 1/log t.
"""

import numpy as np
import xarray as xr

from descent.check import with_points
from descent.config import Count, Number, experiment_config
from descent.margin import _machine, _problem
from descent.margin._flow import Flow, flow, times
from descent.margin._problem import EPS, Samples, named, padded
from descent.margin._reading import ERROR, converged, limits, not_converged, read
from descent.maths.limits import require_within
from descent.result import Check, Result, measured, predicted, steps

LOSSES = ["exponential", "logistic"]
LN10 = float(np.log(10))


@experiment_config
class Config(_problem.DrawnMany):
    start: Number  # ‖w₀‖·max ‖z_n‖
    decades: Count  # log₁₀ t up to which a run is drawn
    horizon: Count  # log₁₀ t at which its limits are read

    def __post_init__(self):
        super().__post_init__()
        require_within("start", self.start, -50, 50, "the loss there leaves float64")
        require_within("horizon", self.horizon, 8, 10**6, "rounding of log t hides the margins")
        if self.decades >= self.horizon:
            raise ValueError(f"decades {self.decades} ≥ horizon {self.horizon}")


def predict(given: list[Samples]) -> xr.Dataset:
    """The support vector machine of every problem, and c* where all support vectors have a weight."""
    machines = [_machine.machine(one.Z) for one in given]
    weights = [_machine.weights(one.Z, m) for one, m in zip(given, machines, strict=True)]
    gamma = np.array([m.gamma for m in machines])
    directions = padded([m.direction for m in machines])
    theory = {
        "growth_predicted": predicted(("problem", "i"), directions, "γŵ"),
        "gamma_predicted": predicted("problem", gamma, "largest margin γ"),
        "rest_predicted": predicted("problem", -2 * np.log(gamma), "log 1/γ²"),
    }
    if all(a is not None for a in weights):
        c = np.array([_machine.constant(a) for a in weights])
        theory["offset_predicted"] = predicted("problem", c, "c*")
    return xr.Dataset(theory)


def measure(config: Config, given: list[Samples], log10_t: np.ndarray) -> xr.Dataset:
    """The flows, and what they say about their limits."""
    runs = []
    for one in given:
        w0 = config.start / one.longest * one.aside
        both = [_one(one, flow(one.Z, loss, w0, LN10 * log10_t), log10_t) for loss in LOSSES]
        runs.append(xr.concat(both, "loss"))
    found = xr.concat(runs, "problem", join="outer", fill_value=0.0)  # dimensions differ
    found.attrs["decades"] = config.decades
    return found.assign_coords(
        problem=named(config.problems),
        loss=("loss", LOSSES, {"long_name": "loss"}),
        log10_t=steps(log10_t, "log10_t", "log₁₀ t"),
    )


def _one(given: Samples, run: Flow | None, log10_t: np.ndarray) -> xr.Dataset:
    """One run; NaN if it could not be integrated."""
    if run is None:
        shape = len(log10_t), len(given.aside)
        run = Flow(
            np.full(shape, np.nan), np.full((shape[0], 1), np.nan), np.full(shape[0], np.nan)
        )
    least = run.margins.min(1)
    rest = run.log_loss + LN10 * log10_t
    error = 2 * abs(rest[-1] - np.interp(log10_t[-1] / 2, log10_t, rest)) + 100 * EPS * abs(
        least[-1]
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = least / np.linalg.norm(run.w, axis=1)
    return read(run.w, least).assign(
        w=measured(("log10_t", "i"), run.w, "w"),
        margin=measured("log10_t", ratio, "min zᵀw/‖w‖"),
        rest=measured((), rest[-1], "log tL at the horizon"),
        rest_error=measured((), error, "its error"),
    )


def run(config: Config) -> Result:
    given, log10_t = config.draw(), times(config.decades, config.horizon)
    theory = predict(given)  # refuses what is not separated
    found = measure(config, given, log10_t)
    slow = [_machine.slowest(one.Z) for one in given]
    there = converged(found, slow)
    data = found.merge(theory)
    offset = "offset_predicted" in theory
    angle, gap = seen(data)
    return Result(
        data=data.assign(angle=angle, gap=gap).drop_vars("w"),
        metrics={
            "gamma": data["gamma_predicted"],
            "offset": found["offset"].sel(loss="exponential"),
            "angle": angle.sel(loss="exponential").sel(log10_t=config.decades, method="nearest"),
        },
        checks=compare(there, found, theory),
        no_claim=not_converged(there, found, slow),
        unchecked={} if offset else {"offset": "no weights of the support vectors were found"},
    )


def seen(data: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """The angle between w and ŵ in degrees, and the relative gap of the margin."""
    w, to = data["w"], data["growth_predicted"]
    unit = w / np.sqrt((w**2).sum("i"))
    angle = 2 * np.degrees(np.arcsin(np.minimum(1, np.sqrt(((unit - to) ** 2).sum("i")) / 2)))
    gap = 1 - data["margin"] / data["gamma_predicted"]
    angle.attrs = {"long_name": "angle to the maximum-margin direction", "units": "degrees"}
    gap.attrs = {"long_name": "relative gap of the margin"}
    return angle, gap


def compare(there: xr.DataArray, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    least = found["margin"]
    known, tol = np.isfinite(least).all("log10_t"), 1e-9 * abs(least).max("log10_t")
    rest = found["rest"], "==", theory["rest_predicted"], found["rest_error"]
    checks = with_points(
        Check("margin", least, "<=", theory["gamma_predicted"], tol, "accuracy of the flow", known),
        Check("rest_of_the_loss", *rest, ERROR, there),
    )
    return (*checks, *limits(there, found, theory))
