"""A deep product can fit the entries with more than the least nuclear norm and yet be nearer to the matrix.

If the bias of a product were its nuclear norm, a small start would lead to the matrix of least nuclear norm that meets
the entries. Products of three factors and more end at one of lower rank instead, whose nuclear norm is larger. Where
the entries determine a matrix of that rank, this is the matrix that they were taken from.

    M: (n, n) of rank r, ‖M‖ = √n, observed on Ω;   W = W_N ⋯ W_1, balanced start with ‖W₀‖ = α
    L = ½ Σ_Ω (W_ij − M_ij)²,   gradient descent on the factors with η = step/(N σ₁(M)^{2−2/N})
    N = 1:   off Ω nothing moves, W_ij = W₀_ij
    least:   min ‖W‖_* with W = M on Ω, by ADMM;  ‖W‖_* ≥ ⟨Y, W⟩ for every Y on Ω with ‖Y‖₂ ≤ 1
    W near rank r:  its error follows from its entries on Ω, if these determine M among the matrices of rank r:
                    the projection of the tangent space at M to Ω has a smallest singular value s > 0

See: left, errors fall with depth, and three factors and four get below the dashed error of the least nuclear norm;
middle, their nuclear norm lies above the least one, which no matrix that meets the entries can undercut.

Source: slides on implicit biases, the papers on linear networks; arXiv 1905.13655, section 2, against the conjecture
of arXiv 1705.09280, that two factors and a vanishing start give the least nuclear norm.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.factorisation import _least_norm, _nearby, _products
from descent.factorisation._entries import GAP, certified, clearly, nearby, presuppose, problem
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.maths.times import log_spaced
from descent.result import Check, Result, bound, measured, predicted, steps, sweep

SMALL = 1e-24  # of ½n: the loss at which a run ends
MARKS = 60


@experiment_config
class Config:
    seed: Seed
    size: Count  # n
    rank: Count
    share: Positive  # of the entries that is observed
    depths: tuple[Count, ...]  # N
    start: Positive  # α
    step: Positive  # η N σ₁(M)^{2−2/N}
    steps: Count

    def __post_init__(self):
        require_increasing("depths", self.depths)
        if max(self.depths) < 2:
            raise ValueError("depths [1]: a single matrix is compared with products of several")
        require_within(
            "depths", self.depths, 1, 12, "from a small start deeper products never move"
        )
        require_within("share", self.share, 0.5 / self.size**2, 1, "an entry at least, all at most")
        require_at_most(self, "the certificate takes thousands of SVDs of W", size=60)
        require_at_most(self, "a matrix has no larger one", rank=self.size)
        require_within("start", self.start, 1e-12, 1, "a small start that float64 resolves")
        require_within("step", self.step, 1e-6, 1, "from 2 on no run is stable at M")
        work = 6.0 * sum(self.depths) * self.size**3
        require_cost(self, "size, depths, steps", operations=work * self.steps)


def measure(config: Config) -> xr.Dataset:
    """Gradient descent on one factor and on several."""
    M, mask, start = problem(config)
    top, at = np.linalg.norm(M, 2), log_spaced(config.steps, MARKS)
    error, ends = [], []
    for depth in config.depths:
        factors = _products.balanced(start, depth)
        eta = config.step / (depth * top ** (2 - 2 / depth))
        W = _products.descend(factors, mask, M, eta, at, SMALL * len(M) / 2).products
        error.append(np.linalg.norm(W - M, axis=(1, 2)) / np.linalg.norm(M))
        ends.append(W[-1])
    sigma = _products.singular_values(np.array(ends))
    left = np.linalg.norm(mask * (np.array(ends) - M), axis=(1, 2))
    end, each = np.array(error)[:, -1], "depth"
    square = (each, "row", "column")
    place = np.arange(config.size) + 1
    return xr.Dataset(
        {
            "path": measured((each, "t"), error, "‖W − M‖/‖M‖"),
            "W": measured(square, ends, "W at the end"),
            "error": measured(each, end, "‖W − M‖/‖M‖"),
            "residual": measured(each, left, "‖W − M‖ on Ω"),
            "nuclear": measured(each, sigma.sum(-1), "‖W‖_*"),
            "sigma": measured((each, "r"), sigma, "singular value σ_r"),
            "effective_rank": measured(each, _products.effective_rank(sigma), "effective rank"),
        },
        coords={
            each: sweep(config.depths, each, "depth N"),
            "t": steps(at, "t", "step"),
            "r": ("r", place, {"long_name": "index r"}),
            "row": ("row", place, {"long_name": "row"}),
            "column": ("column", place, {"long_name": "column"}),
        },
    )


def measure_least(config: Config, least: _least_norm.Least) -> xr.Dataset:
    """The matrix of least nuclear norm."""
    M, _, _ = problem(config)
    error = np.linalg.norm(least.X - M) / np.linalg.norm(M)
    sigma = _products.singular_values(least.X)
    return xr.Dataset(
        {
            "nuclear_of_M": measured((), _products.singular_values(M).sum(), "‖M‖_*"),
            "least": measured((), least.value, "‖·‖_* of the least"),
            "least_error": measured((), error, "its ‖W − M‖/‖M‖"),
            "least_sigma": measured("r", sigma, "its σ_r"),
        }
    )


def predict(config: Config, near: dict[int, _nearby.Nearby]) -> xr.Dataset:
    """Error of a single factor, and of what is near rank r."""
    M, mask, start = problem(config)
    left = np.where(mask > 0, (1 - config.step) ** config.steps, 1.0) * (start - M)
    alone = np.linalg.norm(left) / np.linalg.norm(M)
    error = [one.error / np.linalg.norm(M) for one in near.values()]
    nuclear = [one.nuclear for one in near.values()]
    return xr.Dataset(
        {
            "alone_predicted": predicted((), alone, "W = W₀ off Ω"),
            "error_predicted": predicted("near", error, "from the entries on Ω"),
            "nuclear_predicted": predicted("near", nuclear, "from the entries on Ω"),
        },
        coords={"near": sweep(near, "near", "depth N of what ends near rank r")},
    )


def predict_least(config: Config, least: _least_norm.Least, found: xr.Dataset) -> xr.Dataset:
    """What nothing that meets the entries can undercut, of M's entries and of each run's own."""
    M, _, _ = problem(config)
    own = (found["W"].values * least.Y).sum((-2, -1))
    return xr.Dataset(
        {
            "least_predicted": predicted((), float(np.vdot(least.Y, M)), "dual value"),
            "nuclear_bound": bound("depth", own, "⟨Y, W⟩: no less with these entries"),
        }
    )


def run(config: Config) -> Result:
    found, least = measure(config), certified(config)
    found = found.merge(measure_least(config, least))
    near = nearby(config, found)
    theory = predict(config, near).merge(predict_least(config, least, found))
    M, mask, _ = problem(config)
    named = ("error", "nuclear", "effective_rank", "least", "least_error")
    clear = clearly(config, near, found)
    return Result(
        data=found.merge(theory),
        metrics={name: found[name] for name in named}
        | {
            "nuclear_of_the_matrix": found["nuclear_of_M"],
            "determined": _nearby.tangent(M, config.rank, mask).s,
        },
        checks=compare(config, found, theory, least.gap <= GAP, near, clear),
        no_claim=presuppose(config, found, least, near, clear),
    )


def compare(
    config: Config,
    found: xr.Dataset,
    theory: xr.Dataset,
    certain: bool,
    near: dict[int, _nearby.Nearby],
    clear: list[int],
) -> tuple[Check, ...]:
    """`certain`: the least nuclear norm is known."""
    size, least = np.sqrt(config.size), found["least"]
    width = float(least)
    dual, duality = theory["least_predicted"], "the gap that its certificate leaves"
    own, weak = theory["nuclear_bound"], "weak duality; rounding"
    checks = [Check("nuclear_norms", found["nuclear"], ">=", own, 1e-9 * width, weak)]
    if certain:
        checks.append(Check("least_nuclear_norm", least, "==", dual, GAP * width, duality))
    if 1 in config.depths:
        alone, expected = found["error"].sel(depth=1), theory["alone_predicted"]
        checks.append(Check("one_factor", alone, "==", expected, 1e-9, "rounding of the steps"))
    if near:
        at = theory["near"]
        error, nuclear = (found[x].sel(depth=at, drop=True) for x in ("error", "nuclear"))
        tols = [[one.error_tol / size, one.nuclear_tol] for one in near.values()]
        tol = xr.DataArray(tols, dims=("near", "of"), coords={"near": at})
        why = "second order in the distance from M"
        expected, other = theory["error_predicted"], theory["nuclear_predicted"]
        checks.append(Check("error", error, "==", expected, tol.isel(of=0), why))
        checks.append(Check("nuclear_norm_near_M", nuclear, "==", other, tol.isel(of=1), why))
    if clear:
        error, nuclear = (found[x].sel(depth=clear) for x in ("error", "nuclear"))
        why = "both are known more closely than they differ"
        checks.append(Check("nearer_than_the_least", error, "<=", found["least_error"], 0, why))
        checks.append(Check("more_than_the_least", nuclear, ">=", least, 0, why))
    return tuple(checks)
