"""As many factors as the rank need dof measurements, d factors need δ, and a small start needs fewer than that.

Fewer than dof measurements leave a family of matrices of the rank that fit, fewer than δ one of positive semidefinite
matrices. A start with d factors finds one of these, unless it is small: then it finds a matrix of low rank.

    m needed for a relative error of claim_found at t = T:
    R = r:             dof ≤ m ≤ dof₂,   dof = dr − r(r−1)/2, and dof₂ the same for the rank 2r, that of a difference
    R = d, large α:    m ≥ δ = dof + (d−r)(d−r+1)/4
    R = d, small α:    dof ≤ m ≤ 4dr < δ, by implicit regularisation alone
    all of them far below the d(d+1)/2 unknowns of a linear solver

The sweep has to reach from below dof to above δ, with an m between 4dr and δ; m is known up to its step.

See: R = r falls to rounding between dof and dof₂; the small start is down before δ, the large one beyond.

Source: CS7180 problem set 2, questions 2b and 2d, which fix m = 10dr; arXiv 1712.09203, Theorem 1.1 (small α).
"""

import numpy as np
import xarray as xr

from descent.config import Positive, experiment_config, require_increasing
from descent.result import Check, Result, bound, measured, replicates, sweep
from descent.sensing._memory import require_run
from descent.sensing._phases import SHORT, elsewhere, guarantee, remaining, short, unsettled
from descent.sensing._problem import DescentConfig, draw_factor, hessian_spectrum, sense
from descent.sensing._sample import (
    farthest_transition,
    freedom_of_pairs,
    needed,
    require_stable_in_a_sample,
)
from descent.sensing._trajectories import descend, indices, lost, narrowed, stacked

METHODS = ("exact", "small", "large")
ENDS = ("small_halfway", "small")
LIMITS = ("degrees_of_freedom", "twice_the_rank", "small_start", "uniqueness_threshold")
ENOUGH = 4  # m/(dr) from which a small start keeps its guarantee: measured, theory leaves it open


@experiment_config
class Config(DescentConfig):
    oversampling: tuple[Positive, ...]  # m/(dr)
    start: Positive  # U₀ = start · W for R = r
    small: Positive  # α for R = d
    large: Positive  # α for R = d
    claim_found: Positive  # relative error that counts as recovered

    def __post_init__(self):
        super().__post_init__()
        require_increasing("oversampling", self.oversampling)
        require_increasing("m of oversampling", self.measurements)
        require_increasing("small, large", (self.small, self.large))
        if self.steps < 2:
            raise ValueError("steps 1: whether a run has settled takes at least 2")
        if not self.claim_found < 1:
            raise ValueError(f"claim_found {self.claim_found:g} ≥ 1: U = 0 is as near to X*")
        promised = guarantee(self.small, self.size)
        if promised > self.claim_found:
            raise ValueError(
                f"small {self.small:g} may leave √(α√d) = {promised:.2g} > claim_found "
                f"{self.claim_found:g}"
            )
        m, dof, threshold = self.measurements, self.freedom, self.threshold
        beyond = threshold + farthest_transition(self)
        if not m[0] < dof or not m[-1] > beyond:
            raise ValueError(
                f"oversampling: m = {m[0]} … {m[-1]} must reach from below dof = {dof} to above "
                f"δ and its spread = {beyond:.4g}"
            )
        least = self.count(ENOUGH)
        if not any(least <= one < threshold for one in m):
            raise ValueError(f"oversampling: no m from 4dr = {least} to below δ = {threshold:g}")
        if not len(self.unique):
            pairs = freedom_of_pairs(self)
            raise ValueError(f"oversampling: no m ≥ {pairs}, the degrees of freedom of rank 2r")
        require_stable_in_a_sample(self, m[self.unique[0]])

    @property
    def measurements(self) -> tuple[int, ...]:
        return tuple(map(self.count, self.oversampling))

    @property
    def unique(self) -> np.ndarray:
        """Where in the sweep no two matrices of rank r fit alike."""
        return np.flatnonzero(np.array(self.measurements) >= freedom_of_pairs(self))


def _measure_one(rng: np.random.Generator, config: Config) -> dict[str, np.ndarray]:
    """For every m, each a part of the same rows: errors at T, the small start's at T/2, what R = r may have left."""
    d = config.size
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    S = rng.standard_normal((config.measurements[-1], d * (d + 1) // 2))
    starts = np.stack([config.start * narrowed(W, config.rank), config.small * W, config.large * W])
    errors, half, left, loss = [], [], [], []
    for m in config.measurements:
        given = sense(factor, S[:m])
        eta = config.step / given.eigenvalues[0]
        end = descend(given, starts, eta, config.steps, np.array([config.steps]))
        errors.append(end.distance[:, -1] / np.linalg.norm(given.target))
        half.append(end.distance[1, config.steps // 2] / np.linalg.norm(given.target))
        loss.append(2 * end.training_loss[0, -1] / np.linalg.norm(given.target) ** 2)
        narrow, curvatures = starts[0, :, : config.rank], hessian_spectrum(given)
        left.append(remaining(factor, narrow, eta, config.steps, m, curvatures))
    arrays = {"errors": errors, "halfway": half, "remaining": left, "loss": loss}
    return {k: np.array(v) for k, v in arrays.items()} | {"eigenvalue": given.eigenvalues}


def measure(config: Config) -> xr.Dataset:
    """The error of every method for every m, and the m from which on it is within claim_found."""
    m = np.array(config.measurements)
    require_run(config, config.measurements[-1], 3, config.steps * len(m), 4 * len(m))
    runs = stacked(_measure_one, config)
    errors = runs["errors"]
    labels = ("R = r", f"R = d, α = {config.small:g}", f"R = d, α = {config.large:g}")
    cell, found = ("replicate", "oversampling"), {}
    for k, (name, label) in enumerate(zip(METHODS, labels, strict=True)):
        found[name] = measured(cell, errors[..., k], label)
        enough = [needed(m, one, config.claim_found) for one in errors[..., k]]
        found[f"needed_{name}"] = measured("replicate", enough, f"m needed, {label}")
    return xr.Dataset(
        found
        | {
            "remaining": measured(cell, runs["remaining"], "share of X* that R = r may have left"),
            "loss": measured(cell, runs["loss"], "2f(U_T)/‖X*‖², R = r"),
            "small_halfway": measured(cell, runs["halfway"], f"{labels[1]} at T/2"),
            "measurements": measured("oversampling", m, "m"),
            "eigenvalue": measured(("replicate", "i"), runs["eigenvalue"], "λ_i(X*)"),
        },
        coords={
            "oversampling": sweep(config.oversampling, "oversampling", "m/(dr)"),
            "replicate": replicates(config.replicates),
            "i": indices(config.rank),
        },
        attrs={"unknowns": (config.size + 1) / (2 * config.rank), "dr": config.size * config.rank},
    )


def predict(config: Config) -> xr.Dataset:
    """The limits of what is needed."""
    limits = (config.freedom, freedom_of_pairs(config), config.count(ENOUGH), config.threshold)
    names = zip(LIMITS, limits, ("dof", "dof₂", f"{ENOUGH}dr", "δ"), strict=True)
    return xr.Dataset({name: bound((), float(m), words) for name, m, words in names})


def presupposed(config: Config, found: xr.Dataset) -> tuple[str, ...]:
    """Why the claim says nothing here: runs are lost or too short, or the large start recovers nowhere."""
    reasons, m = lost(found[list(METHODS)].to_dataarray()), found["measurements"]
    if reasons:
        return reasons
    loss, left = (found[name][:, config.unique] for name in ("loss", "remaining"))
    reasons += short(config.steps, left[:, -1]) or elsewhere(loss, left)
    enough = m.values >= config.count(ENOUGH)
    reasons += unsettled(config, found["eigenvalue"], *(found[k][:, enough] for k in ENDS))
    slow = int((found["needed_large"] > m[-1]).sum())
    if slow:
        reasons += (f"{slow} of {config.replicates} large starts recover up to no m",)
    return reasons


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    reasons, m = presupposed(config, found), np.array(config.measurements)
    medians = found[list(METHODS)].median("replicate", skipna=False)
    enough = {k: needed(m, medians[k].values, config.claim_found) for k in METHODS}
    return Result(
        data=found.merge(theory),
        metrics=dict(medians.data_vars)
        | {"uniqueness_threshold": config.threshold, "degrees_of_freedom": config.freedom}
        | {f"needed_{k}": value for k, value in enough.items() if value <= m[-1]},
        checks=() if reasons else compare(config, found, theory),
        no_claim=reasons,
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    m = found["measurements"]
    dof, pairs, small, threshold = (theory[name] for name in LIMITS)
    done = np.flatnonzero(found["remaining"].max("replicate") <= SHORT)
    there = np.intersect1d(done, config.unique)
    late = m.values[there[0]] - freedom_of_pairs(config)
    soon = m.values[m >= config.count(ENOUGH)][0] - config.count(ENOUGH)
    step, none = "a step of the sweep", "fewer never suffice"
    exact, left = found["exact"][:, there], found["remaining"][:, there]
    off, spread = farthest_transition(config), "how far some transition may be from δ"
    return (
        Check("exact_end", exact, "==", 0.0, left + 1e-14, "of the slowest mode, and rounding"),
        Check("exact_needs", found["needed_exact"], ">=", dof, 0, none),
        Check("exact_suffices", found["needed_exact"], "<=", pairs, late, step),
        Check("small_start_needs", found["needed_small"], ">=", dof, 0, none),
        Check("small_start_suffices", found["needed_small"], "<=", small, soon, step),
        Check("large_start_needs", found["needed_large"], ">=", threshold, off, spread),
    )
