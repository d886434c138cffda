"""All solutions fit the points alike; the further one lies from the shortest, the worse it is between them.

    θ*(sa) = sa − Xᵀ(XXᵀ)⁻¹(sXa − y) = θ_min + sP_null a,    the solution nearest to sa
    ‖θ*(sa)‖² = ‖θ_min‖² + s²‖P_null a‖²                                      (Pythagoras)
    RMSE(s)² = A + 2sB + s²C exactly, of m(·; θ*(sa)) against the function:   slope 1 in log s, in the end

A start in the row space, a = Xᵀw, has P_null a = 0: every scale gives the same θ. a = (1, …, 1) is one
where x = 1 is a point.

Source: FRTN50 assignment, exercises 1g and 4a; CSE 891 homework 2, question 3.4b. The solution of 4a has
a larger norm fit better at first: the points are met at every scale, and between them the fit only suffers.
"""

from typing import Literal

import numpy as np
import xarray as xr

from descent.config import Count, Number, Seed, experiment_config, require_increasing
from descent.maths.projection import by_inverse, digits, exact, project, relative_error
from descent.polynomial import _overparameterised
from descent.polynomial._problem import Problem, build, features, null_projector
from descent.result import Check, Erratum, Result, replicates, sweep


@experiment_config
class Config(_overparameterised.Config):
    seed: Seed
    replicates: Count  # directions a; one where the direction is not drawn
    direction: Literal[
        "normal", "ones", "row_space", "null_space"
    ]  # of a; the last two of normal draws
    scales: tuple[Number, ...]  # s
    outside: tuple[Number, Number]  # an interval beyond the points
    grid: Count  # points of the RMSE

    def __post_init__(self):
        super().__post_init__()
        require_increasing("scales", self.scales)
        if self.scales[0] != 0 or len(self.scales) < 2 or self.scales[-1] > 1e100:
            low, high = self.scales[0], self.scales[-1]
            raise ValueError(
                f"scales {low:g} … {high:g}: 0, the shortest solution, and more, up to 1e100"
            )
        if self.direction == "ones" and self.replicates > 1:
            raise ValueError(
                f"direction ones is one direction: replicates {self.replicates} must be 1"
            )
        if not self.outside[0] < self.outside[1]:
            raise ValueError(f"outside {list(self.outside)}: the lower end must come first")
        _overparameterised.require_between(self.points, self.grid)


def directions(config: Config, problem: Problem) -> np.ndarray:
    """a: (replicate, p)."""
    if config.direction == "ones":
        return np.ones((1, len(problem.theta)))
    a = np.random.default_rng(config.seed).standard_normal((config.replicates, len(problem.theta)))
    P = null_projector(problem)
    return {"normal": a, "row_space": a - a @ P, "null_space": a @ P}[config.direction]


def run(config: Config) -> Result:
    problem, one = build(config, config.degree), np.ones(config.degree + 1)
    a, s = directions(config, problem), np.array(config.scales, float)
    starts = s[:, None] * a[:, None]  # (replicate, scale, p)
    theta = np.array(
        [[project(problem.X, problem.y, start, one) for start in row] for row in starts]
    )
    away = a @ null_projector(problem)
    shift = s[:, None] * away[:, None]
    norm = np.linalg.norm(theta, axis=-1)
    shortest = float(np.linalg.norm(problem.theta))
    predicted_norm = np.hypot(shortest, np.linalg.norm(shift, axis=-1))
    # What θ is computed from. QR loses cond X of that, relative to ε; ten times leaves room for its constant.
    size = np.linalg.norm(starts, axis=-1) + shortest
    rounding = 10 * np.finfo(float).eps * problem.sigma[0] / problem.sigma[-1]
    residual = np.abs(theta @ problem.X.T - problem.y).max(-1)

    spaces = {"inside": config.interval, "outside": config.outside}
    errors, predicted, weight = {}, {}, {}
    for name, interval in spaces.items():
        errors[name] = _overparameterised.rmse(config, theta, interval, config.grid)
        x = np.linspace(*interval, config.grid)
        phi = features(x, config.degree)
        base = phi @ problem.theta - config.truth(x)
        change = shift @ phi.T
        # A + 2sB + s²C
        square = np.mean(base**2) + 2 * np.mean(base * change, -1) + np.mean(change**2, -1)
        predicted[name] = np.sqrt(np.maximum(square, 0.0))
        weight[name] = np.sqrt(np.mean(np.sum(phi**2, 1)))

    truth = [exact(problem.X, problem.y, start, one) for start in starts[0]]
    routes = (project, by_inverse)
    error = np.array(
        [
            [relative_error(route(problem.X, problem.y, start, one), t) for route in routes]
            for start, t in zip(starts[0], truth, strict=True)
        ]
    )
    lost = error[:, 0] * norm[0] / size[0]

    dims = ("replicate", "scale")
    x, y, curves = _overparameterised.fits(config, theta[0], config.outside)
    data = xr.Dataset(
        {
            "norm": (dims, norm, {"long_name": "‖θ*(sa)‖"}),
            "norm_predicted": (
                dims, predicted_norm, {"long_name": "√(‖θ_min‖² + s²‖P_null a‖²)", "role": "prediction"},
            ),
            "digits_qr": ("scale", [digits(e) for e in error[:, 0]], {"long_name": "correct digits by QR"}),
            "digits_inverse": (
                "scale", [digits(e) for e in error[:, 1]], {"long_name": "correct digits by (XXᵀ)⁻¹"},
            ),
            "fit": (("scale", "x"), curves, {"long_name": "m(x; θ*(sa)), first direction"}),
            "truth": ("x", y, {"long_name": "the function"}),
            "point": ("i", problem.y, {"long_name": "y_i"}),
        }
        | {f"rmse_{n}": (dims, e, {"long_name": f"RMSE on [{spaces[n][0]:g}, {spaces[n][1]:g}]"}) for n, e in errors.items()}
        | {
            f"rmse_{n}_predicted": (dims, e, {"long_name": "√(A + 2sB + s²C)", "role": "prediction"})
            for n, e in predicted.items()
        },
        coords={
            "scale": sweep(s, "scale", "scale s of the start sa"),
            "replicate": replicates(len(a)),
            "x": ("x", x, {"long_name": "x"}),
            "i": ("i", problem.x, {"long_name": "x_i"}),
        },
    )  # fmt: skip
    worse = errors["inside"][:, -1] - errors["inside"][:, 0]
    checks = [
        Check("pythagoras", _most((norm - predicted_norm) / size), "<=", 0.0, rounding),
        Check("moved_by_the_null_part", _most(np.linalg.norm(theta - problem.theta - shift, axis=-1) / size), "<=", 0.0, rounding),
        # Of the product Xθ, by Householder's backward stability.
        Check("interpolates", _most(residual / size), "<=", 0.0, 10 * np.finfo(float).eps * problem.sigma[0]),
        Check("qr_against_exact", float(lost.max()), "<=", 0.0, rounding),
    ]  # fmt: skip
    # From s = −2B/C on, which for data much larger than a lies beyond the scales.
    if (predicted["inside"][:, -1] >= predicted["inside"][:, 0]).all():
        checks.append(
            Check(
                "worse_at_the_largest_scale",
                float((worse / size[:, -1]).min()),
                ">=",
                0.0,
                rounding * weight["inside"],
            )
        )
    for name in spaces:
        gap = _most((errors[name] - predicted[name]) / size)
        checks.append(Check(f"rmse_{name}_predicted", gap, "<=", 0.0, rounding * weight[name]))
    return Result(
        data=data,
        metrics={
            "norm": data["norm"].median("replicate", skipna=False),
            "rmse_inside": data["rmse_inside"].median("replicate", skipna=False),
            "rmse_outside": data["rmse_outside"].median("replicate", skipna=False),
            "digits_qr": data["digits_qr"],
            "digits_inverse": data["digits_inverse"],
            "null_share": float((np.linalg.norm(away, axis=1) / np.linalg.norm(a, axis=1)).mean()),
        },
        checks=tuple(checks),
        errata=errata(config, errors["inside"], predicted["inside"]),
    )


def _most(deviation: np.ndarray) -> float:
    return float(np.abs(deviation).max())


def errata(config: Config, measured: np.ndarray, predicted: np.ndarray) -> tuple[Erratum, ...]:
    """Of the directions, the share that the course's first positive scale brings nearer to the function."""
    if not (config.of_the_course and config.direction == "normal" and 10 in config.scales):
        return ()
    k = config.scales.index(10)
    found, correct = (float((r[:, k] < r[:, 0]).mean()) for r in (measured, predicted))
    where = "FRTN50 assignment 4a: with the norm the fit gets better at first"
    return (Erratum("share_better_at_scale_10", where, 1.0, correct, found, 0.0),)
