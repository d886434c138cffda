"""Which solution is the shortest depends on the norm, and its textbook formula can lose all its digits.

A norm in which high powers are cheap picks a solution that uses them, and it is wild between the points. The
formula inverts a matrix whose condition number is the square of that of the problem, so its result may look
plausible and be wrong; QR of the problem itself is right to rounding.

    θ*_H = H⁻¹Xᵀ(XH⁻¹Xᵀ)⁻¹y,   the solution of least ‖θ‖_H;   H⁻¹ = diag of p values from 10^(−s/2) to 10^(s/2)
    a span s > 0 makes high powers cheap, s < 0 low ones; a factor common to H⁻¹ changes no θ
    cond(XH⁻¹Xᵀ) = cond(XH^{-1/2})²:   2 · 10²⁰ at s = 20

All are held against the solution in rational arithmetic.

See: on the left the curves with s > 0 meet the points and leave the function between them; on the right QR and
the SVD keep their digits at every span, the inverse and the solve do not.

Source: FRTN50 assignment, exercises 1g and 4e: H⁻¹ = logspace(−10, 10). Its solution finds the fit good; it
is so at the seven points only, which every solution meets: between them it is 196 times that of θ_min.
"""

from fractions import Fraction
from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Number, experiment_config, require_increasing
from descent.maths.limits import require_at_most, require_cost
from descent.maths.projection import ROUTES, conditioning, digits, exact, project, relative_error
from descent.polynomial import _overparameterised
from descent.polynomial._problem import Problem, build, grid_rmse
from descent.result import Check, Erratum, Result, measured, predicted, sweep

WHERE = "FRTN50 assignment 4e: the fit appears good"
EPS = float(np.finfo(float).eps)
LOSS = (
    1e3  # how much more the square of the condition has to lose than QR may, for the two to differ
)
FADED = 1e-17  # of the largest highest power; at 0 itself θ₀ is y, which `project` takes out
HIGHEST = 30  # degree; tried on 60 random sets of points
# Beyond, squares of 10^(s/2) leave float64.
Span = Annotated[Number, Field(ge=-250, le=250)]


@experiment_config
class Config(_overparameterised.Compared):
    spans: tuple[Span, ...]  # s, in decades

    def __post_init__(self):
        super().__post_init__()
        require_increasing("spans", self.spans)
        _overparameterised.require_rational(self.points, self.degree, len(self.spans))
        graded = (
            "powers and H grade points and coefficients at once, and QR keeps to no known bound"
        )
        require_at_most(self, graded, degree=HIGHEST)
        x = np.sort(np.abs(self.taken()[0]))
        x = x[x > 0]
        if x.size and (x[0] / x[-1]) ** self.degree < FADED:
            raise ValueError(
                f"degree {self.degree}: x {x[0]:g} is so near to 0 that its highest power is less than "
                f"{FADED:g} of that of {x[-1]:g}, beside which it is lost"
            )
        require_cost(self, "degree, grid", 2.0 * (self.degree + len(self.spans)) * self.grid)

    @property
    def scalings(self) -> list[np.ndarray]:
        """H⁻¹ of every span."""
        return [np.logspace(-s / 2, s / 2, self.degree + 1) for s in self.spans]


def predict(config: Config, truth: list[list[Fraction]]) -> xr.Dataset:
    """The rational solutions and their errors."""
    theta = np.array([[float(v) for v in one] for one in truth])
    found = {"theta_predicted": predicted(("span", "power"), theta, "θ_j, rational")}
    for name, space in config.spaces.items():
        error = _overparameterised.rmse(config, theta, space, config.grid)
        found[f"rmse_{name}_predicted"] = predicted("span", error, "of the rational solution")
    return xr.Dataset(found)


def measure(config: Config, problem: Problem, truth: list[list[Fraction]]) -> xr.Dataset:
    """The solutions by sorted, pivoted QR, and the digits that four routes get right."""
    X, y, scalings, start = problem.X, problem.y, config.scalings, np.zeros_like(problem.theta)
    theta = np.array([project(X, y, start, h) for h in scalings])
    h_norm = np.sqrt((theta**2 / np.array(scalings)).sum(1))
    x, function, curves = _overparameterised.fits(config, theta, config.outside)
    found = {
        "theta": measured(("span", "power"), theta, "θ_j"),
        "norm": measured("span", np.linalg.norm(theta, axis=1), "‖θ*_H‖"),
        "h_norm": measured("span", h_norm, "‖θ*_H‖_H"),
        "met": measured(("span", "i"), theta @ X.T, "Xθ*_H"),
        "fit": measured(("span", "x"), curves, "m(x; θ*_H)"),
        "truth": measured("x", function, "the function"),
        "point": measured("i", y, "y_i"),
    }
    for name, (low, high) in config.spaces.items():
        error = _overparameterised.rmse(config, theta, (low, high), config.grid)
        found[f"rmse_{name}"] = measured("span", error, f"RMSE on [{low:g}, {high:g}]")
    for name, route in ROUTES.items():
        right = [
            digits(relative_error(route(X, y, start, h), t))
            for h, t in zip(scalings, truth, strict=True)
        ]
        found[f"digits_{name}"] = measured("span", right, f"correct digits by {name}")
    return xr.Dataset(
        found,
        coords={
            "span": sweep(config.spans, "span", "span of H⁻¹ in decades"),
            "power": ("power", np.arange(config.degree + 1), {"long_name": "power j"}),
            "x": ("x", x, {"long_name": "x"}),
            "i": ("i", problem.x, {"long_name": "x_i"}),
        },
    )


def run(config: Config) -> Result:
    problem, start = build(config, config.degree), np.zeros(config.degree + 1)
    truth = [exact(problem.X, problem.y, start, h) for h in config.scalings]
    found, theory = measure(config, problem, truth), predict(config, truth)
    names = ("norm", "h_norm", "rmse_inside", "rmse_outside", *(f"digits_{n}" for n in ROUTES))
    near = _allowed(config, problem)
    lost = _lost(config, problem, near)
    kept = "cond² of every span here is no more than QR loses"
    return Result(
        data=found.merge(theory),
        metrics={name: found[name] for name in names},
        checks=compare(config, problem, found, theory, near, lost),
        errata=errata(config, problem, found, theory),
        unchecked={} if any(lost) else {"digits_of_the_inverse": kept},
    )


def _allowed(config: Config, problem: Problem) -> np.ndarray:
    """The relative error of QR, by span: the first order times Np, once for R, for the solve and for the product."""
    X, y, start = problem.X, problem.y, np.zeros_like(problem.theta)
    solutions = [(project(X, y, start, h), h) for h in config.scalings]
    return np.array([3 * X.size * EPS * conditioning(X, *pair) for pair in solutions])


def _lost(config: Config, problem: Problem, near: np.ndarray) -> list[bool]:
    """At which spans the square of the condition loses far more than QR; at one point it is no loss.

    Elimination does not feel how large an equation is: of XH^{-1/2} with rows of length 1 (van der Sluis).
    """
    rows = [problem.X * np.sqrt(h) for h in config.scalings]
    rows = [A / np.linalg.norm(A, axis=1, keepdims=True) for A in rows]
    roots = [np.linalg.svd(A, compute_uv=False) for A in rows]
    with np.errstate(divide="ignore", over="ignore"):
        return [
            bool(EPS * (r[0] / r[-1]) ** 2 > LOSS * tol) for r, tol in zip(roots, near, strict=True)
        ]


def compare(
    config: Config,
    problem: Problem,
    found: xr.Dataset,
    theory: xr.Dataset,
    near: np.ndarray,
    lost: list[bool],
) -> tuple[Check, ...]:
    exact_theta = theory["theta_predicted"]
    bound = xr.DataArray(near * found["norm"].values, dims="span")
    why = "3Npε of the conditioning of QR, sorted and pivoted"
    # Of the product Xθ and, by backward stability, of θ; relative to its largest terms.
    terms = xr.DataArray(np.abs(found["theta"].values) @ np.abs(problem.X).max(0), dims="span")
    rounding = 10 * (config.degree + 1) * EPS * terms
    checks = [
        Check("solution", found["theta"], "==", exact_theta, bound, why),
        Check(
            "meets_the_points", found["met"], "==", found["point"], rounding, "10pε of the terms"
        ),
    ]
    for name, space in config.spaces.items():
        # θ is right to its bound as a vector; the polynomial is off by that times ‖φ(x)‖.
        reach = np.linalg.norm(float(np.abs(space).max()) ** np.arange(config.degree + 1))
        off = bound * reach
        error, expected = found[f"rmse_{name}"], theory[f"rmse_{name}_predicted"]
        checks.append(Check(f"rmse_{name}", error, "==", expected, off, why))
    if any(lost):
        inverse, qr = (found[f"digits_{n}"].isel(span=lost) for n in ("inverse", "qr"))
        of_square = "ε cond² is a thousand times what QR may lose"
        checks.append(Check("digits_of_the_inverse", inverse, "<=", qr, 0, of_square))
    return tuple(checks)


def errata(
    config: Config, problem: Problem, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Erratum, ...]:
    if not (config.of_the_course and 20 in config.spans):
        return ()
    shortest = grid_rmse(config, problem.theta, config.interval, config.grid)
    both = (theory["rmse_inside_predicted"], found["rmse_inside"])
    at = config.spans.index(20)
    correct, ratio = (float(error[at]) / shortest for error in both)
    name = "rmse_over_that_of_the_shortest"
    return (Erratum(name, WHERE, 1.0, correct, ratio, 1e-9 * correct),)
