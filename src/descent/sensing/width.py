"""Any factor beyond the rank ends linear convergence: only R = r reaches X*, a wider U crawls, and further off the wider.

    U: (d, R),   U₀ = αW_R,   W_R the first R columns of one W
    R = r: error → rounding at a linear rate;   R > r: error ≥ c t^−q for some small q, and growing with R
    yet the first 10 % come sooner:   t_R = t_r − ln(ω_R/ω_r)/ln(1 + 2ηλ̂_r)

λ̂_i, v_i: eigenpairs of M = (1/m) Σ yᵢ sym(Aᵢ), by which a small U grows. ω_R is the part of v_rᵀW_R that is orthogonal
to the earlier v_iᵀW_R, what the last direction starts from; it grows with R, most of all beyond r. The tail is that of the surplus factors, which only feel their own square: s ← s(1 − 2ηs²).

Source: CS7180 problem set 2, questions 2b (R = r) and 2d (R = d); arXiv 2310.01769 (loss Ω(1/T²) for R > r).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, steps, sweep
from descent.sensing._kernels import apply
from descent.sensing._problem import DescentConfig, draw_factor, sense, unpack
from descent.sensing._trajectories import descend, narrowed


@experiment_config
class Config(DescentConfig):
    oversampling: Positive  # m/(dr)
    widths: tuple[Count, ...]  # R
    alphas: tuple[Positive, ...]  # scales of the start
    reached: Positive  # relative error whose time is compared
    to_rounding: Positive  # relative error that counts as exact

    def __post_init__(self):
        super().__post_init__()
        require_increasing("widths", self.widths)
        require_increasing("alphas", self.alphas)
        if self.steps < 2:
            raise ValueError("steps 1: a tail needs at least 2")
        if self.widths[0] != self.rank or len(self.widths) < 2:
            raise ValueError(
                f"widths {list(self.widths)} must begin with the rank {self.rank} and go beyond it"
            )

    @property
    def kept(self) -> np.ndarray:
        """The steps that are kept: about 200, log-spaced, and T/2."""
        spaced = np.geomspace(1, self.steps + 1, 200) - 1
        return np.unique([0, self.steps // 2, *spaced.round().astype(int), self.steps])


def head_start(
    M: Float[np.ndarray, "d d"], rank: int, W: Float[np.ndarray, "d k"], widths: tuple[int, ...]
) -> tuple[Float[np.ndarray, " R"], float]:
    """ln(ω_R/ω_r) for every R, and λ̂_r."""
    values, vectors = np.linalg.eigh(M)
    V = vectors[:, ::-1][:, :rank]
    omega = [np.abs(np.linalg.qr((V.T @ W[:, :R]).T)[1][-1, -1]) for R in widths]
    return np.log(omega / omega[0]), float(values[-rank])


def _run(rng, config: Config) -> tuple:
    """Relative errors (alpha, width, t), the first t within `reached`, ln(ω_R/ω_r)/ln(1 + 2ηλ̂_r), drift."""
    d = config.size
    factor, W = draw_factor(rng, config), rng.standard_normal((d, config.widths[-1]))
    problem = sense(
        factor, rng.standard_normal((config.count(config.oversampling), d * (d + 1) // 2))
    )
    starts = np.array([alpha * narrowed(W, R) for alpha in config.alphas for R in config.widths])
    eta = config.step / problem.eigenvalues[0]
    run = descend(problem, starts, eta, config.steps, np.array([config.steps]))
    shape = (len(config.alphas), len(config.widths))
    error = (run.distance / np.linalg.norm(problem.target)).reshape(*shape, -1)
    there = error <= config.reached
    first = np.where(there.any(-1), there.argmax(-1), np.nan)
    M = unpack(apply(problem.gram, problem.target[None])[0])
    folds, growth = head_start(M, config.rank, W, config.widths)
    # What the sample adds to λ_r, relative to it, while no direction has emerged.
    lam = problem.eigenvalues
    drift = 2 * d / config.count(config.oversampling) * np.sum(lam**2) / (2 * lam[-1]) ** 2
    return error[..., config.kept], first, folds / np.log1p(2 * eta * growth), drift


def run(config: Config) -> Result:
    error, first, sooner, drift = map(
        np.array, zip(*replicate(_run, config.seed, [(config,)] * config.replicates), strict=True)
    )
    cell = ("replicate", "alpha", "width")
    data = xr.Dataset(
        {
            "relative_distance": ((*cell, "t"), error, {"long_name": "‖U_tU_tᵀ − X*‖ / ‖X*‖"}),
            "first": (cell, first, {"long_name": f"first t within {config.reached:g}"}),
            "predicted": (
                ("replicate", "width"),
                first[:, 0, :1] - sooner,
                {"long_name": "t_r − ln(ω_R/ω_r)/ln(1 + 2ηλ̂_r)", "role": "prediction"},
            ),
        },
        coords={
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "width": sweep(config.widths, "width", "number of factors R"),
            "t": steps(config.kept, "t", "step t"),
            "replicate": replicates(config.replicates),
        },
    )
    final = error[..., -1]
    fall = np.log(data["relative_distance"].sel(t=config.steps // 2).values / final)
    exponent = fall / np.log(config.steps / (config.steps // 2))
    grows = np.diff(np.log(final[:, :, 1:]).mean(0), axis=-1)
    gain = first[:, 0, 0] - first[:, 0, -1]
    expected = sooner[:, -1]
    tol = 1 + float(((0.15 + drift) * np.abs(expected)).mean())
    checks = [
        Check("exact_at_the_rank", final[:, :, 0].max(), "<=", 0.0, config.to_rounding),
        Check("not_exact_beyond", final[:, :, 1:].min(), ">=", config.to_rounding, 0.0),
        # Where the surplus factors are free the error falls like 1/t, and none faster than its square.
        Check("tail_exponent", exponent[:, :, 1:].max(), "<=", 2.0, 0.0),
        Check("wider_is_sooner_from_the_smallest_alpha", gain.mean(), ">=", 0.0, 0.0),
        # λ̂_r loses its drift when the earlier directions emerge, the last one feels them, as in
        # spectra, up to 15 % of its time, and t counts whole steps.
        Check("gain_over_the_rank", gain.mean(), "==", expected.mean(), tol),
    ]
    for alpha, rise in zip(config.alphas, grows, strict=True):
        if len(rise):
            checks.append(
                Check(f"error_grows_with_width/alpha_{alpha:g}", rise.min(), ">=", 0.0, 0.0)
            )
    means = data[["relative_distance", "first", "predicted"]].mean("replicate", skipna=False)
    return Result(
        data=data,
        metrics={
            "relative_distance": means["relative_distance"].isel(t=-1, drop=True),
            "first": means["first"],
            "predicted": means["predicted"],
        },
        checks=tuple(checks),
    )
