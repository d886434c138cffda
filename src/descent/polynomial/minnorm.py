"""Gradient descent, sampled or not, started at 0 ends at the shortest of all polynomials through the points.

    θ_{k+1} = θ_k − γ(2/b) Σ_{i in batch} φ_i(φ_iᵀθ_k − y_i),   θ₀ = 0, samples uniform with replacement
    every step lies in range Xᵀ ⟂ null X, so the limit, if there is one, is θ* = Xᵀ(XXᵀ)⁻¹y
    GD:  ‖θ_k − θ*‖² = Σ (1 − γλ_i)²ᵏ c_i²,   c = Vᵀθ*
    SGD: E‖θ_k − θ*‖² = Σ_j w_j ℓ_jᵏ exactly (descent.maths.second_moment); a run's median crossing from
         the normal law of θ_k − θ* along its slowest mode, where that is the law: where what its kicks
         multiply by is no longer near 1, it is claimed of no run

With the course's odd data, GD only ever sees the odd modes; sampling kicks the even ones too, whose
slowest is 20 times slower: that, and not only γ, is why SGD takes 130 times as many steps.

Source: FRTN50 assignment, exercises 4b and 4c; CSE 891 homework 2, question 3 (SGD and mini-batch SGD).
4b reads convergence “between 25 – 30 thousand” off a step 1/‖H‖_F (26800 there); with 1/β it is 20181.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths import quadratic, second_moment
from descent.maths.optimisers import NEVER, descend, drawn, full_batch
from descent.maths.replicates import replicate
from descent.polynomial import _overparameterised
from descent.polynomial._problem import Problem, build, modes, null_projector
from descent.result import Check, Erratum, Result, replicates, steps, sweep


@experiment_config
class Config(_overparameterised.Config):
    seed: Seed
    replicates: Count
    gd_rate: Positive  # γβ of the full gradient
    sgd_rate: Positive  # γβ of the sampled ones
    batches: tuple[Count, ...]  # b
    squared: Positive  # ‖θ − θ*‖² that counts as converged
    steps: Annotated[int, Field(ge=100, le=10**8, strict=True)]  # of the sampled ones
    snapshots: Annotated[int, Field(ge=2, le=1000, strict=True)]

    def __post_init__(self):
        super().__post_init__()
        require_increasing("batches", self.batches)


def logarithmic(last: int, count: int) -> np.ndarray:
    """0, 1, …, last: about `count` steps, evenly spaced on a logarithmic axis."""
    return np.unique([0, *np.geomspace(1, last, count).round().astype(int)])


def _run(rng, problem: Problem, rate: float, config: Config, kept: np.ndarray) -> tuple:
    """d² and null-space component over (batch, k), and the crossing, of one stream for each b."""
    rates = np.full(len(problem.theta), rate)
    paths = [
        descend(
            problem.X, problem.y, np.zeros_like(rates), rates,
            drawn(rng, len(problem.y), config.steps, b), kept, problem.theta, np.array([config.squared]),
        )
        for b in config.batches
    ]  # fmt: skip
    theta = np.stack([path.theta for path in paths])
    distance, null = to_solution(problem, theta)
    return distance, null, [path.first[0] for path in paths]


def to_solution(problem: Problem, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """‖θ − θ*‖² and ‖P_null θ‖; ∞ where a run left float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        null = np.linalg.norm(theta @ null_projector(problem), axis=-1)
        both = ((theta - problem.theta) ** 2).sum(-1), null
    return beyond(both[0]), beyond(both[1])


def beyond(values: np.ndarray) -> np.ndarray:
    """∞ for what ∞ − ∞ left."""
    return np.where(np.isnan(values), np.inf, values)


def reached(first) -> np.ndarray:
    """First crossings as numbers; inf if there was none."""
    first = np.asarray(first, float)
    return np.where(first == NEVER, np.inf, first)


def run(config: Config) -> Result:
    problem = build(config, config.degree)
    start = np.zeros_like(problem.theta)
    mean, gamma = modes(problem, start), config.gd_rate / problem.beta
    # Rounding has a part in every mode; what grows from it does so after the crossing.
    excited = mean._replace(start=np.where(quadratic.excited(mean), mean.start, 0.0))
    expected_gd = quadratic.first_within(excited, gamma, config.squared)
    last = config.steps if expected_gd is None else min(config.steps, max(expected_gd * 2, 100))
    t, k = logarithmic(last, config.snapshots), logarithmic(config.steps, config.snapshots)
    gd = descend(
        problem.X, problem.y, start, np.full_like(start, gamma), full_batch(config.points), t,
        problem.theta, np.array([config.squared]),
    )  # fmt: skip

    rate = config.sgd_rate / problem.beta
    Z = problem.X @ problem.V
    laws = [second_moment.moments(Z, mean, rate, b) for b in config.batches]
    given = [(problem, rate, config, k)] * config.replicates
    gd_distance, gd_null = to_solution(problem, gd.theta)
    distance, null, first = map(np.array, zip(*replicate(_run, config.seed, given), strict=True))
    crossing = reached(first)  # (replicate, batch)

    data = xr.Dataset(
        {
            "gd": ("t", gd_distance, {"long_name": "‖θ_k − θ*‖²"}),
            "gd_predicted": (
                "t",
                quadratic.squared_distance(quadratic.iterate(mean, gamma, t)),
                {"long_name": "‖θ_k − θ*‖², closed form", "role": "prediction"},
            ),
            "sgd": (("replicate", "batch", "k"), distance, {"long_name": "‖θ_k − θ*‖²"}),
            "sgd_predicted": (
                ("batch", "k"),
                beyond(
                    np.array([second_moment.squared_distance(law, k.astype(float)) for law in laws])
                ),
                {"long_name": "E‖θ_k − θ*‖²", "role": "prediction"},
            ),
            "null": (("replicate", "batch", "k"), null, {"long_name": "‖P_null θ_k‖"}),
            "crossing": (
                ("replicate", "batch"),
                crossing,
                {"long_name": f"steps until ‖θ_k − θ*‖² ≤ {config.squared:g}"},
            ),
        },
        coords={
            "t": steps(t, "t", "step k of GD"),
            "k": steps(k, "k", "step k of SGD"),
            "batch": sweep(config.batches, "batch", "batch size b"),
            "replicate": replicates(config.replicates),
        },
    )
    gd_crossing = float(reached(gd.first)[0])
    predicted_gd = np.inf if expected_gd is None else float(expected_gd)
    # Above 2/β the modes that the start does not excite grow from rounding, after the crossing.
    checks = [Check("gd_stays", float(gd_distance[-1]), "<=", config.squared, 0.0)]
    if expected_gd is not None:
        # The last digit of d² at the crossing, where it falls by 0.2 % a step and rounding is 1e-9 of it.
        checks.insert(0, Check("gd_crossing_as_predicted", gd_crossing, "==", predicted_gd, 2))
    # A run that grows has the rounding of what it grows to.
    if config.gd_rate <= 2:
        checks.append(
            Check("gd_null_component", float(gd_null.max()), "<=", 0.0, drift(problem, last))
        )
    stable = [law.rates[-1] <= 1 for law in laws]
    if any(stable):
        largest, limit = float(null[:, stable].max()), drift(problem, config.steps)
        checks.append(Check("sgd_null_component", largest, "<=", 0.0, limit))
    predictions = {}
    for b, law, found in zip(config.batches, laws, crossing.T, strict=True):
        low, middle, high = (
            second_moment.first_below(law, config.squared, share) for share in (0.05, 0.5, 0.95)
        )
        if (
            middle is None or high is None or low is None
        ):  # above the limit of stability in mean square
            checks.append(Check(f"sgd_stable/batch_{b}", law.rates[-1], "<=", 1.0, 0.0))
            continue
        predictions[b] = middle
        # Four standard errors of a median of normal times, whose 5 and 95 % are 3.29 sd apart.
        error = 4 * 1.2533 * (high - low) / 3.29 / np.sqrt(config.replicates)
        # The normal law is that of runs where kicks hardly multiply: what that moves is in the error.
        moved = second_moment.multiplied(law, middle) / -np.log(law.rates[-1])
        if moved <= error:
            checks.append(
                Check(
                    f"sgd_crossing/batch_{b}", float(np.median(found)), "==", middle, error + moved
                )
            )
        # Markov: a run is above 500R times the mean with probability 1/(500R) at the most.
        latest = second_moment.first_below(law, config.squared / (500 * config.replicates))
        checks.append(Check(f"sgd_last_crossing/batch_{b}", float(found.max()), "<=", latest, 0.0))
    metrics = {
        "gd_crossing": gd_crossing,
        "gd_crossing_predicted": predicted_gd,
        "sgd_crossing": data["crossing"].median("replicate", skipna=False),
        "null_component": null.max(),
    }
    if len(predictions) == len(config.batches):
        data["crossing_predicted"] = (
            "batch",
            np.array([predictions[b] for b in config.batches], float),
            {"long_name": "median crossing, predicted", "role": "prediction"},
        )
        metrics["sgd_crossing_predicted"] = data["crossing_predicted"]
    return Result(data, metrics, tuple(checks), errata(config, gd_crossing, predicted_gd))


def drift(problem: Problem, count: int) -> float:
    """What the rounding of θ in every step adds up to, as a random walk: ε‖θ*‖√k."""
    return float(np.finfo(float).eps * np.linalg.norm(problem.theta) * np.sqrt(count))


def errata(config: Config, measured: float, predicted: float) -> tuple[Erratum, ...]:
    if not (config.of_the_course and config.gd_rate == 1 and config.squared == 1e-16):
        return ()
    where = "FRTN50 assignment 4b: between 25 – 30 thousand iterations"
    return (Erratum("gd_crossing_at_least", where, 25_000, predicted, measured, 2),)
