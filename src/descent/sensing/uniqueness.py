"""X* is the only positive semidefinite matrix that fits the measurements once there are more than δ of them.

Two such matrices that fit differ by a direction that the measurements do not see and that keeps X* positive
semidefinite. Those directions are a cone, and δ is its dimension in the sense that counts for random
measurements: that of the tangent space, and half of that of the symmetric matrices beyond it.

    δ = dr − r(r−1)/2 + (d−r)(d−r+1)/4,   far below the d(d+1)/2 unknowns of a symmetric matrix
    X = argmin ½‖S pack(X) − y‖²/m over X ⪰ 0, from a start far from X*
    m at which X* becomes the only fit, rows added to S one by one:   mean δ (up to 1, the parity of the Crofton
    formula), standard deviation √(4/π² − ¼) (d − r)

A second matrix that fits is a proof that X* is not the only one. A run proves neither unless it fits: it then
counts as undecided. The place is halfway from the last m that missed X* to the next that found it.

See: below δ every problem has another fit, found far from X*; above δ none has, and the shares cross at δ.

Source: CS7180 problem set 2, question 2e, takes m = 10dr, above δ; arXiv 1806.02046 (the cone makes X* unique);
arXiv 1303.6672, Theorem II (transition at δ), Fact 2.1 (Crofton), Proposition 3.2 (n(n+1)/4); arXiv 1308.5265
(variance of the intrinsic volumes).
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.maths.sampling import mean_of_known_spread
from descent.result import Check, Result, measured, predicted, replicates, sweep
from descent.sensing._memory import require_run
from descent.sensing._problem import TargetConfig, draw_factor, pack, sense
from descent.sensing._psd import least_squares
from descent.sensing._sample import farthest_transition, transition_spread

PARITY = 1.0  # of the Crofton formula
COARSE = 0.25  # of δ: a step of the sweep around it that tells nothing any more


@experiment_config
class Config(TargetConfig):
    ratios: tuple[Positive, ...]  # m/δ
    start: Positive  # ‖X₀‖/‖X*‖
    iterations: Count  # at the most
    tolerance: Positive  # gradient mapping relative to ‖X*‖ at which the solver stops
    claim_fit: Positive  # loss relative to f(0) that counts as a fit
    claim_found: Positive  # relative distance below which X* was found
    claim_elsewhere: Positive  # relative distance above which it was not

    def __post_init__(self):
        super().__post_init__()
        require_increasing("ratios", self.ratios)
        require_increasing("claim_found, claim_elsewhere", (self.claim_found, self.claim_elsewhere))
        require_increasing("m of ratios", self.measurements)
        if self.rank == self.size > 1:
            near = "other fits come as near as X*'s least eigenvalue is to 0"
            raise ValueError(f"rank {self.rank} = size: {near}")
        m, threshold, reach = np.array(self.measurements), self.threshold, self.reach
        if not (m[0] <= threshold - reach or m[0] == 1) or not m[-1] >= threshold + reach:
            raise ValueError(
                f"ratios: m = {m[0]} … {m[-1]} must reach from {threshold - reach:.4g} to {threshold + reach:.4g}, "
                "δ and how far from it some replicate's place may be"
            )
        inside = m[(m > threshold - reach) & (m < threshold + reach)]
        step = np.diff([max(threshold - reach, 1), *inside, threshold + reach]).max()
        if step > 2 + COARSE * threshold:
            raise ValueError(
                f"ratios: a step of {step:.4g} around δ = {threshold:g} is too wide to place it"
            )

    @property
    def reach(self) -> float:
        """How far from δ the place of some replicate may be."""
        return farthest_transition(self) + PARITY

    @property
    def measurements(self) -> tuple[int, ...]:
        return tuple(max(1, round(ratio * self.threshold)) for ratio in self.ratios)


class Place(NamedTuple):
    """Where X* becomes the only fit of one problem; nan where the sweep does not tell."""

    middle: float
    half: float  # half of the step that it lies in


def _measure_one(rng: np.random.Generator, config: Config) -> Float[np.ndarray, "m 3"]:
    """Relative distance, relative loss and iterations for every m, each a part of the same rows."""
    d = config.size
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    S = rng.standard_normal((config.measurements[-1], d * (d + 1) // 2))
    rows = []
    for m in config.measurements:
        given = sense(factor, S[:m])
        norm = np.linalg.norm(given.target)
        start = config.start * norm * (W @ W.T) / np.linalg.norm(W @ W.T)
        end = least_squares(given, start, config.iterations, config.tolerance)
        distance = np.linalg.norm(pack(end.X) - given.target) / norm
        rows.append([distance, 2 * end.loss / norm**2, end.iterations])
    return np.array(rows)


def measure(config: Config) -> xr.Dataset:
    """Where least squares ends for every m, what that proves, and the place of every replicate."""
    m = np.array(config.measurements)
    require_run(config, int(m[-1]), 1, config.iterations * len(m), 3 * len(m))
    runs = np.array(replicate(_measure_one, config.seed, [(config,)] * config.replicates))
    distance, loss, iterations = np.moveaxis(runs, -1, 0)
    fits = loss <= config.claim_fit
    found = fits & (distance <= config.claim_found)
    missed = fits & (distance >= config.claim_elsewhere)
    places = [transition(m, *one) for one in zip(found, missed, strict=True)]
    cell = ("replicate", "ratio")
    return xr.Dataset(
        {
            "relative_distance": measured(cell, distance, "‖X − X*‖ / ‖X*‖"),
            "relative_loss": measured(cell, loss, "training loss / that of X = 0"),
            "iterations": measured(cell, iterations, "iterations"),
            "found": measured("ratio", found.mean(0), "found X*"),
            "missed": measured("ratio", missed.mean(0), "fits elsewhere"),
            "undecided": measured("ratio", 1 - (found | missed).mean(0), "undecided"),
            "measurements": measured("ratio", m, "m"),
            "place": measured("replicate", [one.middle for one in places], "m where only X* fits"),
            "half_step": measured("replicate", [one.half for one in places], "half its step in m"),
        },
        coords={
            "ratio": sweep(config.ratios, "ratio", "m/δ"),
            "replicate": replicates(config.replicates),
        },
    )


def transition(
    m: np.ndarray, found: Bool[np.ndarray, " m"], missed: Bool[np.ndarray, " m"]
) -> Place:
    """Halfway from the last m that missed X* to the first beyond it that found it; from 0 if none missed."""
    last = np.flatnonzero(missed)[-1] if missed.any() else -1
    later = np.flatnonzero(found[last + 1 :])
    if not len(later):
        return Place(np.nan, np.nan)
    low, high = (m[last] if last >= 0 else 0), m[last + 1 + later[0]]
    return Place((low + high) / 2, (high - low) / 2)


def predict(config: Config) -> xr.Dataset:
    return xr.Dataset({"uniqueness_threshold": predicted((), config.threshold, "δ")})


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    unplaced = int(found["place"].isnull().sum())
    reasons = (
        (
            f"iterations {config.iterations}: in {unplaced} of {config.replicates} problems too few solves had "
            "converged to say where X* becomes the only fit",
        )
        if unplaced
        else ()
    )
    return Result(
        data=found.merge(theory),
        metrics={name: found[name] for name in ("found", "missed", "undecided")}
        | {"relative_distance": found["relative_distance"].mean("replicate")}
        | {
            "uniqueness_threshold": config.threshold,
            "transition": found["place"].mean(skipna=False),
        },
        checks=() if unplaced else compare(config, found, theory),
        no_claim=reasons,
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    m, reach, threshold = found["measurements"], config.reach, config.threshold
    place = mean_of_known_spread(found["place"], transition_spread(config.size, config.rank))
    tol = place.tol + found["half_step"].mean() + PARITY
    why = f"{place.why}, half a step of m, the parity"
    checks = (Check("place", place.value, "==", theory["uniqueness_threshold"], tol, why),)
    below, above = (m <= threshold - reach).values, (m >= threshold + reach).values
    beyond = f"δ ∓ {reach:.3g}: no place is further"
    if below.any():
        checks += (Check("other_fits_below", found["found"][below], "==", 0.0, 0, beyond),)
    return (*checks, Check("other_fits_above", found["missed"][above], "==", 0.0, 0, beyond))
