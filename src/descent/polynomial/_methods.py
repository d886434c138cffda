"""Runs of gradient descent and its adaptive relatives from 0 on the points, and where they end."""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.maths.coordinatewise import only_limit
from descent.maths.optimisers import (
    Memory,
    adagrad,
    adam,
    adapt,
    descend,
    drawn,
    full_batch,
    rmsprop,
)
from descent.polynomial import _overparameterised
from descent.polynomial._problem import Problem, null_projector
from descent.result import Erratum, measured, replicates, steps, sweep

NO_LEVELS = np.empty(0)


def descent(problem: Problem, rate: float, batches, kept: np.ndarray) -> Float[np.ndarray, "k p"]:
    """θ at the steps kept of gradient descent of the step rate/β."""
    start = np.zeros_like(problem.theta)
    rates = np.full_like(start, rate / problem.beta)
    return descend(
        problem.X, problem.y, start, rates, batches, kept, problem.theta, NO_LEVELS
    ).theta


def one_sample_a_step(rng, problem: Problem, config, kept: np.ndarray):
    """θ_k of Adam over (rate, k) and of SGD over (sgd_rate, k), all on the same samples."""
    start, batches = np.zeros_like(problem.theta), drawn(rng, config.points, config.steps, 1)
    memory = adam(config.momentum, config.decay)
    paths = [
        adapt(problem.X, problem.y, start, rate, config.epsilon, memory, batches, kept)
        for rate in config.rates
    ]
    sgd = [descent(problem, rate, batches, kept) for rate in config.sgd_rates]
    return np.array(paths), np.array(sgd)


def adaptive(config) -> dict[str, tuple[str, Memory, tuple[float, ...]]]:
    """The dimension, the rule and the rates of every adaptive method at full batch."""
    return {
        "adam_full": ("rate", adam(config.momentum, config.decay), config.rates),
        "adagrad": ("adagrad_rate", adagrad(), config.adagrad_rates),
        "rmsprop": ("rmsprop_rate", rmsprop(config.decay), config.rmsprop_rates),
    }


def several(config) -> list[str]:
    """The adaptive methods that run at more than one rate."""
    return [name for name, (_, _, rates) in adaptive(config).items() if len(rates) > 1]


def many(problem: Problem) -> bool:
    """Whether the rate may decide at which solution a method ends that scales every coordinate."""
    return only_limit(problem.X, problem.y) is None


def left_out(config, problem: Problem, lost: str) -> dict[str, str]:
    """Which checks these runs and these samples do not allow, and why; `lost`: the rates of SGD that left float64."""
    found = {f"sgd_in_the_row_space_at_{lost}": "these runs left float64"} if lost else {}
    one = "steps by coordinates can end at one solution only, at these samples"
    names = [] if many(problem) else several(config)
    return found | {f"{name}_depends_on_its_rate": one for name in names}


def refute_label(problem: Problem, found: xr.Dataset) -> tuple[Erratum, ...]:
    """The notebook's curve starts at ‖θ*‖; its label says ‖θ_k − θ*‖²."""
    drawn, start = float(length(problem.theta)), float(found["distance"].isel(k=0).max())
    name, where = "squared_distance_at_the_start", "FRTN50 assignment 4d"
    return (Erratum(name, where, drawn, drawn**2, start**2, 1e-9 * drawn**2),)


def at_full_batch(problem: Problem, config) -> dict[str, tuple[str, np.ndarray]]:
    """The dimension and the ends, by rate, of gradient descent and of every adaptive method."""
    full, kept = full_batch(config.points), np.array([config.steps])
    X, y, start = problem.X, problem.y, np.zeros_like(problem.theta)
    gd = [descent(problem, rate, full, kept)[0] for rate in config.gd_rates]
    ends = {"gd": ("gd_rate", np.array(gd))}
    for name, (dim, memory, rates) in adaptive(config).items():
        runs = [adapt(X, y, start, r, config.epsilon, memory, full, kept) for r in rates]
        ends[name] = (dim, np.concatenate(runs))
    return ends


def unseen(problem: Problem, theta: Float[np.ndarray, "*s p"]) -> Float[np.ndarray, "*s p"]:
    """P_null θ, the part that no point sees; not finite where a run diverged."""
    with np.errstate(over="ignore", invalid="ignore"):
        return theta @ null_projector(problem)


def length(vectors: Float[np.ndarray, "*s p"]) -> Float[np.ndarray, "*s"]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.linalg.norm(vectors, axis=-1))


def coordinates(config) -> dict[str, xr.Variable]:
    power = np.arange(config.degree + 1)
    return {
        "k": steps(config.record, "k", "step k"),
        "rate": sweep(config.rates, "rate", "rate γ of Adam"),
        "adagrad_rate": sweep(config.adagrad_rates, "adagrad_rate", "rate of AdaGrad"),
        "rmsprop_rate": sweep(config.rmsprop_rates, "rmsprop_rate", "rate of RMSProp"),
        "gd_rate": sweep(config.gd_rates, "gd_rate", "γβ of GD"),
        "sgd_rate": sweep(config.sgd_rates, "sgd_rate", "γβ of SGD"),
        "replicate": replicates(config.replicates),
        "power": xr.Variable("power", power, {"long_name": "power j"}),
        "x": xr.Variable("x", np.linspace(*config.interval, 201), {"long_name": "x"}),
        "i": xr.Variable("i", config.taken()[0], {"long_name": "x_i"}),
    }


def fitted(config, problem: Problem, final: Float[np.ndarray, "r s p"]) -> dict[str, xr.Variable]:
    """The points, the function, and the models at which Adam's first run ends, by rate; and the shortest fit."""
    _, truth, fits = _overparameterised.fits(config, final[0], config.interval)
    shortest = _overparameterised.fits(config, problem.theta, config.interval)[2]
    return {
        "fit": measured(("rate", "x"), fits, "m(x; θ) of Adam's first run"),
        "shortest_fit": measured("x", shortest, "m(x; θ*)"),
        "truth": measured("x", truth, "the function"),
        "point": measured("i", problem.y, "y_i"),
    }
