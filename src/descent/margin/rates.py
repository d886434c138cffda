"""Dividing the step by the loss or by the gradient brings the margin to its maximum like 1/k, not like 1/log k.

As the loss vanishes a plain step does too, and w grows like log k. Steps divided by the loss, or of a set length, keep
their size, so w grows like k or √k. All of them follow one path in the end: the margin falls short of γ‖w‖ by the same
constant c*, so the gap of the margin is c*/‖w‖, whatever the rule.

    Z: (n, d),   p = softmax(−Zw),   g = Zᵀp = −∇ log L,   B = max_n ‖z_n‖,   v = g/‖g‖
    plain        Δw = Lg/(nB²)        ‖w‖ ~ log k/γ      gap γc*/log k
    normalised   Δw = g/B²            ‖w‖ ~ γk/B²        gap ~ 1/k
    unit         Δw = ηv/B            ‖w‖ ~ ηk/B         gap ~ 1/k
    root         Δw = η′v/(B√k)       ‖w‖ ~ 2η′√k/B      gap ~ 1/√k
    c* = log max a − Σ a_n log a_n/Σ a_n,   ŵ = Σ a_n z_n over the support vectors

A unit step settles if it is shorter than 2γ/λ, λ the largest eigenvalue of Zᵀdiag(p)Z in the limit; longer ones end in
a cycle. What is claimed is claimed of runs long enough for a sample that is nearly a support vector to be left behind, and of
at least one run by every rule.

See: the gap of one problem by step rule; dashed is c*/‖w‖ with the predicted growth of ‖w‖.

Source: slides on implicit biases, theorem 3 ("suitable learning rate"); arXiv 1803.01905 and 1906.04540 for normalised
steps. The constant c* is derived in _machine.py; no source gives it.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config
from descent.margin import _machine, _problem, _steepest
from descent.margin._norms import norm
from descent.margin._problem import EPS, Samples, named, padded
from descent.margin._reading import ERROR, converged, limits, not_converged, read
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.result import Check, Result, measured, predicted, steps

RULES = ["normalised", "unit", "root"]  # whose limits are claimed
A_HALVING = 4  # steps kept a halving


@experiment_config
class Config(_problem.DrawnMany):
    steps: Count
    eta: Positive  # η of unit steps
    root_eta: Positive  # η′ of root steps, which may begin with jumps

    def __post_init__(self):
        super().__post_init__()
        require_within("eta", self.eta, 1e-3, 2, "smaller ones stay at the start, larger ones jump")
        require_within(
            "root_eta", self.root_eta, 1e-3, 1e3, "longer jumps leave w far off for long"
        )
        require_at_most(self, "rounding of so many steps is that of the margin", steps=10**7)
        if self.steps < 1000:
            raise ValueError(f"steps {self.steps} < 1000: nothing is near its limit")
        cost = sum(16.0 * (n + 10) * (d + 10) * self.steps for _, n, d in self.problems)
        require_cost(self, "problems, steps", 0, cost)


def grown(rule: str, k: np.ndarray) -> np.ndarray:
    """In what w grows evenly: Σ_{j < k} of 1 or 1/√(j + 1)."""
    if rule != "root":
        return k.astype(float)
    return np.append(0, np.cumsum(1 / np.sqrt(np.arange(1, k[-1] + 1))))[k]


def predict(config: Config, given: list[Samples]) -> xr.Dataset:
    machines = [_machine.machine(one.Z) for one in given]
    weights = [_machine.weights(one.Z, m) for one, m in zip(given, machines, strict=True)]
    gamma = np.array([m.gamma for m in machines])
    B = np.array([one.longest for one in given])
    speed = np.column_stack([gamma / B**2, config.eta / B, config.root_eta / B])
    directions = padded([m.direction for m in machines])
    theory = {
        "growth_predicted": predicted(("problem", "i"), directions, "γŵ"),
        "gamma_predicted": predicted("problem", gamma, "largest margin γ"),
        "speed_predicted": predicted(("problem", "rule"), speed, "γ/B², η/B or η′/B"),
    }
    if all(a is not None for a in weights):
        c = np.array([_machine.constant(a) for a in weights])
        theory["offset_predicted"] = predicted("problem", c, "c*")
    return xr.Dataset(theory)


def measure(config: Config, given: list[Samples]) -> xr.Dataset:
    """The runs by every rule, and what they say about their limits."""
    runs = [xr.concat([_one(config, one, rule) for rule in RULES], "rule") for one in given]
    found = xr.concat(runs, "problem", join="outer", fill_value=0.0)  # dimensions differ
    k = _steepest.halvings(config.steps, A_HALVING)[1:]
    return found.assign_coords(
        problem=named(config.problems),
        rule=("rule", RULES, {"long_name": "step rule"}),
        k=steps(k, "k", "step k"),
    )


def measure_plain(config: Config, given: list[Samples]) -> xr.DataArray:
    """The margin on the way of plain gradient descent, from which no limit can be read in time."""
    plain = [_path(config, one, "plain", 1 / len(one.Z)).margin for one in given]
    return xr.DataArray(plain, dims=("problem", "k"), attrs={"long_name": "plain steps"})


def _path(config: Config, given: Samples, rule: str, eta: float) -> _steepest.Path:
    which = norm("l2", given.Z.shape[1], 0)
    kept = _steepest.halvings(config.steps, A_HALVING)
    w = _steepest.run(given.Z, which, rule, eta, kept).w[1:]
    length, least = np.linalg.norm(w, axis=1), (w @ given.Z.T).min(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _steepest.Path(kept[1:], w, length, least, least / length)


def _one(config: Config, given: Samples, rule: str) -> xr.Dataset:
    etas = {"normalised": 1.0, "unit": config.eta, "root": config.root_eta}
    path = _path(config, given, rule, etas[rule])
    x, size = grown(rule, path.k), A_HALVING
    speed = [
        (path.length[a] - path.length[b]) / (x[a] - x[b])
        for a, b in ((-1, -1 - size), (-1 - size, -1 - 2 * size))
    ]
    error = 2 * abs(speed[0] - speed[1]) + config.steps * EPS * abs(speed[0])
    return read(path.w, path.least).assign(
        margin=measured("k", path.margin, "min zᵀw/‖w‖"),
        speed=measured((), speed[0], "growth of ‖w‖ in k or in Σ1/√k"),
        speed_error=measured((), error, "its error"),
    )


def run(config: Config) -> Result:
    given = config.draw()
    theory = predict(config, given)  # refuses what is not separated
    found = measure(config, given)
    plain = measure_plain(config, given).assign_coords(problem=found["problem"], k=found["k"])
    there = settled(config, given, found)
    gamma = theory["gamma_predicted"].assign_coords(problem=found["problem"])
    gap, slow = 1 - found["margin"] / gamma, 1 - plain / gamma
    reasons, left_out = missing(given, there, found, theory)
    gap.attrs, slow.attrs = ({"long_name": f"relative gap{of}"} for of in ("", ", plain steps"))
    with np.errstate(invalid="ignore", divide="ignore"):
        before = gap.isel(k=-1 - A_HALVING, drop=True)
        slope = np.log2(gap.isel(k=-1, drop=True) / before)
    return Result(
        data=found.merge(theory).assign(gap=gap, plain_gap=slow),
        metrics={
            "slope": slope.isel(problem=0, drop=True),
            "offset": found["offset"].isel(problem=0, drop=True),
            "plain_gap": slow.isel(k=-1, drop=True),
        },
        checks=compare(there, found, theory, plain),
        no_claim=reasons,
        unchecked=left_out,
    )


def missing(
    given: list[Samples], there: xr.DataArray, found: xr.Dataset, theory: xr.Dataset
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Why nothing is claimed, where no run of some rule is long enough; else the runs that are left out."""
    unchecked = {}
    if "offset_predicted" not in theory:
        unchecked["offset"] = "no weights of the support vectors were found"
    why = not_converged(there, found, [_machine.slowest(one.Z) for one in given])
    if not there.any("problem").all():
        return why, unchecked
    late = [f"{p}, {r}" for p in there["problem"].values for r in there["rule"].values]
    late = [name for name, is_there in zip(late, there.values.ravel(), strict=True) if not is_there]
    return (), unchecked | {f"limits of {name}": why[0] for name in late}


def settled(config: Config, given: list[Samples], found: xr.Dataset) -> xr.DataArray:
    """Of every run, whether it has converged; unit steps longer than 2γ/fast end in a cycle."""
    machines = [_machine.machine(one.Z) for one in given]
    known = [
        _machine.rates(one.Z, m, _machine.weights(one.Z, m))
        for one, m in zip(given, machines, strict=True)
    ]
    longest = [
        2 * m.gamma * one.longest / rate.fast
        for one, m, rate in zip(given, machines, known, strict=True)
    ]
    late = config.root_eta / np.sqrt(config.steps / 64)  # where w has an eighth of its length
    eta = xr.DataArray([1.0, config.eta, late], dims="rule")
    stable = (eta < xr.DataArray(longest, dims="problem")) | (found["rule"] == "normalised")
    return (converged(found, [rate.slow for rate in known]) & stable).transpose("problem", "rule")


def compare(
    there: xr.DataArray, found: xr.Dataset, theory: xr.Dataset, plain: xr.DataArray
) -> tuple[Check, ...]:
    gamma = theory["gamma_predicted"]
    rounding, why = 10 * int(found["k"][-1]) * EPS * gamma.max(), "rounding of the steps"
    checks = (
        Check("margin", found["margin"], "<=", gamma, rounding, why),
        Check("margin_of_plain_steps", plain, "<=", gamma, rounding, why),
    )
    if not there.any():
        return ()
    speed = found["speed"], "==", theory["speed_predicted"], found["speed_error"]
    return (*checks, *limits(there, found, theory), Check("speed", *speed, ERROR, there))
