"""Gradient descent fits a polynomial as fast as the modes that the data excite allow, not as fast as the Hessian does.

    θ_{k+1} = θ_k − γ∇f(θ_k),   γ = step/β,   β = λ_max(H),   θ₀ = 0,   c = Vᵀ(θ₀ − θ*)
    θ_k − θ* = Σ v_i c_i ρ_iᵏ,   ρ_i = 1 − γλ_i;      ‖θ_k − θ*‖² = Σ c_i² ρ_i²ᵏ
    f(θ̄_k) − f* → C/(k + 1)²,   C = ½ Σ c_i²/(γ²λ_i),   θ̄_k = (θ₀ + … + θ_k)/(k + 1)

Odd data on a symmetric interval excite odd polynomials only: min(⌈n/2⌉, ⌊N/2⌋) modes. At n = 9 the
slowest mode of H is even, so that a start with a part in it takes twenty times as long. A step from
2/β on diverges, from data without a part in the fast modes too: rounding has one.

The rounding of one step, 2⁻⁵²‖θ‖ max(1, max|ρ|), is carried on by the slowest (or fastest growing) mode:
    ‖error of θ_k‖ ≤ 2⁻⁵² [R max(1, max|ρ|) (Σ_{j<k} max|ρ|ʲ + N + n + 1) + k‖θ_k − θ*‖],   R = ‖θ*‖ + ‖θ₀ − θ*‖

Source: FRTN50 assignment, exercise 2a and 4b. Its solution takes the Frobenius norm for the spectral
norm in β, which costs ‖H‖_F/‖H‖₂ times the iterations; "between 25–30k" in 4b is that.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Index, Positive, Refusal, experiment_config, require_increasing
from descent.maths import quadratic
from descent.maths.quadratic import Quadratic
from descent.polynomial._kernels import descend, log_spaced
from descent.polynomial._problem import Points, Problem, build, gap, modes
from descent.result import Check, Erratum, Result, steps, sweep

EPS = float(np.finfo(float).eps)


@experiment_config
class Config(Points):
    degrees: tuple[Count, ...]  # n
    step: Positive  # γβ
    iterations: Count
    snapshots: Count  # iterations kept, log-spaced
    milestones: tuple[Index, ...]  # iterations reported as metrics
    converged: Positive  # ‖θ_k − θ*‖² that counts as having converged
    slow_start: Positive  # a second start is this times the slowest mode of H
    longest: Count  # iterations of the runs that only count until convergence
    printed: tuple[Count, ...]  # interval that holds the published count for the last degree, or []

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        require_increasing("milestones", self.milestones)
        if self.milestones[-1] > self.iterations:
            last = self.milestones[-1]
            raise ValueError(
                f"milestone {last} > iterations {self.iterations}: it is never reached"
            )
        if len(self.printed) not in (0, 2):
            raise ValueError(f"printed: {len(self.printed)} numbers, an interval has two")


def rounding(
    problem: Problem, q: Quadratic, step: float, k: Float[np.ndarray, " s"]
) -> Float[np.ndarray, " s"]:
    """The bound above on what float64 adds to θ_k, without its last term."""
    slowest = np.abs(1 - step * q.eigenvalues).max()
    with np.errstate(over="ignore"):
        carried = k if slowest == 1 else (slowest**k - 1) / (slowest - 1)
    scale = np.linalg.norm(problem.theta) + np.linalg.norm(q.start)
    # A step that overshoots rounds what it overshoots to.
    return EPS * scale * max(1.0, slowest) * (carried + sum(problem.X.shape))


def excited_modes(config: Points, degree: int) -> int:
    """How many modes of H the data have a part in: by parity, or all."""
    if config.points > 1 and config.interval[0] == -config.interval[1]:
        return min((degree + 1) // 2, config.points // 2)
    return min(degree + 1, config.points)


def excited_spaces(q: Quadratic) -> int:
    """The same, counted: modes of one eigenvalue are one, any basis of theirs is as good."""
    found = q.eigenvalues[quadratic.excited(q)]  # descending
    return int(1 + (np.diff(found) < -1e-10 * found[:-1]).sum()) if found.size else 0


def beyond(values: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
    """∞ where a run has left float64, which computes ∞ − ∞ there."""
    return np.where(np.isnan(values), np.inf, values)


def count(
    problem: Problem, start: Float[np.ndarray, " p"], step: float, config: Config, last: int
) -> tuple[int, int | None, float]:
    """The first k with ‖θ_k − θ*‖² ≤ converged, measured and predicted (`last` + 1: not up to `last`),
    and what rounding may shift it by. No prediction where rounding decides.
    """
    q = modes(problem, start)
    pure = q._replace(start=np.where(quadratic.excited(q), q.start, 0.0))
    predicted = quadratic.first_within(pure, step, config.converged)
    until = last if predicted is None else min(last, predicted + predicted // 50 + 10)
    _, _, first = descend(
        problem.X, problem.y, start, problem.theta, step, np.array([until]), config.converged
    )
    first = first if first <= until else last + 1
    if predicted is None or predicted > 1.01 * last:
        return first, last + 1, 0.0
    error = float(rounding(problem, q, step, np.array([float(predicted)]))[0])
    if error > 0.5 * np.sqrt(config.converged):
        return first, None, 0.0
    slope = -quadratic.rate(q, step)  # of ln‖θ_k − θ*‖ at the crossing, or less
    shift = 1 + error / (np.sqrt(config.converged) * max(slope, EPS))
    return first, min(predicted, last + 1), shift


def tail_rate(k, distance, predicted, rate, floor, others) -> tuple[float, float] | None:
    """d ln‖θ_k − θ*‖/dk over the part of the run that one mode has to itself, and its tolerance.

    `others` is what a run that grows has in all modes but the fastest.

    None if there is no such part: the run ends too early.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if rate > 0:  # from rounding or from the start, but far above both
            alone = (distance > 1e6 * predicted[0]) & (distance < 1e100)
            alone &= others < 0.01 * distance  # of its logarithm 5 · 10⁻⁵
        else:
            following = np.diff(np.log(predicted), append=-np.inf) / np.diff(k, append=k[-1] + 1)
            alone = (np.abs(following / rate - 1) < 1e-4) & (distance > 1e3 * floor)
    (where,) = np.nonzero(alone)
    if len(where) < 2 or where[-1] - where[0] < 2:
        return None
    a, b = where[0], where[-1]
    # A thousandth of the distance is rounding at either end; a part in 10⁴ is the other modes'.
    tol = 2e-3 / (k[b] - k[a]) + 1e-4 * abs(rate)
    return float(np.log(distance[b] / distance[a]) / (k[b] - k[a])), float(tol)


def run(config: Config) -> Result:
    record = log_spaced(config.iterations, config.snapshots)
    record = np.unique(np.concatenate([record, np.array(config.milestones, int)]))
    k = record.astype(float)
    curves, numbers, checks, errata = [], [], [], []
    for n in config.degrees:
        problem = build(config, n)
        step, start = config.step / problem.beta, np.zeros(n + 1)
        q = modes(problem, start)
        factor = np.abs(1 - step * q.eigenvalues)  # |ρ|
        growing = factor.max() > 1
        fastest = factor > (1 - 1e-9) * factor.max()
        # λ is known to (N + n + 1)2⁻⁵² of itself, which shows in ρᵏ where that does not vanish.
        spread = sum(problem.X.shape) * config.step / factor.max() if growing else 1
        floor = rounding(problem, q, step, k)
        if config.step < 2 and config.converged <= floor[-1] ** 2:
            raise Refusal(
                f"converged {config.converged:g} ≤ {floor[-1] ** 2:.1e}: at degree {n} the rounding of float64 "
                "may keep ‖θ_k − θ*‖² above it"
            )
        iterates, averages, _ = descend(
            problem.X, problem.y, start, problem.theta, step, record, config.converged
        )
        exact, exact_mean = quadratic.iterate(q, step, k), quadratic.average(q, step, k)
        with np.errstate(all="ignore"):  # a run that diverges leaves float64
            error, error_mean = (iterates - problem.theta) @ problem.V, averages - problem.theta
            distance, predicted = np.linalg.norm(error, axis=1), np.linalg.norm(exact, axis=1)
            bound = floor + EPS * k * predicted * spread
            others = np.linalg.norm(error[:, ~fastest], axis=1)
            here = (distance < 1e100) & (predicted < 1e100)
            off = np.linalg.norm(error - exact, axis=1)[here] / bound[here]
            # The mean of k + 1 iterates also has the rounding of its sum.
            off_mean = np.linalg.norm(error_mean @ problem.V - exact_mean, axis=1)[here]
            off_mean /= (bound + EPS * k * predicted[0])[here]
            curve = {
                "gap": gap(problem, iterates),
                "gap_predicted": quadratic.gap(q, exact),
                "average_gap": gap(problem, averages),
                "average_gap_predicted": quadratic.gap(q, exact_mean),
                "squared_distance": distance**2,
                "squared_distance_predicted": quadratic.squared_distance(exact),
            }
        curve = {name: beyond(values) for name, values in curve.items()}
        root = np.sqrt(problem.beta / 2)
        off_gap = np.abs(np.sqrt(curve["gap"][here]) - np.sqrt(curve["gap_predicted"][here]))
        law = quadratic.average_law(q, step)
        rate = quadratic.rate(q._replace(start=np.ones_like(q.start)) if growing else q, step)
        tail = tail_rate(k, distance, predicted, rate, floor, others)
        counts = {
            "to_converge": count(problem, start, step, config, config.iterations),
            "from_slowest_mode": count(
                problem, config.slow_start * problem.V[:, -1], step, config, config.longest
            ),
            "with_frobenius": count(
                problem, start, config.step / problem.frobenius, config, config.longest
            ),
        }
        checks += [
            # Bounds of theory, two to ten times what is measured at any step, size and degree tried.
            Check(f"iterate_error_in_roundings/n_{n}", off.max(), "<=", 1.0, 0.0),
            Check(f"average_error_in_roundings/n_{n}", off_mean.max(), "<=", 1.0, 0.0),
            Check(
                f"gap_error_in_roundings/n_{n}",
                (off_gap / (root * bound[here])).max(), "<=", 1.0, 0.0,
            ),
            Check(f"converges/n_{n}", curve["squared_distance"][-1], "<=", 0.0, config.converged),
            Check(
                f"excited_modes/n_{n}",
                excited_spaces(q), "==", excited_modes(config, n), 0,
            ),
        ]  # fmt: skip
        for name, (measured, predicted_count, shift) in counts.items():
            if predicted_count is not None:
                checks.append(
                    Check(f"iterations_{name}/n_{n}", measured, "==", predicted_count, shift)
                )
        if tail:
            checks.append(Check(f"rate/n_{n}", tail[0], "==", rate, tail[1]))
        measured_law = (k[-1] + 1) ** 2 * curve["average_gap"][-1]
        if config.step < 2:
            # What is left of (1 − ρ^{k+1})², and twice the relative rounding of √(f − f*).
            left = min(2 * np.exp((k[-1] + 1) * rate), 0.1)  # more of it is no law yet
            noise = 2 * root * (floor[-1] + EPS * k[-1] * predicted[0]) / np.sqrt(law) * (k[-1] + 1)
            checks.append(
                Check(
                    f"average_times_k_squared/n_{n}", measured_law, "==", law, law * (left + noise)
                )
            )
        curves.append(curve)
        numbers.append(
            {
                "beta": problem.beta,
                "frobenius": problem.frobenius,
                "lowest": problem.lowest,
                **{f"iterations_{name}": measured for name, (measured, _, _) in counts.items()},
                "rate": rate,
                "average_law": law,
                "average_times_k_squared": measured_law,
            }
        )
    measured, predicted_count, shift = counts["to_converge"]
    as_printed = config.of_the_course and (config.degrees[-1], config.step) == (9, 1)
    as_printed = as_printed and config.converged == 1e-16
    if config.printed and as_printed and predicted_count is not None:
        low, high = config.printed
        other, off = counts["with_frobenius"][0], (high - low) / 2
        nearest = min(max(predicted_count, low), high)
        where = "FRTN50 assignment 4b"
        errata.append(
            Erratum("iterations_printed", where, nearest, predicted_count, measured, shift)
        )
        # The published step is not 1/β but that over ‖H‖_F/‖H‖₂.
        checks.append(Check("frobenius_explains_the_printed", other, "==", low + off, off))

    degree = sweep(config.degrees, "degree", "degree n")
    names = {
        "gap": "f(θ_k) − f*",
        "average_gap": "f(θ̄_k) − f*",
        "squared_distance": "‖θ_k − θ*‖²",
    }
    data = xr.Dataset(coords={"degree": degree, "k": steps(record, "k", "iteration k")})
    for name, long_name in names.items():
        for suffix, role in (("", "measurement"), ("_predicted", "prediction")):
            values = np.array([curve[name + suffix] for curve in curves])
            label = "closed form" if suffix else long_name
            data[name + suffix] = (("degree", "k"), values, {"long_name": label, "role": role})
    data["average_law"] = (
        "degree",
        [number["average_law"] for number in numbers],
        {"long_name": "C", "role": "prediction"},
    )
    metrics = {
        name: xr.DataArray([number[name] for number in numbers], {"degree": degree})
        for name in numbers[0]
    }
    metrics |= {name: data[name].sel(k=list(config.milestones)) for name in names}
    return Result(data, metrics, tuple(checks), tuple(errata))
