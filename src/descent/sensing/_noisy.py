"""One draw of noisy matrix sensing: R = r and R = d by gradient descent, and least squares over X ⪰ 0.

Distances are over σ, the standard deviation of the noise on y.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.sensing._kernels import apply
from descent.sensing._phases import remaining
from descent.sensing._problem import Problem, draw_factor, hessian_spectrum, pack, sense
from descent.sensing._psd import least_squares
from descent.sensing._trajectories import descend, narrowed

FAR = 0.1  # of the limit: R = d is compared with it once the loss says that it is nearer


def least_squares_error(m: int, p: int) -> float:
    """√E‖x − x*‖²/σ of least squares in p unknowns on m Gaussian measurements; needs m > p + 1."""
    return float(np.sqrt(p / (m - p - 1)))


def cone_error(m: int, threshold: float) -> float:
    """The same over a cone of statistical dimension `threshold`."""
    return float(np.sqrt(threshold / (m - threshold)))


def measure_one(rng: np.random.Generator, config) -> dict[str, np.ndarray | float]:
    """For every σ: paths and best errors, the least squares, and a distance of R = d's end from it by the loss."""
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
    narrow, m = starts[0, :, : config.rank], config.measurements
    left = remaining(factor, narrow, eta, config.steps, m, hessian_spectrum(given))
    wide = distance[1]
    return {
        "path": distance[:, :, config.kept],  # of R = r and of R = d
        "best": wide.min(-1),
        "best_step": wide.argmin(-1) * 1.0,
        "limit": np.array(limit),  # of least squares over X ⪰ 0
        "residual": np.array(residual),  # of its optimality, relative to ‖X*‖
        "gap": np.array(gap),  # √2(f(R = d) − f(least squares))/σ
        "remaining": left,  # share of X* that R = r may have left
        "eigenvalue": given.eigenvalues,
    }


def loss(given: Problem, X: Float[np.ndarray, "d d"]) -> float:
    """½ eᵀGe − eᵀb, which is f(X) − f(X*) with the noise in y."""
    error = pack(X) - given.target
    return float(error @ (apply(given.gram, error[None])[0] / 2 - given.offset))


def rms(x: xr.DataArray) -> xr.DataArray:
    """Root mean square over replicates."""
    return np.sqrt((x**2).mean("replicate", skipna=False))


def bend(found: xr.Dataset, error: float) -> xr.DataArray:
    """(σ · error/λ_r)²: by how much of itself an error may be off where X* is not flat."""
    return ((found["sigma"] * error / found["eigenvalue"][:, -1]) ** 2).mean("replicate")


def size(found: xr.Dataset) -> xr.DataArray:
    """‖X*‖"""
    return np.sqrt((found["eigenvalue"] ** 2).sum("i"))


def far(config, found: xr.Dataset) -> xr.DataArray:
    """How far R = d at T may be from what least squares ended at, over σ.

    √μ = 1 − √(δ/m) bounds f − min f ≥ ½μ‖X − argmin‖² from below. Where the gradient mapping g is left, that end is
    within g/μ of the minimum, in f within g²/(2μ).
    """
    root = 1 - np.sqrt(config.threshold / config.measurements)
    left = found["residual"] * size(found) / found["sigma"]
    return found["gap"] / root + 2 * left / root**2


def near(config, found: xr.Dataset) -> xr.DataArray:
    """Whether `far` is little beside the error, over σ."""
    return (far(config, found) <= FAR * found["limit"]).all("replicate")
