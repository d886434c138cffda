"""The error that a small start leaves grows with it as α^s; s rises from ½ to 2 with the number of measurements.

    U: (d, d),   U₀ = αW,   error = ‖U_TU_Tᵀ − X*‖ once its exponential fall is over
    ½ ≤ s ≤ 2, increasing in m:   s = ½ is the guarantee for finite m, T neither too small nor too large
    m = ∞:   error → α² ‖W_⊥(I − QQᵀ)W_⊥ᵀ‖,   W_⊥ = (I − VVᵀ)W,   Q: orthonormal basis of the rows of VᵀW

with V the eigenvectors of X* (d × r). At m = ∞ the signal grows along Q and takes that part of W_⊥ with it to zero;
the rest has no gradient to first order and stays.

Source: CS7180 problem set 2, question 2d; arXiv 1712.09203, Theorem 1.1 (s ≥ ½); arXiv 2106.15013 (21/16).
"""

from itertools import pairwise

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Positive, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, sweep
from descent.sensing._kernels import tiled
from descent.sensing._problem import DescentConfig, Problem, draw_factor, pack, sense
from descent.sensing._trajectories import descend


@experiment_config
class Config(DescentConfig):
    oversampling: tuple[Positive, ...]  # m/(dr); m = ∞ comes on top
    alphas: tuple[Positive, ...]  # scales of the start

    def __post_init__(self):
        super().__post_init__()
        require_increasing("oversampling", self.oversampling)
        require_increasing("alphas", self.alphas)
        if self.rank == self.size:
            raise ValueError(f"rank {self.rank} = size: no direction is left over at m = ∞")
        if len(self.alphas) < 2:
            raise ValueError(f"alphas [{self.alphas[0]:g}]: a slope needs at least 2")


def population(factor: Float[np.ndarray, "d r"]) -> Problem:
    """Infinitely many measurements: G = 1."""
    target = pack(factor @ factor.T)
    p = len(target)
    return Problem(factor, target, tiled(np.eye(p)), np.empty((0, p)))


def left_over(factor: Float[np.ndarray, "d r"], W: Float[np.ndarray, "d k"]) -> float:
    """‖W_⊥(I − QQᵀ)W_⊥ᵀ‖: what α² is multiplied by at m = ∞."""
    V, _ = np.linalg.qr(factor)
    Q, _ = np.linalg.qr((V.T @ W).T)
    rest = W - V @ (V.T @ W)
    rest = rest - (rest @ Q) @ Q.T
    return float(np.linalg.norm(rest @ rest.T))


def _run(rng, config: Config) -> tuple[Float[np.ndarray, "m 2 a"], float]:
    """Relative errors at T/2 and T for every m and then ∞, and the predicted ratio to α² of the last."""
    d = config.size
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    S = rng.standard_normal((config.count(config.oversampling[-1]), d * (d + 1) // 2))
    problems = [sense(factor, S[: config.count(c)]) for c in config.oversampling]
    starts = np.multiply.outer(config.alphas, W)
    norm = np.linalg.norm(factor @ factor.T)
    errors = []
    for problem in (*problems, population(factor)):
        eta = config.step / problem.eigenvalues[0]
        end = descend(problem, starts, eta, config.steps, np.array([config.steps]))
        errors.append(end.distance[:, [config.steps // 2, config.steps]].T / norm)
    return np.array(errors), left_over(factor, W) / norm


def run(config: Config) -> Result:
    runs, constants = zip(
        *replicate(_run, config.seed, [(config,)] * config.replicates), strict=True
    )
    halfway, error = np.moveaxis(np.array(runs), 2, 0)
    alphas = np.array(config.alphas)
    expected = np.multiply.outer(constants, alphas**2)
    decade = np.log(alphas[1] / alphas[0])
    slopes = np.log(error[:, :, 1] / error[:, :, 0]) / decade
    mean, infinite = slopes.mean(0)[:-1], slopes[:, -1]

    cell = ("replicate", "oversampling", "alpha")
    data = xr.Dataset(
        {
            "error": (cell, error[:, :-1], {"long_name": "relative error at t = T"}),
            "infinite": (cell[::2], error[:, -1], {"long_name": "relative error, m = ∞"}),
            "predicted": (
                cell[::2],
                expected,
                {"long_name": "α² ‖W_⊥(I − QQᵀ)W_⊥ᵀ‖/‖X*‖", "role": "prediction"},
            ),
            "slope": (cell[:2], slopes[:, :-1], {"long_name": "slope s at the smallest α"}),
            "infinite_slope": ("replicate", infinite, {"long_name": "slope s, m = ∞"}),
        },
        coords={
            "oversampling": sweep(config.oversampling, "oversampling", "m/(dr)"),
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "replicate": replicates(config.replicates),
        },
    )
    drop = np.log(halfway / error)[:, :, :2] / np.log(2)  # −d log error / d log t
    checks = [
        # With few measurements a tail remains, of 1/t at the most; the exponential fall is far steeper.
        Check("exponential_fall_is_over", drop.max(), "<=", 1.0, 0.0),
        Check("slope_at_infinity", infinite.mean(), "==", 2.0, 0.01),
        # The next order is smaller by a power of α times the e-folds of the way there.
        Check("error_at_infinity", (error[:, -1, 0] / expected[:, 0]).mean(), "==", 1.0, 1e-3),
        Check("slope_below_infinity", mean[-1], "<=", infinite.mean(), 0.0),
    ]
    # Four standard errors; one replicate has none.
    spread = slopes.std(0, ddof=1) if len(slopes) > 1 else np.zeros(len(mean) + 1)
    tols = 4 * spread / np.sqrt(len(slopes))
    for c, slope, tol in zip(config.oversampling, mean, tols, strict=False):
        checks.append(Check(f"slope_at_least_guarantee/m_{c:g}dr", slope, ">=", 0.5, tol))
        checks.append(Check(f"slope_at_most_population/m_{c:g}dr", slope, "<=", 2.0, tol))
    for (low, high), rise in zip(pairwise(config.oversampling), np.diff(mean), strict=True):
        checks.append(Check(f"slope_grows/m_{low:g}dr_to_{high:g}dr", rise, ">=", 0.0, 0.0))
    return Result(
        data=data,
        metrics=dict(data[["error", "infinite", "slope", "infinite_slope"]].mean("replicate")),
        checks=tuple(checks),
    )
