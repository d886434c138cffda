"""A network fits the same points from every start; the larger the start, the worse the function in between.

Training leaves alone whatever the points do not see. With many more neurons than points that is nearly all of the
start, so that all ends fit exactly and a bad start reaches a bad minimum. Their spread is known exactly.

    f = Φ(x)a,   a₀ ~ N(0, s²/n),   gradient descent on Σ (f(x_j) − y_j)²,   y_j = g(x_j),   M < n
    the end at x:   N(f_0(x), s²v(x)),   f_0 the end from a₀ = 0,   v(x) = ‖φ(x) − Φᵀ(Φᵀ)⁺φ(x)‖²/n,   v(x_j) = 0
    E ‖f − g‖² = ‖f_0 − g‖² + s² mean v,   training error 0

See: left, ends from starts of three sizes, all of them through the points; right, training errors stay at rounding, errors
in between grow with the square of the start.

Source: slides on implicit biases, the first pages and Figure 1, which prints no numbers; arXiv 1906.02613 for bad minima.
"""

from itertools import pairwise
from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.maths.sampling import fewest, mean
from descent.result import Check, Result, measured, predicted, replicates, sweep
from descent.wide_relu._initial import Initial, Law, Neurons
from descent.wide_relu._kernel_descent import EPS, descend
from descent.wide_relu._network import features

NEAR = 1e-8  # of the values: a residual up to which a run is at its end
LARGEST = 1e6  # condition number of the features, beyond which the slowest mode takes too long


@experiment_config
class Config:
    seed: Seed
    replicates: Annotated[Count, Field(ge=fewest("mean", 6))]  # starts of each size
    width: Count  # n
    law: Law  # of the inner weights and biases
    weight: Positive
    bias: Positive
    points: tuple[Number, ...]
    frequency: Positive  # g = sin(frequency · x)
    starts: tuple[Positive, ...]  # s
    grid: Count  # of x
    limit: Count  # steps of a run

    def __post_init__(self):
        require_increasing("starts", self.starts)
        x = self.points
        if len(x) < 2 or any(b - a <= 1e-6 * (x[-1] - x[0]) for a, b in pairwise(x)):
            raise ValueError(f"points {list(x)}: two or more, increasing, none twice")
        if self.width < 4 * len(x):
            raise ValueError(f"width {self.width} < {4 * len(x)}: four neurons a point")
        if not 2 <= self.grid <= 10_000:
            raise ValueError(f"grid {self.grid}: between 2 and 10000")
        if self.starts[0] < 1e-6 or self.starts[-1] > 1e6:
            raise ValueError("starts: within 1e6 of 1, or the points are lost in rounding")
        runs = len(self.starts) * self.replicates
        work = runs * (4.0 * self.limit * (self.width * len(x) + 1e4) + self.width * self.grid)
        fields = "replicates, width, grid, limit"
        require_cost(self, fields, 4.0 * self.width * (self.grid + runs), work)

    @property
    def x(self) -> np.ndarray:
        return np.linspace(self.points[0], self.points[-1], self.grid)

    def target(self, x: np.ndarray) -> np.ndarray:
        return np.sin(self.frequency * x)


def draw(config: Config) -> Neurons:
    rng = np.random.default_rng(config.seed)
    return Initial(config.law, config.weight, config.bias).draw(rng, config.width)


def predict(config: Config, neurons: Neurons) -> xr.Dataset:
    """The end from 0 and the variance of the others, by the singular values of Φ."""
    x = np.array(config.points)
    Phi, at = (features(one, *neurons) for one in (x, config.x))
    U, S, V = np.linalg.svd(Phi, full_matrices=False)
    centre = at @ V.T @ (U.T @ config.target(x) / S)
    unseen = at - at @ V.T @ V
    v = (unseen**2).mean(1)
    off = ((centre - config.target(config.x)) ** 2).mean()
    return xr.Dataset(
        {
            "centre_predicted": predicted("x", centre, "the end from 0"),
            "risk_predicted": predicted(
                "start", off + np.array(config.starts) ** 2 * v.mean(), "‖f_0 − g‖² + s² mean v"
            ),
            "fit_predicted": predicted("point", config.target(x), "y_j, exactly"),
        }
    )


def measure(config: Config, neurons: Neurons) -> xr.Dataset:
    """Gradient descent from starts of every size."""
    x, n = np.array(config.points), config.width
    Phi, at = (features(one, *neurons) for one in (x, config.x))
    y, truth = config.target(x), config.target(config.x)
    zero = descend(Phi, y, np.zeros((1, n)), config.limit).weights[0]
    f = np.zeros((len(config.starts), config.replicates, config.grid))
    left, fit = np.zeros(f.shape[:2]), np.zeros((*f.shape[:2], len(x)))
    for k, s in enumerate(config.starts):
        rng = np.random.default_rng([config.seed, k])
        start = rng.normal(0, s / np.sqrt(n), (config.replicates, n))
        found = descend(Phi, y, start, config.limit)
        f[k], left[k] = found.weights @ at.T, np.abs(found.residual).max(1)
        fit[k] = y + found.residual
    each = ("start", "replicate")
    return xr.Dataset(
        {
            "centre": measured("x", at @ zero, "f from 0"),
            "f": measured((*each, "x"), f, "f at the end"),
            "risk": measured(each, ((f - truth) ** 2).mean(2), "‖f − g‖² in between"),
            "fit": measured((*each, "point"), fit, "f at the points"),
            "error": measured(each, left, "largest training error"),
            "target": measured("x", truth, "g"),
            "value": measured("point", y, "y"),
        },
        coords={
            "start": sweep(config.starts, "start", "size s of the start"),
            "replicate": replicates(config.replicates),
            "x": ("x", config.x, {"long_name": "x"}),
            "point": ("point", x, {"long_name": "x"}),
        },
    )


class Sizes(NamedTuple):
    condition: float  # of Φ
    lever: float  # by how much a residual moves f in between
    length: xr.DataArray  # of the values and of f₀, for each start


def sizes(config: Config, neurons: Neurons) -> Sizes:
    Phi, at = (features(one, *neurons) for one in (np.array(config.points), config.x))
    S = np.linalg.svd(Phi, compute_uv=False)
    lever = np.abs(np.linalg.lstsq(Phi.T, at.T)[0]).sum(0).max()
    large = 1 + 6 * np.array(config.starts) * np.sqrt((at**2).mean(1).max())
    return Sizes(float(S[0] / max(S[-1], EPS * S[0])), lever, xr.DataArray(large, dims="start"))


def run(config: Config) -> Result:
    neurons = draw(config)
    size = sizes(config, neurons)
    found, theory = measure(config, neurons), predict(config, neurons)
    late = int((found["error"] > NEAR * size.length).sum())
    reasons = {
        f"the features have condition {size.condition:.2g} > {LARGEST:g}": size.condition > LARGEST,
        f"limit {config.limit}: {late} runs had not converged": late,
    }
    no_claim = tuple(why for why, some in reasons.items() if some)
    return Result(
        data=found.merge(theory),
        metrics={"risk": found["risk"].mean("replicate"), "error": found["error"].max()},
        checks=() if no_claim else compare(config, found, theory, size),
        no_claim=no_claim,
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, size: Sizes
) -> tuple[Check, ...]:
    rounding = 64 * EPS * size.condition * size.length * size.lever
    risk, close = mean(found["risk"]), NEAR * size.length
    value, tol = (one.drop_vars("start") for one in (risk.value, risk.tol))
    blur = tol + 4 * rounding * np.sqrt(value)
    centre, exact = rounding.max(), theory["centre_predicted"]
    why = "rounding times the condition of the features"
    fit, y = found["fit"].drop_vars(["start", "point"]), theory["fit_predicted"]
    return (
        Check("fit", fit, "==", y, close, "the residual with which a run counts as ended"),
        Check("centre", found["centre"], "==", exact, centre, why),
        Check("risk", value, "==", theory["risk_predicted"], blur, risk.why),
    )
