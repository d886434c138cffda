"""A norm in which high powers are cheap picks a far worse fit of the same points, and its textbook formula loses all digits.

    θ*_H = H⁻¹Xᵀ(XH⁻¹Xᵀ)⁻¹y,   the solution of least ‖θ‖_H;   H⁻¹ = diag of p values from 10^(−s/2) to 10^(s/2)
    a span s > 0 makes high powers cheap, s < 0 low ones; a factor common to H⁻¹ changes no θ

XH⁻¹Xᵀ has the square of the condition number of XH^{-1/2}, 2 · 10²⁰ at s = 20, and an inverse that is
formed looks plausible when it is wrong. Row-sorted, pivoted QR is right to rounding at any span; both are
held against the solution in rational arithmetic.

Source: FRTN50 assignment, exercises 1g and 4e: H⁻¹ = logspace(−10, 10). Its solution finds the fit good; it
is so at the seven points only, which every solution meets: between them it is 196 times that of θ_min.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, experiment_config, require_increasing
from descent.maths.projection import ROUTES, conditioning, digits, exact, project, relative_error
from descent.polynomial import _overparameterised
from descent.polynomial._problem import build, grid_rmse
from descent.result import Check, Erratum, Result, sweep

WHERE = "FRTN50 assignment 4e: the fit appears good"
# Beyond, squares of 10^(s/2) leave float64.
Span = Annotated[Number, Field(ge=-250, le=250)]


@experiment_config
class Config(_overparameterised.Config):
    spans: tuple[Span, ...]  # s, in decades
    outside: tuple[Number, Number]  # an interval beyond the points
    grid: Count  # points of the RMSE

    def __post_init__(self):
        super().__post_init__()
        require_increasing("spans", self.spans)
        if not self.outside[0] < self.outside[1]:
            raise ValueError(f"outside {list(self.outside)}: the lower end must come first")
        _overparameterised.require_between(self.points, self.grid)


def run(config: Config) -> Result:
    problem, start = build(config, config.degree), np.zeros(config.degree + 1)
    X, y, eps = problem.X, problem.y, np.finfo(float).eps
    scalings = [np.logspace(-s / 2, s / 2, len(start)) for s in config.spans]
    truth = [exact(X, y, start, h) for h in scalings]
    theta = np.array([project(X, y, start, h) for h in scalings])
    errors = {
        name: [
            relative_error(route(X, y, start, h), t) for h, t in zip(scalings, truth, strict=True)
        ]
        for name, route in ROUTES.items()
    }
    # Ten times the first-order bound leaves room for the constant of Householder's method.
    bound = [10 * eps * conditioning(X, t, h) for t, h in zip(theta, scalings, strict=True)]

    spaces = {"inside": config.interval, "outside": config.outside}
    rounded = np.array([[float(v) for v in t] for t in truth])
    rmse, expected = (
        {n: _overparameterised.rmse(config, which, i, config.grid) for n, i in spaces.items()}
        for which in (theta, rounded)
    )
    shortest = grid_rmse(config, problem.theta, config.interval, config.grid)
    x, function, curves = _overparameterised.fits(config, theta, config.outside)
    data = xr.Dataset(
        {
            "theta": (("span", "power"), theta, {"long_name": "θ_j"}),
            "norm": ("span", np.linalg.norm(theta, axis=1), {"long_name": "‖θ*_H‖"}),
            "h_norm": (
                "span",
                np.sqrt((theta**2 / np.array(scalings)).sum(1)),
                {"long_name": "‖θ*_H‖_H"},
            ),
            "fit": (("span", "x"), curves, {"long_name": "m(x; θ*_H)"}),
            "truth": ("x", function, {"long_name": "the function"}),
            "point": ("i", y, {"long_name": "y_i"}),
        }
        | {
            f"rmse_{name}": ("span", value, {"long_name": f"RMSE on [{low:g}, {high:g}]"})
            for (name, value), (low, high) in zip(rmse.items(), spaces.values(), strict=True)
        }
        | {
            f"rmse_{name}_predicted": (
                "span",
                value,
                {"long_name": "RMSE of the rational solution", "role": "prediction"},
            )
            for name, value in expected.items()
        }
        | {
            f"digits_{name}": (
                "span",
                [digits(e) for e in route],
                {"long_name": f"correct digits by {name}"},
            )
            for name, route in errors.items()
        },
        coords={
            "span": sweep(config.spans, "span", "span of H⁻¹ in decades"),
            "power": ("power", np.arange(len(start)), {"long_name": "power j"}),
            "x": ("x", x, {"long_name": "x"}),
            "i": ("i", problem.x, {"long_name": "x_i"}),
        },
    )
    widest = int(np.argmax(np.abs(config.spans)))
    met = np.abs(theta @ X.T - y).max(1) / (np.abs(theta) @ np.abs(X).max(0))
    lost = float((data["digits_qr"] - data["digits_inverse"])[widest])
    checks = [
        Check(f"qr_against_exact/span_{s:g}", error, "<=", 0.0, tol)
        for s, error, tol in zip(config.spans, errors["qr"], bound, strict=True)
    ] + [
        # Of the product Xθ and, by backward stability, of θ; relative to its largest terms.
        Check("interpolates", float(met.max()), "<=", 0.0, 10 * len(start) * eps),
    ]  # fmt: skip
    root = np.linalg.svd(X * np.sqrt(scalings[widest]), compute_uv=False)
    if (
        eps * (root[0] / root[-1]) ** 2 > bound[widest]
    ):  # else the square is no loss, as of one point
        checks.append(Check("digits_lost_by_the_inverse", lost, ">=", 0.0, 0.0))
    for name in spaces:
        ratio = np.abs(rmse[name] / expected[name] - 1).max()
        # θ_j is right to its bound, and the polynomial is at most Σ|θ_j||x|ʲ of it.
        base = np.abs(theta) @ np.maximum(np.abs(spaces[name]).max(), 1) ** np.arange(len(start))
        checks.append(
            Check(
                f"rmse_{name}_predicted",
                float(ratio),
                "<=",
                0.0,
                float((bound * base / expected[name]).max()),
            )
        )
    errata = []
    if config.of_the_course and 20 in config.spans:
        at = config.spans.index(20)
        ratios = [float(r["inside"][at] / shortest) for r in (expected, rmse)]
        errata.append(
            Erratum("rmse_over_that_of_the_shortest", WHERE, 1.0, *ratios, 1e-9 * ratios[0])
        )
    names = ("norm", "h_norm", "rmse_inside", "rmse_outside", *(f"digits_{n}" for n in ROUTES))
    return Result(data, {name: data[name] for name in names}, tuple(checks), tuple(errata))
