"""Gradient descent from 0, sampled or not, ends at the shortest of all polynomials through the points.

Every step is a combination of the rows of X, so no step has a part in the null space of X. The only solution without
such a part is the shortest one, and a run that converges from 0 ends there. The median number of steps that sampled runs
need to come within a given distance of it is predicted, too. At the course's data sampling needs 130 times as many
steps as the full gradient: random samples excite the even modes, which are 20 times slower and which the full gradient
never excites.

    θ_{k+1} = θ_k − γ(2/b) Σ_{i in batch} φ_i(φ_iᵀθ_k − y_i),   θ₀ = 0,   batches uniform with replacement
    θ_k ∈ range Xᵀ ⟂ null X, so the limit, if there is one, is θ* = Xᵀ(XXᵀ)⁻¹y
    GD:  ‖θ_k − θ*‖² = Σ (1 − γλ_i)²ᵏ c_i²,   c = Vᵀθ*
    SGD: E‖θ_k − θ*‖² = Σ_j w_j ℓ_jᵏ (descent.maths.second_moment); the median crossing from the normal law of
         θ_k − θ* along its slowest mode, where that mode carries the error and the noise hardly multiplies it

See: on the left all runs fall along the dashed curves; on the right their parts in the null space stay at the size
of rounding errors.

Source: FRTN50 assignment, exercises 4b and 4c; CSE 891 homework 2, question 3 (SGD and mini-batch SGD). When
the full gradient converges, and what 4b prints about it: gd_iterations.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.check import with_points
from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths import quadratic, second_moment
from descent.maths.optimisers import descend, full_batch
from descent.maths.replicates import replicate
from descent.maths.sampling import Estimate, level, mean, median, require_fewest
from descent.maths.second_moment import Decay
from descent.polynomial import _overparameterised
from descent.polynomial._checks import names
from descent.polynomial._crossing import (
    beyond,
    decays,
    gd_steps,
    near_normal,
    never,
    reached,
    require_crossings,
    still_near,
    unstable,
)
from descent.polynomial._from_zero import sampled_runs, to_solution
from descent.polynomial._kernels import log_spaced, spaced
from descent.polynomial._problem import Problem, build, modes, require_work
from descent.polynomial._rounding import EPS, carried, of_square
from descent.result import Check, Result, bound, measured, predicted, replicates, steps, sweep


@experiment_config
class Config(_overparameterised.Config):
    seed: Seed
    replicates: Count
    gd_rate: Positive  # γβ of the full gradient
    sgd_rate: Positive  # γβ of the sampled ones
    batches: tuple[Count, ...]  # b
    squared: Positive  # ‖θ − θ*‖² that counts as converged
    steps: Annotated[int, Field(ge=100, le=10**8, strict=True)]  # of the sampled ones
    snapshots: Annotated[int, Field(ge=2, le=1000, strict=True)]

    def __post_init__(self):
        super().__post_init__()
        require_increasing("batches", self.batches)
        require_fewest("median", self.replicates, len(self.batches))
        work, kept = self.replicates * self.steps, self.replicates * self.snapshots
        require_work(self, (self.degree,), work * len(self.batches), max(self.batches), kept)

    @property
    def kept(self) -> np.ndarray:
        return spaced(self.steps, self.snapshots)


def measure_gd(config: Config, problem: Problem) -> xr.Dataset:
    """The full gradient: distance, and part in the null space."""
    start, t = np.zeros_like(problem.theta), log_spaced(gd_steps(config, problem), config.snapshots)
    rates, batches = np.full_like(start, config.gd_rate / problem.beta), full_batch(config.points)
    path = descend(problem.X, problem.y, start, rates, batches, t, problem.theta, np.empty(0))
    distance, null = to_solution(problem, path.theta)
    return xr.Dataset(
        {
            "gd": measured("t", distance, "‖θ_k − θ*‖²"),
            "gd_null": measured("t", null, "‖P_null θ_k‖"),
        },
        coords={"t": steps(t, "t", "step k of GD")},
    )


def measure_sgd(config: Config, problem: Problem) -> xr.Dataset:
    """The same of all runs with samples."""
    given = [(problem, config.sgd_rate / problem.beta, config)] * config.replicates
    found = zip(*replicate(sampled_runs, config.seed, given), strict=True)
    distance, null, first = map(np.array, found)
    label = f"steps until ‖θ_k − θ*‖² ≤ {config.squared:g}"
    dims = ("replicate", "batch")
    return xr.Dataset(
        {
            "sgd": measured((*dims, "k"), distance, "‖θ_k − θ*‖²"),
            "null": measured((*dims, "k"), null, "‖P_null θ_k‖"),
            "crossing": measured(dims, reached(first), label),
        },
        coords={
            "replicate": replicates(config.replicates),
            "batch": sweep(config.batches, "batch", "batch size b"),
            "k": steps(config.kept, "k", "step k of SGD"),
        },
    )


def predict(config: Config, problem: Problem, laws: list[Decay]) -> xr.Dataset:
    """Closed forms: of the full gradient; of the mean, the median crossing and the latest crossing of samples."""
    q, rate = modes(problem, np.zeros_like(problem.theta)), config.gd_rate / problem.beta
    t = log_spaced(gd_steps(config, problem), config.snapshots).astype(float)
    closed, k = quadratic.squared_distance(quadratic.iterate(q, rate, t)), config.kept.astype(float)
    means = np.array([beyond(second_moment.squared_distance(law, k)) for law in laws])
    # A run is above c times the mean with probability 1/c at the most.
    late = config.squared * level(len(laws)) / config.replicates
    middle = never(second_moment.first_below(law, config.squared, 0.5) for law in laws)
    latest = never(second_moment.first_below(law, late) for law in laws)
    return xr.Dataset(
        {
            "gd_predicted": predicted("t", closed, "‖θ_k − θ*‖², closed form"),
            "sgd_predicted": predicted(("batch", "k"), means, "E‖θ_k − θ*‖²"),
            "crossing_predicted": predicted("batch", middle, "median crossing, predicted"),
            "crossing_bound": bound("batch", latest, "no run is later"),
        }
    )


def run(config: Config) -> Result:
    problem = build(config, config.degree)
    laws = decays(config, problem)
    require_crossings(config, problem, laws)
    gd, sgd = measure_gd(config, problem), measure_sgd(config, problem)
    found, each = gd.merge(sgd), {name: sgd[name] for name in ("batch", "k")} | {"t": gd["t"]}
    theory = predict(config, problem, laws).assign_coords(each)
    stable = theory["crossing_bound"].copy(data=[law.rates[-1] < 1 for law in laws])
    est = median(found["crossing"].where(stable, 0.0))
    normal, moved = near_normal(config, laws, est.tol)
    why = f"{names(~normal)}: the error is not near normal along one mode"
    return Result(
        data=found.merge(theory),
        metrics={
            "sgd_crossing": found["crossing"].median("replicate", skipna=False),
            "sgd_crossing_predicted": theory["crossing_predicted"],
            "null_component": found["null"].max(),
        },
        checks=(
            *compare(config, problem, found, theory, stable, still_near(laws, config.kept)),
            *crossings(found, theory, stable, normal, est._replace(tol=est.tol + moved)),
        ),
        no_claim=unstable(config, problem, stable),
        unchecked={} if normal.all() else {"sgd_crossing": why},
    )


def compare(config: Config, problem: Problem, found, theory, stable, early) -> tuple[Check, ...]:
    """The full gradient; the null space; the mean of runs that are still near the start."""
    q, rate = modes(problem, np.zeros_like(problem.theta)), config.gd_rate / problem.beta
    gd, t, k, size = found["gd"], found["t"], found["k"], EPS * np.linalg.norm(problem.theta)
    error = gd.copy(data=carried(problem, q, rate, t.values.astype(float)))
    off, converges = of_square(gd, error) + 2 * EPS * t * abs(gd), config.gd_rate < 2
    slowest, random = "rounding, carried on by the slowest mode", "rounding of θ, as a random walk"
    few, many = (4 * size * np.sqrt(s + 1) for s in (t, k))
    null, law = found["null"].max("replicate"), theory["sgd_predicted"].isel(k=early)
    est = mean(found["sgd"].isel(k=early).where(stable, 0))
    tol = est.tol + 1e-12 * abs(est.value)
    return with_points(
        Check("gd", gd, "==", theory["gd_predicted"], off, slowest, converges),
        Check("gd_null_component", found["gd_null"], "==", 0.0, few, random, converges),
        Check("sgd_null_component", null, "==", 0.0, many, random, stable),
        Check("sgd_early", est.value, "==", law, tol, est.why, stable),
    )


def crossings(found, theory, stable, normal, est: Estimate) -> tuple[Check, ...]:
    last, markov = found["crossing"].max("replicate"), "Markov's inequality"
    expected, latest = theory["crossing_predicted"], theory["crossing_bound"]
    return with_points(
        Check("sgd_crossing", est.value, "==", expected, est.tol, est.why, normal),
        Check("sgd_last_crossing", last, "<=", latest, 0.0, markov, stable),
    )
