"""SGD with batches of any size ends at the solution nearest to its start, as gradient descent does.

The gradient of a batch is a combination of its samples, so no batch moves the weights in a direction that no
sample sees. And with a small step every single batch brings the weights nearer to the same solution.

    X: (n, d),   n < d,   w ← w − γ (2/b) Σ_{i in batch} x_i(x_iᵀw − t_i),   γ = step/max‖x_i‖²,   P = 1 − X⁺X
    Pw_k = Pw₀ for all k,   w_∞ = w₀ + X⁺(t − Xw₀), whatever was drawn,   ‖w_{k+1} − w_∞‖ ≤ ‖w_k − w_∞‖
    E‖w_k − w_∞‖² ≤ (1 − 2γ(1 − step)λmin)ᵏ ‖w₀ − w_∞‖²,   λmin = 2σ_n(X)²/n

The bound: one sample takes 4γ(1 − γ‖x_i‖²)(x_iᵀe)² from ‖e‖², on average at least 2γ(1 − step)λmin‖e‖²; and
a batch is a mean of such steps, so convexity gives it the same bound.

See: on the left the distances fall below the bound for every batch size, down to rounding; on the right the
part that no sample sees stays what it was at the start.

Source: CSE 891 homework 2, the question on linear regression and optimisation, parts 1 and 2.
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Seed, experiment_config, require_increasing
from descent.linear import _problem
from descent.linear._problem import EPS, Regression
from descent.maths import optimisers
from descent.maths.limits import require_cost
from descent.maths.projection import project
from descent.maths.sampling import fewest, level, mean
from descent.result import Check, Result, bound, measured, predicted, replicates, steps, sweep

NEAR = 1e-3  # of ‖w₀ − w_∞‖, to which the bound has to bring a run for its end to be compared


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # problems, each with a run of its own for every batch size
    samples: Count  # n
    features: Count  # d
    batches: tuple[Count, ...]  # b, drawn with replacement
    start: Annotated[float, Field(ge=0)]  # w₀ = start · N(0, 1)
    step: Annotated[float, Field(gt=0, lt=1)]  # γ max‖x_i‖²; below 1 no sample leads away
    steps: Count

    def __post_init__(self):
        require_increasing("batches", self.batches)
        n, d, b = self.samples, self.features, self.batches[-1]
        if n >= d:
            raise ValueError(f"samples {n} ≥ features {d}: the rows span everything")
        numbers = 1.0 * self.steps * b + 6.0 * self.replicates * n * d
        work = 2.0 * self.replicates * len(self.batches) * self.steps * b * d
        require_cost(self, "replicates, samples, features, steps, batches", numbers, work)

    @property
    def telling(self) -> int:
        """Replicates from which the mean square is compared."""
        return fewest("mean", len(self.batches) * len(_problem.thinned(self.steps)))


class Given(NamedTuple):
    problem: Regression
    start: Float[np.ndarray, " d"]
    gamma: float
    batches: tuple[np.ndarray, ...]  # the rows of every step, for every b

    def shrinks(self, step: float) -> float:
        """1 − 2γ(1 − step)λmin, to the rounding that a single sample, met in one step, may exceed."""
        return 1 - min(2 * self.gamma * (1 - step) * float(self.problem.eigenvalues[-1]), 1 - EPS)


def draw(config: Config) -> list[Given]:
    rng, given = np.random.default_rng(config.seed), []
    for _ in range(config.replicates):
        p = _problem.draw(rng, config.samples, config.features)
        start = config.start * rng.standard_normal(config.features)
        gamma = config.step / float(np.square(p.X).sum(1).max())
        sizes = (optimisers.drawn(rng, config.samples, config.steps, b) for b in config.batches)
        given.append(Given(p, start, gamma, tuple(sizes)))
    return given


def predict(config: Config, given: list[Given]) -> xr.Dataset:
    k, one = _problem.thinned(config.steps), np.ones(config.features)
    limits = [project(g.problem.X, g.problem.t, g.start, one) for g in given]
    shrunk = [np.exp(k * np.log(g.shrinks(config.step))) for g in given]
    unseen = [np.linalg.norm(g.problem.across(g.start)) for g in given]
    return xr.Dataset(
        {
            "limit": predicted(("replicate", "j"), limits, "w₀ + X⁺(t − Xw₀)"),
            "null_predicted": predicted("replicate", unseen, "‖Pw₀‖"),
            "mean_square_bound": bound("k", np.mean(shrunk, 0), "bound on the mean square"),
        }
    )


def measure(config: Config, given: list[Given]) -> xr.Dataset:
    """The runs, and their distance from the nearest solution of the singular value decomposition."""
    k, shape = _problem.thinned(config.steps), (len(config.batches), len(given))
    distance, null = np.empty((2, *shape, len(_problem.thinned(config.steps))))
    end, across = np.empty((*shape, config.features)), np.empty(shape)
    for run, (p, w0, gamma, batches) in enumerate(given):
        nearest = w0 + np.linalg.lstsq(p.X, p.t - p.X @ w0)[0]
        way = np.linalg.norm(w0 - nearest)
        for row, order in enumerate(batches):
            path = _problem.descend(p.X, p.t, w0, gamma, k, nearest, -1.0, order).theta
            end[row, run] = path[-1]
            distance[row, run] = np.linalg.norm(path - nearest, axis=1) / way
            null[row, run] = np.linalg.norm(p.across(path), axis=1)
            moved = np.linalg.norm(p.across(path - w0), axis=1).max()
            across[row, run] = moved / np.linalg.norm(nearest)
    each = ("b", "replicate")
    return xr.Dataset(
        {
            "distance": measured((*each, "k"), distance, "‖w_k − w_∞‖/‖w₀ − w_∞‖"),
            "null": measured((*each, "k"), null, "‖Pw_k‖"),
            "across": measured(each, across, "largest ‖P(w_k − w₀)‖/‖w_∞‖"),
            "end": measured((*each, "j"), end, "w_K"),
        },
        coords={
            "b": sweep(config.batches, "b", "batch size b"),
            "replicate": replicates(len(given)),
            "k": steps(k, "k", "iteration k"),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given = draw(config)
    found, theory = measure(config, given), predict(config, given)
    off = _allowed(config, given)
    reached = off.max() <= NEAR
    short = f"steps {config.steps}: the bound lets an end be {off.max():.2g} of the way off"
    checks = compare(config, given, found, theory)
    if reached:
        way = xr.DataArray([_length(one) for one in given], dims="replicate")
        why = "Markov's inequality for the bound, and rounding"
        checks += (Check("end", found["end"], "==", theory["limit"], off * way, why),)
    few = f"replicates {config.replicates} < {config.telling}: too few to tell a mean from chance"
    return Result(
        data=found.merge(theory),
        metrics={
            "null_component": found["across"].max(),
            "final_distance": found["distance"].isel(k=-1).max("replicate", skipna=False),
        },
        checks=checks,
        no_claim=() if reached else (short,),
        unchecked={} if config.replicates >= config.telling else {"mean_square": few},
    )


def _length(given: Given) -> float:
    """‖w₀‖ + ‖w*‖, at least the way from w₀ to any solution that a run may find."""
    return float(np.linalg.norm(given.start) + np.linalg.norm(given.problem.truth))


def _rounding(given: Given) -> float:
    """What the last bits leave of a distance, relative to `_length`."""
    return 16 * EPS * float(np.sqrt(given.problem.X.size) / (1 - given.shrinks(0.0)))


def _allowed(config: Config, given: list[Given]) -> xr.DataArray:
    """How far an end may be off, in `_length`: E‖·‖² ≤ bound makes ‖·‖² ≤ bound/α but with probability α."""
    alpha = level(len(given) * len(config.batches))
    left = [config.steps * np.log(one.shrinks(config.step)) / 2 for one in given]
    off = np.exp(left) / np.sqrt(alpha) + [_rounding(one) for one in given]
    return xr.DataArray(off, dims="replicate")


def compare(
    config: Config, given: list[Given], found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    distance, unseen, most = (
        found["distance"],
        theory["null_predicted"],
        theory["mean_square_bound"],
    )
    length = xr.DataArray([_length(one) for one in given], dims="replicate")
    walk = 16 * EPS * np.sqrt(config.steps) * length
    blur = max(_rounding(g) * _length(g) for g in given) / min(
        float(np.linalg.norm(g.problem.V.T @ (g.start - g.problem.truth))) for g in given
    )
    before = distance.isel(k=slice(None, -1)).drop_vars("k")
    after = distance.isel(k=slice(1, None)).drop_vars("k")
    checks = (
        Check("unseen_part", found["null"], "==", unseen, walk, "16ε√K: the rounding of K steps"),
        Check("distance_after_steps", after, "<=", before, blur, "rounding, which a run forgets"),
    )
    if config.replicates < config.telling:
        return checks
    square = mean(distance**2)
    tol = square.tol + 3 * blur
    return (*checks, Check("mean_square", square.value, "<=", most, tol, square.why))
