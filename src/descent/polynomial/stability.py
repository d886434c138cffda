"""The mean square error of stochastic gradient descent stays bounded up to a step that is known exactly.

Sampling makes the error a product of random matrices. Its mean square is multiplied by a linear map a step, and stays
bounded while that map has no eigenvalue above 1. Gradient descent bounds the mean alone, up to 2/β, and so
allows more. A typical run grows more slowly than the mean, which few runs make.

    θ_{k+1} = θ_k − γ∇f_i(θ_k), i uniform;   M = E eeᵀ:   M ← (I − γL + γ²Q) M + noise
    L: M ↦ ΛM + MΛ,   Q: M ↦ (4/N) Σ a_i(a_iᵀMa_i)a_iᵀ,   a_i = Vᵀφ(x_i)
    E‖θ_k − θ*‖² stays bounded  ⇔  γ < 1/λ_max(L^{−½} Q L^{−½});   in the end it grows as ρᵏ, ρ = λ_max(1 − γL + γ²Q)

The mean over all draws is measured by taking the steps of all samples (_every_draw.py), and for few draws by taking
all runs.

See: above the limit the mean of all draws (dashed: the recursion) turns upward, and leaves the band of the runs.

Source: FRTN50 assignment, exercise 2b (sampling with replacement, γ = 0.1/β).
"""

import numpy as np
import xarray as xr

from descent.check import with_points
from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths import second_moment
from descent.maths.replicates import replicate
from descent.polynomial import _every_draw, _moments
from descent.polynomial._kernels import descend_sampled, log_spaced
from descent.polynomial._problem import Problem, Sampled, build, require_recursion, require_work
from descent.result import Check, Result, measured, predicted, replicates, steps, sweep

HUGE = 1e200  # expectations that are compared


@experiment_config
class Config(Sampled):
    degrees: tuple[Count, ...]  # n
    fractions: tuple[Positive, ...]  # of the limit: the steps of the runs
    iterations: Count
    snapshots: Count  # iterations kept, log-spaced
    enumerated: Count  # orders of draws at the most, of which the mean is taken exactly

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        require_increasing("fractions", self.fractions)
        if not self.fractions[0] < 1 < self.fractions[-1]:
            raise ValueError(
                "fractions: the limit 1 must lie strictly between the first and the last"
            )
        if self.enumerated < self.points:
            raise ValueError(f"enumerated {self.enumerated} < points {self.points}: not one draw")
        runs = self.replicates * len(self.fractions)
        kept = runs * self.snapshots + 2 * self.enumerated * self.points
        require_work(self, self.degrees, self.iterations * runs, 1, kept)
        steps = max(self.iterations, self.draws) * len(self.fractions)
        require_recursion(self, self.degrees, steps)

    @property
    def record(self) -> np.ndarray:
        return log_spaced(self.iterations, self.snapshots)

    @property
    def draws(self) -> int:
        """The largest k with Nᵏ ≤ enumerated."""
        k = 1
        while self.points ** (k + 1) <= self.enumerated:
            k += 1
        return k


def _distances(rng, problem: Problem, step: float, record: np.ndarray) -> np.ndarray:
    never = record[-1] + 1
    with np.errstate(all="ignore"):  # beyond float64 it is inf
        iterates, _, _ = descend_sampled(
            rng, problem.X, problem.y, problem.theta, step, 0, record, never
        )
        return np.nan_to_num(np.sum((iterates - problem.theta) ** 2, -1), nan=np.inf)


def measure(config: Config, problems: list[Problem]) -> xr.Dataset:
    """The limit; at fractions of it the mean of all draws, and runs."""
    limits = [_every_draw.limit(problem) for problem in problems]
    given = [
        (problem, fraction * limit)
        for problem, limit in zip(problems, limits, strict=True)
        for fraction in config.fractions
    ]
    tasks = [(*one, config.record) for one in given for _ in range(config.replicates)]
    runs = np.array(replicate(_distances, config.seed, tasks))
    means = [_every_draw.squared_distances(*one, config.record) for one in given]
    all_runs = [_every_draw.mean_of_all_runs(*one, config.draws) for one in given]
    shape, dims = (len(config.degrees), len(config.fractions)), ("degree", "fraction")
    runs = runs.reshape(*shape, config.replicates, -1)
    growths, label = [_every_draw.growth(*one) for one in given], "d ln E‖θ_k − θ*‖²/dk"
    excess = [
        max(1.0, _every_draw.size(*one) / np.exp(g)) for one, g in zip(given, growths, strict=True)
    ]
    return xr.Dataset(
        {
            "limit": measured("degree", limits, "step where the mean square begins to grow"),
            "step": measured(dims, np.reshape([one[1] for one in given], shape), "γ"),
            "excess": measured(
                dims, np.reshape(excess, shape), "rounding of a step over its growth"
            ),
            "mean": measured((*dims, "k"), np.reshape(means, (*shape, -1)), "mean of all draws"),
            "mean_of_all_runs": measured(dims, np.reshape(all_runs, shape), "mean of all runs"),
            "growth": measured(dims, np.reshape(growths, shape), label),
            "squared_distance": measured((*dims, "replicate", "k"), runs, "‖θ_k − θ*‖²"),
            "typical_growth": measured(dims, typical(runs, config.record), "of the median run"),
        },
        coords={
            "degree": sweep(config.degrees, "degree", "degree n"),
            "fraction": sweep(config.fractions, "fraction", "step over the mean-square limit"),
            "replicate": replicates(config.replicates),
            "k": steps(config.record, "k", "iteration k"),
        },
    )


def typical(runs: np.ndarray, record: np.ndarray) -> np.ndarray:
    """Mean slope of the median of ln‖θ_k − θ*‖², up to 10²⁰⁰; of runs (…, replicate, k)."""
    logs = np.median(np.log(np.maximum(runs, 1e-300)), -2)
    last = np.array([[np.flatnonzero(one < 460)[-1] for one in row] for row in logs])
    end = np.take_along_axis(logs, last[..., None], -1)[..., 0]
    return (end - logs[..., 0]) / np.maximum(record[last], 1)


def predict(config: Config, problems: list[Problem], step: xr.DataArray) -> xr.Dataset:
    """The limit, and at these steps the recursion of second moments and its largest eigenvalue."""
    limits, means, all_runs, rates = [], [], [], []
    for problem, row in zip(problems, step.values, strict=True):
        law = second_moment.homogeneous(_moments.gradients(problem))
        limits.append(second_moment.limit(law))
        for one in map(float, row):
            at = np.union1d(config.record, [config.draws])
            second = _moments.moments(problem, one, 0, at).second
            with np.errstate(over="ignore", invalid="ignore"):
                expected = np.nan_to_num(np.trace(second, axis1=1, axis2=2), nan=np.inf)
            means.append(expected[np.isin(at, config.record)])
            all_runs.append(expected[at == config.draws][0])
            largest = np.linalg.eigvalsh(second_moment.evolution(law, one, len(law.H)))[-1]
            rates.append(np.log(largest))
    dims, shape = ("degree", "fraction"), step.shape
    return xr.Dataset(
        {
            "limit_predicted": predicted("degree", limits, "1/λ_max(L^{−½}QL^{−½})"),
            "mean_predicted": predicted((*dims, "k"), np.reshape(means, (*shape, -1)), "recursion"),
            "mean_of_all_runs_predicted": predicted(dims, np.reshape(all_runs, shape), "recursion"),
            "rate": predicted(dims, np.reshape(rates, shape), "ln ρ"),
        }
    )


def run(config: Config) -> Result:
    problems = [build(config, n) for n in config.degrees]
    found = measure(config, problems)
    theory = predict(config, problems, found["step"]).assign_coords(found.coords)
    beta = xr.DataArray([problem.beta for problem in problems], {"degree": found["degree"]})
    return Result(
        data=found.merge(theory),
        metrics={
            "limit": found["limit"] * beta,
            "rate": theory["rate"],
            "growth": found["growth"],
            "typical_growth": found["typical_growth"],
        },
        checks=compare(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    mean, limit = found["mean"], found["limit"]
    largest = mean.copy(data=np.maximum.accumulate(mean.values, -1))
    tol, seen = 1e-13 * found["excess"] * (mean["k"] + 1) * largest, mean < HUGE
    several, rounding = found["mean_of_all_runs"], "rounding of so many steps"
    each, sums = theory["mean_of_all_runs_predicted"], "rounding of the sum of all runs"
    expected, whole = theory["limit_predicted"], "rounding of an eigenvalue"
    return (
        Check("limit", limit, "==", expected, 1e-9 * limit, whole),
        Check("growth", found["growth"], "==", theory["rate"], 1e-12, whole),
        *with_points(Check("mean", mean, "==", theory["mean_predicted"], tol, rounding, seen)),
        Check("mean_of_all_runs", several, "==", each, 1e-12 * several, sums),
    )
