"""The primal, dual, spectral and MAP forms of ridge regression are one estimate, the posterior mean of a Gaussian model.

    Y = XW + √λN,   W ~ N(0, I_d),  N ~ N(0, I_n),   X: (n, d)
    Σ_YY = XXᵀ + λI_n: (n, n),   Σ_WY = Xᵀ,   K = Xᵀ(XXᵀ + λI)⁻¹
    E[W | Y = y] = Ky = (XᵀX + λI)⁻¹Xᵀy = V diag(s/(s² + λ)) Uᵀy = argmin ‖Xw − y‖² + λ‖w‖²
    Cov[W | Y] = I − KX = λ(XᵀX + λI)⁻¹

The forms agree to 50ε(s₁² + λ)/λ: the condition number of that Gram matrix of the two that is singular
without λ. The gain K is the regression of W on Y, so least squares on draws of the model finds it.

Source: CS182 homework 2, question 4. The answer there has Σ_YY = XᵀX + λI, which is d × d: for n ≠ d it
multiplies no y, and for n = d it is another matrix unless X is normal.
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field
from scipy.special import ndtri

from descent.config import Count, Positive, Refusal, Seed, experiment_config, require_increasing
from descent.noise.forms import (
    covariance_of_y,
    dual,
    gain,
    posterior,
    posterior_by_gain,
    primal,
    spectral,
    stacked,
)
from descent.result import Check, Erratum, Result, sweep

EPS = np.finfo(float).eps
Shape = Annotated[tuple[Count, ...], Field(min_length=2, max_length=2)]


@experiment_config
class Config:
    seed: Seed
    shapes: tuple[Shape, ...]  # n, d
    lambdas: tuple[Positive, ...]
    sampled: tuple[Shape, ...]  # n, d of the models that are drawn from
    sampled_lambda: Positive
    samples: Count  # draws of (W, Y)

    def __post_init__(self):
        require_increasing("lambdas", self.lambdas)
        for lam in (*self.lambdas, self.sampled_lambda):
            if not 1e-30 < lam < 1e30:
                raise ValueError(f"lambda {lam:g}: must lie in 1e-30 … 1e30")
        if not self.shapes or not self.sampled:
            raise ValueError("shapes and sampled: at least one pair n, d each")
        for n, d in self.sampled:
            if self.samples < 10 * (n + d):
                raise ValueError(
                    f"samples {self.samples} < {10 * (n + d)} = 10 (n + d) for n, d = {n}, {d}: "
                    "too few to regress W on Y"
                )
            if self.samples * (n + d) > 1e8:
                raise ValueError(
                    f"samples {self.samples}: {self.samples * (n + d):.2g} numbers > 1e8 for n, d = {n}, {d}"
                )


class Agreement(NamedTuple):
    """Of one X and λ, relative errors in units of the tolerance, and the tolerance itself."""

    primal: float
    dual: float
    stacked: float
    gradient: float  # of ‖Xw − y‖² + λ‖w‖² at w, over (s₁² + λ)‖w‖ + ‖Xᵀy‖
    covariance: float  # between the two forms
    tolerance: float


def rounding(X: Float[np.ndarray, "n d"], lam: float) -> float:
    """50ε(s₁² + λ)/λ.

    Raises:
        Refusal: λ is too small against s₁² for both Gram matrices to have a digit.
    """
    bound = 50 * EPS * (np.linalg.norm(X, 2) ** 2 + lam) / lam
    if bound >= 1:
        raise Refusal(
            f"lambda {lam:g}: 50ε(s₁² + λ)/λ = {bound:.2g} ≥ 1 for the {X.shape[0]} × {X.shape[1]} X: "
            "the Gram form that is singular without λ has no digit"
        )
    return float(bound)


def compare(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], lam: float) -> Agreement:
    """All forms against the spectral one."""
    tolerance, top = rounding(X, lam), np.linalg.norm(X, 2) ** 2 + lam
    w = spectral(X, y, lam)
    size = np.linalg.norm(w)
    errors = [np.linalg.norm(form(X, y, lam) - w) / size for form in (primal, dual, stacked)]
    # Least squares feels a residual of the size of y as well, with the square of its condition number.
    errors[2] /= max(1.0, np.linalg.norm(y) / (np.sqrt(top) * size))
    slope = np.linalg.norm(X.T @ (X @ w - y) + lam * w)
    slope /= top * size + np.linalg.norm(X.T @ y)
    apart = np.linalg.norm(posterior(X, lam) - posterior_by_gain(X, lam), 2)
    # The gradient is backward stable: sums of n + d products. Of the covariances, the largest is 1.
    return Agreement(
        *(error / tolerance for error in errors), slope / (10 * sum(X.shape) * EPS), apart / tolerance, tolerance
    )  # fmt: skip


class Regression(NamedTuple):
    """Of W on Y over draws of the model, each entry also in standard errors of its exact value."""

    gain: Float[np.ndarray, "d n"]
    gain_z: Float[np.ndarray, "d n"]
    covariance_z: Float[np.ndarray, "d d"]
    covariance_of_y: Float[np.ndarray, "n n"]


def regress(
    rng: np.random.Generator, X: Float[np.ndarray, "n d"], lam: float, samples: int
) -> Regression:
    """Least squares for W given Y, whose residuals are N(0, Cov[W | Y]) and independent of Y."""
    n, d = X.shape
    W = rng.standard_normal((samples, d))
    Y = W @ X.T + np.sqrt(lam) * rng.standard_normal((samples, n))
    S = Y.T @ Y
    found = np.linalg.solve(S, Y.T @ W).T
    C, variance = posterior(X, lam), np.diag(np.linalg.inv(S))
    residual = W - Y @ found.T
    spread = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C * C) / (samples - n))  # Wishart
    return Regression(
        found,
        (found - gain(X, lam)) / np.sqrt(np.outer(np.diag(C), variance)),
        (residual.T @ residual / (samples - n) - C) / spread,
        S / samples,
    )


def errata(
    X: Float[np.ndarray, "n d"], found: Regression, lam: float, samples: int
) -> list[Erratum]:
    """The printed Σ_YY = XᵀX + λI against the covariance of the draws."""
    n, d = X.shape
    where = "CS182 homework 2, question 4: Σ_YY = XᵀX + λI"
    if n != d:
        return [Erratum(f"rows_of_sigma_yy/{n}_by_{d}", where, d, n, len(found.covariance_of_y), 0)]
    printed, correct = X.T @ X + lam * np.eye(d), covariance_of_y(X, lam)
    size = np.linalg.norm(correct)
    # E‖S/N − Σ‖² = (‖Σ‖² + (tr Σ)²)/N.
    tol = 4 * np.sqrt((1 + (np.trace(correct) / size) ** 2) / samples)
    away = np.linalg.norm(found.covariance_of_y - printed) / size
    expected = np.linalg.norm(correct - printed) / size
    if expected <= 2 * tol:  # the draws cannot tell the two, or d = 1 and they are one
        return []
    return [Erratum(f"error_of_sigma_yy/{n}_by_{d}", where, 0, expected, away, tol)]


def run(config: Config) -> Result:
    cells = (len(config.shapes), len(config.lambdas))
    table = Agreement(*np.empty((6, *cells)))
    for i, shape in enumerate(config.shapes):
        rng = np.random.default_rng([config.seed, i])
        X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
        for j, lam in enumerate(config.lambdas):
            for field, value in zip(table, compare(X, y, lam), strict=True):
                field[i, j] = value

    found, exact, refuted = [], [], []
    for i, shape in enumerate(config.sampled):
        rng = np.random.default_rng([config.seed, len(config.shapes) + i])
        X = rng.standard_normal(shape)
        rounding(X, config.sampled_lambda)
        found.append(regress(rng, X, config.sampled_lambda, config.samples))
        exact.append(gain(X, config.sampled_lambda))
        refuted += errata(X, found[-1], config.sampled_lambda, config.samples)
    measured = np.concatenate([one.gain.ravel() for one in found])
    predicted = np.concatenate([one.ravel() for one in exact])
    gain_z = np.abs(np.concatenate([one.gain_z.ravel() for one in found]))
    covariance_z = np.abs(np.concatenate([one.covariance_z.ravel() for one in found]))

    def limit(z):
        """What the largest of so many normal numbers exceeds for one seed in ten thousand."""
        return float(-ndtri(1e-4 / (2 * z.size)))

    cell = ("shape", "lambda")
    errors = {
        name: (
            cell,
            getattr(table, name) * table.tolerance,
            {"long_name": f"‖{words} − spectral‖/‖w‖"},
        )
        for name, words in (("primal", "primal"), ("dual", "dual"))
    }
    data = xr.Dataset(
        errors
        | {
            "tolerance": (
                cell,
                table.tolerance,
                {"long_name": "50ε(s₁² + λ)/λ", "role": "prediction"},
            ),
            "gain": ("entry", measured, {"long_name": "regression of W on Y, entry by entry"}),
            "gain_predicted": (
                "entry",
                predicted,
                {"long_name": "entry of K", "role": "prediction"},
            ),
        },
        coords={
            "shape": sweep(range(cells[0]), "shape", "number of the shape n × d"),
            "lambda": sweep(config.lambdas, "lambda", "λ"),
            "entry": ("entry", np.arange(len(measured)), {"long_name": "entry of K"}),
            "rows": ("shape", [n for n, _ in config.shapes], {"long_name": "n"}),
            "columns": ("shape", [d for _, d in config.shapes], {"long_name": "d"}),
        },
    )
    return Result(
        data=data,
        metrics={
            **{name: float(errors[name][1].max()) for name in errors},
            "gain_error": float(np.abs(measured - predicted).max()),
            "gain_rms_z": float(np.sqrt(np.mean(gain_z**2))),
        },
        checks=(
            *(
                Check(f"{name}_in_tolerances", getattr(table, name).max(), "<=", 0.0, 1.0)
                for name in Agreement._fields[:-1]
            ),
            Check("gain_in_standard_errors", gain_z.max(), "<=", 0.0, limit(gain_z)),
            Check(
                "covariance_in_standard_errors", covariance_z.max(), "<=", 0.0, limit(covariance_z)
            ),
        ),
        errata=tuple(refuted),
    )
