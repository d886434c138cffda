"""The average of gradient descent's iterates errs like C/(k + 1)², however fast the iterates converge.

The average never forgets the start: the sum of all errors converges, and it is divided by the number of iterates.
So a linear rate becomes 1/k in the error and 1/k² in the loss, with a constant that the slow modes dominate.

    θ̄_k = (θ₀ + … + θ_k)/(k + 1),   θ_{k+1} = θ_k − γ∇f(θ_k),   γ = step/β,   θ₀ = 0,   c = Vᵀ(θ₀ − θ*)
    Vᵀ(θ̄_k − θ*) = c_i(1 − ρ_i^{k+1})/((k + 1)γλ_i),   ρ_i = 1 − γλ_i
    (k + 1)²(f(θ̄_k) − f*) → C = ½ Σ c_i²/(γ²λ_i)

See: the curves bend into the dotted line C/(k + 1)² once the slowest mode has died out, and stay on it.

Source: FRTN50 assignment, exercise 2a, which plots the loss of the average beside that of the last iterate.
"""

import numpy as np
import xarray as xr

from descent.config import Refusal, experiment_config
from descent.maths import quadratic
from descent.polynomial import _descent
from descent.polynomial._kernels import descend
from descent.polynomial._problem import Problem, build, gap, modes
from descent.polynomial._rounding import EPS, carried, of_square
from descent.result import Check, Result, measured, predicted, steps, sweep

LEFT = 0.01  # of the slowest mode, up to which the limit is compared


@experiment_config
class Config(_descent.Config):
    def __post_init__(self):
        super().__post_init__()
        if self.step >= 2:
            raise ValueError(f"step {self.step:g} ≥ 2: gradient descent diverges")

    def left(self, problem: Problem) -> float:
        """What the slowest excited mode has left at the end, of 1 − ρ^{k+1}."""
        q = modes(problem, np.zeros_like(problem.theta))
        rate = quadratic.rate(q, self.step / problem.beta)
        return float(np.exp((self.iterations + 1) * rate))


def predict(config: Config, problems: list[Problem]) -> xr.Dataset:
    """The closed form, and its limit."""
    k, curves, limits = config.record.astype(float), [], []
    for problem in problems:
        q, step = modes(problem, np.zeros_like(problem.theta)), config.step / problem.beta
        curves.append(quadratic.gap(q, quadratic.average(q, step, k)))
        limits.append(quadratic.average_law(q, step))
    return xr.Dataset(
        {
            "average_gap_predicted": predicted(("degree", "k"), np.array(curves), "closed form"),
            "average_law": predicted("degree", limits, "C"),
        }
    )


def measure(config: Config, problems: list[Problem]) -> xr.Dataset:
    """f(θ̄_k) − f* of the run at every degree."""
    record, curves = config.record, []
    for problem in problems:
        start, step = np.zeros_like(problem.theta), config.step / problem.beta
        _, averages, _ = descend(problem.X, problem.y, start, problem.theta, step, record, 0.0)
        curves.append(gap(problem, averages))
    return xr.Dataset(
        {"average_gap": measured(("degree", "k"), np.array(curves), "f(θ̄_k) − f*")},
        coords={
            "degree": sweep(config.degrees, "degree", "degree n"),
            "k": steps(record, "k", "iteration k"),
        },
    )


def run(config: Config) -> Result:
    problems = [build(config, n) for n in config.degrees]
    for n, problem in zip(config.degrees, problems, strict=True):
        if config.left(problem) > LEFT:
            raise Refusal(
                f"iterations {config.iterations}: at degree {n} they leave "
                f"{config.left(problem):.2g} > {LEFT:g} of the slowest mode, and the average has no law yet"
            )
    found = measure(config, problems)
    theory = predict(config, problems).assign_coords(found.coords)
    constant = found["average_gap"].isel(k=-1, drop=True) * (config.iterations + 1) ** 2
    return Result(
        data=found.merge(theory),
        metrics={
            "average_law": theory["average_law"],
            "average_times_k_squared": constant,
            "average_gap": found["average_gap"].sel(k=list(config.milestones)),
        },
        checks=compare(config, problems, found, theory, constant),
    )


def compare(config: Config, problems: list[Problem], found, theory, constant) -> tuple[Check, ...]:
    k, bounds, left = config.record.astype(float), [], []
    for problem in problems:
        q, step = modes(problem, np.zeros_like(problem.theta)), config.step / problem.beta
        # The mean of k + 1 iterates also has the rounding of its sum.
        error = carried(problem, q, step, k) + 2 * EPS * k * np.linalg.norm(problem.theta)
        bounds.append(np.sqrt(problem.beta / 2) * error)
        left.append(config.left(problem))
    gaps, each = found["average_gap"], {"degree": found["degree"]}
    off = of_square(gaps, xr.DataArray(bounds, each | {"k": found["k"]}))
    # The law times (1 − ρ^{k+1})² at the least, and the rounding of f − f*.
    missing = (1 - xr.DataArray(left, each)) ** -2.0 - 1
    last = constant * missing + off[:, -1].drop_vars("k") * (k[-1] + 1) ** 2
    rounding = "rounding of a step, carried on by the slowest mode, and of the sum"
    ending = "what is left of the slowest mode, and rounding"
    exact, law = theory["average_gap_predicted"], theory["average_law"]
    return (
        Check("average_gap", gaps, "==", exact, off, rounding),
        Check("average_times_k_squared", constant, "==", law, last, ending),
    )
