"""The solution nearest to a start, in any norm, differs from it by H⁻¹Xᵀλ, a combination of the features.

At the nearest solution the slope of the distance has no part along the plane of solutions, or a step there would be
nearer. What is at right angles to null X is range Xᵀ, so the slope H(θ* − a) is Xᵀ times one multiplier a point.

    minimise ½‖θ − a‖_H² over Xθ = y,   ‖θ‖_H² = θᵀHθ, H positive definite:   0 = H(θ* − a) + Xᵀλ*,   Xθ* = y
    λ* = (XH⁻¹Xᵀ)⁻¹(Xa − y) ∈ ℝᴺ,   θ* = a − H⁻¹Xᵀλ*;   H = I is the Euclidean projection
    ‖θ* + v − a‖_H² = ‖θ* − a‖_H² + ‖v‖_H² for every v with Xv = 0:   no other solution is as near

H has random eigenvectors and eigenvalues over a chosen number of decades, half of them above 1. The minimum is measured along
the plane itself, θ_p + Nt with the columns of N spanning null X, and knows no multiplier.

See: on the left the multipliers that the minimum has are the predicted ones; on the right every other solution is
further off, by its ‖v‖_H².

Source: FRTN50 assignment, exercise 1g, with its remark on scaled projections. The normal cone there is printed as a
set in ℝⁿ; its vectors have n + 1 entries. The document later takes H from S₊, where its H⁻¹ needs S₊₊.
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Number, Refusal, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.polynomial import _overparameterised
from descent.polynomial._problem import Problem, build
from descent.result import Check, Erratum, Result, measured, predicted, replicates, sweep

EPS = float(np.finfo(float).eps)
DIMS = ("replicate", "skew")
# Beyond, the condition of H leaves no digits to the minimum along the plane.
Skew = Annotated[Number, Field(ge=0, le=6)]


@experiment_config
class Config(_overparameterised.Config):
    seed: Seed
    replicates: Count  # starts, norms and other solutions
    skews: tuple[Skew, ...]  # log₁₀ of the condition of H

    def __post_init__(self):
        super().__post_init__()
        require_increasing("skews", self.skews)
        p, runs = self.degree + 1.0, self.replicates * len(self.skews)
        require_cost(self, "degree, replicates, skews", 10 * runs * p**2, 50 * runs * p**3)


class Draw(NamedTuple):
    """A start, a way along the plane of solutions, and the root of a norm: H = rootᵀ root."""

    a: Float[np.ndarray, " p"]
    v: Float[np.ndarray, " p"]
    root: Float[np.ndarray, "p p"]


def predict(config: Config, problem: Problem, given: list[Draw]) -> xr.Dataset:
    """The multipliers by the singular values of XH^{-1/2}, and what follows from them."""
    found = []
    for a, v, root in given:
        inverse = np.linalg.inv(root)
        U, sigma, Wt = np.linalg.svd(problem.X @ inverse, full_matrices=False)
        short = U.T @ (problem.X @ a - problem.y)
        theta = a - inverse @ (Wt.T @ (short / sigma))
        multiplier = U @ (short / sigma**2)
        near, beside = (np.sum((root @ part) ** 2) for part in (theta - a, v))
        found.append((theta, multiplier, problem.X.T @ multiplier, near + beside))
    theta, multiplier, normal, other = (shaped(config, part) for part in zip(*found, strict=True))
    return xr.Dataset(
        {
            "theta_predicted": predicted((*DIMS, "power"), theta, "a − H⁻¹Xᵀλ*"),
            "multiplier_predicted": predicted((*DIMS, "i"), multiplier, "(XH⁻¹Xᵀ)⁻¹(Xa − y)"),
            "normal_predicted": predicted((*DIMS, "power"), normal, "Xᵀλ*"),
            "other_predicted": predicted(DIMS, other, "‖θ* − a‖_H² + ‖v‖_H²"),
        }
    )


def measure(config: Config, problem: Problem, given: list[Draw]) -> xr.Dataset:
    """The minimum along the plane of solutions, and what its slope is made of."""
    N, found = plane(problem), []
    for a, v, root in given:
        t = np.linalg.lstsq(root @ N, root @ (a - problem.theta), rcond=0)[0]
        theta = problem.theta + N @ t
        normal = root.T @ (root @ (a - theta))
        multiplier = np.linalg.lstsq(problem.X.T, normal, rcond=0)[0]
        other = np.sum((root @ (theta + v - a)) ** 2)
        found.append((theta, multiplier, normal, other, problem.X @ theta))
    theta, multiplier, normal, other, met = (
        shaped(config, part) for part in zip(*found, strict=True)
    )
    return xr.Dataset(
        {
            "theta": measured((*DIMS, "power"), theta, "θ*, the minimum along the plane"),
            "multiplier": measured((*DIMS, "i"), multiplier, "multiplier λ_i of the minimum"),
            "normal": measured((*DIMS, "power"), normal, "H(a − θ*)"),
            "other": measured(DIMS, other, "‖θ − a‖_H² of another solution"),
            "met": measured((*DIMS, "i"), met, "Xθ*"),
            "point": measured("i", problem.y, "y_i"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "skew": sweep(config.skews, "skew", "log₁₀ of the condition of H"),
            "i": ("i", problem.x, {"long_name": "x_i"}),
            "power": ("power", np.arange(config.degree + 1), {"long_name": "power j"}),
        },
    )


def shaped(config: Config, rows) -> np.ndarray:
    rows = np.array(rows)
    return rows.reshape(config.replicates, len(config.skews), *rows.shape[1:])


def plane(problem: Problem) -> np.ndarray:
    """A basis of null X."""
    return np.linalg.svd(problem.X)[2][len(problem.eigenvalues) :].T


def draw(config: Config, problem: Problem) -> list[Draw]:
    """a, v and the root of H of every replicate and skew, as long as the shortest solution."""
    rng, p, N = np.random.default_rng(config.seed), config.degree + 1, plane(problem)
    found = []
    for _ in range(config.replicates):
        a, v = rng.standard_normal(p), N @ rng.standard_normal(N.shape[1])
        a, v = (x * np.linalg.norm(problem.theta) / np.linalg.norm(x) for x in (a, v))
        O = np.linalg.qr(rng.standard_normal((p, p)))[0]
        for s in config.skews:
            found.append(Draw(a, v, np.logspace(-s / 4, s / 4, p)[:, None] * O.T))
    return found


def run(config: Config) -> Result:
    problem = build(config, config.degree)
    lost = unit(problem) * 10.0 ** config.skews[-1]
    if lost > 1e-3:
        raise Refusal(
            f"skews up to {config.skews[-1]:g}: 10pε cond X cond H = {lost:.1e} leaves no digits"
        )
    given = draw(config, problem)
    found = measure(config, problem, given)
    theory = predict(config, problem, given).assign_coords(found.coords)
    return Result(
        data=found.merge(theory),
        metrics={
            "multiplier": np.sqrt((found["multiplier"] ** 2).sum("i")).median("replicate"),
            "distance": np.sqrt(found["other"]).median("replicate"),
        },
        checks=compare(config, problem, found, theory),
        errata=refute(config, found),
    )


def unit(problem: Problem) -> float:
    """The relative error of a solution, but for cond H."""
    return float(10 * len(problem.theta) * EPS * problem.sigma[0] / problem.sigma[-1])


def compare(config: Config, problem: Problem, found, theory) -> tuple[Check, ...]:
    s = 10.0 ** found["skew"]
    size = 2 * np.linalg.norm(problem.theta) + np.sqrt(
        (theory["theta_predicted"] ** 2).sum("power")
    )
    largest, smallest = float(problem.sigma[0]), float(problem.sigma[-1])
    # Least squares loses the square of its condition √s where it leaves a residual.
    near, why = unit(problem) * size * s, "10pε cond X cond H"
    slope = near * np.sqrt(s)  # ‖H‖ = √s
    residual = 10 * len(problem.theta) * EPS * largest * size
    pairs = {
        n: (found[n], "==", theory[f"{n}_predicted"])
        for n in ("theta", "multiplier", "normal", "other")
    }
    return (
        Check("solution", *pairs["theta"], near, why),
        Check("multiplier", *pairs["multiplier"], slope / smallest, f"{why} ‖H‖/σ_min"),
        Check("normal", *pairs["normal"], slope, f"{why} ‖H‖"),
        Check("others_are_further", *pairs["other"], 2 * size * slope, f"{why} ‖H‖"),
        Check("meets_the_points", found["met"], "==", found["point"], residual, "10pε‖X‖"),
    )


def refute(config: Config, found: xr.Dataset) -> tuple[Erratum, ...]:
    if not config.of_the_course:
        return ()
    where, entries = "FRTN50 assignment 1g: normal cone in ℝⁿ", float(found.sizes["power"])
    n = float(config.degree)
    return (Erratum("entries_of_a_normal_vector", where, n, n + 1, entries, 0.0),)
