"""From 0, gradient descent on one sample walks straight to the nearest point of the line xᵀw = t.

The gradient is a multiple of the sample x at every w, and the residual shrinks by one factor a step. So every
run is a straight line along x, and it ends where that meets the solutions, at a right angle.

    x: (2,),   f(w) = (xᵀw − t)²,   ∇f(w) = 2(xᵀw − t)x,   γ the step
    w_k = w_∞ + (1 − 2γ‖x‖²)ᵏ (w₀ − w_∞),   w_∞ = w₀ + (t − xᵀw₀) x/‖x‖²;   stable for γ < 1/‖x‖²
    w₁ on the line:   ‖w₁‖² = t²/‖x‖² + ‖w₁ − ŵ‖²,   ŵ = tx/‖x‖²

With x = (2, 1), t = 2 the limit is (0.8, 0.4), the factor 1 − 10γ, and the gradient points along −(2, 1)/√5 from
first to last.

See: on the left every run goes straight along x and stops at the cross, the nearest solution; on the right the
distances from the line fall by the same factor a step.

Source: CSE 891 homework 2, question 3.3.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, experiment_config
from descent.linear._problem import EPS, descend
from descent.maths.limits import require_cost
from descent.result import Check, Result, measured, predicted, steps, sweep

Point = Annotated[tuple[Number, ...], Field(min_length=2, max_length=2)]
FOLD = 1e6  # by which the runs around the critical step grow or shrink
NEAR = 1e-9  # of a start's distance, at which its run counts as arrived
LONGEST = 10**7  # steps around the critical one: half a second


@experiment_config
class Config:
    x: Point
    t: Number
    starts: Annotated[tuple[Point, ...], Field(min_length=1)]  # w₀; the origin is added
    step: Positive  # γ
    steps: Count
    margin: Annotated[float, Field(gt=0, lt=0.5)]  # around the critical step 1/‖x‖², as a share

    def __post_init__(self):
        if not any(self.x):
            raise ValueError("x = 0: every w fits or none")
        largest = max(abs(v) for v in (*self.x, self.t, *(v for w in self.starts for v in w)))
        if largest > 1e100 or max(map(abs, self.x)) < 1e-100:
            raise ValueError(f"x, t, starts: {largest:g}, squares leave float64 beyond 1e±100")
        if self.step >= self.critical:
            raise ValueError(f"step {self.step:g} ≥ 1/‖x‖² = {self.critical:g}: it diverges")
        needed = fold(abs(1 - 2 * self.step / self.critical), 1 / NEAR)
        if self.steps < needed:
            raise ValueError(f"steps {self.steps} < {needed:g}, which bring the runs within 1e-9")
        if fold(1 + 2 * self.margin, FOLD) > LONGEST:
            raise ValueError(f"margin {self.margin:g}: leaving takes more than 10⁷ steps")
        require_cost(self, "starts, steps", 8.0 * (len(self.starts) + 1) * self.steps)

    @property
    def critical(self) -> float:
        return 1 / float(np.square(self.x).sum())

    @property
    def turns(self) -> np.ndarray:
        """The signs of the residual, from 0 on, while it is more than 10⁻⁶ of the first; 20 at the most."""
        factor = 1 - 2 * self.step / self.critical
        early = int(min(fold(abs(factor), FOLD), 20, self.steps))
        return (np.sign(factor) ** np.arange(early))[:, None]

    @property
    def origins(self) -> np.ndarray:
        return np.array([(0.0, 0.0), *self.starts], float)


def fold(factor: float, times: float) -> float:
    """Steps in which a factor a step changes a length `times`, up or down; one at the least."""
    rate = abs(np.log(factor)) if factor else np.inf
    return max(1.0, np.ceil(np.log(times) / rate)) if rate else np.inf


def predict(config: Config, along: np.ndarray) -> xr.Dataset:
    """The line that a run walks, its end, and the factors around the critical step."""
    x, t, starts = np.array(config.x, float), float(config.t), config.origins
    limit = starts + (t - starts @ x)[:, None] * x / (x @ x)
    powers = (1 - 2 * config.step / config.critical) ** np.arange(config.steps + 1)
    way = starts - limit
    factors = [1 - 2 * config.margin, 1 + 2 * config.margin]
    squares, unit = t**2 / (x @ x) + along**2, -np.sign(t) * x / np.linalg.norm(x)
    distance = abs(powers) * np.linalg.norm(way, axis=1)[:, None]
    path = limit[:, None] + powers[:, None] * way[:, None]
    return xr.Dataset(
        {
            "w_predicted": predicted(("start", "k", "i"), path, "w_∞ + (1 − 2γ‖x‖²)ᵏ(w₀ − w_∞)"),
            "limit": predicted(("start", "i"), limit, "nearest solution"),
            "distance_predicted": predicted(("start", "k"), distance, "|1 − 2γ‖x‖²|ᵏ ‖w₀ − w_∞‖"),
            "factor_predicted": predicted("side", factors, "1 ∓ 2·margin"),
            "squared_norm_predicted": predicted("along", squares, "t²/‖x‖² + ‖w₁ − ŵ‖²"),
            "gradient_predicted": predicted("i", -2 * t * x, "−2tx"),
            "unit_predicted": predicted(("early", "i"), config.turns * unit, "∓sign(t) x/‖x‖"),
        }
    )


def measure(config: Config, along: np.ndarray) -> xr.Dataset:
    """The runs from every start, two around the critical step, and points of the line."""
    x, t, starts = np.array(config.x, float), float(config.t), config.origins
    size, k = np.linalg.norm(x), np.arange(config.steps + 1)
    w = np.stack([path(config, w0, config.step, k) for w0 in starts])
    # ∇f by central differences, which are exact for a quadratic but for rounding.
    gradient = [((e @ x - t) ** 2 - (-e @ x - t) ** 2) / 2 for e in np.eye(2)]
    way = -np.diff(w[0], axis=0)[: len(config.turns)]
    length = np.linalg.norm(way, axis=1, keepdims=True)
    unit = np.divide(way, length, out=np.zeros_like(way), where=length > 0)
    # A residual of more than t, so that the rounding of t does not matter.
    off, factors = (2 * abs(t) + 1) * np.sign(t or 1.0) * x / (x @ x), []
    for sign in (-1, 1):
        count = fold(1 + 2 * sign * config.margin, FOLD)
        gamma = (1 + sign * config.margin) * config.critical
        end = path(config, off, gamma, np.array([int(count)]))[0]
        factors.append(abs((end @ x - t) / (off @ x - t)) ** (1 / count))
    line = t * x / (x @ x) + along[:, None] * np.array([-x[1], x[0]]) / size
    return xr.Dataset(
        {
            "w": measured(("start", "k", "i"), w, "w_k"),
            "distance": measured(("start", "k"), abs(w @ x - t) / size, "distance from the line"),
            "factor": measured("side", factors, "factor a step"),
            "line": measured(("along", "i"), line, "solutions"),
            "squared_norm": measured("along", np.square(line).sum(1), "‖w₁‖² on the line"),
            "gradient": measured("i", gradient, "∇f(0)"),
            "unit": measured(("early", "i"), unit, "∇f/‖∇f‖ along the run from 0"),
        },
        coords={
            "start": sweep(range(len(starts)), "start", "start, the origin first"),
            "k": steps(k, "k", "iteration k"),
            "i": ("i", [1, 2], {"long_name": "coordinate"}),
            "along": ("along", along, {"long_name": "distance from ŵ along the line"}),
            "side": ("side", ["below", "above"], {"long_name": "side of the critical step"}),
        },
    )


def path(config: Config, start: np.ndarray, gamma: float, kept: np.ndarray) -> np.ndarray:
    X, y = np.array([config.x], float), np.array([config.t], float)
    return descend(X, y, start, gamma, kept, start, -1.0).theta


def run(config: Config) -> Result:
    largest = max(
        1.0, 2 * float(np.abs(config.origins).max()) + 2 * abs(config.t) * config.critical**0.5
    )
    along = np.linspace(-1, 1, 41) * largest
    found, theory = measure(config, along), predict(config, along)
    limit = theory["limit"][0]
    return Result(
        data=found.merge(theory),
        metrics={
            "limit_1": limit[0],
            "limit_2": limit[1],
            "limit_norm": np.linalg.norm(limit),
            "gradient_1": found["gradient"][0],
            "gradient_2": found["gradient"][1],
            "unit_1": found["unit"][0, 0],
            "unit_2": found["unit"][0, 1],
            "factor": 1 - 2 * config.step / config.critical,
            "critical_step": config.critical,
        },
        checks=compare(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    x, t, starts = np.array(config.x, float), abs(config.t), config.origins
    line = config.critical**0.5
    size = 2 * float(np.abs(starts).max() * np.sqrt(2) + t * line)
    share = 2 * config.step / config.critical
    # Each step rounds w by ε of its size and the run forgets a share of that.
    near, rounding = 64 * EPS * size / min(share, 2 - share), "rounding, which a run forgets"
    end, turn = near + NEAR * size, 64 * EPS * FOLD / min(share, 1)  # of steps of 10⁻⁶ the first
    slope = 16 * EPS * float((np.abs(x).max() + t) ** 2)
    squares = 32 * EPS * float(found["along"].max() ** 2 + (t * line) ** 2)
    norms, along = found["squared_norm"], theory["squared_norm_predicted"]
    gradient, expected, why = found["gradient"], theory["gradient_predicted"], "rounding of f"
    return (
        Check("gradient_at_0", gradient, "==", expected, slope, why),
        Check("unit_gradient", found["unit"], "==", theory["unit_predicted"], turn, "ε of w"),
        Check("path", found["w"], "==", theory["w_predicted"], near, rounding),
        Check("distance", found["distance"], "==", theory["distance_predicted"], near, rounding),
        Check("end", found["w"][:, -1], "==", theory["limit"], end, "10⁻⁹ of the way is left"),
        Check("squared_norm", norms, "==", along, squares, "rounding of squares"),
        Check(
            "factor",
            found["factor"],
            "==",
            theory["factor_predicted"],
            64 * EPS * FOLD,
            "rounding of t beside a residual of 10⁻⁶",
        ),
    )
