"""With noisy measurements d factors reach the error of r factors if stopped in time, and then fit the noise.

r factors can follow the noise only along the p directions in which X* can change and keep its rank. d factors
follow it there first; later they take up all the noise that a positive semidefinite matrix can.

    y = S pack(X*) + σξ,   ξ ~ N(0, 1);   ∇f(U) = 2 unpack(Ge − b) U,   b = σSᵀξ/m
    R = r:            error = σ√(p/(m − p − 1)),   p = dr − r(r−1)/2: least squares on the tangent space
    R = d, stopped:   at its best t at most claim_excess more than that
    R = d, T → ∞:     that of least squares over X ⪰ 0:   error → σ√(δ/(m − δ)),   δ = p + (d−r)(d−r+1)/4

The errors are root mean squares over the draws. The first holds where the manifold is flat, σ → 0; the last
replaces the p coordinates of a subspace by the statistical dimension of a cone: also for σ → 0, and less beyond.
How far R = d has come is seen in the loss: f(UUᵀ) − min f ≥ ½‖UUᵀ − argmin‖²_G.

See: all runs with d factors come down to the dashed level and leave it, sooner with more noise, for the dotted one.

Source: CS7180 problem set 2, question 2, which has no noise; arXiv 2102.02756 (over-parameterised, noisy);
arXiv 2209.10675 (stopping early); arXiv 1312.0579 (σ√(δ/(m − δ)) for σ → 0, the worst case).
"""

import numpy as np
import xarray as xr

from descent.check import with_points
from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.sampling import mean_of_known_spread
from descent.result import Check, Result, measured, predicted, replicates, steps, sweep
from descent.sensing._memory import require_run
from descent.sensing._noisy import (
    bend,
    cone_error,
    far,
    least_squares_error,
    measure_one,
    near,
    rms,
    size,
)
from descent.sensing._phases import SHORT, leftover
from descent.sensing._problem import DescentConfig, Measured
from descent.sensing._sample import require_decided, transition_spread
from descent.sensing._trajectories import indices, lost, stacked

FLAT = 0.1  # (σ · error/λ_r)² up to which X* is taken for flat


@experiment_config
class Config(DescentConfig, Measured):
    sigmas: tuple[Positive, ...]  # standard deviations σ of the noise on y
    start: Positive  # U₀ = start · W for R = r
    alpha: Positive  # U₀ = αW for R = d
    iterations: Count  # of the least squares over X ⪰ 0, at the most
    tolerance: Positive  # its gradient mapping relative to ‖X*‖ at the end
    claim_excess: Positive  # of the best error of R = d over that of R = r, relative

    def __post_init__(self):
        super().__post_init__()
        require_increasing("sigmas", self.sigmas)
        if self.rank == self.size:
            raise ValueError(f"rank {self.rank} = size: R = r and R = d are one")
        least = max(self.threshold + 3 * transition_spread(self.size, self.rank), self.freedom + 1)
        if not self.measurements > least:
            raise ValueError(
                f"oversampling {self.oversampling:g}: m = {self.measurements} ≤ max(δ + 3 of its spread, p + 1) = "
                f"{least:.4g}: least squares has no finite error"
            )
        require_decided(self, self.measurements)

    @property
    def kept(self) -> np.ndarray:
        """The steps that are kept, about 300, log-spaced."""
        return np.unique(np.geomspace(1, self.steps + 1, 300).round().astype(int) - 1)


def measure(config: Config) -> xr.Dataset:
    """The errors of R = r and R = d along their runs, and of least squares over X ⪰ 0, all over σ."""
    starts = 2 * len(config.sigmas)
    iterations = config.steps + config.iterations
    require_run(config, config.measurements, starts, iterations, starts * len(config.kept))
    runs = stacked(measure_one, config)
    cell, each = ("replicate", "sigma"), "replicate"
    names = {
        "limit": "‖X − X*‖/σ of least squares over X ⪰ 0",
        "best": "smallest ‖U_tU_tᵀ − X*‖/σ, R = d",
        "best_step": "t of the smallest error, R = d",
        "residual": "gradient mapping of least squares / ‖X*‖",
        "gap": "√2(f(R = d) − f(least squares))/σ at t = T",
    }
    return xr.Dataset(
        {name: measured(cell, runs[name], words) for name, words in names.items()}
        | {
            "exact": measured((*cell, "t"), runs["path"][:, 0], "‖U_tU_tᵀ − X*‖/σ, R = r"),
            "wide": measured((*cell, "t"), runs["path"][:, 1], "‖U_tU_tᵀ − X*‖/σ, R = d"),
            "remaining": measured(each, runs["remaining"], "share of X* that R = r may have left"),
            "eigenvalue": measured((each, "i"), runs["eigenvalue"], "λ_i(X*)"),
        },
        coords={
            "sigma": sweep(config.sigmas, "sigma", "noise σ"),
            "t": steps(config.kept, "t", "step t"),
            "replicate": replicates(config.replicates),
            "i": indices(config.rank),
        },
    )


def predict(config: Config) -> xr.Dataset:
    """√E‖X − X*‖²/σ for σ → 0: of R = r, and of least squares over X ⪰ 0."""
    few = least_squares_error(config.measurements, config.freedom)
    many = cone_error(config.measurements, config.threshold)
    return xr.Dataset(
        {
            "exact_predicted": predicted((), few, "√(p/(m − p − 1))"),
            "limit_predicted": predicted((), many, "√(δ/(m − δ))"),
        }
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    reasons, best = presupposed(config, found), compare_best(config, found)
    checks = (*compare(config, found, theory), *best)
    hidden = {"best": "what the start leaves may hide how well R = d does, at every σ"}
    return Result(
        data=found.merge(theory),
        metrics={
            "exact": rms(found["exact"].isel(t=-1, drop=True)),
            "best": rms(found["best"]),
            "late": rms(found["wide"].isel(t=-1, drop=True)),
            "limit": rms(found["limit"]),
            "exact_predicted": theory["exact_predicted"],
            "limit_predicted": theory["limit_predicted"],
        },
        checks=() if reasons else checks,
        no_claim=reasons,
        unchecked={} if best else hidden,
    )


def presupposed(config: Config, found: xr.Dataset) -> tuple[str, ...]:
    """Why the claim says nothing here: runs are lost or too short, or the noise drowns X*."""
    reasons = lost(found[["exact", "wide"]].isel(t=-1).to_dataarray())
    if reasons:
        return reasons
    order = np.sqrt(config.freedom / config.measurements)  # of the errors of R = r, over σ
    left = float((found["remaining"] * size(found)).max()) / (config.sigmas[0] * order)
    if left > SHORT:
        reasons += (f"steps {config.steps}: R = r may have {left:.2g} of its error to go",)
    worst = float(found["residual"].max())
    if worst > config.tolerance:
        reasons += (f"iterations {config.iterations}: least squares ends {worst:.2g} from optimal",)
    drowned = float(bend(found, order).isel(sigma=0))
    if drowned > FLAT:
        reasons += (f"sigmas: even the smallest drowns X*: (σ · error/λ_r)² = {drowned:.2g}",)
    if not near(config, found).any():
        reasons += (f"steps {config.steps}: R = d has come to its end at no σ",)
    return reasons


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    m, p, threshold = config.measurements, config.freedom, config.threshold
    few, many = p / (m - p - 1), threshold / (m - threshold)  # squares, for the tolerances alone
    # Of a squared error: χ² in p unknowns, what the sample adds, how the cone's dimension scatters.
    scatter = transition_spread(config.size, config.rank) * m / threshold / (m - threshold)
    rank, cone = found["exact"].isel(t=-1, drop=True), found["limit"]
    of_rank = mean_of_known_spread(rank**2, np.sqrt(2 / p + 2 / (m - p)) * few, squares=few)
    spread = np.sqrt(2 / threshold + 2 / (m - threshold) + scatter**2)
    of_cone = mean_of_known_spread(cone**2, spread * many, squares=many)
    at_rank, at_cone = (bend(found, np.sqrt(n / m)) for n in (p, threshold))
    room = (of_rank.tol + 2 * at_rank * few) / (rms(rank) + np.sqrt(few))
    least = (of_cone.tol + scatter**2 * threshold / m * many) / (rms(cone) + np.sqrt(many))
    off, late = far(config, found), found["wide"].isel(t=-1, drop=True)
    exact, limit = theory["exact_predicted"], theory["limit_predicted"]
    sharp, curved = least + at_cone * np.sqrt(many), "where X* is not flat"
    why = f"{of_cone.why}, scatter"
    return with_points(
        Check("exact", rms(rank), "==", exact, room, f"{of_rank.why}, {curved}", at_rank <= FLAT),
        Check("limit_at_most", rms(cone), "<=", limit, least, why),
        Check("late", late, "==", cone, off, "by the loss", near(config, found)),
        Check("limit", rms(cone), "==", limit, sharp, f"{why}, {curved}", at_cone <= FLAT),
    )


def compare_best(config: Config, found: xr.Dataset) -> tuple[Check, ...]:
    """Where what the start holds beside X* adds less than half of the excess to the error, in squares."""
    d, m, lam = config.size, config.measurements, found["eigenvalue"].values
    few = least_squares_error(m, config.freedom)
    beside = [max(leftover(one, config.alpha, d, m, s) for one in lam) / s for s in config.sigmas]
    clear = found["sigma"].copy(data=np.square(beside) <= config.claim_excess * few**2)
    allowed = (1 + config.claim_excess) * rms(found["exact"].isel(t=-1, drop=True))
    why = "the claim's own excess over R = r"
    return with_points(Check("best", rms(found["best"]), "<=", allowed, 0, why, clear))
