"""Training fails mostly from starts whose largest singular value is above √((1 + μ)N/η).

To first order in the weights training is a linear recursion for every singular value of the Jacobian, and it is unstable
beyond that edge. Since σ₁ moves as the weights do, an unstable start may recover, and a stable one may still fail.

    linearised:  r ← r − ηJv,  v ← μv + (2/N) Jᵀr:   mode k is stable ⇔ σ_k < √((1 + μ)N/η)
    failed: the loss is lost, or m is constant at the end;   zero biases: σ₁ of the start from two points

The edge is checked on the linear recursion. That more networks fail above it than below is a comparison: among so many
failures and so many starts above, how many are both is hypergeometric if the two have nothing to do with each other.

See: the shares that fail or spike are near zero left of the edge and rise beyond it, at every rate and momentum.

Source: CS182 homework 2, question 6e; the edge is that of its question 2 in the form v ← μv + g.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from jaxtyping import Bool
from pydantic import Field
from scipy import stats

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.features import _halves, _problem
from descent.features._outcomes import TEST, Outcome, log_chance, outcome, share_of
from descent.features._problem import Hidden, Scaled, require_room
from descent.features._stable_steps import edge, last_stable
from descent.features._training import Pace, require_steps, step_count
from descent.maths.initialise import initialise
from descent.maths.limits import require_within
from descent.maths.network import Shape
from descent.maths.replicates import replicate
from descent.maths.sampling import level
from descent.result import Check, Result, measured, predicted, replicates, sweep

BINS = 8  # of the curve of failures, with as many networks in each

Momentum = Annotated[float, Field(ge=0, lt=1)]


@experiment_config
class Config(_problem.Data):
    seed: Seed
    replicates: Annotated[int, Field(ge=2 * BINS, le=100_000)]  # networks of each start
    hidden: Hidden
    starts: Annotated[tuple[Scaled, ...], Field(min_length=1, max_length=10)]
    batch: Count
    epochs: Count
    rates: tuple[Positive, ...]  # η
    momenta: tuple[Momentum, ...]  # μ
    rate: Positive  # where the contrast is tested
    momentum: Momentum

    def __post_init__(self):
        super().__post_init__()
        require_increasing("rates", self.rates)
        require_increasing("momenta", self.momenta)
        require_within("rates", self.rates, 1e-12, 1e12, "the edge is beyond double precision")
        require_within("momenta", self.momenta, 0, 0.9999, "the edge is where roots nearly meet")
        if self.rate not in self.rates or self.momentum not in self.momenta:
            raise ValueError(
                f"rate {self.rate:g} and momentum {self.momentum:g} "
                "must be among the rates and momenta"
            )
        trained = self.replicates * len(self.starts) * len(self.rates) * len(self.momenta)
        require_steps(self.samples, self.batch, self.epochs, trained, self.hidden)

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "relu")

    @property
    def grid(self) -> list[Pace]:
        return [Pace(rate, momentum) for rate in self.rates for momentum in self.momenta]

    @property
    def cells(self) -> tuple[int, int]:
        return len(self.rates), len(self.momenta)


def predict(config: Config) -> xr.Dataset:
    edges = np.array([edge(config.samples, *pace) for pace in config.grid]).reshape(config.cells)
    return xr.Dataset({"edge_predicted": predicted(("rate", "momentum"), edges, "√((1 + μ)N/η)")})


def measure(config: Config) -> xr.Dataset:
    """Where the linear recursion ceases to be stable, and what becomes of networks at every rate and momentum."""
    rng, shape = np.random.default_rng(config.seed), config.shape
    x, y = config.sample()
    theta = np.concatenate(
        [initialise(rng, kind, shape, config.replicates) for kind in config.starts]
    )
    T = step_count(config.samples, config.batch, config.epochs)
    span = float(np.ptp(config.function(TEST)))
    tasks = [(theta, x, y, shape, T, config.batch, pace, span) for pace in config.grid]
    found = replicate(outcome, config.seed, tasks)
    size, dims = (*config.cells, len(theta)), ("rate", "momentum", "replicate")
    lost, constant, spiked = (
        np.array([getattr(one, part) for one in found], float).reshape(size)
        for part in Outcome._fields
    )
    stable = [last_stable(config.samples, *pace) for pace in config.grid]
    sigma1 = _halves.singular_values(theta, x, shape)[:, 0]
    return xr.Dataset(
        {
            "sigma1": measured("replicate", sigma1, "σ₁ of the start"),
            "edge": measured(dims[:2], np.array(stable).reshape(config.cells), "last stable σ"),
            "lost": measured(dims, lost, "the loss was lost"),
            "constant": measured(dims, constant, "constant at the end"),
            "spiked": measured(dims, spiked, "a loss ten times the first"),
        },
        coords={
            "rate": sweep(config.rates, "rate", "η"),
            "momentum": sweep(config.momenta, "momentum", "μ"),
            "replicate": replicates(len(theta)),
        },
    )


def binned(found: xr.Dataset, failed: xr.DataArray) -> xr.Dataset:
    """Networks in order of σ₁, in heaps of nearly equal size."""
    heaps = np.array_split(np.argsort(found["sigma1"].values, kind="stable"), BINS)
    named = {
        "ratio": (found["sigma1"] / found["edge"], "σ₁/√((1 + μ)N/η)"),
        "failed": (failed, "share that failed"),
        "spiked": (found["spiked"], "share whose loss spiked"),
    }
    curves = {}
    for name, (values, text) in named.items():
        table = values.transpose("rate", "momentum", "replicate").values
        means = np.stack([table[..., heap].mean(-1) for heap in heaps], axis=-1)
        curves[f"{name}_of_bin"] = measured(("rate", "momentum", "bin"), means, text)
    label = {"long_name": "heap of networks, in order of σ₁"}
    return xr.Dataset(curves, coords={"bin": ("bin", np.arange(BINS), label)})


def run(config: Config) -> Result:
    R, P = config.replicates * len(config.starts), config.shape.parameters
    T = step_count(config.samples, config.batch, config.epochs)
    require_room(R * max(4 * P, T * config.batch), f"{R} networks, {T} steps")
    found, theory = measure(config), predict(config)
    failed = (found["lost"] > 0) | (found["constant"] > 0)
    above, spiked = found["sigma1"] >= found["edge"], found["spiked"] > 0
    here = {"rate": config.rate, "momentum": config.momentum}
    one, beyond = failed.sel(here).values, above.sel(here).values
    metrics = {
        "failed": failed.mean("replicate"),
        "edge": found["edge"].sel(here),
        "above_edge": beyond.mean(),
        "lost": found["lost"].sel(here).mean(),
        "fisher_log10": log_chance(one, beyond),
        "fisher_all_log10": log_chance(failed.values, above.transpose(*failed.dims).values),
    }
    for side, place in (("above", above), ("below", ~above)):
        at = place.sel(here).values
        metrics[f"failed_{side}"] = share_of(one, at)
        metrics[f"spiked_{side}"] = share_of(spiked.sel(here).values, at)
        metrics[f"failed_{side}_all"] = share_of(
            failed.values, place.transpose(*failed.dims).values
        )
    contrast, undecided = more_often(one, beyond)
    return Result(
        data=found.merge(theory).merge(binned(found, failed)),
        metrics=metrics,
        checks=(*compare(found, theory), *contrast),
        no_claim=undecided,
    )


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    edge, why = (
        theory["edge_predicted"],
        "a bisection, and rounding of roots",
    )
    return (Check("edge", found["edge"], "==", edge, 1e-9 * found["edge"], why),)


def more_often(
    failed: Bool[np.ndarray, " R"], above: Bool[np.ndarray, " R"]
) -> tuple[tuple, tuple]:
    """The check that failures are no rarer above the edge than chance has them, and why they tell nothing."""
    failures, both = int(failed.sum()), int((failed & above).sum())
    law = stats.hypergeom(len(failed), failures, int(above.sum()))
    least, most = law.ppf(level(1) / 2), law.isf(level(1) / 2)
    expected = failures * float(above.mean())
    undecided = f"{both} of {failures} failures are above the edge, where chance has {expected:.1f}"
    why = f"hypergeometric law of {failures} failures"
    check = Check("failures_above_the_edge", both, ">=", expected, expected - float(least), why)
    return (check,) * bool(failures), (undecided,) * bool(both <= most)
