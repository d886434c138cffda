"""Runs of steepest descent in several norms on one problem, and what encloses the largest margin in each."""

import numpy as np
import xarray as xr

from descent.config import Count, Seed, experiment_config
from descent.margin import _problem, _steepest
from descent.margin._norms import Best, Norm, best, norm
from descent.margin._problem import EPS, Samples
from descent.maths.limits import require_at_most, require_cost
from descent.result import measured, steps, sweep

A_HALVING = 4  # steps kept a halving of the run
EXACT = 1e-10  # relative, of the margins of a programme
CLOSE = 0.05  # relative width of the enclosure of γ from which on a run has not converged


@experiment_config
class Normed(_problem.Drawn):
    norms: tuple[str, ...]  # l1, l2, linf, lp, K
    metric_seed: Seed  # of K
    steps: Count

    def __post_init__(self):
        super().__post_init__()
        require_at_most(self, "rounding of so many steps is that of the margin", steps=10**7)
        if not self.norms or len(set(self.norms)) < len(self.norms):
            raise ValueError(f"norms {list(self.norms)}: one or more, each once")
        if self.steps < 1000:
            raise ValueError(f"steps {self.steps} < 1000: nothing is near its limit")
        for name in self.norms:
            norm(name, 1, self.metric_seed)

    def require_time(self, rules: int) -> None:
        cost = 4.0 * (self.samples + 10) * (self.dimension + 10) * self.steps
        require_cost(self, "samples, dimension, steps, norms", 0, cost * rules * len(self.norms))

    def all_norms(self) -> list[Norm]:
        return [norm(name, self.dimension, self.metric_seed) for name in self.norms]


def bests(config: Normed, given: Samples) -> list[Best]:
    """The reference of every norm."""
    return [best(given.Z, one) for one in config.all_norms()]


def unsure(config: Normed, references: list[Best]) -> xr.DataArray:
    """How far the programmes themselves leave γ open, and rounding of a run."""
    values = [one.high - one.low + config.steps * EPS * one.high for one in references]
    return xr.DataArray(np.abs(values), dims="norm", coords={"norm": list(config.norms)})


def runs(config: Normed, given: Samples, which: Norm, rules: dict[str, float]) -> xr.Dataset:
    """Steepest descent in one norm by each rule: margins on the way, where it ends, and the weights p̄."""
    kept = _steepest.halvings(config.steps, A_HALVING)
    paths = [_steepest.run(given.Z, which, rule, eta, kept) for rule, eta in rules.items()]
    w = np.array([one.w for one in paths])[:, 1:]
    length = which.of(w)
    with np.errstate(divide="ignore", invalid="ignore"):
        margin = (w @ given.Z.T).min(-1) / length
        ends = w[:, -1] / length[:, -1:]
    above = np.array([which.dual(one.mean @ given.Z) for one in paths])
    return xr.Dataset(
        {
            "margin": measured(("rule", "k"), margin, "min zᵀw/‖w‖"),
            "end": measured(("rule", "i"), ends, "w/‖w‖"),
            "above": measured("rule", above, "‖Zᵀp̄‖_*"),
        },
        coords={
            "rule": sweep(rules, "rule", "step rule"),
            "k": steps(kept[1:], "k", "step k"),
            "i": ("i", np.arange(1, given.Z.shape[1] + 1), {"long_name": "coordinate i"}),
        },
    )


def measured_runs(config: Normed, given: Samples, rules: dict[str, float]) -> xr.Dataset:
    """The same in every norm."""
    every = [runs(config, given, one, rules) for one in config.all_norms()]
    return xr.concat(every, "norm").assign_coords(norm=sweep(config.norms, "norm", "norm"))


def width(found: xr.Dataset) -> xr.DataArray:
    """How far a run's last margin is at most below the largest: the least ‖Zᵀp̄‖_* of all rules is above that."""
    apart = found["above"].min("rule") - found["margin"].isel(k=-1, drop=True)
    return np.maximum(apart, 0.0)  # of rounding


def unconverged(config: Normed, found: xr.Dataset, rules: list[str]) -> tuple[str, ...]:
    """Why nothing is claimed of margins that a run leaves open."""
    share = width(found) / found["above"].min("rule")
    return tuple(
        f"not converged: the margin of {rule} steps in {norm} is known to {left:.1%} only"
        for rule in rules
        for norm in config.norms
        if not (left := float(share.sel(rule=rule, norm=norm))) <= CLOSE
    )[:3]
