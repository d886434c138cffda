"""On the notebook's regression averaged gradients need fewer iterations than plain descent, at the step of both.

The step is so long that plain descent flips along one direction and creeps along the other. Averaging allows longer
steps still, by the factor (2 − β)/β, and makes both directions equally fast at its own best step.

    L(w) = ‖Xw − y‖²,   z ← (1 − β)z + βg,   w ← w − ηz,   w₀ = 0, z₀ = g₀;   x_i = v_iᵀ(w − w*)
    L − L* = Σ σ_i² x_i²,   iterations: the first t from which on ‖x_t‖ ≤ ε‖x₀‖, by the closed form of x_i

See: the loss of every run lies on its closed form; averaged gradients at their best step need a third of the
iterations of plain descent at its best.

Source: CS182 homework 2, questions 2h and 2i, with the points and the step of their notebook. The notebook takes
the last loss of its run for the least loss; and it draws with deviations 3 and 1 where its text has variances.
"""

import numpy as np
import xarray as xr
from scipy import stats

from descent.config import Positive, experiment_config
from descent.dynamics._notebook import (
    EPS,
    HUGE,
    Points,
    Problem,
    closed,
    descend,
    draw,
    rounding,
)
from descent.maths.momentum import highest, polyak
from descent.maths.sampling import level
from descent.result import Check, Erratum, Result, measured, predicted, steps


@experiment_config
class Config(Points):
    accuracy: Positive  # ε of the iteration counts, which are steps + 1 where it is not reached

    def __post_init__(self):
        super().__post_init__()
        if self.accuracy >= 1:
            raise ValueError(f"accuracy {self.accuracy:g} ≥ 1: the start is as good as that")

    def runs(self, squares: np.ndarray) -> dict[str, tuple[float, float]]:
        """(β, η) by name."""
        top, low = squares
        joint = polyak(top, low)
        balanced = highest(self.beta) / (self.beta * (top + low))
        return {
            "gradient descent": (1.0, self.step),
            "averaged": (self.beta, self.step),
            "averaged, twice the step": (self.beta, 2 * self.step),
            "averaged, best step": (self.beta, float(balanced)),
            "gradient descent, best step": (1.0, float(1 / (top + low))),
            "Polyak": (joint.beta, joint.eta),
        }


def stays(x: np.ndarray, bound: float) -> np.ndarray:
    """The first t from which on ‖x_t‖ ≤ bound, for every run; one more than the last t if there is none."""
    far = ~(np.linalg.norm(x, axis=2) <= bound)
    return np.where(far, np.arange(x.shape[1]), -1).max(1) + 1


def solutions(config: Config, given: Problem) -> np.ndarray:
    """x_t of every run by its closed form: (run, t, direction)."""
    runs = config.runs(given.squares).values()
    return np.array([closed(given, *one, config.steps) for one in runs])


def predict(config: Config, given: Problem) -> xr.Dataset:
    """Loss and iterations of every run from its closed form."""
    x = solutions(config, given)
    excess = (given.squares * x**2).sum(-1)
    counts = stays(x, config.accuracy * np.linalg.norm(given.solution))
    least = given.y @ given.y - np.square((given.X @ given.Vt.T).T @ given.y) @ (1 / given.squares)
    return xr.Dataset(
        {
            "excess_predicted": predicted(("run", "t"), excess, "Σ σ_i² x_i²"),
            "iterations_predicted": predicted("run", counts, "iterations by the closed form"),
            "least_loss_predicted": predicted((), least, "‖y‖² − Σ(u_iᵀy)²"),
        }
    )


def measure(config: Config, given: Problem) -> xr.Dataset:
    """Every run."""
    runs = config.runs(given.squares)
    path = np.array([descend(given, *one, config.steps).w for one in runs.values()])
    loss = np.array([np.square(one @ given.X.T - given.y).sum(1) for one in path])
    counts = stays(path - given.solution, config.accuracy * np.linalg.norm(given.solution))
    return xr.Dataset(
        {
            "excess": measured(("run", "t"), loss - given.least_loss, "L − L*"),
            "iterations": measured("run", counts, "iterations until ‖w_t − w*‖ stays ≤ ε‖w*‖"),
            "least_loss": measured((), given.least_loss, "L*"),
        },
        coords={
            "run": ("run", list(runs), {"long_name": "run"}),
            "t": steps(np.arange(config.steps + 1), "t", "iteration t"),
        },
    )


def run(config: Config) -> Result:
    given = draw(config)
    with np.errstate(over="ignore", invalid="ignore"):  # diverging is a result
        found, theory = measure(config, given), predict(config, given)
        checks = compare(config, given, found, theory)
    names = [name.replace(",", "").replace(" ", "_") for name in found["run"].values]
    counts = dict(zip(names, map(int, found["iterations"].values), strict=True))
    ends = {"gradient_descent": "gradient descent", "averaged": "averaged"}
    excess = {key: found["excess"].sel(run=name).isel(t=-1) for key, name in ends.items()}
    return Result(
        data=found.merge(theory),
        metrics={
            "largest_square": given.squares[0],
            "smallest_square": given.squares[1],
            "condition": given.condition,
            "least_loss": found["least_loss"],
            "largest_step_gradient_descent": 1 / given.squares[0],
            "largest_step_averaged": highest(config.beta) / (config.beta * given.squares[0]),
        }
        | {f"excess_{key}": value for key, value in excess.items() if np.isfinite(value)}
        | {f"iterations_{name}": count for name, count in counts.items()},
        checks=checks,
        errata=refute(config, given, found),
        no_claim=elsewhere(config, counts),
    )


def elsewhere(config: Config, counts: dict[str, int]) -> tuple[str, ...]:
    """Why the claim, which is of some steps and weights, is not of these."""
    pairs = {"averaged": "gradient_descent", "averaged_best_step": "gradient_descent_best_step"}
    return tuple(
        f"{one} takes {counts[one]} iterations and {other} {counts[other]}, of {config.steps}"
        for one, other in pairs.items()
        if counts[one] >= counts[other]
    )


def compare(
    config: Config, given: Problem, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    x, part = solutions(config, given), rounding(given, config.steps)
    loss = found["excess"] + given.least_loss
    # A run that diverges is compared until it is huge.
    kept = (loss < HUGE).cumprod("t").astype(bool)
    scale = loss.copy(data=np.maximum.accumulate(loss.values, 1))
    tol = 4 * part * scale
    size, slack = np.linalg.norm(given.solution), part * (1 + config.accuracy)
    ends = [stays(x, (config.accuracy + sign * slack) * size) for sign in (1, -1)]
    undecided = found["iterations"].copy(data=ends[1] - ends[0])
    floor = 100 * EPS * float(given.y @ given.y) * given.condition
    return (
        Check(
            *("excess", found["excess"], "==", theory["excess_predicted"], tol),
            *("t² roundings near a repeated root", kept),
        ),
        Check(
            *("iterations", found["iterations"], "==", theory["iterations_predicted"]),
            *(undecided, "a count, where rounding decides"),
        ),
        Check(
            *("least_loss", found["least_loss"], "==", theory["least_loss_predicted"], floor),
            "rounding of ‖y‖², κ times",
        ),
    )


def refute(config: Config, given: Problem, found: xr.Dataset) -> tuple[Erratum, ...]:
    """What the notebook does, for its own points and run."""
    own = (config.step, config.steps, config.is_the_notebooks)
    if own != (1e-4, 100, True):
        return ()
    notebook, n = "CS182 homework 2, question 2h, notebook:", config.points
    tol = 9 * max(abs(stats.chi2.ppf(q, n - 1) / (n - 1) - 1) for q in (level(1), 1 - level(1)))
    last = found["excess"].sel(run="gradient descent").isel(t=-1).item() + given.least_loss
    return (
        Erratum(
            *("least loss, as the last loss of the run", f"{notebook} the last loss stands for it"),
            *(last, given.least_loss, given.least_loss, 100 * EPS * float(given.y @ given.y)),
        ),
        Erratum(
            "largest variance of the points",
            f"{notebook} covariance diag(3, 1), drawn with deviations 3 and 1",
            *(3.0, 9.0, float(given.X[:, 0].var(ddof=1)), tol),
        ),
    )
