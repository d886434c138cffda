"""From 0 gradient descent on a rank-deficient X ends at pinv(X)y, at the rate of the nonzero singular values.

A direction with singular value 0 has the factor 1 − 2ησ² = 1: nothing ever moves along it, and nothing along it
slows the others down. So what the start has there stays, and from 0 the end is the solution of least norm. What y
has outside of the range of X is a constant loss.

    L(w) = ‖Xw − y‖²,   w ← w − 2ηXᵀ(Xw − y),   X: (rows, columns) of a rank below both
    w_t → pinv(X)y + (I − VVᵀ)w₀,   L → ‖y − X pinv(X)y‖²,   V the right singular vectors with σ > 0
    η = 1/(σ₁² + σ_r²):  rate (κ − 1)/(κ + 1),   κ = (σ₁/σ_r)²

See: from 0 the distance to pinv(X)y falls at the dashed rate down to rounding; from a random start it stops at
what the start has in the directions that never move.

Source: CS182 homework 2, question 1g, which treats any X as parallel scalar problems and leaves out that a
singular value may be 0: a mode with σ = 0 has the rate 1, yet the run from 0 converges.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Refusal, Seed, experiment_config
from descent.dynamics._least_squares import (
    EPS,
    Regression,
    best_rate,
    best_step,
    descend,
    regression,
)
from descent.maths.given import Column, Rows, require_given
from descent.maths.limits import require_at_most
from descent.result import Check, Erratum, Result, measured, predicted, steps

LIMIT = 200_000  # iterations of one run


@experiment_config
class Config:
    seed: Seed
    rows: Count
    columns: Count
    rank: Count
    inputs: Rows  # of this rank
    targets: Column

    def __post_init__(self):
        require_given(self.inputs, self.targets, self.rows, self.columns)
        if self.rank >= self.columns or self.rank > self.rows:
            raise ValueError(
                f"rank {self.rank} must be < columns {self.columns} and ≤ rows {self.rows}"
            )
        require_at_most(self, "its singular values take minutes", rows=2000, columns=2000)


def draw(config: Config) -> tuple[Regression, np.ndarray]:
    """The problem, and a start that is not 0.

    Raises:
        Refusal: X has another rank, or y no part along the first or the last direction that moves.
    """
    rng = np.random.default_rng([config.seed, 1])
    left = rng.standard_normal((config.rows, config.rank))
    X = left @ rng.standard_normal((config.rank, config.columns))
    y, start = rng.standard_normal(config.rows), rng.standard_normal(config.columns)
    given = regression(
        np.array(config.inputs) if config.inputs else X,
        np.array(config.targets) if config.targets else y,
    )
    if len(given.squares) != config.rank:
        raise Refusal(f"inputs: their rank is {len(given.squares)}, not {config.rank}")
    parts = np.abs(given.Vt[[0, -1]] @ given.solution) * np.sqrt(given.squares[[0, -1]])
    if parts.min() <= 1e-9 * np.linalg.norm(given.y):
        raise Refusal("targets: y has no part along the first or the last direction that moves")
    return given, start


def length(given: Regression) -> int:
    """Steps until rounding is left.

    Raises:
        Refusal: too many, or more than fit into the memory.
    """
    rate = best_rate(given.squares)
    count = int(np.ceil(np.log(EPS) / np.log(rate))) if rate > EPS else 1
    if count > LIMIT or count * given.X.shape[1] > 1e8:
        raise Refusal(
            f"rank {len(given.squares)}: κ = {given.condition:.1e}, and {count} iterations of "
            f"{given.X.shape[1]} weights are more than {LIMIT}, or than 1e8 numbers"
        )
    return count


def unmoved(given: Regression, w: np.ndarray) -> np.ndarray:
    """w without its components along the directions that move."""
    return w - (w @ given.Vt.T) @ given.Vt


def predict(given: Regression, start: np.ndarray) -> xr.Dataset:
    """pinv(X)y, what of the start never moves, the least loss, and the rate."""
    least = np.square(given.y - given.X @ given.solution).sum()
    return xr.Dataset(
        {
            "end_predicted": predicted("weight", given.solution, "pinv(X)y"),
            "unmoved_predicted": predicted("weight", unmoved(given, start), "(I − VVᵀ)w₀"),
            "loss_predicted": predicted((), least, "‖y − X pinv(X)y‖²"),
            "rate_predicted": predicted((), best_rate(given.squares), "(κ − 1)/(κ + 1)"),
        }
    )


def measure(given: Regression, start: np.ndarray) -> xr.Dataset:
    """A run from 0 and one from the start, both with the step 1/(σ₁² + σ_r²)."""
    count, eta = length(given), best_step(given.squares)
    path = descend(given, np.stack([0 * start, start]), np.array([eta, eta]), count)
    half = max(1, count // 2)
    modes = np.abs((path[[0, half], 0] - given.solution) @ given.Vt.T)
    rate = (modes[1] / modes[0])[[0, -1]].max() ** (1 / half)
    kept = np.unique(np.linspace(0, count, min(count, 500) + 1).round().astype(int))
    distance = np.linalg.norm(path[kept] - given.solution, axis=-1)
    return xr.Dataset(
        {
            "distance": measured(("t", "start"), distance, "‖w_t − pinv(X)y‖"),
            "end": measured("weight", path[-1, 0], "w at the end, from 0"),
            "unmoved": measured("weight", unmoved(given, path[-1, 1]), "(I − VVᵀ)w at the end"),
            "loss": measured((), np.square(given.X @ path[-1, 0] - given.y).sum(), "loss"),
            "rate": measured((), rate, "factor a step of the slowest mode"),
        },
        coords={
            "t": steps(kept, "t", "iteration t"),
            "start": ("start", ["0", "random"], {"long_name": "start"}),
            "weight": ("weight", np.arange(len(start)) + 1, {"long_name": "weight"}),
        },
    )


def run(config: Config) -> Result:
    given, start = draw(config)
    found, theory = measure(given, start), predict(given, start)
    checks = compare(given, start, found, theory)
    erratum = Erratum(
        "rate with a singular value of 0, every mode counted",
        "CS182 homework 2, question 1g: any X as parallel scalar problems",
        printed=1.0,
        correct=theory["rate_predicted"].item(),
        measured=found["rate"].item(),
        tol=float(checks[-1].tol),
    )
    return Result(
        data=found.merge(theory),
        metrics={"deficient_rate": found["rate"]},
        checks=checks,
        errata=(erratum,) if erratum.correct < 0.99 else (),
    )


def compare(
    given: Regression, start: np.ndarray, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    count, half = length(given), max(1, length(given) // 2)
    # The end has κ roundings of a step; along σ = 0 the roundings of all steps add up.
    end = given.rounding * given.condition + EPS * np.linalg.norm(given.solution)
    drift = (given.rounding + 4 * EPS * np.linalg.norm(start) * sum(given.X.shape)) * (count + 1)
    loss = 8 * sum(given.X.shape) * EPS * float(given.y @ given.y) + given.squares[0] * end**2
    rate, first = best_rate(given.squares), np.abs(given.Vt[[0, -1]] @ given.solution).min()
    # What rounding is of the slowest mode halfway down; of a rate of 0 it is all.
    left = end / first
    tol = left if rate**half < left else rate * np.expm1(np.log1p(left / rate**half) / half)
    return (
        Check(
            *("end_from_0", found["end"], "==", theory["end_predicted"], end),
            "κ roundings of a step",
        ),
        Check(
            *("unmoved", found["unmoved"], "==", theory["unmoved_predicted"], drift),
            "a rounding a step",
        ),
        Check(
            *("loss_outside_the_range", found["loss"], "==", theory["loss_predicted"], loss),
            "rounding of ‖y‖²",
        ),
        Check(
            *("rate", found["rate"], "==", theory["rate_predicted"], float(tol)),
            "rounding of the mode halfway down",
        ),
    )
