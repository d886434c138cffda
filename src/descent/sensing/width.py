"""Any factor beyond the rank ends linear convergence: only R = r reaches X*, a wider U crawls.

A surplus factor has no signal to grow to. Near zero it feels only its own square, so it decays like 1/√t, and
the error like 1/t. Yet a wider start holds more of every direction of X*, and the first 10 % come sooner.

    U: (d, R),   U₀ = αW_R,   W_R the first R columns of one W
    R = r:   ‖UUᵀ − X*‖ → rounding at a linear rate
    R > r:   ‖U_TU_Tᵀ − X*‖ ≥ √Σ_k (1/μ_k + 4ηT)⁻²,   μ_k: eigenvalues of the part of U₀U₀ᵀ that no direction of X*
             takes with it.  Equal at m = ∞; a sample lets some surplus grow on the way, which is above it
    small α: the first t within the same error is sooner by as much as the last direction of X* is found sooner

A small U passes saddles: beside P_j, the best matrix of rank j, U ← (1 + 2ηM_j)U, M_j = unpack(G pack(X* − P_j)), until
the row along the largest eigenvector of M_j is as long as the root of its eigenvalue. A wider U has more columns beside
that row, and so holds more of the next direction.

See: R = r falls to rounding, every wider start bends off and stays above its dotted level; on the right the time
to 10 % falls with the width as predicted.

Source: CS7180 problem set 2, questions 2b (R = r) and 2d (R = d); arXiv 2310.01769 (loss Ω(1/T²) for R > r).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.result import Check, Result, bound, measured, predicted, replicates, steps, sweep
from descent.sensing import _phases, _problem
from descent.sensing._memory import require_run
from descent.sensing._phases import first_within, last_emergence, remaining
from descent.sensing._problem import DescentConfig, Measured, draw_factor, sense
from descent.sensing._saddles import found_at, pull, saddle
from descent.sensing._sample import require_decided
from descent.sensing._surplus import damped, norm_after, unabsorbed
from descent.sensing._trajectories import descend, indices, lost, narrowed, stacked

WAITING = 0.15  # of the gain: two directions may grow up side by side
PART = 0.1  # of an e-fold of the last direction
FOLDS = 3  # that a small start is below √λ_r at the least


@experiment_config
class Config(DescentConfig, Measured):
    widths: tuple[Count, ...]  # R
    alphas: tuple[Positive, ...]  # scales of the start
    reached: Positive  # relative error whose time is compared

    def __post_init__(self):
        super().__post_init__()
        require_increasing("widths", self.widths)
        require_increasing("alphas", self.alphas)
        if self.widths[0] != self.rank or len(self.widths) < 2:
            raise ValueError(f"widths {list(self.widths)} must go on from the rank {self.rank}")
        if self.rank == self.size:
            raise ValueError(f"rank {self.rank} = size: no direction is left to a surplus factor")
        require_decided(self, self.measurements)

    @property
    def kept(self) -> np.ndarray:
        """The steps that are kept: about 200, log-spaced."""
        return np.unique(np.geomspace(1, self.steps + 1, 200).round().astype(int) - 1)


def _measure_one(rng: np.random.Generator, config: Config) -> dict[str, np.ndarray]:
    """Relative distances (a, R, t), first steps within `reached` (a, R), what was drawn, what R = r may have left."""
    d, m = config.size, config.measurements
    factor, W = draw_factor(rng, config), rng.standard_normal((d, config.widths[-1]))
    given = sense(factor, rng.standard_normal((m, d * (d + 1) // 2)))
    starts = np.array([alpha * narrowed(W, R) for alpha in config.alphas for R in config.widths])
    eta = config.step / given.eigenvalues[0]
    path = descend(given, starts, eta, config.steps, np.array([config.steps]))
    shape = (len(config.alphas), len(config.widths))
    error = (path.distance / np.linalg.norm(given.target)).reshape(*shape, -1)
    first = first_within(error, config.reached)
    narrow, spectrum = W[:, : config.rank], _problem.hessian_spectrum(given)
    left = [remaining(factor, a * narrow, eta, config.steps, m, spectrum) for a in config.alphas]
    loss = 2 * path.training_loss.reshape(error.shape)[:, 0, -1] / np.sum(given.target**2)
    found = {
        "error": error[..., config.kept],
        "first": first,
        "remaining": np.array(left),
        "loss": loss,
    }
    pulls = [pull(given, saddle(given, rank)) for rank in range(config.rank)]
    return found | {"factor_star": factor, "start": W, "pulls": np.array(pulls)}


def measure(config: Config) -> xr.Dataset:
    """The errors of every width and scale, when each comes within `reached`, and what was drawn."""
    starts = len(config.alphas) * len(config.widths)
    given = config, config.measurements, starts, config.steps, starts * len(config.kept)
    require_run(*given, columns=config.widths[-1])
    runs = stacked(_measure_one, config)
    lam = np.linalg.svd(runs["factor_star"], compute_uv=False) ** 2
    cell, each = ("replicate", "alpha", "width"), "replicate"
    return xr.Dataset(
        {
            "relative_distance": measured((*cell, "t"), runs["error"], "‖U_tU_tᵀ − X*‖ / ‖X*‖"),
            "first": measured(cell, runs["first"], f"first t within {config.reached:g}"),
            "eigenvalue": measured((each, "i"), lam, "λ_i(X*)"),
            "eta": measured(each, config.step / lam[:, 0], "η"),
            "remaining": measured(
                (each, "alpha"), runs["remaining"], "share of X* that R = r may have left"
            ),
            "loss": measured((each, "alpha"), runs["loss"], "2f(U_T)/‖X*‖², R = r"),
            "factor_star": measured((each, "row", "i"), runs["factor_star"], "U*"),
            "start": measured((each, "row", "factor"), runs["start"], "W"),
            "pulls": measured((each, "saddle", "row", "column"), runs["pulls"], "M_j"),
        },
        coords={
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "width": sweep(config.widths, "width", "number of factors R"),
            "t": steps(config.kept, "t", "step t"),
            "replicate": replicates(config.replicates),
            "i": indices(config.rank),
        },
    )


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """The least error that surplus factors leave, and how much sooner a wider start comes near."""
    names, least, gains = ("factor_star", "start", "pulls", "eta"), [], []
    for factor, W, pulls, eta in zip(*(given[name].values for name in names), strict=True):
        mu = [unabsorbed(factor, W[:, :R]) for R in config.widths]
        squares, norm = np.square(config.alphas), np.linalg.norm(factor @ factor.T)
        least.append(
            [[norm_after(a * one, eta, config.steps) / norm for one in mu] for a in squares]
        )
        last = [found_at(pulls, eta, config.alphas[0] * W[:, :R])[-1] for R in config.widths]
        gains.append(last[0] - np.array(last))
    lam, eta = given["eigenvalue"], given["eta"]
    until = last_emergence(lam, eta, given["alpha"], config.size).clip(0)
    share = damped(lam, eta, until, config.measurements).transpose("replicate", "alpha")
    least = np.array(least) * share.values[..., None]
    cell = ("replicate", "alpha", "width")
    return xr.Dataset(
        {
            "relative_distance_bound": bound(cell, least, "√Σ(1/μ_k + 4ηT)⁻²/‖X*‖, damped"),
            "gain_predicted": predicted(cell[::2], gains, "of the last direction, by the saddles"),
        }
    )


def run(config: Config) -> Result:
    theory = predict(config, found := measure(config))
    reasons, blurred = presupposed(config, found), unclear(config, found)
    first = found["first"]
    times = first[:, 0, 0].drop_vars(["alpha", "width"]) - theory["gain_predicted"]
    name = "first t at R = r, less the predicted gain"
    theory = theory.assign(first_predicted=times.assign_attrs(long_name=name, role="prediction"))
    checks = () if reasons else compare(config, found, theory)
    checks += () if reasons or blurred else compare_times(config, found, theory)
    end = found["relative_distance"].isel(t=-1, drop=True)
    return Result(
        data=found.merge(theory).drop_vars(["factor_star", "start", "pulls"]),
        metrics={
            "relative_distance": end.mean("replicate", skipna=False),
            "first": first.mean("replicate", skipna=False),
            "predicted": theory["first_predicted"].mean("replicate", skipna=False),
        },
        checks=checks,
        no_claim=reasons,
        unchecked={"gain": blurred} if blurred else {},
    )


def presupposed(config: Config, found: xr.Dataset) -> tuple[str, ...]:
    """Why the claim says nothing here: runs are lost, or too short for R = r."""
    reasons = lost(found["relative_distance"].isel(t=-1))
    return reasons or _phases.unfinished(config.steps, found["loss"], found["remaining"])


def unclear(config: Config, found: xr.Dataset) -> str:
    """Why the times to `reached` are not compared; empty if they are."""
    if not np.isfinite(found["first"].isel(alpha=0)).all():
        return f"some runs never come within {config.reached:g}"
    if config.measurements < 4 * config.freedom:
        return f"m = {config.measurements} < 4p = {4 * config.freedom}: the sample bends the paths"
    lam = found["eigenvalue"]
    least = float(lam[:, -1].min())
    folds = np.log(np.sqrt(least) / (config.alphas[0] * np.sqrt(config.widths[-1])))
    return f"the smallest α is {folds:.2g} < {FOLDS} e-folds below √λ_r" if folds < FOLDS else ""


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    end = found["relative_distance"].isel(t=-1, drop=True)
    wider, least = end[..., 1:], theory["relative_distance_bound"][..., 1:]
    tol, why = found["remaining"] + 1e-14, "of the slowest mode, and rounding"
    return (
        Check("exact_at_the_rank", end[..., 0].drop_vars("width"), "==", 0.0, tol, why),
        Check("inexact_beyond", wider, ">=", least, 0, "the bound leaves room for the sample"),
    )


def compare_times(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    first, expected = found["first"].isel(alpha=0, drop=True), theory["gain_predicted"][:, 1:]
    gain = (first[:, 0].drop_vars("width") - first[:, 1:]).mean("replicate")
    fold = (1 / np.log1p(2 * found["eta"] * found["eigenvalue"][:, -1])).mean()  # in steps
    tol = 1 + WAITING * abs(expected).mean("replicate") + PART * fold
    why = "whole steps, a part of an e-fold, and growing up side by side"
    return (Check("gain", gain, "==", expected.mean("replicate"), tol, why),)
