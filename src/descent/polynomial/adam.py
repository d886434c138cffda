"""Adam, AdaGrad and RMSProp fit the points with another polynomial than the shortest, and which depends on the rate.

    from θ₀ = 0:  θ_k − θ* = (part in range Xᵀ) + P_null θ_k,   ‖part in range Xᵀ‖ ≤ √(N f(θ_k))/σ_min(X)
    GD and SGD: P_null θ_k = 0 at every rate, so the limit is θ*;   coordinate-wise scaling: P_null θ_k ≠ 0
    one sample (x, t), ε = 0: every step is along sign(x), so  w → t sign(x)/‖x‖₁ at every rate, the least ‖w‖_∞

A small rate lets Adam forget the size of the gradient: sign descent far from θ*. A large one lets it average
first. ε stands for a floor of √v: one far above it turns Adam into GD with momentum, which ends at θ*.

Source: FRTN50 assignment, exercise 4d; CSE 891 homework 2, question 3.3 (x = (2, 1), t = 2); arXiv 1705.08292.
"""

from itertools import pairwise
from math import comb
from typing import Annotated

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Number, Positive, Seed, experiment_config, require_increasing
from descent.maths.optimisers import adagrad, adam, adapt, descend, drawn, full_batch, rmsprop
from descent.maths.quadratic import iterate, squared_distance
from descent.maths.replicates import replicate
from descent.polynomial import _overparameterised
from descent.polynomial._problem import Problem, build, grid_rmse, loss, modes, null_projector
from descent.result import Check, Result, replicates, steps, sweep

Decay = Annotated[Number, Field(ge=0, lt=1)]
TINY = 1e-300  # stands for ε = 0 without 0/0
NO_LEVELS = np.empty(0)


@experiment_config
class Config(_overparameterised.Config):
    seed: Seed
    replicates: Annotated[int, Field(ge=2, strict=True)]
    rates: tuple[Positive, ...]  # γ of Adam
    momentum: Decay  # b_m
    decay: Decay  # b_v, of RMSProp too
    epsilon: Positive
    adagrad_rates: tuple[Positive, ...]
    rmsprop_rates: tuple[Positive, ...]
    gd_rates: tuple[Positive, ...]  # γβ
    sgd_rates: tuple[Positive, ...]
    sample: tuple[Number, ...]  # x of the one-sample problem
    label: Number  # t
    steps: Annotated[int, Field(ge=100, le=10**7, strict=True)]
    snapshots: Annotated[int, Field(ge=2, le=1000, strict=True)]
    fit: Positive  # loss relative to that of θ = 0 which counts as a fit
    apart: Positive  # ‖P_null θ‖/‖θ*‖ which counts as another solution

    def __post_init__(self):
        super().__post_init__()
        for name in ("rates", "adagrad_rates", "rmsprop_rates", "gd_rates", "sgd_rates"):
            require_increasing(name, getattr(self, name))
        if not any(self.sample) or self.label == 0:
            raise ValueError(f"sample {list(self.sample)}, label {self.label:g}: neither may be 0")


def parts(
    problem: Problem, theta: Float[np.ndarray, "*s p"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """‖θ − θ*‖, and its parts in range Xᵀ and in null X; not finite where a run diverged."""
    with np.errstate(over="ignore", invalid="ignore"):
        error = theta - problem.theta
        return tuple(
            np.linalg.norm(part, axis=-1)
            for part in (error, error @ problem.V, error @ null_projector(problem))
        )


def _run(rng, problem: Problem, config: Config, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Adam's θ_k over (rate, k) and SGD's last θ over sgd_rate, all on the same samples."""
    start, batches = np.zeros_like(problem.theta), drawn(rng, config.points, config.steps, 1)
    memory = adam(config.momentum, config.decay)
    paths = [
        adapt(problem.X, problem.y, start, rate, config.epsilon, memory, batches, kept)
        for rate in config.rates
    ]
    return np.array(paths), np.array(
        [descent(problem, start, rate, batches, config.steps) for rate in config.sgd_rates]
    )


def descent(problem: Problem, start, rate: float, batches, count: int) -> Float[np.ndarray, " p"]:
    """θ after `count` steps γ = rate/β."""
    rates, kept = np.full_like(start, rate / problem.beta), np.array([count])
    path = descend(problem.X, problem.y, start, rates, batches, kept, problem.theta, NO_LEVELS)
    return path.theta[0]


def one_sample(config: Config) -> dict[str, tuple[np.ndarray, bool]]:
    """w of every method and rate at the end, and whether the method comes to rest."""
    x, t = np.array([config.sample], float), np.array([config.label], float)
    methods = {
        "adagrad": (adagrad(), config.adagrad_rates, True),
        "rmsprop": (rmsprop(config.decay), config.rmsprop_rates, False),  # ends in steps of ±γ
        "adam": (adam(config.momentum, config.decay), config.rates, False),
    }
    kept = np.array([config.steps])
    return {
        name: (
            np.array(
                [adapt(x, t, np.zeros(x.shape[1]), r, TINY, memory, full_batch(1), kept)[0] for r in rates]
            ),
            rests,
        )
        for name, (memory, rates, rests) in methods.items()
    }  # fmt: skip


def refuting(R: int) -> int:
    """r: if fewer than r of R runs fit, half of all do not: a Binomial(R, ½) is below r once in 10³ at most."""
    below, r = 1, 0  # 2ᴿ P(at most r)
    while below * 1000 <= 2**R:
        r += 1
        below += comb(R, r)
    return max(r, 1)


def run(config: Config) -> Result:
    problem = build(config, config.degree)
    start, full, last = np.zeros_like(problem.theta), full_batch(config.points), config.steps
    kept = np.unique([0, *np.geomspace(1, last, config.snapshots).round().astype(int)])
    given = [(problem, config, kept)] * config.replicates
    path, sgd = map(np.array, zip(*replicate(_run, config.seed, given), strict=True))

    def at_full_batch(memory, rates) -> np.ndarray:
        return np.array(
            [
                adapt(problem.X, problem.y, start, rate, config.epsilon, memory, full, np.array([last]))[0]
                for rate in rates
            ]
        )  # fmt: skip

    ends = {
        "adam_full": ("rate", at_full_batch(adam(config.momentum, config.decay), config.rates)),
        "adagrad": ("adagrad_rate", at_full_batch(adagrad(), config.adagrad_rates)),
        "rmsprop": ("rmsprop_rate", at_full_batch(rmsprop(config.decay), config.rmsprop_rates)),
        "gd": (
            "gd_rate",
            np.array([descent(problem, start, rate, full, last) for rate in config.gd_rates]),
        ),
    }
    distance, along, null = parts(problem, path)
    final = path[:, :, -1]
    # Where Adam fluctuates, one step is not the rule: the median of the kept steps of its last tenth.
    late = kept >= 0.9 * last
    losses = np.median(loss(problem, path)[..., late], -1)
    predicted_gd = [
        np.sqrt(
            squared_distance(iterate(modes(problem, start), rate / problem.beta, np.array([last])))
        )[0]
        for rate in config.gd_rates
    ]
    data = xr.Dataset(
        {
            "distance": (("replicate", "rate", "k"), distance, {"long_name": "‖θ_k − θ*‖"}),
            "null": (("replicate", "rate"), null[:, :, -1], {"long_name": "‖P_null θ‖ at the end"}),
            "loss": (("replicate", "rate"), losses, {"long_name": "f in the last tenth"}),
            "rmse": (
                ("replicate", "rate"),
                _overparameterised.rmse(config, final, config.interval, 2001),
                {"long_name": "RMSE between the points"},
            ),
            "sgd_null": (("replicate", "sgd_rate"), parts(problem, sgd)[2], {"long_name": "‖P_null θ‖ of SGD"}),
            "gd_predicted": (
                "gd_rate", predicted_gd, {"long_name": "‖θ − θ*‖ of GD, closed form", "role": "prediction"},
            ),
        },
        coords={
            "k": steps(kept, "k", "step k"),
            "rate": sweep(config.rates, "rate", "rate γ of Adam"),
            "adagrad_rate": sweep(config.adagrad_rates, "adagrad_rate", "rate of AdaGrad"),
            "rmsprop_rate": sweep(config.rmsprop_rates, "rmsprop_rate", "rate of RMSProp"),
            "gd_rate": sweep(config.gd_rates, "gd_rate", "γβ of GD"),
            "sgd_rate": sweep(config.sgd_rates, "sgd_rate", "γβ of SGD"),
            "replicate": replicates(config.replicates),
        },
    )  # fmt: skip
    for name, (dim, theta) in ends.items():
        data[f"{name}_distance"] = (
            dim,
            parts(problem, theta)[0],
            {"long_name": "‖θ − θ*‖ at the end"},
        )
        with np.errstate(over="ignore", invalid="ignore"):
            data[f"{name}_loss"] = (dim, loss(problem, theta), {"long_name": "f at the end"})

    # Where each of them ends, at the smallest of its rates.
    limits = {"adam": path[:, 0, -1], "sgd": sgd[:, 0]} | {n: th[0] for n, (_, th) in ends.items()}
    for name, theta in limits.items():
        dims = ("replicate", "power")[2 - theta.ndim :]
        data[f"{name}_limit"] = (dims, theta, {"long_name": "coefficient of xʲ at the end"})
    data["shortest"] = (
        "power",
        problem.theta,
        {"long_name": "coefficient of xʲ of θ*", "role": "prediction"},
    )
    data = data.assign_coords(
        power=("power", np.arange(config.degree + 1), {"long_name": "power j"})
    )

    size, sigma = np.linalg.norm(problem.theta), problem.sigma[-1]
    rounding = np.finfo(float).eps * size
    most = np.sqrt(config.points * loss(problem, path)) / sigma
    checks = [
        # Of ‖Xe‖ ≥ σ_min ‖e‖; both sides are rounded to 10 ε‖θ*‖ times cond X.
        Check(
            "part_in_the_row_space_at_most_what_the_loss_allows",
            float((along - most).max()),
            "<=",
            0.0,
            float(10 * rounding * problem.sigma[0] / sigma),
        ),
        # The rounding of θ in every step, as a random walk.
        Check("sgd_null_component", float(data["sgd_null"].values.max()), "<=", 0.0, float(rounding * np.sqrt(last))),
    ]  # fmt: skip
    relative = data["null"].values / size
    initial = float(np.mean(problem.y**2))
    for rate, share, misfit in zip(config.rates, relative.T, losses.T, strict=True):
        lowest = float(np.quantile(share, 0.05))
        checks.append(Check(f"another_solution/rate_{rate:g}", lowest, ">=", config.apart, 0.0))
        # At a large rate the loss goes over four decades, so its median by rank.
        best = float(np.sort(misfit)[refuting(config.replicates) - 1])
        checks.append(Check(f"fits/rate_{rate:g}", best / initial, "<=", config.fit, 0.0))
    for (low, high), (near, far) in zip(
        pairwise(config.rates), pairwise(distance[..., -1].T), strict=True
    ):
        # The 5 % of the smaller rate lie beyond the 95 % of the larger.
        gap = float(np.quantile(near, 0.05) - np.quantile(far, 0.95))
        checks.append(Check(f"nearer_at_larger_rate/{low:g}_to_{high:g}", gap, ">=", 0.0, 0.0))
    for rate, found, expected in zip(
        config.gd_rates, data["gd_distance"].values, predicted_gd, strict=True
    ):
        # Each step rounds θ by ε‖θ‖, and the slowest mode forgets that in β/(rate λ) steps.
        floor = rounding * problem.beta / (rate * problem.eigenvalues[-1])
        checks.append(
            Check(f"gd_distance/rate_{rate:g}", float(found), "==", float(expected), float(floor))
        )
    checks += of_one_sample(config)
    return Result(
        data=data,
        metrics={
            "distance": data["distance"].isel(k=-1, drop=True).median("replicate", skipna=False),
            "null": data["null"].median("replicate", skipna=False),
            "loss": data["loss"].median("replicate", skipna=False),
            "rmse": data["rmse"].median("replicate", skipna=False),
            "rmse_shortest": grid_rmse(config, problem.theta, config.interval, 2001),
            "sgd_null": float(data["sgd_null"].values.max()),
        }
        | {f"{name}_distance": data[f"{name}_distance"] for name in ends},
        checks=tuple(checks),
    )


def of_one_sample(config: Config) -> list[Check]:
    """Against w = c sign(x)/‖x‖₁, c = xᵀw: its direction, and c = t where the method comes to rest."""
    x = np.array(config.sample, float)
    limit = np.sign(x) / np.abs(x).sum()
    checks = []
    for name, (w, rests) in one_sample(config).items():
        reached = w @ x
        off = float(
            np.abs(w - reached[:, None] * limit).max() / np.abs(reached[:, None] * limit).max()
        )
        # Each step rounds each w_j: a random walk of ε.
        tol = float(10 * np.finfo(float).eps * np.sqrt(config.steps))
        checks.append(Check(f"one_sample_direction/{name}", off, "<=", 0.0, tol))
        if rests:
            away = float(
                np.abs(w - config.label * limit).max() / np.abs(config.label * limit).max()
            )
            checks.append(Check(f"one_sample_limit/{name}", away, "<=", 0.0, tol))
    return checks
