"""Adam, AdaGrad and RMSProp fit the points by another polynomial than the shortest; their rate decides which.

Gradient descent only moves in directions that the points see. Dividing coordinates by their own gradients leaves these
directions, and what is gained in the others no later step takes back.

    X: (N, p),   θ₀ = 0,   θ_k = (part in range Xᵀ) + P_null θ_k
    any run:      ‖part in range Xᵀ − θ*‖ ≤ √(N f(θ_k))/σ_min(X): at a fit, that part is the shortest solution
    GD and SGD:   P_null θ_k = 0 at every rate, so the limit is θ*;   coordinate-wise scaling: P_null θ_k ≠ 0
    ε far above √v turns Adam into GD with momentum, which ends near θ*

See: Adam's distance from the shortest solution stays, and its rate decides how large; GD has one end at every rate.

Source: FRTN50 assignment, exercise 4d (its ε is 1e-5, not the 1e-8 asked for; its ‖θ − θ*‖ is labelled as the square);
arXiv 1705.08292.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, Seed, experiment_config, require_increasing
from descent.maths.coordinatewise import groups
from descent.maths.quadratic import iterate
from descent.maths.replicates import replicate
from descent.polynomial import _methods, _overparameterised, _rounding
from descent.polynomial._methods import length, unseen
from descent.polynomial._problem import Problem, build, grid_rmse, loss, modes, require_work
from descent.result import Check, Result, measured, predicted

Decay = Annotated[Number, Field(ge=0, lt=1)]
Rates = Annotated[tuple[Annotated[Positive, Field(le=1e100)], ...], Field(min_length=1)]
EPS = float(np.finfo(float).eps)
FIT = 1e-3  # of the loss of θ = 0, up to which a run counts as a fit
GRID = 2001  # points of the RMSE
ENDS = ("adam_full", "adagrad", "rmsprop", "gd")  # at full batch
SWEEPS = ("rates", "adagrad_rates", "rmsprop_rates", "gd_rates", "sgd_rates")


@experiment_config
class Config(_overparameterised.Config):
    seed: Seed
    replicates: Count
    rates: Rates  # γ of Adam
    momentum: Decay  # b_m
    decay: Decay  # b_v, of RMSProp too
    epsilon: Positive
    adagrad_rates: Rates
    rmsprop_rates: Rates
    gd_rates: Rates  # γβ
    sgd_rates: Rates
    steps: Annotated[Count, Field(ge=100)]
    snapshots: Annotated[Count, Field(ge=2, le=1000)]

    def __post_init__(self):
        super().__post_init__()
        for name in SWEEPS:
            require_increasing(name, getattr(self, name))
        if self.gd_rates[-1] >= 2:
            raise ValueError(f"gd_rates {self.gd_rates[-1]:g} ≥ 2 (in 1/β): it diverges")
        runs = self.replicates * (len(self.rates) + len(self.sgd_rates)) + self.points * 20
        require_work(self, (self.degree,), 2 * self.steps, runs, 3 * runs * self.snapshots)

    @property
    def record(self) -> np.ndarray:
        marks = np.geomspace(1, self.steps, self.snapshots).round().astype(int)
        return np.unique([0, *marks])


def predict(config: Config, problem: Problem) -> xr.Dataset:
    """Gradient descent in closed form, and the part of any fit that the points see."""
    q, last = modes(problem, np.zeros_like(problem.theta)), np.array([config.steps])
    errors = [iterate(q, rate / problem.beta, last)[0] for rate in config.gd_rates]
    gd = problem.theta + np.array(errors) @ problem.V.T
    return xr.Dataset(
        {
            "gd_predicted": predicted(("gd_rate", "power"), gd, "θ_K of GD, closed form"),
            "shortest": predicted("power", problem.theta, "coefficient of xʲ of θ*"),
        }
    )


def measure(config: Config, problem: Problem) -> xr.Dataset:
    """The runs of all methods: one sample a step over replicates, and at full batch."""
    kept, last = config.record, config.steps
    given = [(problem, config, kept)] * config.replicates
    runs = replicate(_methods.one_sample_a_step, config.seed, given)
    path, sgd = map(np.array, zip(*runs, strict=True))
    final, away = path[:, :, -1], unseen(problem, sgd[:, :, -1])
    # Where Adam fluctuates, one step is no rule: the median of the steps kept of its last tenth.
    losses = np.median(loss(problem, path)[..., kept >= 0.9 * last], -1)
    rmse = _overparameterised.rmse(config, final, config.interval, GRID)
    each, of_sgd = ("replicate", "rate"), ("replicate", "sgd_rate")
    found = {
        "distance": measured((*each, "k"), length(path - problem.theta), "‖θ_k − θ*‖"),
        "null": measured(each, length(unseen(problem, final)), "‖P_null θ‖ at the end"),
        "loss": measured(each, losses, "f in the last tenth"),
        "rmse": measured(each, rmse, "RMSE between the points"),
        "sgd_null": measured(of_sgd, length(away), "‖P_null θ‖ of SGD"),
        "sgd_farthest": measured(of_sgd, length(sgd).max(-1), "largest ‖θ_k‖ of SGD"),
        "sgd_seen": measured((*of_sgd, "power"), sgd[:, :, -1] - away, "θ − P_null θ of SGD"),
    }
    ends = {"adam": (each, final), "sgd": (of_sgd, sgd[:, :, -1])}
    for name, (dim, theta) in _methods.at_full_batch(problem, config).items():
        ends[name] = ((dim,), theta)
        hidden = unseen(problem, theta)
        apart = max(float(length(one - other)) for one in hidden for other in hidden)
        if name != "gd":
            found[f"{name}_spread"] = measured((), apart, "largest ‖P_null(θ − θ′)‖ over rates")
    for name, (dims, theta) in ends.items():
        with np.errstate(over="ignore", invalid="ignore"):
            f = loss(problem, theta)
        found[f"{name}_end"] = measured((*dims, "power"), theta, "coefficient of xʲ at the end")
        found[f"{name}_end_loss"] = measured(dims, f, "f at the end")
        if name in ENDS:
            gap = length(theta - problem.theta)
            found[f"{name}_distance"] = measured(dims, gap, "‖θ − θ*‖ at the end")
        if name not in ("gd", "sgd"):
            part = theta - unseen(problem, theta)
            found[f"{name}_seen"] = measured((*dims, "power"), part, "θ − P_null θ")
    models = _methods.fitted(config, problem, final)
    return xr.Dataset(found | models, coords=_methods.coordinates(config))


def run(config: Config) -> Result:
    problem = build(config, config.degree)
    found, theory = measure(config, problem), predict(config, problem)
    medians = found[["null", "loss", "rmse"]].median("replicate", skipna=False)
    stable = np.isfinite(found["sgd_farthest"]).all("replicate").values
    lost = ", ".join(f"{r:g}" for r, ok in zip(config.sgd_rates, stable, strict=True) if not ok)
    silent = reasons(config, problem, found)
    return Result(
        data=found.merge(theory),
        metrics={
            "distance": found["distance"].isel(k=-1, drop=True).median("replicate", skipna=False),
            **medians.data_vars,
            "rmse_shortest": grid_rmse(config, problem.theta, config.interval, GRID),
            "sgd_null": float(found["sgd_null"].max()),
            **{f"{name}_distance": found[f"{name}_distance"] for name in ENDS},
        },
        checks=compare(config, problem, found, theory, stable)
        + (() if silent else elsewhere(config, problem, found)),
        errata=_methods.refute_label(problem, found) if config.of_the_course else (),
        no_claim=silent,
        unchecked=_methods.left_out(config, problem, lost),
    )


def reasons(config: Config, problem: Problem, found: xr.Dataset) -> tuple[str, ...]:
    """Why there is no other solution to end at, or no fit yet."""
    W = groups(problem.X.T)  # of the steps of coordinate-wise methods
    if np.linalg.matrix_rank(problem.X @ W) == W.shape[1]:
        return ("features that are multiples of each other at the points leave one solution",)
    initial = float(np.mean(problem.y**2))
    share = found["loss"].quantile(0.25, "replicate").values / initial
    early = ", ".join(f"{r:g}" for r, f in zip(config.rates, share, strict=True) if not f <= FIT)
    late = (
        f"steps {config.steps}: at Adam's rates {early} three of four runs are above {FIT:g} f(0)"
    )
    return (late,) if early else ()


def elsewhere(config: Config, problem: Problem, found: xr.Dataset) -> tuple[Check, ...]:
    """Ends outside the row space, and not the same at every rate."""
    walk = 1000 * EPS * float(np.linalg.norm(problem.theta) * np.sqrt(config.steps))
    beyond = "a thousand times the rounding of K steps"
    checks = [Check("another_solution", found["null"], ">=", walk, 0, beyond)]
    for name in _methods.several(config) if _methods.many(problem) else ():
        spread = found[f"{name}_spread"]
        checks.append(Check(f"{name}_depends_on_its_rate", spread, ">=", walk, 0, beyond))
    return tuple(checks)


def compare(
    config: Config, problem: Problem, found: xr.Dataset, theory: xr.Dataset, stable: np.ndarray
) -> tuple[Check, ...]:
    size, smallest = float(np.linalg.norm(problem.theta)), float(problem.sigma[-1])
    shortest = theory["shortest"]
    # Of ‖Xe‖ ≥ σ_min ‖e‖; both sides are rounded to 10ε‖θ‖ times cond X.
    checks, why = [], "√(N f)/σ_min, what the loss allows"
    for name in ("adam", "adam_full", "adagrad", "rmsprop"):
        allowed = np.sqrt(config.points * found[f"{name}_end_loss"].clip(min=0)) / smallest
        largest = np.sqrt((found[f"{name}_end"] ** 2).sum("power")) + size
        near = allowed + 10 * EPS * largest * problem.sigma[0] / smallest
        seen = found[f"{name}_seen"]
        checks.append(Check(f"seen_part_of_{name}", seen, "==", shortest, near, why))
    floors = [_rounding.floor(problem, rate / problem.beta) for rate in config.gd_rates]
    floor = xr.DataArray(floors, dims="gd_rate")
    kept = "rounding that the slowest mode keeps"
    checks.append(Check("gd", found["gd_end"], "==", theory["gd_predicted"], floor, kept))
    if stable.any():
        end, seen, far = (
            found[f"sgd_{n}"].isel(sgd_rate=stable) for n in ("end", "seen", "farthest")
        )
        off = 10 * EPS * np.sqrt(config.steps) * far
        checks.append(Check("sgd_in_the_row_space", end, "==", seen, off, "10ε√K of the farthest"))
    return tuple(checks)
