"""The ridge estimate is the mean of a Gaussian posterior: regression of weights on data finds its gain.

With a normal prior on the weights and normal noise on the data, what the data say of the weights is a linear
regression. Its matrix, estimated from draws of the model, is the one of ridge, and what is left of the weights has the
posterior covariance.

    Y = XW + √λN,   W ~ N(0, I_d),  N ~ N(0, I_n),   X: (n, d)
    Σ_YY = XXᵀ + λI_n: (n, n),   Σ_WY = Xᵀ,   K = Xᵀ(XXᵀ + λI)⁻¹,   E[W | Y = y] = Ky
    Cov[W | Y] = I − KX = λ(XᵀX + λI)⁻¹

See: every entry of the regression of W on Y lies on the line, that is, on its entry of K.

Source: CS182 homework 2, question 4. The answer there has Σ_YY = XᵀX + λI, which is d × d: for n ≠ d it multiplies no
y, and for n = d it is another matrix unless X is normal.
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.maths.given import Rows, given_or_drawn, size_of
from descent.maths.limits import require_cost, require_within
from descent.maths.sampling import mean, require_fewest
from descent.noise._forms import covariance_of_y, gain, posterior, regress
from descent.result import Check, Erratum, Result, measured, predicted, replicates

Shape = Annotated[tuple[Count, ...], Field(min_length=2, max_length=2)]


@experiment_config
class Config:
    seed: Seed
    shapes: tuple[Shape, ...]  # n, d of the models whose X is drawn
    inputs: Rows  # X of your own beside them, row by row, or none
    variance: Positive  # λ, of the noise on Y
    replicates: Count
    samples: Count  # draws of (W, Y) a replicate

    def __post_init__(self):
        require_within("variance", self.variance, 1e-12, 1e12, "Σ_YY is singular, to rounding")
        if not self.sizes:
            raise ValueError("shapes: at least one pair n, d, or inputs of your own")
        points = np.sum(np.square(self.sizes), 0).max()  # of Σ_YY or Σ_WW
        require_fewest("mean", self.replicates, int(points))
        for n, d in self.sizes:
            if self.samples < 100 + 10 * (n + d):
                raise ValueError(
                    f"samples {self.samples} < {100 + 10 * (n + d)} = 100 + 10 (n + d) for n, d = "
                    f"{n}, {d}: too few to regress W on Y"
                )
            numbers, drawn = 4.0 * (self.samples + n + d) * (n + d), self.samples * self.replicates
            require_cost(self, "shapes, samples, replicates", numbers, 10.0 * drawn * (n + d) ** 2)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """n, d of every model."""
        return self.shapes + size_of(self.inputs, ())


class Model(NamedTuple):
    X: Float[np.ndarray, "n d"]
    stream: int  # of its draws
    name: str

    @property
    def square(self) -> bool:
        return self.X.shape[0] == self.X.shape[1]


def models(config: Config) -> list[Model]:
    """The X of every shape, and your own.

    Raises:
        Refusal: its Σ_YY has no digit.
    """
    found = []
    for k, (n, d) in enumerate(config.sizes):
        own = k == len(config.shapes)
        rng = np.random.default_rng([config.seed, k])
        X, _ = given_or_drawn(config.inputs if own else (), (), rng, n, d)
        condition = 1 + np.linalg.norm(X, 2) ** 2 / config.variance
        if condition > 1e8:
            raise Refusal(
                f"variance {config.variance:g}: Σ_YY has the condition {condition:.1e} > 1e8"
            )
        again = (n, d) in config.shapes[:k]
        name = f"{n}_by_{d}" + f"/{k + 1}" * again
        found.append(Model(X, k, "given" if own else name))
    return found


def flat(parts: list[np.ndarray]) -> np.ndarray:
    """Matrices of every model, after one another, entry by entry along the last axis."""
    return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], -1)


def predict(config: Config, drawn: list[Model]) -> xr.Dataset:
    """K, Cov[W | Y] and Σ_YY, entry by entry."""
    lam = config.variance
    rows = {
        "gain": (gain, "entry of K"),
        "posterior": (posterior, "entry of λ(XᵀX + λI)⁻¹"),
        "data": (covariance_of_y, "entry of XXᵀ + λI"),
    }
    return xr.Dataset(
        {
            f"{name}_predicted": predicted(
                f"{name}_entry", flat([f(m.X, lam) for m in drawn]), words
            )
            for name, (f, words) in rows.items()
        }
    )


def measure(config: Config, drawn: list[Model]) -> xr.Dataset:
    """Regressions in every replicate."""
    runs = [
        [
            regress(
                np.random.default_rng([config.seed, m.stream, k]),
                *(m.X, config.variance, config.samples),
            )
            for m in drawn
        ]
        for k in range(config.replicates)
    ]
    names = {
        "gain": "regression of W on Y, entry by entry",
        "posterior": "covariance of its residuals",
        "data": "covariance of Y",
    }
    return xr.Dataset(
        {
            name: measured(
                ("replicate", f"{name}_entry"),
                np.array([flat([getattr(one, name) for one in row]) for row in runs]),
                words,
            )
            for name, words in names.items()
        },
        coords={"replicate": replicates(config.replicates)},
    )


def run(config: Config) -> Result:
    drawn = models(config)
    found, theory = measure(config, drawn), predict(config, drawn)
    estimates = {name: mean(found[name]) for name in ("gain", "posterior", "data")}
    gap = estimates["gain"].value - theory["gain_predicted"]
    return Result(
        data=found.merge(theory),
        metrics={
            "gain_error": abs(gap).max(),
            "gain_rms_z": float(np.sqrt(((gap / estimates["gain"].error) ** 2).mean())),
        },
        checks=tuple(
            Check(name, one.value, "==", theory[f"{name}_predicted"], one.tol, one.why)
            for name, one in estimates.items()
        ),
        errata=refute(config, drawn, estimates["data"]),
    )


def refute(config: Config, drawn: list[Model], found) -> tuple[Erratum, ...]:
    """The printed Σ_YY = XᵀX + λI against the covariance of the draws, where they tell the two."""
    where, errata, start = "CS182 homework 2, question 4: Σ_YY = XᵀX + λI", [], 0
    for model in drawn:
        n, d = model.X.shape
        if not model.square:
            name = f"rows_of_sigma_yy/{model.name}"
            errata.append(Erratum(name, where, float(d), float(n), float(n), 0.0))
        else:
            printed = (model.X.T @ model.X + config.variance * np.eye(d)).ravel()
            correct = covariance_of_y(model.X, config.variance).ravel()
            k = int(np.abs(printed - correct).argmax())
            value, tol = (float(part[start + k]) for part in (found.value, found.tol))
            if abs(printed[k] - correct[k]) > 2 * tol:
                name = f"entry_of_sigma_yy/{model.name}"
                errata.append(
                    Erratum(name, where, float(printed[k]), float(correct[k]), value, tol)
                )
        start += n * n
    return tuple(errata)
