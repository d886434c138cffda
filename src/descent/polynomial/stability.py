"""Stochastic gradient descent is stable in mean square up to a step well below gradient descent's 2/β, known exactly.

    E‖θ_k − θ*‖² stays bounded  ⇔  γ < 1/λ_max(L^{−½} Q L^{−½})         (L, Q: moments.py)
    above it grows as ρᵏ, ρ = λ_max(1 − γL + γ²Q); a typical run grows no faster than its mean:
    median ln‖θ_k − θ*‖² ≤ k ln ρ + o(k)

Below it there is a floor, ½ tr ΛM_∞ in f − f*, unless Xθ = y has a solution. Taking every sample once
an epoch, in a random order, lowers the floor at the ends of epochs (reshuffling.py) from O(γ) to O(γ²).

Source: FRTN50 assignment, exercise 2b (sampling with replacement, γ = 0.1/β) and 3 (shuffled epochs).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.polynomial import _moments, _reshuffling
from descent.polynomial._kernels import descend_reshuffled, descend_sampled, log_spaced
from descent.polynomial._problem import Problem, Sampled, build
from descent.result import Check, Result, replicates, steps, sweep

EPS = float(np.finfo(float).eps)


@experiment_config
class Config(Sampled):
    degrees: tuple[Count, ...]  # n
    fractions: tuple[Positive, ...]  # of the limit: the steps of the runs
    iterations: Count
    snapshots: Count  # iterations kept, log-spaced
    enumerated: Count  # orders of draws at the most, of which the mean is taken exactly
    step: Positive  # γβ of the floors
    epochs: Count

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
        if self.epochs < 4:
            raise ValueError(
                f"epochs {self.epochs}: a quarter of them is left out, so four at least"
            )


def _distances(rng, problem: Problem, step: float, record: np.ndarray) -> np.ndarray:
    never = record[-1] + 1
    with np.errstate(all="ignore"):  # beyond float64 it is inf
        iterates, _, _ = descend_sampled(
            rng, problem.X, problem.y, problem.theta, step, 0, record, never
        )
        return np.nan_to_num(np.sum((iterates - problem.theta) ** 2, -1), nan=np.inf)


def mean_of_all_runs(problem: Problem, step: float, most: int) -> tuple[int, float]:
    """k and the mean of ‖θ_k − θ*‖² over every order of k draws, for the largest k with Nᵏ ≤ most."""
    X, y, theta, k = problem.X, problem.y, np.zeros((1, len(problem.theta))), 0
    while len(theta) * len(y) <= most:
        slope = 2 * (theta @ X.T - y)[:, :, None] * X  # ∇f_i of every run: (runs, N, p)
        theta = (theta[:, None] - step * slope).reshape(-1, theta.shape[1])
        k += 1
    return k, float(np.mean(np.sum((theta - problem.theta) ** 2, 1)))


def _floors(rng, problem: Problem, step: float, epochs: int) -> tuple[float, float]:
    N, since = len(problem.y), epochs // 4
    _, _, drawn = descend_sampled(
        rng, problem.X, problem.y, problem.theta, step, 0, np.array([N * epochs]), N * since
    )
    return drawn, descend_reshuffled(rng, problem.X, problem.y, problem.theta, step, epochs, since)


def floor_checks(config: Config, problem: Problem, n: int) -> tuple[list[Check], dict]:
    """With replacement and reshuffled, where there is a floor."""
    step = config.step / problem.beta
    if config.step >= _moments.limit(problem) * problem.beta:
        raise Refusal(
            f"step {config.step:g} ≥ {_moments.limit(problem) * problem.beta:.7f}, the mean-square limit at "
            f"degree {n}: there is no floor"
        )
    runs = replicate(_floors, config.seed + 1, [(problem, step, config.epochs)] * config.replicates)
    predicted = [
        float(_moments.expected_gap(problem, stationary(problem, step)))
        for stationary in (_moments.stationary, _reshuffling.stationary)
    ]
    checks, names = [], ("with_replacement", "reshuffled")
    means = np.mean(runs, 0)
    errors = np.std(runs, 0, ddof=1) / np.sqrt(config.replicates)
    for name, mean, error, value in zip(names, means, errors, predicted, strict=True):
        # Four standard errors; a run too short to forget its start shows in the mean.
        checks.append(Check(f"floor_{name}/n_{n}", mean, "==", value, min(4 * error, value)))
    checks.append(Check(f"reshuffling_lowers_the_floor/n_{n}", means[1] / means[0], "<=", 1.0, 0.0))
    numbers = {f"floor_{name}_n_{n}": mean for name, mean in zip(names, means, strict=True)}
    return checks, numbers | {f"floor_ratio_n_{n}": predicted[0] / predicted[1]}


def run(config: Config) -> Result:
    record, R = log_spaced(config.iterations, config.snapshots), config.replicates
    problems = [build(config, n) for n in config.degrees]
    limits = [_moments.limit(problem) for problem in problems]
    checks, numbers = [], {}
    for n, problem in zip(config.degrees, problems, strict=True):
        if problem.residual.any():
            more, found = floor_checks(config, problem, n)
            checks += more
            numbers |= found
    settings = [
        (problem, fraction * limit)
        for problem, limit in zip(problems, limits, strict=True)
        for fraction in config.fractions
    ]
    runs = replicate(
        _distances, config.seed, [(*one, record) for one in settings for _ in range(R)]
    )
    samples = np.array(runs).reshape(len(settings), R, -1)
    curves, rates, growths, typical = [], [], [], []
    K, half = config.iterations, config.iterations // 2
    for s, (problem, step) in enumerate(settings):
        n, fraction = len(problem.theta) - 1, config.fractions[s % len(config.fractions)]
        name = f"n_{n}/fraction_{fraction:g}"
        drawn, mean = mean_of_all_runs(problem, step, config.enumerated)
        at = np.union1d(record, [drawn, half])
        fitted = problem._replace(y=problem.X @ problem.theta)  # the same without noise
        with np.errstate(all="ignore"):
            exact = _moments.moments(problem, step, 0, at)
            expected = np.nan_to_num(np.trace(exact.second, axis1=1, axis2=2), nan=np.inf)
            pure = _moments.moments(fitted, step, 0, at).second
            pure = np.nan_to_num(np.trace(pure, axis1=1, axis2=2), nan=np.inf)
        curves.append(expected[np.isin(at, record)])
        by_k = dict(zip(at, expected, strict=True))
        rate = float(np.log(np.linalg.eigvalsh(_moments.operator(problem).second(step))[-1]))
        rates.append(rate)
        seen = np.flatnonzero((pure < 1e200) & (pure > 1e-200))[-1]  # nor rounded to inf or 0
        middle = np.searchsorted(at, at[seen] // 2)
        growth = float(np.log(pure[seen] / pure[middle]) / max(at[seen] - at[middle], 1))
        growths.append(growth)
        # Of k · 10 sums and products each.
        tol = 1e-12 * by_k[drawn]
        checks.append(Check(f"mean_of_all_runs/{name}", mean, "==", by_k[drawn], tol))
        final = samples[s, :, -1]
        # Nor can a run come closer than the rounding of its steps (gd.py).
        near = (EPS * np.linalg.norm(problem.theta) / (step * problem.eigenvalues[-1])) ** 2
        share = float(np.mean(final > 2 * by_k[K] + near))
        logs = np.median(np.log(np.maximum(samples[s], 1e-300)), 0)
        last = np.flatnonzero(logs < 460)[-1]
        typical.append(float((logs[last] - logs[0]) / max(record[last], 1)))
        # Markov: at most half of the runs beyond twice the expectation; four of its deviations.
        checks.append(
            Check(f"share_beyond_twice_the_mean/{name}", share, "<=", 0.5, 2 / np.sqrt(R))
        )
        if fraction > 1:
            # ρᵏ has other modes beside it, which the second half forgets.
            checks.append(
                Check(f"mean_grows/{name}", growth, "==", rate, 1e-3 * rate + 1 / at[seen])
            )
        elif fraction < 1:
            checks.append(Check(f"mean_does_not_grow/{name}", growth, "<=", 0.0, 1e-3 / K))

    shape = (len(config.degrees), len(config.fractions))
    degree = sweep(config.degrees, "degree", "degree n")
    fraction = sweep(config.fractions, "fraction", "step over the mean-square limit")
    data = xr.Dataset(
        coords={
            "degree": degree,
            "fraction": fraction,
            "replicate": replicates(R),
            "k": steps(record, "k", "iteration k"),
        }
    )
    dims = ("degree", "fraction", "replicate", "k")
    data["squared_distance"] = (
        dims,
        samples.reshape(*shape, R, -1),
        {"long_name": "‖θ_k − θ*‖²"},
    )
    data["squared_distance_predicted"] = (
        ("degree", "fraction", "k"),
        np.reshape(curves, (*shape, -1)),
        {"long_name": "exact expectation", "role": "prediction"},
    )
    for key, values, label, role in (
        ("rate", rates, "ln ρ", "prediction"),
        ("growth", growths, "d ln E‖θ_k − θ*‖²/dk", "measurement"),
        ("typical_growth", typical, "the same of the median run", "measurement"),
    ):
        about = {"long_name": label, "role": role}
        data[key] = (("degree", "fraction"), np.reshape(values, shape), about)
    limit = [float(one * problem.beta) for one, problem in zip(limits, problems, strict=True)]
    metrics = {
        "limit": xr.DataArray(limit, {"degree": degree}),
        "rate": data["rate"],
        "growth": data["growth"],
        "typical_growth": data["typical_growth"],
    }
    return Result(data, metrics | numbers, tuple(checks))
