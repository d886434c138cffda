"""Gradient descent scaled by H⁻¹ finds, from 0, the solution of least ‖θ‖_H, at the step that closed form says.

    θ_{k+1} = θ_k − γH⁻¹∇f(θ_k),   γ = rate/β_H,   β_H = (2/N)‖H^{-1/2}XᵀXH^{-1/2}‖₂ = (2/N)‖XH^{-1/2}‖₂²
    z = H^{1/2}θ descends on XH^{-1/2} = UΣWᵀ:   θ_k − θ*_H = H^{-1/2}W diag(1 − 2γσ²/N)ᵏ c

Source: FRTN50 assignment, exercise 4f: H⁻¹ = diag logspace(−3, 0). Its solution prints β_H = 0.80407602,
which is the Frobenius norm, for the spectral 0.72909344, and with it γ = 1.24366350 for 1.37156631.
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Number, Positive, Refusal, experiment_config
from descent.maths.optimisers import NEVER, descend, full_batch
from descent.maths.projection import project
from descent.maths.quadratic import Quadratic, excited, iterate, rate
from descent.polynomial import _overparameterised
from descent.polynomial._problem import Problem, build
from descent.result import Check, Erratum, Result, steps

Decade = Annotated[Number, Field(ge=-125, le=125)]  # beyond, products of weights leave float64


@experiment_config
class Config(_overparameterised.Config):
    low: Decade  # H⁻¹ = diag logspace(low, high)
    high: Decade
    rate: Positive  # γβ_H
    steps: Annotated[int, Field(ge=100, le=10**8, strict=True)]
    snapshots: Annotated[int, Field(ge=2, le=1000, strict=True)]
    levels: tuple[Positive, ...]  # ‖θ − θ*_H‖² whose first times are compared, decreasing

    def __post_init__(self):
        super().__post_init__()
        if not self.levels or any(np.diff(self.levels) >= 0):
            raise ValueError(
                f"levels {list(self.levels)} must be one or more strictly decreasing values"
            )


class Scaled(NamedTuple):
    """The descent of z = H^{1/2}θ mode by mode, and the way back."""

    modes: Quadratic
    back: Float[np.ndarray, "p r"]  # H^{-1/2}W

    def squared_distance(self, gamma: float, k) -> Float[np.ndarray, " s"]:
        """‖θ_k − θ*_H‖²."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return ((iterate(self.modes, gamma, np.asarray(k, float)) @ self.back.T) ** 2).sum(1)

    def first_within(self, gamma: float, squared: float) -> float:
        """First k with ‖θ_k − θ*_H‖² ≤ squared, once the slowest mode rules; inf if there is none."""
        if rate(self.modes, gamma) >= 0:
            return np.inf
        low, high = -1, 1
        while self.squared_distance(gamma, [high])[0] > squared:
            if high > 2**52:  # further k are not integers of float64
                return np.inf
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            if self.squared_distance(gamma, [middle])[0] <= squared:
                high = middle
            else:
                low = middle
        return float(high)


def scaled(problem: Problem, h_inverse: Float[np.ndarray, " p"]) -> Scaled:
    root = np.sqrt(h_inverse)
    U, sigma, Wt = np.linalg.svd(problem.X * root, full_matrices=False)
    if not sigma[-1] > max(problem.X.shape) * np.finfo(float).eps * sigma[0]:
        raise Refusal(
            f"logspace: cond XH^(-1/2) = {sigma[0] / max(sigma[-1], 1e-300):.1e}, "
            "float64 cannot tell its smallest mode from 0"
        )
    return Scaled(
        Quadratic(2 * sigma**2 / len(problem.y), -(U.T @ problem.y) / sigma), root[:, None] * Wt.T
    )


def run(config: Config) -> Result:
    problem = build(config, config.degree)
    start, h = np.zeros_like(problem.theta), np.logspace(config.low, config.high, config.degree + 1)
    form = scaled(problem, h)
    beta = float(form.modes.eigenvalues[0])
    frobenius = float(np.linalg.norm(form.modes.eigenvalues))
    gamma = config.rate / beta
    target = project(problem.X, problem.y, start, h)
    k = np.unique(np.linspace(0, config.steps, config.snapshots).round().astype(int))
    path = descend(
        problem.X, problem.y, start, gamma * h, full_batch(config.points), k, target, np.array(config.levels)
    )  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):
        measured = ((path.theta - target) ** 2).sum(1)
        gap = np.abs(np.sqrt(measured) - np.sqrt(form.squared_distance(gamma, k))).max()
    first = np.where(path.first == NEVER, np.inf, path.first)
    predicted = np.array([form.first_within(gamma, level) for level in config.levels])
    of_frobenius = np.array(
        [form.first_within(config.rate / frobenius, level) for level in config.levels]
    )
    dense = 2 / config.points * (problem.X * np.sqrt(h)).T @ (problem.X * np.sqrt(h))
    spectral = float(np.linalg.norm(dense, 2))

    data = xr.Dataset(
        {
            "distance": ("k", measured, {"long_name": "‖θ_k − θ*_H‖²"}),
            "predicted": (
                "k",
                form.squared_distance(gamma, k),
                {"long_name": "‖θ_k − θ*_H‖², closed form", "role": "prediction"},
            ),
            "frobenius": (
                "k",
                form.squared_distance(config.rate / frobenius, k),
                {"long_name": "the same with the Frobenius norm for β_H", "role": "prediction"},
            ),
            "crossing": ("level", first, {"long_name": "first step within the level"}),
            "crossing_predicted": (
                "level",
                predicted,
                {"long_name": "first step within the level, closed form", "role": "prediction"},
            ),
            "crossing_frobenius": (
                "level",
                of_frobenius,
                {"long_name": "first step with the Frobenius norm", "role": "prediction"},
            ),
        },
        coords={
            "k": steps(k, "k", "step k"),
            "level": ("level", list(config.levels), {"long_name": "‖θ − θ*_H‖²"}),
        },
    )
    # Each step rounds θ by up to ε‖θ‖/2, and a mode forgets that in 1/(γλ) steps.
    slowest = float(form.modes.eigenvalues[excited(form.modes)].min())
    step_error = np.finfo(float).eps / 2 * np.linalg.norm(target)
    floor = step_error / (gamma * form.modes.eigenvalues[-1])
    checks = [
        Check(
            "beta_h_of_the_product", spectral, "==", beta, 1e-14 * config.points * beta
        ),  # N rounded sums
        Check("distance", float(gap), "<=", 0.0, float(floor)),
    ]
    for level, at, expected in zip(config.levels, first, predicted, strict=True):
        # The slowest mode that is excited shrinks by γλ of itself a step; other modes' errors add in squares.
        slack = 2 + step_error / np.sqrt(level) / (gamma * slowest) ** 2
        checks.append(
            Check(f"crossing/level_{level:g}", float(at), "==", float(expected), float(slack))
        )
    return Result(
        data=data,
        metrics={
            "beta_h": beta,
            "beta_h_frobenius": frobenius,
            "slowest": slowest,
            "crossing": data["crossing"],
            "crossing_predicted": data["crossing_predicted"],
            "crossing_frobenius": data["crossing_frobenius"],
            "final": float(measured[-1]),
        },
        checks=tuple(checks),
        errata=errata(config, spectral, beta),
    )


def errata(config: Config, measured: float, beta: float) -> tuple[Erratum, ...]:
    if not (config.of_the_course and (config.low, config.high) == (-3, 0)):
        return ()
    where, tol = "FRTN50 assignment 4f, output of the solution", 1e-9
    return (
        Erratum("printed_beta_h", f"{where}: β_H", 0.8040760244151196, beta, measured, tol),
        Erratum("printed_step", f"{where}: 1/β_H", 1.2436634965299387, 1 / beta, 1 / measured, tol),
    )
