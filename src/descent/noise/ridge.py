"""Ridge regression has one solution: over weights, over examples, by SVD or as stacked least squares.

The d × d, the n × n and the stacked system describe the same minimum. In floating point they differ: of the two Gram
matrices one is singular without λ, and its condition number with λ is how many digits are lost.

    argmin ‖Xw − y‖² + λ‖w‖² = (XᵀX + λI)⁻¹Xᵀy = Xᵀ(XXᵀ + λI)⁻¹y = V diag(s/(s² + λ)) Uᵀy
                             = least squares on [X; √λI], [y; 0],          X: (n, d) = U diag(s) Vᵀ
    the forms agree to 50ε(s₁² + λ)/λ

See: every relative difference is below its dotted line, which rises as λ falls.

Source: CS182 homework 2, question 4.
"""

from itertools import pairwise
from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Refusal, Seed, experiment_config, require_increasing
from descent.maths.given import Column, Rows, given_or_drawn, size_of
from descent.maths.limits import PRODUCT, require_cost, require_within
from descent.noise._forms import dual, primal, spectral, stacked
from descent.result import Check, Result, measured, predicted, sweep

EPS = np.finfo(float).eps
Shape = Annotated[tuple[Count, ...], Field(min_length=2, max_length=2)]
FORMS = {"primal": primal, "dual": dual, "stacked": stacked}


@experiment_config
class Config:
    seed: Seed
    shapes: tuple[Shape, ...]  # n, d
    inputs: Rows  # X of your own beside those that are drawn, row by row, or none
    targets: Column  # y of your own X; none to draw it
    lambdas: tuple[Positive, ...]

    def __post_init__(self):
        require_increasing("lambdas", self.lambdas)
        require_within("lambdas", self.lambdas, 1e-30, 1e30, "its squares leave float64")
        if not self.sizes:
            raise ValueError("shapes: at least one pair n, d, or inputs of your own")
        for shape in self.shapes:
            if max(shape) > 2000:
                raise ValueError(
                    f"shapes {list(shape)}: {max(shape)} > 2000: solving takes minutes"
                )
        # Of a problem and a λ: SVDs of X and of X above √λ I, and Gram matrices, which are solved.
        work = 10 * PRODUCT * sum(float(n + d) ** 3 for n, d in self.sizes)
        numbers = 2.0 * sum(n * d for n, d in self.sizes)
        require_cost(self, "shapes, lambdas", numbers, work * len(self.lambdas))

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """n, d of every problem."""
        return self.shapes + size_of(self.inputs, self.targets)

    @property
    def ends(self) -> list[tuple[int, int]]:
        """Where the weights of every problem begin and end among those of all."""
        widths = np.cumsum([0, *(d for _, d in self.sizes)]).tolist()
        return list(pairwise(widths))


def draw(config: Config) -> list[tuple[np.ndarray, np.ndarray]]:
    """X and y of every shape, and your own.

    Raises:
        Refusal: your y is orthogonal to your X.
    """
    problems = []
    for k, (n, d) in enumerate(config.sizes):
        rng = np.random.default_rng([config.seed, k])
        own = (config.inputs, config.targets) if k == len(config.shapes) else ((), ())
        X, y = given_or_drawn(*own, rng, n, d)
        if np.linalg.norm(X.T @ y) <= 1e-12 * np.linalg.norm(X) * np.linalg.norm(y):
            raise Refusal("targets: Xᵀy = 0, so w = 0 is the solution for every λ")
        problems.append((X, y))
    return problems


def rounding(X: np.ndarray, lam: float) -> float:
    """50ε(s₁² + λ)/λ.

    Raises:
        Refusal: λ is too small against s₁² for both Gram matrices to have a digit.
    """
    loss = 50 * EPS * (np.linalg.norm(X, 2) ** 2 + lam) / lam
    if loss >= 0.1:
        raise Refusal(
            f"lambdas {lam:g}: 50ε(s₁² + λ)/λ = {loss:.2g} ≥ 0.1 for the {len(X)} × {X.shape[1]} X: "
            "the Gram form that is singular without λ has no digit"
        )
    return float(loss)


def solutions(config: Config, form, problems: list) -> np.ndarray:
    """The weights of all shapes in a row, for every λ: (lambda, weight)."""
    return np.array(
        [np.concatenate([form(X, y, lam) for X, y in problems]) for lam in config.lambdas]
    )


def predict(config: Config, problems: list) -> xr.Dataset:
    """The spectral form, in which nothing is squared that is then added to something smaller."""
    found = solutions(config, spectral, problems)
    return xr.Dataset({"solution_predicted": predicted(("lambda", "weight"), found, "spectral")})


def measure(config: Config, problems: list) -> xr.Dataset:
    """The other forms."""
    tops = [np.linalg.norm(X, 2) ** 2 for X, _ in problems]
    return xr.Dataset(
        {
            name: measured(("lambda", "weight"), solutions(config, form, problems), name)
            for name, form in FORMS.items()
        }
        | {"largest_square": measured("shape", tops, "s₁²")},
        coords={
            "lambda": sweep(config.lambdas, "lambda", "λ"),
            "weight": ("weight", np.arange(config.ends[-1][1]), {"long_name": "weight"}),
            "rows": ("shape", [n for n, _ in config.sizes], {"long_name": "n"}),
            "columns": ("shape", [d for _, d in config.sizes], {"long_name": "d"}),
        },
    )


def differences(data: xr.Dataset, name: str) -> xr.DataArray:
    """‖w − spectral‖/‖spectral‖ of every shape: (shape, lambda)."""
    gap, of = data[name] - data["solution_predicted"], data["solution_predicted"]
    ends = np.cumsum([0, *data["columns"].values])
    parts = [slice(a, b) for a, b in pairwise(ends)]
    rows = [
        np.sqrt(
            (gap.isel(weight=part) ** 2).sum("weight") / (of.isel(weight=part) ** 2).sum("weight")
        )
        for part in parts
    ]
    return xr.concat(rows, "shape")


def run(config: Config) -> Result:
    problems = draw(config)
    for X, _ in problems:
        rounding(X, config.lambdas[0])
    found, theory = measure(config, problems), predict(config, problems)
    data = found.merge(theory)
    return Result(
        data=data,
        metrics={name: differences(data, name).max() for name in ("primal", "dual")},
        checks=compare(config, problems, found, theory),
    )


def compare(
    config: Config, problems: list, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    tol = np.zeros(found["primal"].shape)
    for i, lam in enumerate(config.lambdas):
        for (X, y), (a, b) in zip(problems, config.ends, strict=True):
            # Least squares feels a residual of the size of y as well, with its condition number.
            size = np.linalg.norm(stacked(X, y, lam))
            residual = np.linalg.norm(y) / np.sqrt(np.linalg.norm(X, 2) ** 2 + lam)
            tol[i, a:b] = rounding(X, lam) * max(size, residual)
    limit = found["primal"].copy(data=tol)
    why = "50 roundings times the condition of the worse Gram matrix"
    expected = theory["solution_predicted"]
    return tuple(Check(name, found[name], "==", expected, limit, why) for name in FORMS)
