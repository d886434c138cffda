"""The mean error of stochastic gradient descent is known exactly, for any schedule of its steps.

A step with a random sample is a random affine map of the error, so that its mean and its second moment follow linear
recursions. A step that shrinks like 1/(k + 1) shrinks too fast: a tenth of a step keeps a quarter of the
error in the fastest mode after 7·10⁵ iterations. A constant step has a floor if no θ meets every sample.

    θ_{k+1} = θ_k − γ_k∇f_i(θ_k),  i uniform on 1 … N,  γ_k = (step/β)/(⌊k/hold⌋ + 1), or step/β at hold 0, θ₀ = 0
    e = Vᵀ(θ − θ*):   E f(θ_k) − f* = ½ tr ΛE e_ke_kᵀ, and that of the average θ̄_k, by the same recursion
    E e_k = e_0 Π(1 − γ_lλ);  hold 1: Γ(k + 1 − a)/(Γ(1 − a)Γ(k + 1)) ~ k^{−a}/Γ(1 − a), a = step·λ/β ≤ step

See: the dashed expectation runs through the band of the runs, near its upper end where few large errors make
the mean.

Source: FRTN50 assignment, exercise 2b, from θ₀ = 0. The averages printed there are those of the
Frobenius norm in place of the spectral norm in β.
"""

import numpy as np
import xarray as xr

from descent.check import with_points
from descent.config import Count, Index, Number, Positive, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.maths.sampling import mean_of_known_spread, mean_of_squares, require_fewest
from descent.polynomial import _moments
from descent.polynomial._kernels import descend_sampled, spaced
from descent.polynomial._moments import Moments
from descent.polynomial._printed import explained, published, refute
from descent.polynomial._problem import (
    Problem,
    Sampled,
    build,
    gap,
    modes,
    require_recursion,
    require_work,
)
from descent.polynomial._sampled import (
    EXACT,
    GAPS,
    average,
    expectations,
    near_normal,
    padded,
    spread,
    spreads_of_averages,
    variances,
)
from descent.result import Check, Result, measured, predicted, replicates, steps, sweep


@experiment_config
class Config(Sampled):
    degrees: tuple[Count, ...]  # n
    step: Positive  # γ₀β
    holds: tuple[Index, ...]  # iterations between two reductions of the step; 0: none
    iterations: Count
    snapshots: Count  # iterations kept
    printed: tuple[tuple[Number, ...], ...]  # degree n, hold, published θ̄₀ … θ̄_n of one run

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        require_increasing("holds", self.holds)
        for row in self.printed:
            if len(row) < 3 or len(row) != row[0] + 3:
                shown = ", ".join(f"{value:g}" for value in row)
                raise ValueError(f"printed [{shown}]: a degree n, a hold, and n + 1 numbers")
        require_fewest("mean of squares", self.replicates, len(self.degrees) * len(self.holds))
        runs = self.replicates * len(self.holds)
        require_work(self, self.degrees, self.iterations * runs, 1, 2 * self.snapshots * runs)
        require_recursion(self, self.degrees, self.iterations * len(self.holds))

    @property
    def as_printed(self) -> bool:
        """Whether this is the document's own setting: the numbers it prints are for no other."""
        return self.of_the_course and (self.step, self.iterations) == (0.1, 700_000)

    @property
    def record(self) -> np.ndarray:
        return spaced(self.iterations, self.snapshots)


def _run(rng, problem: Problem, step: float, hold: int, record: np.ndarray) -> tuple:
    """Gaps of iterates and averages, squared distances, the last error by modes, and the last average."""
    iterates, averages, _ = descend_sampled(
        rng, problem.X, problem.y, problem.theta, step, hold, record, record[-1] + 1
    )
    squares = np.sum((iterates - problem.theta) ** 2, -1)
    error = (iterates[-1] - problem.theta) @ problem.V
    return gap(problem, iterates), gap(problem, averages), squares, error, averages[-1]


def measure(config: Config, problems: list[Problem]) -> xr.Dataset:
    """All runs of every degree and schedule."""
    given = [
        (problem, config.step / problem.beta, hold, config.record)
        for problem in problems
        for hold in config.holds
    ]
    runs = replicate(_run, config.seed, [one for one in given for _ in range(config.replicates)])
    gaps, averages, squares, errors, ends = zip(*runs, strict=True)
    shape = (len(config.degrees), len(config.holds), config.replicates)
    long, dims = (*shape, -1), ("degree", "hold", "replicate")
    return xr.Dataset(
        {
            "gap": measured((*dims, "k"), np.reshape(gaps, long), "f(θ_k) − f*"),
            "average_gap": measured((*dims, "k"), np.reshape(averages, long), "f(θ̄_k) − f*"),
            "squared_distance": measured((*dims, "k"), np.reshape(squares, long), "‖θ_k − θ*‖²"),
            "error": measured((*dims, "mode"), padded(errors).reshape(long), "e at the end"),
            "average": measured((*dims, "power"), padded(ends).reshape(long), "θ̄ at the end"),
        },
        coords={
            "degree": sweep(config.degrees, "degree", "degree n"),
            "hold": sweep(config.holds, "hold", "iterations between reductions of γ (0: none)"),
            "replicate": replicates(config.replicates),
            "k": steps(config.record, "k", "iteration k"),
            "power": ("power", np.arange(config.degrees[-1] + 1), {"long_name": "power j"}),
        },
    )


def predict(config: Config, problems: list[Problem], exact: list[list[Moments]]) -> xr.Dataset:
    """Expectations: the recursion's, and the closed form of the mean error at the end."""
    gaps, averages, squares, errors, ends = [], [], [], [], []
    for problem, row in zip(problems, exact, strict=True):
        q, step = modes(problem, np.zeros_like(problem.theta)), config.step / problem.beta
        for hold, one in zip(config.holds, row, strict=True):
            gaps.append(_moments.expected_gap(problem, one.second))
            averages.append(_moments.expected_gap(problem, one.average_second))
            squares.append(np.trace(one.second, axis1=1, axis2=2))
            ends.append(average(problem, one)[0])
            last = config.record[-1:]
            errors.append(q.start * _moments.mean_factor(problem, step, hold, last)[0])
    shape, dims = (len(config.degrees), len(config.holds), -1), ("degree", "hold", "k")
    label = "exact expectation"
    return xr.Dataset(
        {
            "gap_predicted": predicted(dims, np.reshape(gaps, shape), label),
            "average_gap_predicted": predicted(dims, np.reshape(averages, shape), label),
            "squared_distance_predicted": predicted(dims, np.reshape(squares, shape), label),
            "error_predicted": predicted((*dims[:2], "mode"), padded(errors).reshape(shape), label),
            "average_predicted": predicted(
                (*dims[:2], "power"), padded(ends).reshape(shape), label
            ),
        }
    )


def run(config: Config) -> Result:
    problems = [build(config, n) for n in config.degrees]
    for problem in problems:
        _moments.require_light_tails(problem, config.step / problem.beta)
    exact = expectations(config, problems)
    found = measure(config, problems)
    theory = predict(config, problems, exact).assign_coords(found.coords)
    final, expected = found.isel(k=-1, drop=True), theory.isel(k=-1, drop=True)
    metrics = {name: final[name].median("replicate", skipna=False) for name in GAPS} | {
        f"expected_{name}": expected[f"{name}_predicted"] for name in GAPS
    }
    if 1 in config.holds:
        last = config.record[-1:]
        kept = [_moments.mean_factor(p, config.step / p.beta, 1, last)[0, 0] for p in problems]
        metrics["kept_by_1_over_k"] = xr.DataArray(kept, {"degree": found["degree"]})
    allowed, reasons = near_normal(config, problems, exact, final["gap"][..., 0])
    known = published(config, problems, exact)
    return Result(
        data=found.merge(theory),
        metrics=metrics,
        checks=compare(problems, exact, final, expected, allowed, known),
        errata=refute(known, final),
        no_claim=() if bool(allowed.any()) else tuple(reasons.values()),
        unchecked=reasons,
    )


def compare(
    problems: list[Problem], exact: list[list[Moments]], final, expected, allowed, known
) -> tuple[Check, ...]:
    checks = []
    for name, variance in variances(problems, exact, allowed).items():
        est = mean_of_squares(final[name], variance)
        tol = est.tol + EXACT * abs(est.value)
        law = expected[f"{name}_predicted"]
        checks += with_points(Check(name, est.value, "==", law, tol, est.why, allowed))
    spreads = [spread(np.diagonal(one.second[-1]), one.mean[-1]) for row in exact for one in row]
    errors, law = final["error"], expected["error_predicted"]
    est = mean_of_known_spread(errors, law.copy(data=padded(spreads).reshape(law.shape)))
    # Rounding of θ* in each of its modes, where the error has shrunk below it.
    floor = 1e-13 * max(float(np.linalg.norm(problem.theta)) for problem in problems)
    checks.append(Check("mean_error", est.value, "==", law, est.tol + floor, est.why))
    ends, law = final["average"], expected["average_predicted"]
    est = mean_of_known_spread(ends, spreads_of_averages(problems, exact, law))
    checks.append(Check("average", est.value, "==", law, est.tol + floor, est.why))
    return (*checks, *explained(known))
