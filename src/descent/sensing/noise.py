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

See: all runs with d factors come down to the dashed level and leave it again, the sooner the more noise, for
the dotted one.

Source: CS7180 problem set 2, question 2, which has no noise; arXiv 2102.02756 (over-parameterised, noisy);
arXiv 2209.10675 (stopping early); arXiv 1312.0579 (σ√(δ/(m − δ)) for σ → 0, the worst case).
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.maths.sampling import FEWEST, mean
from descent.result import Check, Result, measured, predicted, replicates, steps, sweep
from descent.sensing._kernels import apply
from descent.sensing._memory import require_run
from descent.sensing._phases import SHORT, leftover, remaining
from descent.sensing._problem import (
    DescentConfig,
    Measured,
    Problem,
    degrees_of_freedom,
    draw_factor,
    pack,
    require_recoverable,
    require_stable_in_a_sample,
    sense,
    transition_spread,
    uniqueness_threshold,
)
from descent.sensing._psd import least_squares
from descent.sensing._trajectories import descend, narrowed

FLAT = 0.1  # (σ · error/λ_r)² up to which X* is taken for flat
FAR = 0.1  # of the limit: R = d is compared with it once the loss says that it is nearer


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
        if self.replicates < FEWEST:
            raise ValueError(f"replicates {self.replicates} < {FEWEST}: too few for a mean error")
        least = max(self.threshold + 3 * transition_spread(self.size, self.rank), self.freedom + 1)
        if not self.measurements > least:
            raise ValueError(
                f"oversampling {self.oversampling:g}: m = {self.measurements} ≤ max(δ + 3 of its spread, p + 1) = "
                f"{least:.4g}: least squares has no finite error"
            )
        require_recoverable(self, self.measurements)
        require_stable_in_a_sample(self, self.measurements)

    @property
    def freedom(self) -> int:
        """p."""
        return degrees_of_freedom(self.size, self.rank)

    @property
    def threshold(self) -> float:
        """δ."""
        return uniqueness_threshold(self.size, self.rank)

    @property
    def kept(self) -> np.ndarray:
        """The steps that are kept, about 300, log-spaced."""
        return np.unique(np.geomspace(1, self.steps + 1, 300).round().astype(int) - 1)


class One(NamedTuple):
    """Of one replicate, for every σ; distances are over σ."""

    path: Float[np.ndarray, "2 s t"]  # of R = r and R = d, at the kept steps
    best: Float[np.ndarray, " s"]  # smallest of R = d
    best_step: Float[np.ndarray, " s"]
    limit: Float[np.ndarray, " s"]  # of least squares over X ⪰ 0
    residual: Float[np.ndarray, " s"]  # of its optimality, relative to ‖X*‖
    gap: Float[np.ndarray, " s"]  # √2(f(R = d) − f(least squares))/σ, a distance
    remaining: float  # share of X* that R = r may have left
    eigenvalues: Float[np.ndarray, " r"]


def _measure_one(rng: np.random.Generator, config: Config) -> One:
    d, sigmas = config.size, np.array(config.sigmas)
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    S = rng.standard_normal((config.measurements, d * (d + 1) // 2))
    noise = np.multiply.outer(sigmas, rng.standard_normal(len(S)))
    starts = np.stack(
        [config.start * narrowed(W, config.rank)] * len(sigmas) + [config.alpha * W] * len(sigmas)
    )
    given = sense(factor, S, noise)
    both = given._replace(offset=np.tile(given.offset, (2, 1)))
    eta = config.step / given.eigenvalues[0]
    run = descend(both, starts, eta, config.steps, np.array([config.steps]))
    distance = run.distance.reshape(2, len(sigmas), -1) / sigmas[:, None]
    ends = run.factors[len(sigmas) :, -1]
    limit, residual, gap = [], [], []
    for k, offset in enumerate(given.offset):
        one = given._replace(offset=offset)
        best = least_squares(one, factor @ factor.T, config.iterations, config.tolerance)
        limit.append(np.linalg.norm(pack(best.X) - given.target) / sigmas[k])
        residual.append(best.residual / np.linalg.norm(given.target))
        beyond = loss(one, ends[k] @ ends[k].T) - loss(one, best.X)
        gap.append(np.sqrt(2 * max(beyond, 0.0)) / sigmas[k])
    left = remaining(factor, starts[0, :, : config.rank], eta, config.steps, config.measurements)
    path, last = distance[:, :, config.kept], distance[1]
    sides = map(np.array, (limit, residual, gap))
    return One(path, last.min(-1), last.argmin(-1) * 1.0, *sides, left, given.eigenvalues)


def loss(given: Problem, X: Float[np.ndarray, "d d"]) -> float:
    """½ eᵀGe − eᵀb, which is f(X) − f(X*) with the noise in y."""
    error = pack(X) - given.target
    return float(error @ (apply(given.gram, error[None])[0] / 2 - given.offset))


def measure(config: Config) -> xr.Dataset:
    """The errors of R = r and R = d along their runs, and of least squares over X ⪰ 0, all over σ."""
    starts = 2 * len(config.sigmas)
    iterations = config.steps + config.iterations
    require_run(config, config.measurements, starts, iterations, starts * len(config.kept))
    runs = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    path, best, best_step, limit, residual, gap, left, lam = map(np.array, zip(*runs, strict=True))
    cell, each = ("replicate", "sigma"), "replicate"
    return xr.Dataset(
        {
            "exact": measured((*cell, "t"), path[:, 0], "‖U_tU_tᵀ − X*‖/σ, R = r"),
            "wide": measured((*cell, "t"), path[:, 1], "‖U_tU_tᵀ − X*‖/σ, R = d"),
            "limit": measured(cell, limit, "‖X − X*‖/σ of least squares over X ⪰ 0"),
            "best": measured(cell, best, "smallest ‖U_tU_tᵀ − X*‖/σ, R = d"),
            "best_step": measured(cell, best_step, "t of the smallest error, R = d"),
            "residual": measured(cell, residual, "gradient mapping of least squares / ‖X*‖"),
            "gap": measured(cell, gap, "√2(f(R = d) − f(least squares))/σ at t = T"),
            "remaining": measured(each, left, "share of X* that R = r may have left"),
            "eigenvalue": measured((each, "i"), lam, "λ_i(X*)"),
        },
        coords={
            "sigma": sweep(config.sigmas, "sigma", "noise σ"),
            "t": steps(config.kept, "t", "step t"),
            "replicate": replicates(config.replicates),
            "i": ("i", np.arange(config.rank) + 1, {"long_name": "index i"}),
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


def least_squares_error(m: int, p: int) -> float:
    """√E‖x − x*‖²/σ of least squares in p unknowns on m Gaussian measurements; needs m > p + 1."""
    return float(np.sqrt(p / (m - p - 1)))


def cone_error(m: int, threshold: float) -> float:
    """The same over a cone of statistical dimension `threshold`."""
    return float(np.sqrt(threshold / (m - threshold)))


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    reasons, (checks, unchecked) = presupposed(config, found), compare(config, found, theory)
    if not reasons and "late" in unchecked:
        reasons = (f"steps {config.steps}: {unchecked['late']}",)
    rank, full = (found[name].isel(t=-1, drop=True) for name in ("exact", "wide"))
    return Result(
        data=found.merge(theory),
        metrics={
            "exact": rms(rank),
            "best": rms(found["best"]),
            "late": rms(full),
            "limit": rms(found["limit"]),
            "exact_predicted": float(theory["exact_predicted"]),
            "limit_predicted": float(theory["limit_predicted"]),
        },
        checks=() if reasons else checks,
        no_claim=reasons,
        unchecked={} if reasons else unchecked,
    )


def rms(x: xr.DataArray) -> xr.DataArray:
    """Root mean square over replicates."""
    return np.sqrt((x**2).mean("replicate", skipna=False))


def bend(config: Config, found: xr.Dataset, error: float) -> xr.DataArray:
    """(σ · error/λ_r)²: by how much of itself an error may be off where X* is not flat."""
    return ((found["sigma"] * error / found["eigenvalue"][:, -1]) ** 2).mean("replicate")


def presupposed(config: Config, found: xr.Dataset) -> tuple[str, ...]:
    """Why the claim says nothing here: runs are lost or too short, or the noise drowns X*."""
    if not np.isfinite(found["wide"].isel(t=-1)).all() or not np.isfinite(found["exact"]).all():
        return ("some runs left float64: a start is too large",)
    few, reasons = least_squares_error(config.measurements, config.freedom), ()
    norm = np.sqrt((found["eigenvalue"] ** 2).sum("i"))
    left = float((found["remaining"] * norm).max()) / (config.sigmas[0] * few)
    if left > SHORT:
        reasons += (f"steps {config.steps}: R = r may have {left:.2g} of its error to go",)
    worst = float(found["residual"].max())
    if worst > config.tolerance:
        reasons += (f"iterations {config.iterations}: least squares ends {worst:.2g} from optimal",)
    drowned = float(bend(config, found, few).isel(sigma=0))
    if drowned > FLAT:
        reasons += (f"sigmas: even the smallest drowns X*: (σ · error/λ_r)² = {drowned:.2g}",)
    return reasons


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset
) -> tuple[tuple[Check, ...], dict[str, str]]:
    """The checks, and which of them these settings do not allow for any σ."""
    parts = {
        "exact": compare_exact(config, found, theory),
        "best": compare_best(config, found),
        "limit": compare_limit(config, found, theory),
        "late": compare_late(config, found),
    }
    reasons = {
        "best": "what the start leaves may hide how well R = d does, at every σ",
        "late": "R = d has come to its end at no σ",
    }
    checks = tuple(check for part in parts.values() for check in part)
    return checks, {name: reasons[name] for name, part in parts.items() if not part}


def compare_exact(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    few, curved = theory["exact_predicted"], bend(config, found, few_of(config))
    flat = np.flatnonzero(curved <= FLAT)
    error = found["exact"].isel(t=-1, drop=True)[:, flat]
    square, value = mean(error**2), rms(error)
    tol = (square.tol + 2 * curved[flat] * few_of(config) ** 2) / (value + few_of(config))
    return (Check("exact", value, "==", few, tol, f"{square.why}, and where X* is not flat"),)


def few_of(config: Config) -> float:
    return least_squares_error(config.measurements, config.freedom)


def compare_best(config: Config, found: xr.Dataset) -> tuple[Check, ...]:
    """Where what the start holds beside X* adds less than half of the excess to the error, in squares."""
    d, m, few = config.size, config.measurements, few_of(config)
    beside = [
        max(leftover(lam, config.alpha, d, m, sigma) for lam in found["eigenvalue"].values) / sigma
        for sigma in config.sigmas
    ]
    clear = np.flatnonzero(np.square(beside) <= config.claim_excess * few**2)
    if not len(clear):
        return ()
    best, exact = rms(found["best"]), rms(found["exact"].isel(t=-1, drop=True))
    allowed = (1 + config.claim_excess) * exact[clear]
    return (Check("best", best[clear], "<=", allowed, 0, "the claim's own excess over R = r"),)


def compare_limit(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    m, threshold, many = config.measurements, config.threshold, theory["limit_predicted"]
    error = cone_error(m, threshold)
    spread = transition_spread(config.size, config.rank)
    # The second order in what the dimension of the cone scatters.
    scatter = spread**2 * m / (threshold * (m - threshold) ** 2)
    curved, square = bend(config, found, error), mean(found["limit"] ** 2)
    value = rms(found["limit"])
    tol = (square.tol + scatter * error**2) / (value + error)
    flat = np.flatnonzero(curved <= FLAT)
    checks = (Check("limit_at_most", value, "<=", many, tol, f"{square.why}, and scatter"),)
    if len(flat):
        room = tol[flat] + curved[flat] * error
        why = f"{square.why}, scatter, and where the cone is curved"
        checks += (Check("limit", value[flat], "==", many, room, why),)
    return checks


def compare_late(config: Config, found: xr.Dataset) -> tuple[Check, ...]:
    """R = d at T against least squares, where the loss says that it is near."""
    far = found["gap"] / (1 - np.sqrt(config.threshold / config.measurements))
    near = np.flatnonzero((far <= FAR * found["limit"]).all("replicate"))
    if not len(near):
        return ()
    late, limit = found["wide"].isel(t=-1, drop=True), found["limit"]
    why = "as near as the loss says"
    tol = far[:, near] + config.tolerance / found["sigma"][near]
    return (Check("late", late[:, near], "==", limit[:, near], tol, why),)
