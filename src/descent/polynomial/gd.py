"""Gradient descent fits a polynomial at the rate of the slowest mode that the data excite.

The error splits into eigenvectors of the Hessian, and each shrinks by a factor of its own. A mode that the data have
no part in stays at 0 however slow it is, so that only those that are excited set the rate. Odd data on a
symmetric interval excite odd polynomials only.

    θ: (n + 1,),   θ_{k+1} = θ_k − γ∇f(θ_k),   γ = step/β,   β = λ_max(H),   θ₀ = 0
    c = Vᵀ(θ₀ − θ*),   ρ_i = 1 − γλ_i:   ‖θ_k − θ*‖² = Σ c_i²ρ_i²ᵏ,   f(θ_k) − f* = ½ Σ λ_i c_i²ρ_i²ᵏ
    ln‖θ_k − θ*‖ falls by −ln max|ρ_i| a step in the end, over i with c_i ≠ 0
    odd data at symmetric points excite at most min(⌈n/2⌉, ⌊N/2⌋) modes

From a step of 2/β on a mode grows, and from data without a part in it too, because rounding has one. Float64 adds
the bound of _rounding.py.

See: measured curves lie on the dashed closed form until rounding ends them. At n = 9 the Hessian has a mode
twenty times slower than the one that the slope shows.

Source: FRTN50 assignment, exercise 2a. Its solution takes the Frobenius norm for the spectral norm in β.
"""

import numpy as np
import xarray as xr

from descent.check import with_points
from descent.config import experiment_config
from descent.maths import quadratic
from descent.maths.quadratic import Quadratic
from descent.polynomial import _descent
from descent.polynomial._kernels import descend
from descent.polynomial._problem import Problem, build, gap, modes, odd
from descent.polynomial._rounding import EPS, carried, of_square
from descent.result import Check, Result, bound, measured, predicted, steps, sweep

HUGE = 1e100  # of a distance whose square is compared


@experiment_config
class Config(_descent.Config):
    @property
    def grows(self) -> bool:
        """Whether the fastest mode does not shrink."""
        return self.step >= 2

    def start(self, problem: Problem) -> Quadratic:
        return modes(problem, np.zeros_like(problem.theta))

    def lead(self, problem: Problem) -> np.ndarray:
        """Which modes of the Hessian have the run to themselves in the end: the fastest to grow, or the slowest
        of the excited."""
        q = self.start(problem)
        factor = np.abs(1 - self.step / problem.beta * q.eigenvalues)
        if not self.grows:
            factor = np.where(quadratic.excited(q), factor, 0.0)
        return factor >= (1 - 1e-9) * factor.max()


def predict(config: Config, problems: list[Problem]) -> xr.Dataset:
    """Closed forms, and how many modes the data have a part in by parity."""
    k, curves, rates, most = config.record.astype(float), [], [], []
    for problem in problems:
        q, step = config.start(problem), config.step / problem.beta
        exact = quadratic.iterate(q, step, k)
        curves.append((quadratic.gap(q, exact), quadratic.squared_distance(exact)))
        everything = q._replace(start=np.ones_like(q.start))
        rates.append(quadratic.rate(everything if config.grows else q, step))
        N, n = problem.X.shape[0], problem.X.shape[1] - 1
        most.append(min((n + 1) // 2, N // 2) if odd(problem) else min(n + 1, N))
    gaps, squares = map(np.array, zip(*curves, strict=True))
    return xr.Dataset(
        {
            "gap_predicted": predicted(("degree", "k"), gaps, "closed form"),
            "squared_distance_predicted": predicted(("degree", "k"), squares, "closed form"),
            "rate_predicted": predicted("degree", rates, "ln max|ρ|"),
            "modes_bound": bound("degree", most, "modes of this parity"),
        }
    )


def measure(config: Config, problems: list[Problem]) -> xr.Dataset:
    """The run at every degree; the slope of its last part that one mode has to itself, and how long that is."""
    record, found = config.record, []
    for problem in problems:
        q, step = config.start(problem), config.step / problem.beta
        iterates, _, _ = descend(
            problem.X, problem.y, np.zeros_like(problem.theta), problem.theta, step, record, 0.0
        )
        with np.errstate(all="ignore"):  # a run that grows leaves float64
            error = (iterates - problem.theta) @ problem.V
            floor = 1e3 * carried(problem, q, step, record.astype(float))
            rate, span = slope(config, record, error, config.lead(problem), floor)
            gaps, squares = gap(problem, iterates), (error**2).sum(1)
        gaps, squares = (np.where(np.isnan(x), np.inf, x) for x in (gaps, squares))
        found.append((gaps, squares, rate, span, spaces(q)))
    gaps, squares, rates, spans, excited = map(np.array, zip(*found, strict=True))
    return xr.Dataset(
        {
            "gap": measured(("degree", "k"), gaps, "f(θ_k) − f*"),
            "squared_distance": measured(("degree", "k"), squares, "‖θ_k − θ*‖²"),
            "rate": measured("degree", rates, "d ln‖θ_k − θ*‖/dk"),
            "span": measured("degree", spans, "iterations over which it was read off"),
            "modes": measured("degree", excited, "modes that the data excite"),
        },
        coords={
            "degree": sweep(config.degrees, "degree", "degree n"),
            "k": steps(record, "k", "iteration k"),
        },
    )


def slope(config: Config, k, error, lead, floor) -> tuple[float, float]:
    """Where these modes are 0.99 of the error, which is a thousand times rounding: d ln‖θ_k − θ*‖/dk, and from
    where to where; NaN and 0 if there is no such part."""
    distance, others = np.linalg.norm(error, axis=1), np.linalg.norm(error[:, ~lead], axis=1)
    above = distance > (1e3 * distance[0] if config.grows else floor)
    (alone,) = np.nonzero((others < 0.01 * distance) & above & (distance < HUGE))
    if len(alone) < 2:
        return np.nan, 0.0
    a, b = alone[0], alone[-1]
    span = float(k[b] - k[a])
    return float(np.log(distance[b] / distance[a]) / span), span


def spaces(q: Quadratic) -> int:
    """Excited modes; those of one eigenvalue are one, for any basis of theirs is as good."""
    found = q.eigenvalues[quadratic.excited(q)]  # descending
    return int(1 + (np.diff(found) < -1e-10 * found[:-1]).sum()) if found.size else 0


def run(config: Config) -> Result:
    problems = [build(config, n) for n in config.degrees]
    found = measure(config, problems)
    theory = predict(config, problems).assign_coords(found.coords)
    data, marks = found.merge(theory), list(config.milestones)
    reasons = [
        f"degree {n}: within {config.iterations} iterations no part is the slowest mode's alone"
        for n in found["degree"].values[found["span"] == 0]
    ]
    if config.grows:
        reasons.append(f"step {config.step:g} ≥ 2: a mode does not shrink, if only from rounding")
    return Result(
        data=data,
        metrics={
            "beta": xr.DataArray([p.beta for p in problems], {"degree": data["degree"]}),
            "frobenius": xr.DataArray([p.frobenius for p in problems], {"degree": data["degree"]}),
            "lowest": xr.DataArray([p.lowest for p in problems], {"degree": data["degree"]}),
            "rate": found["rate"],
            "rate_predicted": theory["rate_predicted"],
            "gap": found["gap"].sel(k=marks),
            "squared_distance": found["squared_distance"].sel(k=marks),
        },
        checks=compare(config, problems, found, theory),
        no_claim=tuple(reasons),
    )


def compare(config: Config, problems: list[Problem], found, theory) -> tuple[Check, ...]:
    squares, gaps, spans = found["squared_distance"], found["gap"], found["span"]
    error = rounding(config, problems, found)
    root = xr.DataArray([np.sqrt(p.beta / 2) for p in problems], {"degree": found["degree"]})
    near, off = of_square(squares, error), of_square(gaps, root * error)
    seen = squares < HUGE**2
    why = "rounding of a step, carried on by the slowest mode"
    ends = "a thousandth of rounding and a hundredth of other modes at both ends"
    slack = 2.2e-3 / spans.where(spans > 0)
    law, far = theory["rate_predicted"], theory["squared_distance_predicted"]
    return (
        *with_points(
            Check("gap", gaps, "==", theory["gap_predicted"], off, why, seen),
            Check("squared_distance", squares, "==", far, near, why, seen),
            Check("rate", found["rate"], "==", law, slack, ends, spans > 0),
        ),
        Check("excited_modes", found["modes"], "<=", theory["modes_bound"], 0, "a count"),
    )


def rounding(config: Config, problems: list[Problem], found: xr.Dataset) -> xr.DataArray:
    """The bound of _rounding.py on the error of θ_k, at every degree and k."""
    k, bounds = config.record.astype(float), []
    for problem, squares in zip(problems, found["squared_distance"].values, strict=True):
        q, step = config.start(problem), config.step / problem.beta
        # λ is known to (N + n + 1)2⁻⁵² of itself, which shows in ρᵏ where that does not vanish.
        fastest = np.abs(1 - step * q.eigenvalues).max()
        spread = sum(problem.X.shape) * config.step / fastest if config.grows else 1
        bounds.append(carried(problem, q, step, k) + EPS * k * np.sqrt(abs(squares)) * spread)
    return xr.DataArray(bounds, {"degree": found["degree"], "k": found["k"]})
