"""Gradient descent on matrix sensing from several starts at once, and what every experiment reports of it.

The starts are U₀ = αW with one W a replicate, so that a sweep over α differs in nothing else.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy import stats

from descent.config import Positive, experiment_config, require_increasing
from descent.maths import device
from descent.maths.replicates import replicate
from descent.maths.sampling import level
from descent.result import Check, measured, replicates, steps, sweep
from descent.sensing._kernels import apply
from descent.sensing._memory import require_run
from descent.sensing._operators import Operator
from descent.sensing._problem import Config, Problem, draw, pack, unpack


@experiment_config
class SweepConfig(Config):
    alphas: tuple[Positive, ...]  # scales of the start

    def __post_init__(self):
        super().__post_init__()
        require_increasing("alphas", self.alphas)


class Trajectory(NamedTuple):
    """`a` starts on one problem. Distances are Frobenius norms ‖U_tU_tᵀ − X*‖.

    The training loss is ½ eᵀGe, that of measurements without noise.
    """

    distance: Float[np.ndarray, "a T+1"]
    training_loss: Float[np.ndarray, "a T+1"]
    held_out_loss: Float[np.ndarray, "a s"]
    factors: Float[np.ndarray, "a s d k"]  # U_t at the snapshots
    eigenvalues: Float[np.ndarray, " r"]  # of X*


def descend(
    problem: Problem, U: Float[np.ndarray, "a d k"], eta: float, count: int, snapshots: np.ndarray
) -> Trajectory:
    """`count` steps U ← U − η∇f(U) from every start, all on the same measurements.

    A start that diverges goes on as inf and nan; with nothing held out the held-out loss is nan.
    Everything happens where the problem's operator lives; only what is reported comes back.
    """
    xp = problem.gram.module if isinstance(problem.gram, Operator) else np
    U, target, fresh = (device.to(xp, x) for x in (U, problem.target, problem.held_out))
    offset = None if problem.offset is None else device.to(xp, problem.offset)
    distance, loss = (xp.empty((len(U), count + 1)) for _ in range(2))
    held_out, factors = [], []
    kept = set(snapshots.tolist())
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(count + 1):
            error = pack(U @ U.mT) - target
            pull = apply(problem.gram, error)
            distance[:, t] = np.linalg.norm(error, axis=-1)
            loss[:, t] = np.maximum(device.vecdot(error, pull), 0) / 2  # −1e-16 is rounding
            if t in kept:
                residual = error @ fresh.T
                squares = device.to(np, device.vecdot(residual, residual))
                held_out.append(squares / (2 * len(fresh)))
                factors.append(device.to(np, U))
            if offset is not None:
                pull = pull - offset
            U = U - 2 * eta * unpack(pull) @ U
    distance, loss = device.to(np, distance), device.to(np, loss)
    return Trajectory(
        distance, loss, np.stack(held_out, 1), np.stack(factors, 1), problem.eigenvalues
    )


def distances(
    problem: Problem, U: Float[np.ndarray, "a d k"], eta: Float[np.ndarray, " a"], count: int
) -> Float[np.ndarray, "a t"]:
    """‖U_tU_tᵀ − X*‖ along `count` steps from every start with a step size of its own."""
    distance = np.empty((len(U), count + 1))
    with np.errstate(over="ignore", invalid="ignore"):  # a start that diverges goes on as nan
        for t in range(count + 1):
            error = pack(U @ U.mT) - problem.target
            distance[:, t] = np.linalg.norm(error, axis=-1)
            U = U - 2 * eta[:, None, None] * unpack(apply(problem.gram, error)) @ U
    return distance


def narrowed(W: Float[np.ndarray, "d k"], width: int) -> Float[np.ndarray, "d k"]:
    """W with zeros beyond its first `width` columns.

    Zero columns stay zero, ∇f(U) = MU, so starts of several widths can descend side by side.
    """
    return np.where(np.arange(W.shape[1]) < width, W, 0.0)


def from_random_starts(
    rng: np.random.Generator, config: Config, width: int, alphas: tuple[float, ...]
) -> tuple[Problem, Trajectory]:
    """A random problem and the descents from U₀ = αW for every α, W: (d, width) standard normal."""
    problem = draw(rng, config)
    W = rng.standard_normal((config.size, width))
    eta = config.step / problem.eigenvalues[0]
    starts = np.multiply.outer(alphas, W)
    return problem, descend(problem, starts, eta, config.steps, config.snapshot_steps)


def stacked(function: Callable, config) -> dict[str, np.ndarray]:
    """What every replicate returned under each name, function(rng, config) → names → arrays, as arrays of them."""
    runs = replicate(function, config.seed, [(config,)] * config.replicates)
    return {name: np.array([run[name] for run in runs]) for name in runs[0]}


def indices(rank: int) -> tuple:
    """The coordinate of the eigenvalues of X*."""
    return ("i", np.arange(rank) + 1, {"long_name": "index i"})


def labelled(
    trajectories: list[Trajectory], config: Config, alphas: tuple[float, ...]
) -> xr.Dataset:
    """The trajectories of all replicates as one dataset over (replicate, alpha, t or snapshot)."""
    distance, training, held_out, factors, eigenvalues = map(
        np.stack, zip(*trajectories, strict=True)
    )
    norm = np.linalg.norm(eigenvalues, axis=-1)[:, None, None]
    curve, kept = ("replicate", "alpha", "t"), ("replicate", "alpha", "snapshot")
    return xr.Dataset(
        {
            "distance": measured(curve, distance, "‖U_tU_tᵀ − X*‖"),
            "relative_distance": measured(curve, distance / norm, "‖U_tU_tᵀ − X*‖ / ‖X*‖"),
            "training_loss": measured(curve, training, "training loss"),
            "held_out_loss": measured(kept, held_out, "loss on fresh measurements"),
            "U": measured((*kept, "row", "factor"), factors, "U_t"),
            "eigenvalue": measured(("replicate", "i"), eigenvalues, "λ_i(X*)"),
            "eta": measured("replicate", config.step / eigenvalues[:, 0], "η"),
        },
        coords={
            "alpha": sweep(alphas, "alpha", "scale α of the start U₀ = αW"),
            "t": steps(np.arange(config.steps + 1), "t", "step t"),
            "snapshot": steps(config.snapshot_steps, "snapshot", "step t"),
            "replicate": replicates(config.replicates),
            "i": indices(config.rank),
        },
        attrs={"measurements": config.measurements},
    )


def _overparameterised(rng: np.random.Generator, config: SweepConfig) -> Trajectory:
    return from_random_starts(rng, config, config.size, config.alphas)[1]


def overparameterised(config: SweepConfig) -> xr.Dataset:
    """The labelled trajectories with U: (d, d) from every α, over all replicates."""
    require_trajectories(config, config.size, len(config.alphas))
    runs = replicate(_overparameterised, config.seed, [(config,)] * config.replicates)
    return labelled(runs, config, config.alphas)


def require_trajectories(config: Config, width: int, starts: int) -> None:
    """Refuse what does not fit, before anything is drawn."""
    kept = starts * len(config.snapshot_steps) * config.size * width
    require_run(config, config.measurements, starts, config.steps, kept, config.held_out)


def curves(data: xr.Dataset, config: Config) -> dict[str, xr.DataArray]:
    """Distances and losses at the milestones, as means over replicates."""
    means = data[["distance", "relative_distance", "training_loss"]].mean("replicate", skipna=False)
    metrics = dict(means.sel(t=config.reported).data_vars)
    held_out = data["held_out_loss"].mean("replicate", skipna=False).sel(snapshot=config.reported)
    return metrics | {"held_out_loss": held_out.rename(snapshot="t")}


def lost(ends: xr.DataArray) -> tuple[str, ...]:
    """The reason to claim nothing if some runs left float64."""
    gone = int((~np.isfinite(ends)).sum())
    reason = f"{gone} of {ends.size} runs left float64: the start or the step is too large"
    return (reason,) if gone else ()


def held_out_checks(data: xr.Dataset, h: int) -> tuple[Check, ...]:
    """On h fresh Gaussian measurements the loss is ½‖e‖² χ²_h/h, e = UUᵀ − X*; of the runs that are there."""
    half = (data["distance"].isel(t=-1) ** 2 / 2).drop_vars("t")
    loss = data["held_out_loss"].isel(snapshot=-1).drop_vars("snapshot")
    there = np.isfinite(loss)
    if not there.any():
        return ()
    half, loss = half.where(there, 0.0), loss.where(there, 0.0)
    beyond = stats.chi2.isf(level(half.size) / 2, h) / h - 1
    why = f"what χ² of {h} fresh measurements may be off"
    return (Check("held_out_loss", loss, "==", half, beyond * half, why),)
