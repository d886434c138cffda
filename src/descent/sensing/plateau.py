"""A smaller start leaves a smaller error, which falls the faster with the start the more is measured.

What no direction of X* takes with it stays near the size of the start: α² of it at m = ∞. In a sample the
noise of the measurements makes some of it grow until X* has emerged, the longer the smaller the start.

    U: (d, d),   U₀ = αW,   error = ‖U_TU_Tᵀ − X*‖/‖X*‖ once its exponential fall is over
    error ~ α^s,   ½ ≤ s ≤ 2, rising with m:   s = ½ is the guarantee for m ≥ 3dr and more, s = 2 that of m = ∞
    m = ∞:   error = √Σ_k (1/μ_k + 4ηT)⁻²/‖X*‖,   μ_k: eigenvalues of α² W_⊥(1 − QQᵀ)W_⊥ᵀ

with V the eigenvectors of X* (d × r), W_⊥ = (1 − VVᵀ)W, and Q an orthonormal basis of the rows of VᵀW: the signal
grows along Q and takes that part of W_⊥ with it to zero; the rest feels only itself.

See: on the left every line is straight where α is small, and steeper for more measurements, up to the dashed one;
on the right its slope rises from ½ towards 2.

Source: CS7180 problem set 2, question 2d; arXiv 1712.09203, Theorem 1.1 (s ≥ ½); arXiv 2106.15013 (21/16).
"""

import numpy as np
import xarray as xr

from descent.config import Positive, experiment_config, require_increasing
from descent.maths.sampling import mean, require_fewest
from descent.result import Check, Result, bound, measured, predicted, replicates, sweep
from descent.sensing._memory import require_run
from descent.sensing._phases import last_emergence, settled
from descent.sensing._problem import DescentConfig, draw_factor, sense
from descent.sensing._surplus import norm_after, population, unabsorbed
from descent.sensing._trajectories import descend, indices, lost, stacked

METRICS = ["error", "infinite", "slope", "infinite_slope"]
LEAST = 3  # m/(dr) of the guarantee
UNCLEAR = 0.1  # relative error of the prediction from which it is not compared
WIDE = 0.75  # half of what lies between the limits of a slope: known no better, it says nothing
LEFT_OUT = "below 3, or a run not settled: X* not out by T/2, or its error falling faster than 1/t"


@experiment_config
class Config(DescentConfig):
    oversampling: tuple[Positive, ...]  # m/(dr); m = ∞ comes on top
    alphas: tuple[Positive, ...]  # scales of the start

    def __post_init__(self):
        super().__post_init__()
        require_increasing("oversampling", self.oversampling)
        require_increasing("m of oversampling", tuple(map(self.count, self.oversampling)))
        require_increasing("alphas", self.alphas)
        if self.rank == self.size:
            raise ValueError(f"rank {self.rank} = size: no direction is left over at m = ∞")
        if len(self.alphas) < 2:
            raise ValueError(f"alphas [{self.alphas[0]:g}]: a slope needs at least 2")
        require_fewest("mean", self.replicates, len(self.oversampling))
        if self.steps < 2:
            raise ValueError("steps 1: whether a run has settled takes at least 2")

    @property
    def fold(self) -> float:
        """ln of the ratio of the two smallest starts."""
        return float(np.log(self.alphas[1] / self.alphas[0]))


def _measure_one(rng: np.random.Generator, config: Config) -> dict[str, np.ndarray]:
    """Relative errors at T/2 and T for every m and then ∞ (m, a), and what was drawn."""
    d = config.size
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    S = rng.standard_normal((config.count(config.oversampling[-1]), d * (d + 1) // 2))
    problems = [sense(factor, S[: config.count(c)]) for c in config.oversampling]
    starts = np.multiply.outer(config.alphas, W)
    norm, errors = np.linalg.norm(factor @ factor.T), []
    for given in (*problems, population(factor)):
        eta = config.step / given.eigenvalues[0]
        path = descend(given, starts, eta, config.steps, np.array([config.steps]))
        errors.append(path.distance[:, [config.steps // 2, config.steps]].T / norm)
    halfway, end = np.swapaxes(errors, 0, 1)
    return {"halfway": halfway, "end": end, "factor_star": factor, "start": W}


def measure(config: Config) -> xr.Dataset:
    """The errors of every α for every m, which of them have settled, and the slopes at the smallest α."""
    many, each = len(config.oversampling) + 1, "replicate"
    kept = 2 * many * len(config.alphas) + 2 * config.size**2
    most = config.count(config.oversampling[-1])
    require_run(config, most, len(config.alphas), config.steps * many, kept)
    runs = stacked(_measure_one, config)
    halfway, end, factor = (runs[name] for name in ("halfway", "end", "factor_star"))
    lam = np.linalg.svd(factor, compute_uv=False) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):  # runs that left float64
        slope = np.log(end[..., 1] / end[..., 0]) / config.fold
    cell = (each, "oversampling", "alpha")
    return xr.Dataset(
        {
            "error": measured(cell, end[:, :-1], "relative error at t = T"),
            "infinite": measured(cell[::2], end[:, -1], "relative error, m = ∞"),
            "slope": measured(cell[:2], slope[:, :-1], "slope s at the smallest α"),
            "infinite_slope": measured(each, slope[:, -1], "slope s, m = ∞"),
            "halfway": measured(cell, halfway[:, :-1], "relative error at t = T/2"),
            "infinite_halfway": measured(cell[::2], halfway[:, -1], "the same, m = ∞"),
            "eigenvalue": measured((each, "i"), lam, "λ_i(X*)"),
            "eta": measured(each, config.step / lam[:, 0], "η"),
            "factor_star": measured((each, "row", "i"), factor, "U*"),
            "start": measured((each, "row", "factor"), runs["start"], "W"),
        },
        coords={
            "oversampling": sweep(config.oversampling, "oversampling", "m/(dr)"),
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "replicate": replicates(config.replicates),
            "i": indices(config.rank),
        },
    )


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """The error at m = ∞, its slope, and the limits of every slope."""
    errors, largest = [], []
    drawn = (given[name].values for name in ("factor_star", "start", "eta"))
    for factor, W, eta in zip(*drawn, strict=True):
        mu, norm = unabsorbed(factor, W), np.linalg.norm(factor @ factor.T)
        largest.append(mu[0])
        errors.append([norm_after(a**2 * mu, eta, config.steps) / norm for a in config.alphas])
    slope = np.log(np.divide(*np.array(errors)[:, [1, 0]].T)) / config.fold
    return xr.Dataset(
        {
            "predicted": predicted(("replicate", "alpha"), errors, "√Σ(1/μ_k + 4ηT)⁻²/‖X*‖"),
            "infinite_slope_predicted": predicted("replicate", slope, "its slope s"),
            "slope_lowest_bound": bound((), 0.5, "guarantee"),
            "slope_highest_bound": bound((), 2.0, "m = ∞"),
        },
        attrs={"largest": largest},
    )


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    there = usable(config, found)
    reasons = presupposed(config, found, there)
    left_out = [f"{c:g}" for c, one in zip(config.oversampling, there, strict=False) if not one]
    return Result(
        data=found.merge(theory).drop_vars(["factor_star", "start"]),
        metrics=dict(found[METRICS].mean("replicate", skipna=False)),
        checks=() if reasons else compare(config, found, theory, there),
        no_claim=reasons,
        unchecked={"slope": f"m/(dr) = {', '.join(left_out)}: {LEFT_OUT}"} if left_out else {},
    )


def usable(config: Config, found: xr.Dataset) -> np.ndarray:
    """Of every m and then ∞: whether its two smallest starts have settled in all replicates, and m ≥ 3dr."""
    lam, eta, T = found["eigenvalue"], found["eta"], config.steps
    times = last_emergence(lam, eta, found["alpha"], config.size)
    finite = settled(found["halfway"], found["error"], times, T)
    infinite = settled(found["infinite_halfway"], found["infinite"], times, T)
    finite, infinite = (one.isel(alpha=slice(0, 2)) for one in (finite, infinite))
    at_m = finite.all(("replicate", "alpha")).values & (np.array(config.oversampling) >= LEAST)
    return np.array([*at_m, infinite.all()])


def presupposed(config: Config, found: xr.Dataset, there: np.ndarray) -> tuple[str, ...]:
    """Why the claim says nothing here: no run at m = ∞ or in a sample has settled, or the ends forget their starts."""
    reasons = lost(found["error"].isel(alpha=slice(0, 2)))
    if reasons:
        return reasons
    if not there[-1] or not there[:-1].any():
        return (f"{'m = ∞' if not there[-1] else 'every m'}: {LEFT_OUT}",)
    off = float(mean(found["slope"].isel(oversampling=np.flatnonzero(there[:-1]))).tol.max())
    if off > WIDE:
        reasons += (f"replicates {config.replicates}: slopes are known to ± {off:.2g} only",)
    memory = config.alphas[1] ** 2 * config.size * 4 * float(found["eta"].max()) * config.steps
    if memory > 1:
        reasons += (f"alphas: the ends do not depend on the starts, α²d·4ηT = {memory:.2g} > 1",)
    return reasons


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, there: np.ndarray
) -> tuple[Check, ...]:
    expected, eta, lam = theory["predicted"], found["eta"], found["eigenvalue"]
    # Until X* is there its rows turn by 4ημ₁ a step at the most; X* is reached up to rounding.
    until = last_emergence(lam, eta, found["alpha"], config.size).clip(1)
    mu = found["alpha"] ** 2 * xr.DataArray(theory.attrs["largest"], dims="replicate")
    off = 4 * eta * mu * until + 1e-15 * config.size / expected
    clear = np.flatnonzero((off < UNCLEAR).all("replicate"))
    why, half = (
        "4ημ₁ a step until X* is there, and rounding",
        2 / config.fold * off.isel(alpha=1, drop=True),
    )
    low, high = theory["slope_lowest_bound"], theory["slope_highest_bound"]
    slopes = found["slope"].isel(oversampling=np.flatnonzero(there[:-1]))
    slope, infinite = mean(slopes), theory["infinite_slope_predicted"]
    at_infinity = found["infinite_slope"].expand_dims(oversampling=[np.inf])
    rise = mean(xr.concat([slopes, at_infinity], "oversampling").diff("oversampling"))
    error, tol = found["infinite"][:, clear], (off * expected)[:, clear]
    return (
        Check("error_at_infinity", error, "==", expected[:, clear], tol, why),
        Check("slope_at_infinity", found["infinite_slope"], "==", infinite, half, why),
        Check("slope_above_guarantee", slope.value, ">=", low, slope.tol, slope.why),
        Check("slope_below_population", slope.value, "<=", high, slope.tol, slope.why),
        Check("slope_rises", rise.value, ">=", 0.0, rise.tol, rise.why),
    )
