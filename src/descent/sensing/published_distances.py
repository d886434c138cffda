"""The published distances are those of another algorithm, whose first step shrinks the whole start by a trace.

Beside the target's directions and the start's largest one the error E is that of the start alone, far smaller than
its trace. The trace in the published update takes nearly two thirds of it in one step, a step of matrix sensing less
than a hundredth. What is left then decides the distances.

    U ← U − (2η/m) Σ AᵢE(Aᵢ + Aᵢᵀ)U,   E = UUᵀ − X*,   U: (d, d);   P projects off X* and the top direction of U₀
    ⟨PU₁, PU₀⟩/‖PU₀‖²:     in the mean over the Aᵢ   1 − 2η(tr(E) + ⟨PEU₀, PU₀⟩/‖PU₀‖²)
    matrix sensing:                                   1 − 4η⟨PEU₀, PU₀⟩/‖PU₀‖²
    m draws spread it by at most 2η√(8/m)‖E‖‖PU₀U₀ᵀP‖/‖PU₀‖², by Cauchy and Schwarz

See: the printed distances lie among the emulated ones, and below those of matrix sensing; on the right, the first
step is the published update's.

Source: CS7180 problem set 2, notebook 2d: distances of steps 1 to 3 from a start with uniform entries (its random
numbers had no seed, so they can be compared in kind only).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.stats import norm

from descent.config import Count, Positive, Seed, experiment_config
from descent.maths.limits import PRODUCT, require_cost
from descent.maths.replicates import replicate
from descent.maths.sampling import level
from descent.result import Check, Result, measured, predicted, replicates, steps
from descent.sensing.published_update import printed_mean

CHUNK = 250  # matrices A multiplied at once


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    size: Count  # d
    rank: Count  # r
    measurements: Count  # m
    step: Positive  # η as the notebook has it
    steps: Count  # with the matrices A_i themselves
    start: Positive  # U₀ = start · W, W uniform on [0, 1]
    printed_distances: tuple[Positive, ...]  # of the first steps

    def __post_init__(self):
        if self.size < self.rank + 2:
            raise ValueError(f"size {self.size} < rank + 2 = {self.rank + 2}: nothing is beside X*")
        if len(self.printed_distances) > self.steps:
            raise ValueError(f"{len(self.printed_distances)} printed_distances, steps {self.steps}")


def printed_operator(
    A: Float[np.ndarray, "m d d"], E: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "d d"]:
    """(1/m) Σ AᵢE(Aᵢ + Aᵢᵀ), as three matrix products a chunk."""
    total = np.zeros_like(E)
    d = len(E)
    for first in range(0, len(A), CHUNK):
        a = A[first : first + CHUNK]
        rows = (a @ E).transpose(1, 0, 2).reshape(d, -1)  # AᵢE side by side
        total += rows @ a.reshape(-1, d) + rows @ a.transpose(0, 2, 1).reshape(-1, d)
    return total / len(A)


def beside(factor: Float[np.ndarray, "d r"], U: Float[np.ndarray, "d d"]) -> np.ndarray:
    """P, which projects off the target and off the largest direction of the start."""
    top = np.linalg.svd(U)[0][:, :1]
    Q = np.linalg.qr(np.hstack([factor, top]))[0]
    return np.eye(len(U)) - Q @ Q.T


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """The factor of the first step, in the mean over the measurements."""
    factors = []
    for factor, U in zip(given["factor"].values, given["start"].values, strict=True):
        P, E = beside(factor, U), U @ U.T - factor @ factor.T
        pull = np.sum((P @ printed_mean(E) @ U) * (P @ U)) / np.sum((P @ U) ** 2)
        factors.append(1 - 2 * config.step * pull)
    return xr.Dataset(
        {"first_factor_predicted": predicted("replicate", factors, "1 − 2η(tr(E) + …)")}
    )


def measure(config: Config) -> xr.Dataset:
    """The published algorithm, and matrix sensing at m = ∞, from the same random targets and starts."""
    m, d = config.measurements, config.size
    work = 16 * PRODUCT * config.replicates * config.steps * m * d**3
    require_cost(config, "measurements, size, steps, replicates", 4.0 * m * d**2, work, free=True)
    runs = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    factor, start, distances, factors, moved = map(np.array, zip(*runs, strict=True))
    each = "replicate"
    return xr.Dataset(
        {
            "distance": measured((each, "t"), distances[:, 0], "‖U_tU_tᵀ − X*‖"),
            "sensing": measured((each, "t"), distances[:, 1], "‖U_tU_tᵀ − X*‖, m = ∞"),
            "first_factor": measured(each, factors[:, 0], "⟨PU₁, PU₀⟩/‖PU₀‖²"),
            "first_factor_of_sensing": measured(each, factors[:, 1], "the same, m = ∞"),
            "trace_part": measured(each, moved[:, 0], "2η tr(E)"),
            "spread": measured(each, moved[:, 1], "largest standard deviation of the factor"),
            "factor": measured((each, "row", "rank"), factor, "U*"),
            "start": measured((each, "row", "column"), start, "U₀"),
        },
        coords={
            "t": steps(np.arange(config.steps) + 1, "t", "step t"),
            "replicate": replicates(config.replicates),
        },
    )


def _measure_one(rng: np.random.Generator, config: Config) -> tuple:
    """U*, U₀; distances and first factors of both algorithms; what the trace moves, and chance."""
    d, eta = config.size, config.step
    factor = rng.random((d, config.rank))
    X, start = factor @ factor.T, config.start * rng.random((d, d))
    A = rng.standard_normal((config.measurements, d, d))
    P = beside(factor, start)
    square = np.sum((P @ start) ** 2)
    updates = (lambda E: 2 * printed_operator(A, E), lambda E: 4 * E)
    distances, factors = [], []
    for update in updates:
        path = [start]
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(config.steps):
                U = path[-1]
                path.append(U - eta * update(U @ U.T - X) @ U)
        distances.append([np.linalg.norm(U @ U.T - X) for U in path[1:]])
        factors.append(np.sum((P @ path[1]) * (P @ start)) / square)
    E, B = start @ start.T - X, P @ start @ start.T @ P
    sizes = np.linalg.norm(E) * np.linalg.norm(B) / square
    chance = 2 * eta * np.sqrt(8 / config.measurements) * sizes
    return factor, start, distances, factors, (2 * eta * np.trace(E), chance)


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    low, high = float(found["trace_part"].min()), float(found["trace_part"].max())
    chance = 10 * float(found["spread"].max())
    reasons = (
        (low < chance, f"the trace shrinks the start by {low:.2g}, chance may by {chance:.2g}"),
        (high > 1, f"the trace takes {high:.2g} of the start, more than all of it"),
    )
    printed = {"printed": config.printed_distances} if config.printed_distances else {}
    return Result(
        data=found.drop_vars(["factor", "start"]).merge(theory).assign_attrs(printed),
        metrics={
            "first_emulated_distance": found["distance"][:, 0].mean(),
            "first_distance_of_sensing": found["sensing"][:, 0].mean(),
            "first_factor": found["first_factor"].mean(),
            "first_factor_predicted": theory["first_factor_predicted"].mean(),
            "first_factor_of_sensing": found["first_factor_of_sensing"].mean(),
        },
        checks=compare(found, theory),
        no_claim=tuple(reason for applies, reason in reasons if applies),
    )


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    z = float(-norm.ppf(level(found.sizes["replicate"]) / 2))
    expected, why = theory["first_factor_predicted"], f"{z:.1f} standard deviations over m matrices"
    return (Check("first_factor", found["first_factor"], "==", expected, z * found["spread"], why),)
