"""All solutions fit the points alike; between the points they err the more, the further from the shortest.

The solution nearest to a start is the shortest one plus the part of the start that no point sees. That part
vanishes at the points and adds to the error everywhere else, in the end in proportion.

    X: (N, p),   θ*(sa) = sa − Xᵀ(XXᵀ)⁻¹(sXa − y) = θ_min + sP_null a,    the solution nearest to sa
    ‖θ*(sa)‖² = ‖θ_min‖² + s²‖P_null a‖²                                      (Pythagoras)
    RMSE(s)² = A + 2sB + s²C exactly, of m(·; θ*(sa)) against the function:   slope 1 in log s, in the end

A start in the row space has P_null a = 0: every scale gives the same θ, as for (1, …, 1) if x = 1 is a point.

See: on the left every curve goes through the points; in the middle norm and error grow as predicted; on the
right the formula with an inverse loses digits that QR keeps.

Source: FRTN50 assignment, exercises 1g and 4a; CSE 891 homework 2, question 3.4b. The solution of 4a has
a larger norm fit better at first: the points are met at every scale, and between them the fit only suffers.
"""

from fractions import Fraction
from typing import Literal

import numpy as np
import xarray as xr

from descent.config import Count, Number, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.maths.projection import by_inverse, digits, exact, project, relative_error
from descent.polynomial import _overparameterised
from descent.polynomial._problem import Problem, build, features, null_projector
from descent.result import Check, Erratum, Result, measured, predicted, replicates, sweep

EPS = float(np.finfo(float).eps)
DIMS = ("replicate", "scale")


@experiment_config
class Config(_overparameterised.Compared):
    seed: Seed
    replicates: Count  # directions a; one where the direction is not drawn
    direction: Literal["normal", "ones", "row_space", "null_space"]  # of a; the last two drawn too
    scales: tuple[Number, ...]  # s

    def __post_init__(self):
        super().__post_init__()
        require_increasing("scales", self.scales)
        low, high = self.scales[0], self.scales[-1]
        if low != 0 or len(self.scales) < 2 or high > 1e100:
            raise ValueError(f"scales {low:g} … {high:g}: 0, the shortest, and more, up to 1e100")
        if self.direction == "ones" and self.replicates > 1:
            raise ValueError(f"direction ones is one: replicates {self.replicates} must be 1")
        _overparameterised.require_rational(self.points, self.degree, len(self.scales))
        runs = self.replicates * len(self.scales)
        require_cost(self, "replicates, scales, grid", 3.0 * (runs + self.degree) * self.grid)

    def starts(self, a: np.ndarray) -> np.ndarray:
        """sa: (replicate, scale, p)."""
        return np.array(self.scales, float)[:, None] * a[:, None]


def directions(config: Config, problem: Problem) -> np.ndarray:
    """a: (replicate, p)."""
    if config.direction == "ones":
        return np.ones((1, len(problem.theta)))
    a = np.random.default_rng(config.seed).standard_normal((config.replicates, len(problem.theta)))
    P = null_projector(problem)
    return {"normal": a, "row_space": a - a @ P, "null_space": a @ P}[config.direction]


def quadratic(config: Config, problem: Problem, away: np.ndarray, space) -> np.ndarray:
    """A, B and C of RMSE² = A + 2sB + s²C, by direction: (3, replicate)."""
    x = np.linspace(*space, config.grid)
    phi = features(x, config.degree)
    base, change = phi @ problem.theta - config.truth(x), away @ phi.T
    A = np.full(len(away), np.mean(base**2))
    return np.array([A, np.mean(base * change, -1), np.mean(change**2, -1)])


def predict(
    config: Config, problem: Problem, a: np.ndarray, truth: list[list[Fraction]]
) -> xr.Dataset:
    """θ_min + sP_null a, its norm and its error; and the solutions of the first direction in rational arithmetic."""
    s, away = np.array(config.scales, float), a @ null_projector(problem)
    shift = s[:, None] * away[:, None]
    norm = np.hypot(np.linalg.norm(problem.theta), np.linalg.norm(shift, axis=-1))
    rational = [[float(v) for v in one] for one in truth]
    found = {
        "theta_predicted": predicted((*DIMS, "power"), problem.theta + shift, "θ_min + sP_null a"),
        "norm_predicted": predicted(DIMS, norm, "√(‖θ_min‖² + s²‖P_null a‖²)"),
        "rational": predicted(("scale", "power"), rational, "θ*(sa) in rational arithmetic"),
    }
    for name, space in config.spaces.items():
        A, B, C = quadratic(config, problem, away, space)[..., None]
        square = A + 2 * s * B + s**2 * C
        error = np.sqrt(np.maximum(square, 0.0))
        found[f"rmse_{name}_predicted"] = predicted(DIMS, error, "√(A + 2sB + s²C)")
    return xr.Dataset(found)


def measure(
    config: Config, problem: Problem, a: np.ndarray, truth: list[list[Fraction]]
) -> xr.Dataset:
    """The nearest solutions by QR, and how many digits of them are right."""
    one, starts, X, y = np.ones(config.degree + 1), config.starts(a), problem.X, problem.y
    theta = np.array([[project(X, y, start, one) for start in row] for row in starts])
    found = {
        "theta": measured((*DIMS, "power"), theta, "θ*(sa)"),
        "norm": measured(DIMS, np.linalg.norm(theta, axis=-1), "‖θ*(sa)‖"),
        "met": measured((*DIMS, "i"), theta @ X.T, "Xθ*(sa)"),
    }
    for name, space in config.spaces.items():
        error = _overparameterised.rmse(config, theta, space, config.grid)
        label = f"RMSE on [{space[0]:g}, {space[1]:g}]"
        found[f"rmse_{name}"] = measured(DIMS, error, label)
    for name, label, route in (("qr", "QR", project), ("inverse", "(XXᵀ)⁻¹", by_inverse)):
        errors = [
            relative_error(route(X, y, start, one), t)
            for start, t in zip(starts[0], truth, strict=True)
        ]
        right = [digits(error) for error in errors]
        found[f"digits_{name}"] = measured("scale", right, f"correct digits by {label}")
    x, function, curves = _overparameterised.fits(config, theta[0], config.outside)
    found["fit"] = measured(("scale", "x"), curves, "m(x; θ*(sa)), first direction")
    found["truth"] = measured("x", function, "the function")
    found["point"] = measured("i", y, "y_i")
    return xr.Dataset(
        found,
        coords={
            "scale": sweep(config.scales, "scale", "scale s of the start sa"),
            "replicate": replicates(len(a)),
            "power": ("power", np.arange(config.degree + 1), {"long_name": "power j"}),
            "x": ("x", x, {"long_name": "x"}),
            "i": ("i", problem.x, {"long_name": "x_i"}),
        },
    )


def run(config: Config) -> Result:
    problem, one = build(config, config.degree), np.ones(config.degree + 1)
    a = directions(config, problem)
    truth = [exact(problem.X, problem.y, start, one) for start in config.starts(a)[0]]
    found, theory = measure(config, problem, a, truth), predict(config, problem, a, truth)
    away = a @ null_projector(problem)
    share = np.linalg.norm(away, axis=1) / np.linalg.norm(a, axis=1)
    medians = found[["norm", "rmse_inside", "rmse_outside"]].median("replicate", skipna=False)
    return Result(
        data=found.merge(theory),
        metrics=dict(medians.data_vars)
        | {name: found[name] for name in ("digits_qr", "digits_inverse")}
        | {"null_share": share.mean()},
        checks=compare(config, problem, a, found, theory),
        errata=errata(config, found["rmse_inside"].values, theory["rmse_inside_predicted"].values),
        no_claim=reasons(config, problem, away, share),
    )


def reasons(
    config: Config, problem: Problem, away: np.ndarray, share: np.ndarray
) -> tuple[str, ...]:
    """Why no solution here is further away, or none of those worse."""
    if share.max() < 1e-12:
        return (f"the starts have {share.max():.1e} outside the row space: one solution for all",)
    _, B, C = quadratic(config, problem, away, config.interval)
    early = int((2 * B + config.scales[-1] * C < 0).sum())
    late = f"scales up to {config.scales[-1]:g}: {early} directions err less until s = −2B/C"
    return (late,) if early else ()


def compare(
    config: Config, problem: Problem, a: np.ndarray, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    # What θ is computed from. QR loses cond X of that; ten times is for its constant.
    length = np.linalg.norm(config.starts(a), axis=-1) + np.linalg.norm(problem.theta)
    size = xr.DataArray(length, dims=DIMS)
    near = 10 * EPS * problem.sigma[0] / problem.sigma[-1] * size
    residual, why = 10 * EPS * problem.sigma[0] * size, "10ε cond X of QR"
    y, first = found["point"], found["theta"].isel(replicate=0, drop=True)
    checks = [
        Check("norm", found["norm"], "==", theory["norm_predicted"], near, why),
        Check("solution", found["theta"], "==", theory["theta_predicted"], near, why),
        Check("meets_the_points", found["met"], "==", y, residual, "10ε‖X‖ of QR"),
        Check("rational", first, "==", theory["rational"], near.isel(replicate=0), why),
    ]
    for name, space in config.spaces.items():
        phi = features(np.linspace(*space, config.grid), config.degree)
        weight = float(np.sqrt(np.mean(np.sum(phi**2, 1))))
        error, expected = found[f"rmse_{name}"], theory[f"rmse_{name}_predicted"]
        checks.append(Check(f"rmse_{name}", error, "==", expected, weight * near, why))
    return tuple(checks)


def errata(config: Config, measured: np.ndarray, predicted: np.ndarray) -> tuple[Erratum, ...]:
    """The share of directions that the course's first positive scale brings nearer to the function."""
    if not (config.of_the_course and config.direction == "normal" and 10 in config.scales):
        return ()
    k = config.scales.index(10)
    found, correct = (float((r[:, k] < r[:, 0]).mean()) for r in (measured, predicted))
    where = "FRTN50 assignment 4a: the fit gets better at first"
    return (Erratum("share_better_at_scale_10", where, 1.0, correct, found, 0.0),)
