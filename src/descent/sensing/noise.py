"""With noisy measurements R = d reaches the error of R = r if stopped in time, then fits the noise.

    y = S pack(X*) + σξ,   ξ ~ N(0, 1);   ∇f(U) = 2 unpack(Ge − b) U,   b = σSᵀξ/m
    R = r:            error = σ√(p/(m − p − 1)),   p = dr − r(r−1)/2: least squares on the tangent space
    R = d, stopped:   the same at its best t
    R = d, T → ∞:     error → σ√(δ/(m − δ)), that of least squares over X ⪰ 0, δ = p + (d−r)(d−r+1)/4

The errors are root mean squares over the draws. The first is exact where the manifold is flat, σ → 0; the last
replaces the p coordinates of a subspace by the statistical dimension of a cone, and counts for m well above δ.

Source: CS7180 problem set 2, question 2, which has no noise; arXiv 2102.02756 (over-parameterised, noisy);
arXiv 2209.10675 (stopping early); arXiv 1312.0579 (σ√(δ/(m − δ))).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, steps, sweep
from descent.sensing._problem import (
    DescentConfig,
    degrees_of_freedom,
    draw_factor,
    pack,
    sense,
    uniqueness_threshold,
)
from descent.sensing._psd import least_squares
from descent.sensing._trajectories import descend, narrowed


@experiment_config
class Config(DescentConfig):
    oversampling: Positive  # m/(dr)
    sigmas: tuple[Positive, ...]  # standard deviations σ of the noise on y
    start: Positive  # U₀ = start · W for R = r
    alpha: Positive  # U₀ = αW for R = d
    iterations: Count  # of the least squares over X ⪰ 0, at the most
    tolerance: Positive  # its gradient mapping relative to ‖X*‖ at the end

    def __post_init__(self):
        super().__post_init__()
        require_increasing("sigmas", self.sigmas)
        threshold = uniqueness_threshold(self.size, self.rank)
        least = max(threshold, degrees_of_freedom(self.size, self.rank) + 1)
        if not self.measurements > least:
            raise ValueError(
                f"oversampling {self.oversampling:g}: m = {self.measurements} ≤ max(δ, p + 1) = {least:g}: "
                "least squares has no finite error"
            )

    @property
    def measurements(self) -> int:
        return self.count(self.oversampling)

    @property
    def kept(self) -> np.ndarray:
        """The steps that are kept, about 300, log-spaced."""
        return np.unique(np.geomspace(1, self.steps + 1, 300).round().astype(int) - 1)


def least_squares_error(m: int, p: int) -> float:
    """√E‖x − x*‖²/σ of least squares in p unknowns on m Gaussian measurements; needs m > p + 1."""
    return float(np.sqrt(p / (m - p - 1)))


def cone_error(m: int, threshold: float) -> float:
    """The same over a cone of statistical dimension `threshold`."""
    return float(np.sqrt(threshold / (m - threshold)))


def _run(rng, config: Config) -> tuple:
    """Distances/σ of R = r and R = d (2, σ, T+1), of least squares over X ⪰ 0 (σ), and its residuals."""
    d, sigmas = config.size, np.array(config.sigmas)
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    S = rng.standard_normal((config.measurements, d * (d + 1) // 2))
    noise = np.multiply.outer(sigmas, rng.standard_normal(len(S)))
    starts = np.stack(
        [config.start * narrowed(W, config.rank)] * len(sigmas) + [config.alpha * W] * len(sigmas)
    )
    problem = sense(factor, S, noise)
    both = problem._replace(offset=np.tile(problem.offset, (2, 1)))
    eta = config.step / problem.eigenvalues[0]
    run = descend(both, starts, eta, config.steps, np.array([config.steps]))
    distance = run.distance.reshape(2, len(sigmas), -1) / sigmas[:, None]
    limit, residual = [], []
    for sigma, offset in zip(sigmas, problem.offset, strict=True):
        one = problem._replace(offset=offset)
        end = least_squares(one, factor @ factor.T, config.iterations, config.tolerance)
        limit.append(np.linalg.norm(pack(end.X) - problem.target) / sigma)
        residual.append(end.residual / np.linalg.norm(problem.target))
    return distance, limit, residual


def root_mean_square(x: np.ndarray) -> np.ndarray:
    """Over replicates."""
    return np.sqrt(np.mean(np.square(x), 0))


def run(config: Config) -> Result:
    runs = replicate(_run, config.seed, [(config,)] * config.replicates)
    distance, limit, residual = map(np.array, zip(*runs, strict=True))
    m, p = config.measurements, degrees_of_freedom(config.size, config.rank)
    threshold = uniqueness_threshold(config.size, config.rank)
    few, many = least_squares_error(m, p), cone_error(m, threshold)

    rank, full = distance[:, 0], distance[:, 1]
    best = full.min(-1)
    cell = ("replicate", "sigma")
    data = xr.Dataset(
        {
            "exact": (
                (*cell, "t"),
                rank[..., config.kept],
                {"long_name": "‖U_tU_tᵀ − X*‖/σ, R = r"},
            ),
            "wide": (
                (*cell, "t"),
                full[..., config.kept],
                {"long_name": "‖U_tU_tᵀ − X*‖/σ, R = d"},
            ),
            "limit": (cell, limit, {"long_name": "‖X − X*‖/σ of least squares over X ⪰ 0"}),
            "best": (cell, best, {"long_name": "smallest ‖U_tU_tᵀ − X*‖/σ, R = d"}),
            "best_step": (cell, full.argmin(-1), {"long_name": "t of the smallest error, R = d"}),
        },
        coords={
            "sigma": sweep(config.sigmas, "sigma", "noise σ"),
            "t": steps(config.kept, "t", "step t"),
            "replicate": replicates(config.replicates),
        },
        attrs={"least_squares": few, "cone": many},
    )
    final = root_mean_square(rank[..., -1])
    early, late = root_mean_square(best), root_mean_square(full[..., -1])
    cone = root_mean_square(limit)
    # Of the square of an error in p unknowns the relative variance is 2/p and, by the sample, about 2/(m − p) more.
    spread = 4 * np.sqrt((1 / p + 1 / (m - p)) / (2 * config.replicates))
    # The projection keeps between none and all of p_total unknowns; the variance is that of δ of them.
    wider = 4 * np.sqrt((1 / threshold + 1 / (m - threshold)) / (2 * config.replicates))
    checks = [
        Check("least_squares_is_solved", residual.max(), "<=", 0.0, config.tolerance),
        Check("late_over_exact", late[-1] / final[-1], ">=", 2.0, 0.0),
        Check("late_over_limit", late[-1] / cone[-1], "==", 1.0, 0.1),
    ]
    for k, sigma in enumerate(config.sigmas):
        checks += [
            Check(f"exact_over_predicted/sigma_{sigma:g}", final[k] / few, "==", 1.0, spread),
            # 5 %: R = d stops where its surplus factors are small, not zero. It may be a little better:
            # only who knows X* can stop at the best t of this very draw.
            Check(f"best_over_exact/sigma_{sigma:g}", early[k] / final[k], "<=", 1.0, 0.05),
            # 10 %: the order that the formula neglects at m = 1.7δ.
            Check(f"limit_over_predicted/sigma_{sigma:g}", cone[k] / many, "==", 1.0, 0.1 + wider),
        ]
    along = data["sigma"]

    def over_sigma(values: np.ndarray) -> xr.DataArray:
        return xr.DataArray(values, coords={"sigma": along}, dims="sigma")

    return Result(
        data=data,
        metrics={
            "exact": over_sigma(final),
            "best": over_sigma(early),
            "late": over_sigma(late),
            "limit": over_sigma(cone),
            "exact_predicted": few,
            "limit_predicted": many,
        },
        checks=tuple(checks),
    )
