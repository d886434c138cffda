"""X* is the only positive semidefinite matrix that fits the measurements exactly when there are more than δ of them.

    δ = dr − r(r−1)/2 + (d−r)(d−r+1)/4,   far below the d(d+1)/2 unknowns of a symmetric matrix
    X = argmin ½‖S pack(X) − y‖²/m over X ⪰ 0, from a start far from X*

δ is the statistical dimension of the cone of directions that keep X* ⪰ 0: the tangent space, and half of the
symmetric matrices of size d − r beyond it. With rows added to S one by one, the number at which X* becomes the
only solution has the mean δ (up to 1, the parity of the Crofton formula) and a spread of order √p, p = d(d+1)/2.

A second matrix that fits is a proof that X* is not the only one. A run proves neither unless it fits: it then
counts as undecided.

Source: CS7180 problem set 2, question 2e takes m = 10dr, above δ; arXiv 1806.02046 (the cone makes X* unique);
arXiv 1303.6672, Theorem II (transition at δ, O(√p) wide) and Fact 2.1 (Crofton), Proposition 3.2 (n(n+1)/4).
"""

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, sweep
from descent.sensing._problem import (
    TargetConfig,
    draw_factor,
    pack,
    sense,
    uniqueness_threshold,
)
from descent.sensing._psd import least_squares


@experiment_config
class Config(TargetConfig):
    ratios: tuple[Positive, ...]  # m/δ
    start: Positive  # ‖X₀‖/‖X*‖
    iterations: Count  # at the most
    tolerance: Positive  # gradient mapping relative to ‖X*‖ at which the solver stops
    fit: Positive  # loss relative to f(0) that counts as a fit
    recovered: Positive  # relative distance below which X* was found
    elsewhere: Positive  # relative distance above which it was not

    def __post_init__(self):
        super().__post_init__()
        require_increasing("ratios", self.ratios)
        require_increasing("recovered, elsewhere", (self.recovered, self.elsewhere))
        require_increasing("m of ratios", self.measurements)

    @property
    def measurements(self) -> tuple[int, ...]:
        threshold = uniqueness_threshold(self.size, self.rank)
        return tuple(max(1, round(ratio * threshold)) for ratio in self.ratios)


def _run(rng, config: Config) -> Float[np.ndarray, "m 3"]:
    """Relative distance, relative loss and iterations for every m, each a part of the same rows."""
    d = config.size
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    S = rng.standard_normal((config.measurements[-1], d * (d + 1) // 2))
    rows = []
    for m in config.measurements:
        problem = sense(factor, S[:m])
        norm = np.linalg.norm(problem.target)
        start = config.start * norm * (W @ W.T) / np.linalg.norm(W @ W.T)
        end = least_squares(problem, start, config.iterations, config.tolerance)
        distance = np.linalg.norm(pack(end.X) - problem.target) / norm
        rows.append([distance, 2 * end.loss / norm**2, end.iterations])
    return np.array(rows)


def transitions(
    m: np.ndarray, found: Bool[np.ndarray, "n m"], missed: Bool[np.ndarray, "n m"]
) -> Float[np.ndarray, " n"]:
    """Halfway from the last m that missed X* to the first beyond it that found it; nan without either."""
    places = np.full(len(found), np.nan)
    for k, (hit, miss) in enumerate(zip(found, missed, strict=True)):
        if miss.any() and hit[np.flatnonzero(miss)[-1] :].any():
            last = np.flatnonzero(miss)[-1]
            first = last + np.flatnonzero(hit[last:])[0]
            places[k] = (m[last] + m[first]) / 2
    return places


def run(config: Config) -> Result:
    runs = np.array(replicate(_run, config.seed, [(config,)] * config.replicates))
    distance, loss, iterations = np.moveaxis(runs, -1, 0)
    fits = loss <= config.fit
    found = fits & (distance <= config.recovered)
    missed = fits & (distance >= config.elsewhere)
    m, threshold = np.array(config.measurements), uniqueness_threshold(config.size, config.rank)

    cell = ("replicate", "ratio")
    data = xr.Dataset(
        {
            "relative_distance": (cell, distance, {"long_name": "‖X − X*‖ / ‖X*‖"}),
            "relative_loss": (cell, loss, {"long_name": "training loss / that of X = 0"}),
            "iterations": (cell, iterations, {"long_name": "iterations"}),
            "found": ("ratio", found.mean(0), {"long_name": "found X*"}),
            "missed": ("ratio", missed.mean(0), {"long_name": "fits elsewhere"}),
            "undecided": ("ratio", 1 - (found | missed).mean(0), {"long_name": "undecided"}),
            "measurements": ("ratio", m, {"long_name": "m"}),
        },
        coords={
            "ratio": sweep(config.ratios, "ratio", "m/δ"),
            "replicate": replicates(config.replicates),
        },
    )
    # The place deviates by at most √p/2 (measured at d = 12, less above), so four of that are none and all.
    deviation = np.sqrt(config.size * (config.size + 1) / 2) / 2
    width = 4 * deviation
    decided = (found | missed).mean()
    # A tenth may end at a distance in between, where neither can be told.
    checks = (
        [Check("decided", decided, ">=", 1.0, 0.1)]
        + [
            Check(f"fits_elsewhere/m_{m[k]}", missed[:, k].mean(), "==", 1.0, 0.0)
            for k in np.flatnonzero(m <= threshold - width)
        ]
        + [
            Check(f"finds_the_target/m_{m[k]}", found[:, k].mean(), "==", 1.0, 0.0)
            for k in np.flatnonzero(m >= threshold + width)
        ]
    )
    places = transitions(m, found, missed)
    if len(m) > 1 and m[0] < threshold < m[-1]:
        # Four standard errors of places that are known to half a step, and the parity.
        step = np.diff(m)[max(0, np.searchsorted(m, threshold) - 1)]
        error = np.sqrt(deviation**2 + step**2 / 12) / np.sqrt(len(places))
        checks.append(Check("mean_transition", places.mean(), "==", threshold, 1 + 4 * error))
    return Result(
        data=data,
        metrics={name: data[name] for name in ("found", "missed", "undecided")}
        | {"relative_distance": data["relative_distance"].mean("replicate")}
        | {"uniqueness_threshold": threshold, "transition": float(places.mean())},
        checks=tuple(checks),
    )
