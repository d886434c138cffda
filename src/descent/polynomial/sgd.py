"""What stochastic gradient descent leaves of the error is known exactly, for any schedule of its steps.

    θ_{k+1} = θ_k − γ_k∇f_i(θ_k),  i uniform on 1 … N,  γ_k = (step/β)/(⌊k/hold⌋ + 1), or step/β at hold 0
    E f(θ_k) − f*, E f(θ̄_k) − f*, E‖θ_k − θ*‖²: the recursion of second moments (moments.py)
    E e_k = e_0 Π(1 − γ_lλ);  hold 1: Γ(k + 1 − a)/(Γ(1 − a)Γ(k + 1)) ~ k^{−a}/Γ(1 − a), a = step·λ/β ≤ step

So 1/(k + 1) falls too fast: a tenth of a step keeps k^{−0.1}/Γ(0.9) of the error in the fastest mode.
A constant step meets a floor if Xθ = y has no solution (n + 1 < N), and none if it has one.

Source: FRTN50 assignment, exercise 2b, from θ₀ = 0. The averages printed there are those of the
Frobenius norm in place of the spectral norm in β.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import (
    Count,
    Index,
    Number,
    Positive,
    Refusal,
    experiment_config,
    require_increasing,
)
from descent.maths.replicates import replicate
from descent.polynomial import _moments
from descent.polynomial._kernels import descend_sampled, log_spaced
from descent.polynomial._problem import Problem, Sampled, build, gap
from descent.result import Check, Erratum, Result, replicates, steps, sweep

EPS = float(np.finfo(float).eps)


@experiment_config
class Config(Sampled):
    degrees: tuple[Count, ...]  # n
    step: Positive  # γ₀β
    holds: tuple[Index, ...]  # iterations between two reductions of the step; 0: none
    iterations: Count
    snapshots: Count  # iterations kept, log-spaced
    printed: tuple[tuple[Index, Number], ...]  # hold, published θ̄₁ of the last degree

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        require_increasing("holds", self.holds)
        unknown = [hold for hold, _ in self.printed if hold not in self.holds]
        if unknown:
            raise ValueError(f"printed: hold {unknown[0]} is none of holds {list(self.holds)}")

    @property
    def as_printed(self) -> bool:
        """Whether this is the document's own setting: the numbers it prints are for no other."""
        own = (self.degrees[-1], self.step, self.iterations) == (9, 0.1, 700_000)
        return self.of_the_course and own


def _run(rng, problem: Problem, step: float, hold: int, record: np.ndarray, since: int) -> tuple:
    return descend_sampled(rng, problem.X, problem.y, problem.theta, step, hold, record, since)


def log_normal_errors(sample: Float[np.ndarray, " R"], expected: float) -> float:
    """The same for a product of many random factors, whose mean is that of runs too rare to be drawn:

    ln E = E ln + ½ Var ln if ln is Gaussian; the variance of that estimate is σ²/R + σ⁴/2(R − 1).
    """
    logs, R = np.log(sample), len(sample)
    variance = logs.var(ddof=1)
    spread = np.sqrt(variance / R + variance**2 / (2 * (R - 1)))
    return float((logs.mean() + variance / 2 - np.log(expected)) / spread)


def run(config: Config) -> Result:
    record, R = log_spaced(config.iterations, config.snapshots), config.replicates
    since = config.iterations // 2  # of the time average
    settings, problems = [], [build(config, n) for n in config.degrees]
    for n, problem in zip(config.degrees, problems, strict=True):
        step, largest = config.step / problem.beta, _moments.limit(problem)
        above = max(config.holds) * int(step / largest)  # steps of the slowest schedule above it
        if above > 10:
            raise Refusal(
                f"step {config.step:g}: {above} steps exceed {largest * problem.beta:.7f}, the mean-square limit at "
                f"degree {n}; what grows there no sample mean shows"
            )
        if 0 in config.holds and step >= largest:
            raise Refusal(
                f"step {config.step:g} ≥ {largest * problem.beta:.7f}, the mean-square limit at degree {n}: "
                "E‖θ_k − θ*‖² of the constant step grows without bound, and no sample mean shows it"
            )
        settings += [(problem, step, hold, record, since) for hold in config.holds]
    runs = replicate(_run, config.seed, [one for one in settings for _ in range(R)])
    curves, checks, errata, numbers = [], [], [], []
    for s, (problem, step, hold, _, _) in enumerate(settings):
        n = len(problem.theta) - 1
        name, noisy = f"n_{n}/hold_{hold}", bool(problem.residual.any())
        iterates, averages, floors = map(np.array, zip(*runs[s * R : (s + 1) * R], strict=True))
        exact = _moments.moments(problem, step, hold, record)
        variance = _moments.gaussian_variance(problem, exact.mean[-1], exact.second[-1])
        variance_mean = _moments.gaussian_variance(
            problem, exact.average_mean[-1], exact.average_second[-1]
        )
        curve = {
            "gap": gap(problem, iterates),
            "gap_predicted": _moments.expected_gap(problem, exact.second),
            "average_gap": gap(problem, averages),
            "average_gap_predicted": _moments.expected_gap(problem, exact.average_second),
            "squared_distance": np.sum((iterates - problem.theta) ** 2, -1),
            "squared_distance_predicted": np.trace(exact.second, axis1=1, axis2=2),
        }
        curves.append(curve)
        e = (iterates[:, -1] - problem.theta) @ problem.V
        start = -(problem.V.T @ problem.theta)
        mean = start * _moments.mean_factor(problem, step, hold, record[-1:])[0]
        spread = np.maximum(np.diagonal(exact.second[-1]) - exact.mean[-1] ** 2, 0)
        last, last_mean = curve["gap"][:, -1], curve["average_gap"][:, -1]
        expected, expected_mean = curve["gap_predicted"][-1], curve["average_gap_predicted"][-1]
        # Where Xθ = y has a solution the error is a product of random factors; its logarithm spreads.
        product = not noisy and np.log(last).std(ddof=1) > 0.5
        # As in gd: the rounding of a step, carried on by the slowest mode.
        rounding = problem.beta / 2 * (EPS * np.linalg.norm(problem.theta)) ** 2
        rounding /= (step * problem.eigenvalues[-1]) ** 2
        if noisy or expected > rounding:
            off = (
                log_normal_errors(last, expected)
                if product
                else _moments.standard_errors(last, np.array(expected), variance)
            )
            checks.append(Check(f"gap_in_standard_errors/{name}", float(off), "==", 0.0, 4.0))
        else:
            checks.append(Check(f"gap_is_rounding/{name}", last.max(), "<=", rounding, 0.0))
        # Rounding of θ* in each of its modes, where the error has shrunk below it.
        floor = 1e-13 * np.abs(start).max()
        off_mode = _moments.standard_errors(e, mean, spread + len(e) * floor**2)
        checks += [
            # Four standard errors each, as everywhere in this project.
            Check(f"mean_in_standard_errors/{name}", np.abs(off_mode).max(), "<=", 0.0, 4.0),
            Check(
                f"average_gap_in_standard_errors/{name}",
                float(_moments.standard_errors(last_mean, np.array(expected_mean), variance_mean)),
                "==", 0.0, 4.0,
            ),
        ]  # fmt: skip
        if noisy and hold == 0:
            stationary = float(_moments.expected_gap(problem, _moments.stationary(problem, step)))
            transient = np.interp(since, record, curve["gap_predicted"]) - expected
            # f(E θ) − f* when the averaging begins, of the start: what is left above the floor.
            kept = _moments.mean_factor(problem, step, 0, np.array([since]))[0]
            start_left = float(0.5 * problem.eigenvalues @ (start * kept) ** 2)
            tolerance = 4 * floors.std(ddof=1) / np.sqrt(R) + abs(transient) + start_left
            if start_left < 0.5 * expected:  # else the floor is not met yet
                met = min(tolerance, stationary)
                checks.append(Check(f"floor/n_{n}", floors.mean(), "==", stationary, met))
            numbers.append((f"floor_n_{n}", floors.mean()))
            numbers.append((f"floor_predicted_n_{n}", stationary))
        for printed_hold, printed in config.printed if config.as_printed else ():
            if printed_hold == hold and n == config.degrees[-1]:
                correct = float(problem.theta[1] + problem.V[1] @ exact.average_mean[-1])
                other = _moments.moments(problem, config.step / problem.frobenius, hold, record[-1:])
                frobenius = float(problem.theta[1] + problem.V[1] @ other.average_mean[-1])
                runs_of_one = averages[:, -1, 1]
                # One run was printed, so four of its deviations, not of the mean's.
                tol = 4 * runs_of_one.std(ddof=1)
                where = "FRTN50 assignment 2b"
                errata.append(
                    Erratum(
                        f"printed_average/{name}", where, printed, correct, runs_of_one.mean(), tol
                    )
                )
                checks.append(
                    Check(f"frobenius_explains_printed/{name}", printed, "==", frobenius, tol)
                )

    shape = (len(config.degrees), len(config.holds))
    degree = sweep(config.degrees, "degree", "degree n")
    hold = sweep(config.holds, "hold", "iterations between reductions of the step (0: none)")
    data = xr.Dataset(
        coords={
            "degree": degree,
            "hold": hold,
            "replicate": replicates(R),
            "k": steps(record, "k", "iteration k"),
        }
    )
    for key, long_name in (
        ("gap", "f(θ_k) − f*"),
        ("average_gap", "f(θ̄_k) − f*"),
        ("squared_distance", "‖θ_k − θ*‖²"),
    ):
        values = np.array([curve[key] for curve in curves]).reshape(*shape, R, -1)
        data[key] = (("degree", "hold", "replicate", "k"), values, {"long_name": long_name})
        values = np.array([curve[key + "_predicted"] for curve in curves]).reshape(*shape, -1)
        data[key + "_predicted"] = (
            ("degree", "hold", "k"),
            values,
            {"long_name": "exact expectation", "role": "prediction"},
        )
    final = data.isel(k=-1)
    metrics = {
        key: final[key].median("replicate", skipna=False)
        for key in ("gap", "average_gap", "squared_distance")
    } | {
        f"expected_{key}": final[f"{key}_predicted"]
        for key in ("gap", "average_gap", "squared_distance")
    }
    if 1 in config.holds:
        kept = [
            _moments.mean_factor(problem, config.step / problem.beta, 1, record[-1:])[0, 0]
            for problem in problems
        ]
        metrics["kept_by_1_over_k"] = xr.DataArray(kept, {"degree": degree})
    return Result(data, metrics | dict(numbers), tuple(checks), tuple(errata))
