"""Gradient descent scaled by H⁻¹ ends, from 0, at the solution whose norm in H is least.

In the coordinates H^{1/2}θ it is plain gradient descent, which from 0 finds the shortest solution. So its
largest step, and how soon it is close, follow from the singular values of the scaled features.

    X: (N, p),   θ_{k+1} = θ_k − γH⁻¹∇f(θ_k),   γ = rate/β_H,   β_H = (2/N)‖XH^{-1/2}‖₂²,   ‖θ‖_H² = θᵀHθ
    z = H^{1/2}θ descends on XH^{-1/2} = UΣWᵀ:   θ_k − θ*_H = H^{-1/2}W diag(1 − 2γσ²/N)ᵏ c

See: the measured squared distance lies on the closed form, down to rounding; the printed β_H, a Frobenius
norm, would have taken a tenth more steps.

Source: FRTN50 assignment, exercise 4f: H⁻¹ = diag logspace(−3, 0). Its solution prints β_H = 0.80407602,
which is the Frobenius norm, for the spectral 0.72909344, and with it γ = 1.24366350 for 1.37156631.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, experiment_config
from descent.maths.optimisers import NEVER, descend, full_batch
from descent.maths.projection import project
from descent.polynomial import _overparameterised
from descent.polynomial._problem import Problem, build, require_work
from descent.polynomial._scaled import Scaled, scaled
from descent.result import Check, Erratum, Result, measured, predicted, steps

NEAR = 1e-6  # of ‖θ*_H‖, to which a run has to come for its end to be compared
Decade = Annotated[Number, Field(ge=-125, le=125)]  # beyond, products of weights leave float64


@experiment_config
class Config(_overparameterised.Config):
    low: Decade  # H⁻¹ = diag logspace(low, high)
    high: Decade
    rate: Positive  # γβ_H
    steps: Count
    snapshots: Annotated[int, Field(ge=2, le=1000, strict=True)]
    levels: tuple[Positive, ...]  # ‖θ − θ*_H‖² whose first times are compared, decreasing

    def __post_init__(self):
        super().__post_init__()
        if not self.levels or any(np.diff(self.levels) >= 0):
            raise ValueError(
                f"levels {list(self.levels)} must be one or more strictly decreasing values"
            )
        if self.rate >= 2:
            raise ValueError(f"rate {self.rate:g} ≥ 2 (in 1/β_H): scaled descent diverges")
        require_work(self, (self.degree,), self.steps, self.points, self.snapshots)

    @property
    def h_inverse(self) -> np.ndarray:
        return np.logspace(self.low, self.high, self.degree + 1)

    @property
    def record(self) -> np.ndarray:
        return np.unique(np.linspace(0, self.steps, self.snapshots).round().astype(int))


def predict(config: Config, problem: Problem, form: Scaled) -> xr.Dataset:
    gamma, start = config.rate / form.beta, np.zeros_like(problem.theta)
    limit = project(problem.X, problem.y, start, config.h_inverse)
    distance = np.sqrt(form.squared_distance(gamma, config.record))
    # A crossing after the last step is one step after it.
    crossing = [min(form.first_within(gamma, v), config.steps + 1) for v in config.levels]
    label = "first step within the level, closed form"
    return xr.Dataset(
        {
            "limit": predicted("power", limit, "θ*_H"),
            "beta_predicted": predicted((), form.beta, "β_H of the singular values"),
            "distance_predicted": predicted("k", distance, "‖θ_k − θ*_H‖, closed form"),
            "crossing_predicted": predicted("level", crossing, label),
        }
    )


def measure(config: Config, problem: Problem, form: Scaled) -> xr.Dataset:
    """The run, its distance from the solution that the SVD of XH^{-1/2} gives, and β_H of the product."""
    h, X, y = config.h_inverse, problem.X, problem.y
    target, start = -(form.back @ form.modes.start), np.zeros_like(problem.theta)
    rates, levels = config.rate / form.beta * h, np.array(config.levels)
    path = descend(X, y, start, rates, full_batch(config.points), config.record, target, levels)
    first = np.where(path.first == NEVER, config.steps + 1, path.first)
    dense = 2 / config.points * (X * np.sqrt(h)).T @ (X * np.sqrt(h))
    distance = np.linalg.norm(path.theta - target, axis=1)
    return xr.Dataset(
        {
            "end": measured("power", path.theta[-1], "θ_K"),
            "distance": measured("k", distance, "‖θ_k − θ*_H‖"),
            "crossing": measured("level", first, "first step within the level"),
            "beta": measured((), float(np.linalg.norm(dense, 2)), "β_H of the product"),
        },
        coords={
            "k": steps(config.record, "k", "step k"),
            "level": ("level", list(config.levels), {"long_name": "‖θ − θ*_H‖²"}),
            "power": ("power", np.arange(config.degree + 1), {"long_name": "power j"}),
        },
    )


def run(config: Config) -> Result:
    problem = build(config, config.degree)
    form = scaled(problem, config.h_inverse)
    found, theory = measure(config, problem, form), predict(config, problem, form)
    data, slow = found.merge(theory), config.rate / form.frobenius
    other = np.sqrt(form.squared_distance(slow, config.record))
    label = {"long_name": "the same with the Frobenius norm for β_H", "role": "prediction"}
    data["frobenius"] = ("k", other, label)
    late = [form.first_within(slow, level) for level in config.levels]
    left, size = form.left(config.rate, config.steps), float(np.linalg.norm(found["end"]))
    clear = np.sqrt(config.levels) >= 10 * form.blur(config.rate)
    checks = compare(config, problem, form, data, clear)
    if left <= NEAR * size:
        near, why = (
            left + form.floor(config.rate, sum(problem.X.shape)),
            "what is left of the slowest mode",
        )
        checks += (Check("end", data["end"], "==", data["limit"], near, why),)
    far = f"steps {config.steps}: up to {left:.2g} of ‖θ*_H‖ = {size:.2g} may be left"
    return Result(
        data=data,
        metrics={
            "beta_h": form.beta,
            "beta_h_frobenius": form.frobenius,
            "slowest": form.slowest,
            "crossing": data["crossing"],
            "crossing_predicted": data["crossing_predicted"],
            "crossing_frobenius": data["crossing"].copy(data=late),
            "final": data["distance"][-1] ** 2,
        },
        checks=checks,
        errata=errata(config, float(found["beta"]), form.beta),
        no_claim=() if left <= NEAR * size else (far,),
        unchecked={} if clear.all() else {"crossing_of_low_levels": "rounding hides them"},
    )


def compare(
    config: Config, problem: Problem, form: Scaled, data: xr.Dataset, clear: np.ndarray
) -> tuple[Check, ...]:
    floor, beta = form.floor(config.rate, sum(problem.X.shape)), form.beta
    sums = 1e-14 * config.points * beta
    distance, expected = data["distance"], data["distance_predicted"]
    checks = (
        Check("beta_h", data["beta"], "==", data["beta_predicted"], sums, "N rounded sums"),
        Check("distance", distance, "==", expected, floor, "rounding that the slowest mode keeps"),
    )
    if not clear.any():
        return checks
    # In the slowest mode; other modes' errors add in squares.
    forgotten = form.forgotten(config.rate, form.slowest)
    slack = 2 + form.blur(config.rate) / np.sqrt(data["level"]) / forgotten
    first, then = (data[n].isel(level=clear) for n in ("crossing", "crossing_predicted"))
    why = "rounding over what the slowest mode loses a step"
    return (*checks, Check("crossing", first, "==", then, slack.isel(level=clear), why))


def errata(config: Config, measured: float, beta: float) -> tuple[Erratum, ...]:
    if not (config.of_the_course and (config.low, config.high) == (-3, 0)):
        return ()
    where, tol = "FRTN50 assignment 4f, output of the solution", 1e-9
    return (
        Erratum("printed_beta_h", f"{where}: β_H", 0.8040760244151196, beta, measured, tol),
        Erratum("printed_step", f"{where}: 1/β_H", 1.2436634965299387, 1 / beta, 1 / measured, tol),
    )
