"""Recovery has a corner over (m/(dr), α): a small start needs 4dr measurements at most, a large one needs δ.

From fewer measurements than dof nothing finds X*. From 4dr on a small start does, by its implicit bias alone. A start
larger than X* fits something else until X* is the only fit, and that takes δ.

    U: (d, d),   U₀ = αW,   y of m measurements, drawn anew for every m;   found: ‖U_TU_Tᵀ − X*‖ ≤ claim_found ‖X*‖
    m < dof = dr − r(r−1)/2:                          found by none      (compared up to ½dof)
    m ≥ 4dr and 4√(α√d) ≤ claim_found:                found by all
    m < δ = dof + (d−r)(d−r+1)/4, ‖U₀U₀ᵀ‖ > ‖X*‖:     found by none      (below δ by more than its spread)
    m > δ, the loss at its end:                       found by all       (above δ by more than its spread)
    m ≥ 4dr, at every α:   damped √Σ_k(1/μ_k + 4ηT)⁻²/‖X*‖ ≤ error ≤ 4√(α√d)

sensing@recovery has two starts, sensing@scarce one m, sensing@plateau slopes in α; here is the plane between them. What
lies between the four regions is drawn and not predicted.

See: left, dark is found: between the lines 4dr and δ small starts alone, beyond δ the larger ones too, though the largest
need more than T steps; right, the error over α lies between its two limits.

Source: CS7180 problem set 2, questions 2d and 2e; arXiv 1712.09203, Theorem 1.1 (small α), whose constants are measured.
"""

import numpy as np
import xarray as xr

from descent.config import Positive, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.result import Check, Result, bound, measured, predicted, replicates, sweep
from descent.sensing import _plane
from descent.sensing._memory import require_run
from descent.sensing._phases import guarantee
from descent.sensing._plane import CELL, CONSTANT, ENOUGH, emergences, named, regions
from descent.sensing._problem import DescentConfig, draw_factor, sense
from descent.sensing._surplus import norm_after, unabsorbed
from descent.sensing._trajectories import descend, indices, lost

ROUNDING = 1e-20  # of a loss over ‖X*‖²


@experiment_config
class Config(DescentConfig):
    oversampling: tuple[Positive, ...]  # m/(dr)
    alphas: tuple[Positive, ...]  # scales of the start
    claim_found: Positive  # relative error up to which X* is found

    def __post_init__(self):
        super().__post_init__()
        require_increasing("oversampling", self.oversampling)
        require_increasing("m of oversampling", self.measurements)
        require_increasing("alphas", self.alphas)
        enough, unknowns = self.count(ENOUGH), self.size * (self.size + 1) // 2
        if enough >= unknowns:
            raise ValueError(
                f"rank {self.rank}: {ENOUGH}dr = {enough} ≥ {unknowns}, "
                "from where on a linear solver finds X*"
            )
        if self.steps < 2:
            raise ValueError("steps 1: whether a run has settled takes at least 2")
        if not self.claim_found <= 0.3:
            raise ValueError(f"claim_found {self.claim_found:g} > 0.3: other matrices are as near")

    @property
    def measurements(self) -> tuple[int, ...]:
        return tuple(map(self.count, self.oversampling))


def _measure_one(rng: np.random.Generator, config: Config, m: int) -> dict[str, np.ndarray]:
    """One problem with m measurements from every α, and what is known of it without a run."""
    d = config.size
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    given = sense(factor, rng.standard_normal((m, d * (d + 1) // 2)))
    eta, norm = config.step / given.eigenvalues[0], np.linalg.norm(factor @ factor.T)
    starts = np.multiply.outer(config.alphas, W)
    path = descend(given, starts, eta, config.steps, np.array([config.steps]))
    half, end = config.steps // 2, config.steps
    mu = unabsorbed(factor, W)
    return {
        "error": path.distance[:, end] / norm,
        "loss": 2 * path.training_loss[:, end] / norm**2,
        "loss_halfway": 2 * path.training_loss[:, half] / norm**2,
        "eigenvalue": given.eigenvalues,
        "start": np.square(config.alphas) * np.linalg.norm(W @ W.T) / norm,
        "left": np.array([norm_after(a**2 * mu, eta, end) / norm for a in config.alphas]),
    }


def measure(config: Config) -> xr.Dataset:
    """The error from every α at every m, its loss, and the start: its size, and what it leaves at m = ∞."""
    count, a = len(config.measurements), len(config.alphas)
    require_run(config, config.measurements[-1], a, config.steps * count, 6 * count * a)
    tasks = [(config, m) for _ in range(config.replicates) for m in config.measurements]
    found = replicate(_measure_one, config.seed, tasks)
    runs = {
        name: np.reshape([one[name] for one in found], (config.replicates, count, -1))
        for name in found[0]
    }
    share = (runs["error"] <= config.claim_found).mean(0)
    return xr.Dataset(
        {
            "error": measured(CELL, runs["error"], "relative error at t = T"),
            "recovery": measured(CELL[1:], share, "share of runs that find X*"),
            "loss": measured(CELL, runs["loss"], "2f(U_T)/‖X*‖²"),
            "loss_halfway": measured(CELL, runs["loss_halfway"], "the same at T/2"),
            "start": measured(CELL, runs["start"], "‖U₀U₀ᵀ‖/‖X*‖"),
            "left": measured(CELL, runs["left"], "√Σ(1/μ_k + 4ηT)⁻²/‖X*‖"),
            "eigenvalue": measured((*CELL[:2], "i"), runs["eigenvalue"], "λ_i(X*)"),
            "measurements": measured("oversampling", np.array(config.measurements), "m"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "oversampling": sweep(config.oversampling, "oversampling", "m/(dr)"),
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "i": indices(config.rank),
        },
    )


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """1 where all find X*, else 0; and the limits of the error from 4dr measurements on."""
    every, _ = regions(config, given)
    small = CONSTANT * guarantee(given["alpha"], config.size)
    return xr.Dataset(
        {
            "recovery_predicted": predicted(
                CELL[1:], every.values.astype(float), "share that finds X*, where it is decided"
            ),
            "least_bound": bound(
                CELL, _plane.least(config, given).values, "damped √Σ(1/μ_k + 4ηT)⁻²/‖X*‖"
            ),
            "most_bound": bound("alpha", small.values, f"{CONSTANT}√(α√d)"),
        },
        attrs={
            "dof": config.freedom / config.count(1),
            "enough": ENOUGH,
            "threshold": config.threshold / config.count(1),
            "small": (config.claim_found / CONSTANT) ** 2 / np.sqrt(config.size),
            "found": config.claim_found,
        },
    )


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    every, none = regions(config, found)
    checks, unchecked = compare(config, found, theory)
    gone = lost(found["error"])
    if gone:
        unchecked["left_float64"] = named(gone[0], ~np.isfinite(found["error"]).all("replicate"))
    middle = found["error"].median("replicate", skipna=False)
    kept = found.drop_vars(["loss", "loss_halfway", "start", "left", "eigenvalue"])
    kept["decided"] = predicted(CELL[1:], (every | none).values * 1.0, "1 where it is decided")
    return Result(
        data=kept.merge(theory).assign_attrs(theory.attrs),
        metrics={
            "error": middle,
            "found_share": found["recovery"],
            "decided_share": float((every | none).mean()),
        },
        checks=checks,
        no_claim=() if checks else gone,
        unchecked=unchecked,
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset
) -> tuple[tuple[Check, ...], dict[str, str]]:
    """The checks, and why those are left out that this plane has no points for."""
    checks, unchecked = (), {}
    # A run that left float64 is not judged, nor is the share that finds X* at its point.
    fine = np.isfinite(found["error"])
    ready = (emergences(config, found) <= config.steps // 2).all(("replicate", "oversampling"))
    falls = (found["loss"] < found["loss_halfway"] / 2) & (found["loss"] > ROUNDING)
    # What should be found has to have had the time: X* is out by T/2, a large start at its end.
    large = theory["most_bound"] > config.claim_found
    waits = ~ready | large & (falls & (found["error"] > config.claim_found)).any("replicate")
    left = _plane.unfinished(config, found)
    waits = waits | ~large & (left > config.claim_found / 2).any("replicate")
    every, none = regions(config, found)
    decided = ((none | every & ~waits) & fine.all("replicate")).transpose(*CELL[1:])
    if decided.any():
        share, wanted = found["recovery"], theory["recovery_predicted"]
        why = "the claim's own distance"
        checks += (Check("recovery", share, "==", wanted, 0, why, decided),)
    else:
        unchecked["recovery"] = "no point lies where it is decided, or its run has no end by T"
    enough = found["measurements"] >= config.count(ENOUGH)
    for name, relation, which in (
        ("least_bound", ">=", ready),
        ("most_bound", "<=", (left <= theory["most_bound"] / 2) & (theory["most_bound"] < 1)),
    ):
        where = (fine & enough & which).transpose(*CELL)
        if not where.any():
            unchecked[name] = f"no m ≥ {ENOUGH}dr with a start whose run is long enough"
            continue
        why = "the limit leaves room for the sample"
        checks += (Check(name, found["error"], relation, theory[name], 0, why, where),)
    return checks, unchecked
