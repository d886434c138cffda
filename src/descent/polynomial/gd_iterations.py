"""How many iterations gradient descent takes depends on the modes in its start, and is known to the iteration.

From 0 the run has no part in the modes that the data do not excite, and their slowness does not matter. A start
with a part in the slowest mode of all has to wait for that one. A step from the wrong norm costs as many
more iterations as the norm is too large.

    first k with ‖θ_k − θ*‖² = Σ c_i²(1 − γλ_i)²ᵏ ≤ converged,   c = Vᵀ(θ₀ − θ*)
    from_0:            θ₀ = 0,                     γ = step/β,      β = λ_max(H) = (2/N)‖XᵀX‖₂
    from_slowest_mode: θ₀ = slow_start · v_min,    γ = step/β
    with_frobenius:    θ₀ = 0,                     γ = step/β_F,    β_F = (2/N)‖XᵀX‖_F ≥ β

See: where each curve crosses the dotted level, and the dashed closed form under it. At n = 9 the start with a
part in the slowest mode takes twenty times as long.

Source: FRTN50 assignment, exercises 2a and 4b. Its solution takes the Frobenius norm for the spectral
norm in β; "between 25–30k" in 4b is that. With the spectral norm it is 20181.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, experiment_config, require_increasing
from descent.maths import quadratic
from descent.polynomial._kernels import descend, log_spaced
from descent.polynomial._problem import Points, Problem, build, modes, require_work
from descent.polynomial._rounding import EPS, carried, of_square, shift
from descent.result import Check, Erratum, Result, measured, predicted, steps, sweep

RUNS = ["from_0", "from_slowest_mode", "with_frobenius"]
NAMES = {"from_0": "to_converge"}  # of metrics


@experiment_config
class Config(Points):
    degrees: tuple[Count, ...]  # n
    step: Positive  # γβ
    iterations: Count
    snapshots: Count  # iterations kept, log-spaced
    converged: Positive  # ‖θ_k − θ*‖² that counts as having converged
    slow_start: Positive  # ‖θ₀‖ of the start along the slowest mode of H
    printed: tuple[Count, ...]  # interval that holds the published count for the last degree, or []

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        if self.step >= 2:
            raise ValueError(f"step {self.step:g} ≥ 2: gradient descent diverges")
        if self.slow_start > 1e100:
            raise ValueError(f"slow_start {self.slow_start:g} > 1e100: its square leaves float64")
        if len(self.printed) not in (0, 2):
            raise ValueError(f"printed: {len(self.printed)} numbers, an interval has two")
        require_work(self, self.degrees, 3 * self.iterations, self.points, 6 * self.snapshots)

    @property
    def record(self) -> np.ndarray:
        return log_spaced(self.iterations, self.snapshots)

    @property
    def as_printed(self) -> bool:
        """Whether this is the document's own setting: the count it prints is for no other."""
        own = (self.degrees[-1], self.step, self.converged) == (9, 1, 1e-16)
        return bool(self.printed) and self.of_the_course and own


def setups(config: Config, problem: Problem) -> list[tuple[np.ndarray, float]]:
    """θ₀ and γ of every run."""
    zero, step = np.zeros_like(problem.theta), config.step / problem.beta
    slow = config.slow_start * problem.V[:, -1]
    return [(zero, step), (slow, step), (zero, config.step / problem.frobenius)]


def shifts(config: Config, problem: Problem) -> list[float]:
    """By how many iterations rounding may shift each crossing.

    Raises:
        Refusal: the run is too short for the crossing, or rounding may prevent it.
    """
    found, level = [], np.sqrt(config.converged)
    for name, (start, step) in zip(RUNS, setups(config, problem), strict=True):
        q = modes(problem, start)
        last = np.array([float(config.iterations)])
        where = f"degree {len(problem.theta) - 1}, {name}"
        error = float(carried(problem, q, step, last)[0])
        if error > 0.5 * level:
            raise Refusal(
                f"converged {config.converged:g}: {where}: the rounding of float64 may keep "
                f"‖θ_k − θ*‖² at {4 * error**2:.1e}"
            )
        if config.converged >= np.sum(q.start**2):
            raise Refusal(f"converged {config.converged:g}: {where}: the start is within it")
        left = quadratic.squared_distance(quadratic.iterate(q, step, last))[0]
        if left > config.converged:
            raise Refusal(
                f"iterations {config.iterations}: {where}: they end at {left:.1e} > converged"
            )
        found.append(shift(problem, q, step, config.converged))
    return found


def predict(config: Config, problems: list[Problem]) -> xr.Dataset:
    """Closed forms, and when they are first within the level."""
    k, curves, counts = config.record.astype(float), [], []
    for problem in problems:
        pairs = [(modes(problem, start), step) for start, step in setups(config, problem)]
        curves.append([quadratic.squared_distance(quadratic.iterate(*pair, k)) for pair in pairs])
        first = [quadratic.first_within(*pair, config.converged) for pair in pairs]
        counts.append([np.inf if one is None else float(one) for one in first])
    dims = ("degree", "run")
    return xr.Dataset(
        {
            "squared_distance_predicted": predicted((*dims, "k"), np.array(curves), "closed form"),
            "count_predicted": predicted(dims, np.array(counts), "predicted iterations"),
        }
    )


def measure(config: Config, problems: list[Problem]) -> xr.Dataset:
    """The three runs at every degree, and when they are first within the level."""
    record, curves, counts = config.record, [], []
    for problem in problems:
        runs = [
            descend(problem.X, problem.y, start, problem.theta, step, record, config.converged)
            for start, step in setups(config, problem)
        ]
        curves.append([((iterates - problem.theta) ** 2).sum(1) for iterates, _, _ in runs])
        counts.append([float(first) for _, _, first in runs])
    dims = ("degree", "run")
    return xr.Dataset(
        {
            "squared_distance": measured((*dims, "k"), np.array(curves), "‖θ_k − θ*‖²"),
            "count": measured(dims, np.array(counts), "iterations"),
        },
        coords={
            "degree": sweep(config.degrees, "degree", "degree n"),
            "run": ("run", RUNS, {"long_name": "start and step of the run"}),
            "k": steps(record, "k", "iteration k"),
        },
        attrs={"converged": config.converged},
    )


def run(config: Config) -> Result:
    problems = [build(config, n) for n in config.degrees]
    tol = [shifts(config, problem) for problem in problems]
    found = measure(config, problems)
    theory = predict(config, problems).assign_coords(found.coords)
    count = found["count"]
    tol = xr.DataArray(tol, count.coords, count.dims)
    return Result(
        data=found.merge(theory),
        metrics={
            f"iterations_{NAMES.get(name, name)}": count.sel(run=name, drop=True) for name in RUNS
        },
        checks=compare(config, problems, found, theory, tol),
        errata=refute(config, found, theory, tol),
    )


def compare(config: Config, problems: list[Problem], found, theory, tol) -> tuple[Check, ...]:
    count, squares = found["count"], found["squared_distance"]
    k = config.record.astype(float)
    error = [
        [
            carried(problem, modes(problem, start), step, k)
            for start, step in setups(config, problem)
        ]
        for problem in problems
    ]
    off = of_square(squares, squares.copy(data=error)) + 2 * EPS * k[-1] * abs(squares)
    rounding = "rounding of a step, carried on by the slowest mode"
    exact, expected = theory["squared_distance_predicted"], theory["count_predicted"]
    checks = [
        Check("squared_distance", squares, "==", exact, off, rounding),
        Check("iterations", count, "==", expected, tol, "rounding at the crossing, and one"),
    ]
    if config.as_printed:
        (low, high), other = config.printed, float(count.sel(run="with_frobenius")[-1])
        middle, half = (low + high) / 2, (high - low) / 2
        name, why = "frobenius_explains_the_printed", "the printed interval"
        checks.append(Check(name, other, "==", middle, half, why))
    return tuple(checks)


def refute(config: Config, found: xr.Dataset, theory: xr.Dataset, tol) -> tuple[Erratum, ...]:
    """The count that is printed for the last degree."""
    if not config.as_printed:
        return ()
    one, other, off = (
        float(part.sel(run="from_0")[-1])
        for part in (found["count"], theory["count_predicted"], tol)
    )
    nearest = float(np.clip(other, *config.printed))
    return (Erratum("iterations_printed", "FRTN50 assignment 4b", nearest, other, one, off),)
