"""One sample in the plane: from 0, gradient descent walks straight along x to the point of the line xᵀw = t nearest to 0.

    x: (2,),   f(w) = (xᵀw − t)²,   ∇f = 2(xᵀw − t)x along x at every w
    w_k − w_∞ = (1 − 2γ‖x‖²)ᵏ (w₀ − w_∞),   w_∞ = w₀ + (t − xᵀw₀) x/‖x‖²;   stable for γ < 1/‖x‖²

With x = (2, 1), t = 2: the line 2w₁ + w₂ = 2, the direction −(2, 1)/√5, the factor 1 − 10γ, the limit (0.8, 0.4).

Source: CSE 891 homework 2, question 3.3.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, experiment_config
from descent.linear.problem import EPS, descend
from descent.result import Check, Result, steps, sweep

Point = Annotated[tuple[Number, ...], Field(min_length=2, max_length=2)]
FOLD = 1e6  # by which the runs around the critical step grow or shrink


@experiment_config
class Config:
    x: Point
    t: Number
    starts: Annotated[tuple[Point, ...], Field(min_length=1)]  # w₀; the origin is added
    step: Positive  # γ
    steps: Count
    margin: Annotated[float, Field(gt=0, lt=0.5)]  # around the critical step 1/‖x‖²

    def __post_init__(self):
        if not any(self.x):
            raise ValueError("x = 0: every w fits or none")
        critical = 1 / float(np.square(self.x).sum())
        if self.step >= critical:
            raise ValueError(
                f"step {self.step:g} ≥ 1/‖x‖² = {critical:g}: gradient descent diverges"
            )


def nearest(x: np.ndarray, t: float, w: np.ndarray) -> np.ndarray:
    """The point of the line xᵀw = t nearest to each w."""
    return w + (t - w @ x)[..., None] * x / (x @ x)


def run(config: Config) -> Result:
    x, t = np.array(config.x, float), float(config.t)
    starts = np.array([(0.0, 0.0), *config.starts], float)
    S, K, critical = len(starts), config.steps, 1 / float(x @ x)
    k = np.arange(K + 1)
    limits = nearest(x, t, starts)

    def path(start, gamma, count):
        X, y = x[None], np.array([t])
        return descend(X, y, start, gamma, np.arange(count + 1), start, -1.0).theta

    w = np.stack([path(start, config.step, K) for start in starts])  # (start, k, 2)
    residual = w @ x - t
    factor = 1 - 2 * config.step / critical
    predicted = limits[:, None] + (factor**k)[:, None] * (starts - limits)[:, None]
    size = float(np.abs(limits).max() + np.abs(starts).max() + np.abs(w).max())
    tol = 64 * EPS * size / min(2 * config.step / critical, 2 - 2 * config.step / critical)

    # ∇f by central differences, which are exact for a quadratic but for rounding.
    gradient = np.array([((e @ x - t) ** 2 - (-e @ x - t) ** 2) / 2 for e in np.eye(2)])
    moves = w - starts[:, None]
    sideways = np.abs(moves @ np.array([-x[1], x[0]])).max() / np.linalg.norm(x)
    # A residual of more than t, so that the rounding of t does not matter.
    off = limits[0] + (1 + abs(t)) * x / (x @ x)
    factors = [1 + 2 * sign * config.margin for sign in (-1, 1)]
    measured = []
    for f in factors:
        count = max(1, int(np.log(FOLD) / abs(np.log(f))))
        end = path(off, (1 + f) / 2 * critical, count)[-1]
        measured.append(float(np.abs((end @ x - t) / (off @ x - t)) ** (1 / count)))

    along = np.linspace(-1, 1, 41) * max(1.0, 2 * np.abs(starts - limits[0]).max())
    direction = np.array([-x[1], x[0]]) / np.linalg.norm(x)
    line = limits[0] + along[:, None] * direction
    gaps = np.square(line).sum(1)  # ‖w₁‖²
    pythagoras = gaps - limits[0] @ limits[0] - np.square(line - limits[0]).sum(1)

    data = xr.Dataset(
        {
            "w": (("start", "k", "i"), w, {"long_name": "w_k"}),
            "distance": (
                ("start", "k"),
                np.linalg.norm(w - limits[:, None], axis=2),
                {"long_name": "‖w_k − w_∞‖"},
            ),
            "distance_predicted": (
                ("start", "k"),
                np.linalg.norm(predicted - limits[:, None], axis=2),
                {"long_name": "|1 − 2γ‖x‖²|ᵏ ‖w₀ − w_∞‖", "role": "prediction"},
            ),
            "limit": (
                ("start", "i"),
                limits,
                {"long_name": "nearest solution", "role": "prediction"},
            ),
            "line": (("along", "i"), line, {"long_name": "solutions"}),
            "squared_norm": ("along", gaps, {"long_name": "‖w₁‖² on the line"}),
        },
        coords={
            "start": sweep(range(S), "start", "start, the origin first"),
            "k": steps(k, "k", "iteration k"),
            "i": ("i", [1, 2], {"long_name": "coordinate"}),
            "along": ("along", along, {"long_name": "distance from ŵ along the line"}),
        },
    )
    return Result(
        data=data,
        metrics={
            "limit_1": limits[0, 0],
            "limit_2": limits[0, 1],
            "limit_norm": float(np.linalg.norm(limits[0])),
            "gradient_1": gradient[0],
            "gradient_2": gradient[1],
            "factor": factor,
            "critical_step": critical,
        },
        checks=(
            Check("gradient_at_0", float(np.abs(gradient + 2 * t * x).max()), "<=", 0.0,
                  16 * EPS * float((np.abs(x).max() + abs(t)) ** 2)),
            Check("never_leaves_the_ray_along_x", float(sideways), "<=", 0.0, tol),
            Check("path_as_predicted", float(np.abs(w - predicted).max()), "<=", 0.0, tol),
            Check("ends_at_the_nearest_solution", float(np.abs(w[:, -1] - limits).max()), "<=", 0.0,
                  1e-9 * size),
            Check("ends_on_the_line", float(np.abs(residual[:, -1]).max()), "<=", 0.0,
                  1e-9 * size * float(np.abs(x).sum())),
            Check("pythagoras", float(np.abs(pythagoras).max()), "<=", 0.0, 32 * EPS * float(gaps.max())),
            Check("no_solution_is_shorter", float(gaps.min()), ">=", float(limits[0] @ limits[0]),
                  32 * EPS * float(gaps.max())),
            # Six decades of growth or decay, to the rounding of t.
            Check("factor_below_the_critical_step", measured[0], "==", factors[0], 1e-6),
            Check("factor_above_the_critical_step", measured[1], "==", factors[1], 1e-6),
        ),
    )  # fmt: skip
