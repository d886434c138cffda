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
from descent.polynomial import _moments
from descent.polynomial._kernels import descend_sampled, log_spaced
from descent.polynomial._problem import Problem, Sampled, build, gap, modes
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
        if self.iterations < 4:
            raise ValueError(f"iterations {self.iterations}: a law needs four at least")


def coefficients(problem: Problem, step: float) -> tuple[float, float]:
    """a and b."""
    lam, (L, Q, B, _) = problem.eigenvalues, _moments.operator(problem)
    m = -(problem.V.T @ problem.theta)
    limit = _moments.stationary(problem, step)
    off = _moments.vectors(np.outer(m, m) - limit) + step**2 * B @ (m / (step * lam))
    excess = _moments.matrices(np.linalg.solve(step * np.diag(L) - step**2 * Q, off))  # Δ
    rate = step * lam[:, None]
    cross = (excess + limit - limit / rate) / rate  # Γ
    b = np.trace(limit) / step - _moments.expected_gap(problem, limit)
    both = _moments.expected_gap(problem, limit + excess + 2 * (1 - rate) * cross)
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


def line(curve: np.ndarray, at: np.ndarray, counted: np.ndarray) -> tuple:
    """b and a of (k + 1)²(f − f*) = a + b(k + 1) through the last two of these iterations."""
    low, high = (curve[..., i] * n**2 for i, n in zip(at[1:], counted[1:], strict=True))
    slope = (high - low) / (counted[2] - counted[1])
    return slope, high - slope * counted[2]


def lacking(problem: Problem, step: float, curve, at, counted) -> float:
    """What (k + 1)²(f − f*) may still lack of its line at the end, from how it bends between K/4 and K.

    A rest that decays like x^{4k/K}, x = e^{−γλK/4} for the slowest mode, is x³/((1 − x)²(2 + x)) of
    the bend; twice that, or the bend itself.
    """
    quarter, half, last = (curve[i] * n**2 for i, n in zip(at, counted, strict=True))
    early = (half - quarter) / (counted[1] - counted[0])
    bend = abs(last - half - early * (counted[2] - counted[1]))
    x = np.exp(-step * problem.eigenvalues[-1] * counted[2] / 4)
    return float(bend * max(1.0, 2 * x**3 / ((1 - x) ** 2 * (2 + x))))


def summing(problem: Problem, scaled: float, n: float) -> float:
    """What the rounding of a sum of n iterates does to n²(f − f*), and the 10⁻⁹ of the recursion."""
    error = n * np.sqrt(problem.beta / 2) * np.linalg.norm(problem.theta) * n * 2.0**-53
    return float(2 * np.sqrt(scaled) * error + error**2 + 1e-9 * scaled)


def _run(rng, problem: Problem, step: float, record: np.ndarray) -> np.ndarray:
    never = record[-1] + 1
    _, averages, _ = descend_sampled(
        rng, problem.X, problem.y, problem.theta, step, 0, record, never
    )
    return gap(problem, averages)


def run(config: Config) -> Result:
    ends = np.array([config.iterations // 4, config.iterations // 2, config.iterations])
    record = np.union1d(log_spaced(config.iterations, config.snapshots), ends)
    settings = []
    for n in config.degrees:
        problem = build(config, n)
        limit = _moments.limit(problem) * problem.beta
        if config.steps[-1] >= limit:
            raise Refusal(
                f"step {config.steps[-1]:g} ≥ {limit:.7f}, the mean-square limit at degree {n}: "
                "the average has no finite law"
            )
        settings += [(problem, step / problem.beta, record) for step in config.steps]
    R = config.replicates
    runs = replicate(_run, config.seed, [one for one in settings for _ in range(R)])
    samples = np.array(runs).reshape(len(settings), R, -1)
    at, counted = np.searchsorted(record, ends), ends + 1.0
    curves, laws, checks, numbers = [], [], [], []
    for s, (problem, step, _) in enumerate(settings):
        name = f"n_{len(problem.theta) - 1}/step_{config.steps[s % len(config.steps)]:g}"
        a, b = coefficients(problem, step)
        exact = _moments.moments(problem, step, 0, record)
        curve = _moments.expected_gap(problem, exact.average_second)
        law = a / (record + 1.0) ** 2 + b / (record + 1.0)
        curves.append(curve)
        laws.append(law)
        # a and b as the last half of the run has them.
        slope, constant = line(curve, at, counted)
        slopes, constants = line(samples[s], at, counted)
        scaled, last = curve[-1] * counted[-1] ** 2, samples[s][:, -1]
        rounding = summing(problem, scaled, counted[-1])
        variance = _moments.gaussian_variance(
            problem, exact.average_mean[-1], exact.average_second[-1]
        )
        off = _moments.standard_errors(last, np.array(curve[-1]), variance)
        error_a, error_b = (4 * one.std(ddof=1) / np.sqrt(R) for one in (constants, slopes))
        checks += [
            Check(
                f"law/{name}", scaled, "==", a + b * counted[-1],
                min(lacking(problem, step, curve, at, counted) + rounding, 0.1 * scaled),
            ),
            # Four standard errors each.
            Check(f"gap_in_standard_errors/{name}", float(off), "==", 0.0, 4.0),
            Check(f"a/{name}", constants.mean(), "==", constant, error_a + 3 * rounding),
            Check(f"b/{name}", slopes.mean(), "==", slope, error_b + 3 * rounding / counted[1]),
        ]  # fmt: skip
        forgotten = 10 / (step * problem.eigenvalues[-1])  # steps until the law is there
        if b > 0 and forgotten < a / b < ends[1]:
            # The slope is read off between points that are this far apart in log-log paper.
            tol = np.log(config.iterations) / config.snapshots * a / b
            checks.append(Check(f"crossover/{name}", crossover(record, curve), "==", a / b, tol))
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
                "crossover": max(a / b, 0.0) if b > 0 else 0.0,
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
