"""The average of stochastic gradient descent errs like a/(k + 1)² + b/(k + 1), both known; the second wins late.

    E f(θ̄_k) − f* → a/(k + 1)² + b/(k + 1) at a constant γ = step/β below the mean-square limit
    b = tr M_∞/γ − ½ tr ΛM_∞, the stationary noise; 0 if Xθ = y has a solution
    a + b = ½ tr Λ(M_∞ + Δ + 2(1 − γΛ)Γ),   γΛΓ = Δ + M_∞ − (γΛ)⁻¹M_∞,
    Δ = Σ_k (M_k − M_∞) = (γL − γ²Q)⁻¹ (M_0 − M_∞ + γ²B (γΛ)⁻¹m_0)        (L, Q, B, M, m: moments.py)

From k ≈ a/b on averaging pays no more than 1/k: there the slope of the error in log-log paper is −3/2.
Both a and a/b grow as 1/γ². a is more than the C of gradient descent with this step (gd.py): noise adds.

Source: FRTN50 assignment, exercise 2b: at n = 3 and step 0.1 its 7·10⁵ iterations end before a/b.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, experiment_config, require_increasing
from descent.maths import quadratic
from descent.maths.replicates import replicate
from descent.polynomial import moments
from descent.polynomial.kernels import descend_sampled, log_spaced
from descent.polynomial.problem import Problem, Sampled, build, gap, modes
from descent.result import Check, Result, replicates, steps, sweep


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
        if self.iterations < 2:
            raise ValueError("iterations 1: two coefficients need two")


def coefficients(problem: Problem, step: float) -> tuple[float, float]:
    """a and b."""
    lam, (L, Q, B, _) = problem.eigenvalues, moments.operator(problem)
    m = -(problem.V.T @ problem.theta)
    limit = moments.stationary(problem, step)
    off = moments.vectors(np.outer(m, m) - limit) + step**2 * B @ (m / (step * lam))
    excess = moments.matrices(np.linalg.solve(step * np.diag(L) - step**2 * Q, off))  # Δ
    rate = step * lam[:, None]
    cross = (excess + limit - limit / rate) / rate  # Γ
    b = np.trace(limit) / step - moments.expected_gap(problem, limit)
    both = moments.expected_gap(problem, limit + excess + 2 * (1 - rate) * cross)
    return float(both - b), float(b)


def crossover(k: np.ndarray, curve: np.ndarray) -> float:
    """k + 1 where the slope in log-log paper rises through −3/2 for the last time; nan if it does not."""
    x, y = np.log(k + 1.0), np.log(curve)
    slope, middle = np.diff(y) / np.diff(x), (x[1:] + x[:-1]) / 2
    below = np.flatnonzero(slope < -1.5)
    if not len(below) or below[-1] == len(slope) - 1:
        return np.nan
    i = below[-1]
    return float(np.exp(np.interp(-1.5, slope[i : i + 2], middle[i : i + 2])))


def _run(rng, problem: Problem, step: float, record: np.ndarray) -> np.ndarray:
    never = record[-1] + 1
    _, averages, _ = descend_sampled(
        rng, problem.X, problem.y, problem.theta, step, 0, record, never
    )
    return gap(problem, averages)


def run(config: Config) -> Result:
    half = config.iterations // 2
    record = np.union1d(log_spaced(config.iterations, config.snapshots), [half])
    settings = []
    for n in config.degrees:
        problem = build(config, n)
        limit = moments.limit(problem) * problem.beta
        if config.steps[-1] >= limit:
            raise Refusal(
                f"step {config.steps[-1]:g} ≥ {limit:.7f}, the mean-square limit at degree {n}: "
                "the average has no finite law"
            )
        settings += [(problem, step / problem.beta, record) for step in config.steps]
    R = config.replicates
    runs = replicate(_run, config.seed, [one for one in settings for _ in range(R)])
    samples = np.array(runs).reshape(len(settings), R, -1)
    before, n_half, n_last = np.flatnonzero(record == half)[0], half + 1.0, config.iterations + 1.0
    curves, laws, checks, numbers = [], [], [], []
    for s, (problem, step, _) in enumerate(settings):
        name = f"n_{len(problem.theta) - 1}/step_{config.steps[s % len(config.steps)]:g}"
        a, b = coefficients(problem, step)
        exact = moments.moments(problem, step, 0, record)
        curve = moments.expected_gap(problem, exact.average_second)
        law = a / (record + 1.0) ** 2 + b / (record + 1.0)
        curves.append(curve)
        laws.append(law)
        scaled, scaled_half = curve[-1] * n_last**2, curve[before] * n_half**2
        slope = (scaled - scaled_half) / (n_last - n_half)
        # What the law still lacks, as the second half of the run saw it; 10⁻⁹ of rounding.
        lacking = abs(scaled - scaled_half - b * (n_last - n_half)) + 1e-9 * scaled
        sample = samples[s]
        slopes = (sample[:, -1] * n_last**2 - sample[:, before] * n_half**2) / (n_last - n_half)
        constants = sample[:, -1] * n_last**2 - slopes * n_last
        variance = moments.gaussian_variance(
            problem, exact.average_mean[-1], exact.average_second[-1]
        )
        off = moments.standard_errors(sample[:, -1], np.array(law[-1]), variance)
        checks += [
            Check(f"law/{name}", scaled, "==", a + b * n_last, lacking),
            # Four standard errors each.
            Check(f"gap_in_standard_errors/{name}", float(off), "==", 0.0, 4.0),
            Check(
                f"a/{name}", constants.mean(), "==", a,
                4 * constants.std(ddof=1) / np.sqrt(R) + lacking,
            ),
            Check(
                f"b/{name}", slopes.mean(), "==", b,
                4 * slopes.std(ddof=1) / np.sqrt(R) + lacking / n_half,
            ),
        ]  # fmt: skip
        found = crossover(record, curve)
        if b > 0 and a / b < half:
            # The slope is read off between points that are this far apart in log-log paper.
            tol = np.log(config.iterations) / config.snapshots * a / b
            checks.append(Check(f"crossover/{name}", found, "==", a / b, tol))
        numbers.append(
            {
                "a": a,
                "a_measured": constants.mean(),
                "a_without_noise": quadratic.average_law(
                    modes(problem, np.zeros_like(problem.theta)), step
                ),
                "b": b,
                "b_measured": slopes.mean(),
                "b_of_expectation": slope,
                "crossover": a / b if b > 0 else 0.0,
            }
        )

    shape = (len(config.degrees), len(config.steps))
    degree, step = (
        sweep(config.degrees, "degree", "degree n"),
        sweep(config.steps, "step", "step γβ"),
    )
    data = xr.Dataset(
        coords={
            "degree": degree,
            "step": step,
            "replicate": replicates(R),
            "k": steps(record, "k", "iteration k"),
        }
    )
    dims = ("degree", "step", "replicate", "k")
    data["average_gap"] = (dims, samples.reshape(*shape, R, -1), {"long_name": "f(θ̄_k) − f*"})
    for key, values, label in (
        ("expected", curves, "exact expectation"),
        ("law", laws, "a/(k + 1)² + b/(k + 1)"),
    ):
        about = {"long_name": label, "role": "prediction"}
        data[key] = (("degree", "step", "k"), np.array(values).reshape(*shape, -1), about)
    metrics = {
        key: xr.DataArray(
            np.reshape([number[key] for number in numbers], shape), {"degree": degree, "step": step}
        )
        for key in numbers[0]
    }
    return Result(data, metrics, tuple(checks))
