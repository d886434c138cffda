"""The average of stochastic gradient descent errs like a/(k + 1)² + b/(k + 1), and the second term wins late.

The first term is the start, which the average never forgets; the second is the sampling noise, which averages out like
that of independent draws. From k ≈ a/b on averaging pays no more than 1/k. Both a and a/b grow as 1/γ², so a
small step puts the crossover far off.

    θ_{k+1} = θ_k − γ∇f_i(θ_k),   γ = step/β below the mean-square limit,   θ̄_k = (θ₀ + … + θ_k)/(k + 1)
    E f(θ̄_k) − f* → a/(k + 1)² + b/(k + 1)
    b = tr M_∞/γ − ½ tr ΛM_∞, the stationary noise; 0 if Xθ = y has a solution
    a + b = ½ tr Λ(M_∞ + Δ + 2(1 − γΛ)Γ),   γΛΓ = Δ + M_∞ − (γΛ)⁻¹M_∞,   Δ = Σ_k (M_k − M_∞)

M_k = E e_ke_kᵀ as in _moments.py. a is more than the C of gradient descent with this step (gd_average): noise adds.

See: where the expectation leaves the slope −2 for the slope −1; there its own slope is −3/2.

Source: FRTN50 assignment, exercise 2b: at n = 3 and step 0.1 its 7·10⁵ iterations end before a/b.
"""

import numpy as np
import xarray as xr

from descent.check import with_points
from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths import quadratic, second_moment
from descent.maths.replicates import replicate
from descent.maths.sampling import mean_of_squares, require_fewest
from descent.polynomial import _moments
from descent.polynomial._checks import names
from descent.polynomial._kernels import descend_sampled, log_spaced
from descent.polynomial._line import crossover, line, unsettled
from descent.polynomial._moments import gaussian_variance
from descent.polynomial._problem import (
    Problem,
    Sampled,
    build,
    gap,
    modes,
    require_recursion,
    require_work,
)
from descent.result import Check, Result, measured, predicted, replicates, steps, sweep

SETTLED = 0.05  # of a, up to which the expectation may still be off its line


@experiment_config
class Config(Sampled):
    degrees: tuple[Count, ...]  # n
    steps: tuple[Positive, ...]  # γβ
    iterations: Count
    snapshots: Count  # iterations kept, log-spaced

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        require_increasing("steps", self.steps)
        if self.iterations < 4:
            raise ValueError(f"iterations {self.iterations}: a law needs four at least")
        require_fewest("mean of squares", self.replicates, len(self.degrees) * len(self.steps))
        runs = self.replicates * len(self.steps)
        require_work(self, self.degrees, self.iterations * runs, 1, 2 * self.snapshots * runs)
        require_recursion(self, self.degrees, self.iterations * len(self.steps))

    @property
    def ends(self) -> np.ndarray:
        """K/4, K/2 and K, through which the line goes."""
        return np.array([self.iterations // 4, self.iterations // 2, self.iterations])

    @property
    def record(self) -> np.ndarray:
        return np.union1d(log_spaced(self.iterations, self.snapshots), self.ends)


def coefficients(problem: Problem, step: float) -> tuple[float, float]:
    """a and b."""
    lam, law = problem.eigenvalues, _moments.gradients(problem)
    z = np.append(-(problem.V.T @ problem.theta), 1.0)
    limit = second_moment.stationary(law, step)[:-1, :-1]
    excess = second_moment.transient(law, step, np.outer(z, z))[:-1, :-1]  # Δ
    rate = step * lam[:, None]
    cross = (excess + limit - limit / rate) / rate  # Γ
    b = np.trace(limit) / step - _moments.expected_gap(problem, limit)
    both = _moments.expected_gap(problem, limit + excess + 2 * (1 - rate) * cross)
    return float(both - b), float(b)


def predict(config: Config, problems: list[Problem]) -> xr.Dataset:
    """a and b of every degree and step."""
    table = [[coefficients(p, step / p.beta) for step in config.steps] for p in problems]
    dims, (a, b) = ("degree", "step"), np.moveaxis(np.array(table), -1, 0)
    return xr.Dataset({"a": predicted(dims, a, "a"), "b": predicted(dims, b, "b")})


def _run(rng, problem: Problem, step: float, record: np.ndarray) -> np.ndarray:
    never = record[-1] + 1
    _, averages, _ = descend_sampled(
        rng, problem.X, problem.y, problem.theta, step, 0, record, never
    )
    return gap(problem, averages)


def measure(config: Config, problems: list[Problem]) -> xr.Dataset:
    """f(θ̄_k) − f* of all runs."""
    given = [(p, step / p.beta, config.record) for p in problems for step in config.steps]
    runs = replicate(_run, config.seed, [one for one in given for _ in range(config.replicates)])
    shape = (len(config.degrees), len(config.steps), config.replicates, -1)
    dims = ("degree", "step", "replicate", "k")
    return xr.Dataset(
        {"average_gap": measured(dims, np.reshape(runs, shape), "f(θ̄_k) − f*")},
        coords={
            "degree": sweep(config.degrees, "degree", "degree n"),
            "step": sweep(config.steps, "step", "step γβ"),
            "replicate": replicates(config.replicates),
            "k": steps(config.record, "k", "iteration k"),
        },
    )


def measure_expectation(config: Config, problems: list[Problem]) -> xr.Dataset:
    """Its mean over all draws, one iteration after another; and its variance at the end if errors were normal."""
    curves, last = [], []
    for problem in problems:
        for step in config.steps:
            exact = _moments.moments(problem, step / problem.beta, 0, config.record)
            curves.append(_moments.expected_gap(problem, exact.average_second))
            ends = exact.average_mean[-1], exact.average_second[-1]
            last.append(gaussian_variance(problem.eigenvalues, *ends))
    shape, dims = (len(config.degrees), len(config.steps)), ("degree", "step")
    return xr.Dataset(
        {
            "expected": measured((*dims, "k"), np.reshape(curves, (*shape, -1)), "expectation"),
            "variance": measured(dims, np.reshape(last, shape), "variance at the end"),
        }
    )


def run(config: Config) -> Result:
    problems = [build(config, n) for n in config.degrees]
    for problem in problems:
        _moments.require_light_tails(problem, config.steps[-1] / problem.beta)
    found = measure(config, problems)
    every = found.drop_dims("replicate").coords
    exact = measure_expectation(config, problems).assign_coords(every)
    theory = predict(config, problems).assign_coords({n: every[n] for n in ("degree", "step")})
    at, counted = np.searchsorted(config.record, config.ends), config.ends + 1.0
    fit, runs = (line(one, at, counted) for one in (exact["expected"], found["average_gap"]))
    tol = unsettled(problems, config, exact["expected"], at)
    settled = tol.constant < SETTLED * abs(fit.constant)
    late = f"{names(~settled)}: E f(θ̄_k) − f* is not on its line yet"
    a, b = theory["a"], theory["b"]
    alone = [[_start(p, step / p.beta) for step in config.steps] for p in problems]
    return Result(
        data=found.merge(exact).merge(theory),
        metrics={
            "a": a,
            "a_measured": runs.constant.mean("replicate"),
            "a_without_noise": a.copy(data=alone),
            "b": b,
            "b_measured": runs.slope.mean("replicate"),
            "b_of_expectation": fit.slope,
            "crossover": (a / b.where(b > 0)).fillna(0.0).clip(min=0),
        },
        checks=compare(config, problems, found, exact, theory, (fit, tol, settled)),
        no_claim=() if settled.all() else (late,),
    )


def _start(problem: Problem, step: float) -> float:
    """C of gradient descent."""
    return quadratic.average_law(modes(problem, np.zeros_like(problem.theta)), step)


def compare(
    config: Config, problems: list[Problem], found, exact, theory, read
) -> tuple[Check, ...]:
    (fit, tol, settled), a, b = read, theory["a"], theory["b"]
    last, expected = found["average_gap"].isel(k=-1, drop=True), exact["expected"]
    est, bends = mean_of_squares(last, exact["variance"]), "how the expectation still bends"
    law = expected.isel(k=-1, drop=True)
    crossing = crossover(expected)
    slowest = [[step / p.beta * p.eigenvalues[-1] for step in config.steps] for p in problems]
    seen = settled & (crossing > 10 / crossing.copy(data=slowest)) & (crossing < config.ends[1])
    near = np.log(config.iterations) / config.snapshots * crossing
    return (
        Check("average_gap", est.value, "==", law, est.tol + 1e-9 * abs(law), est.why),
        *with_points(
            Check("a", fit.constant, "==", a, tol.constant, bends, settled),
            Check("b", fit.slope, "==", b, tol.slope, bends, settled),
            Check("crossover", crossing, "==", a / b, near, "points of the curve between", seen),
        ),
    )
