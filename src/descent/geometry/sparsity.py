"""From u₀ = α1 the limit comes to the least ℓ₁ norm like α^gap, and gap depends on the data alone.

For a small start the divergence of the entropy is log(1/α)‖u‖₁ up to a remainder that does not depend on α. So the
norm decides as α → 0. How soon it does is the business of the weights that are to vanish: u_j shrinks like
α^{1 − X_jᵀμ} with the dual μ of the least norm, and the slowest of them is the gap.

    u_α: least D_φ(u, α1) over Xu = y, φ = Σ u log u − u;   u_*: least ‖u‖₁ over Xu = y, u ≥ 0;   S its support
    gap = max s over μ:   X_Sᵀμ = 1,   X_jᵀμ ≤ 1 − s for j ∉ S        (one linear programme)
    ‖u_α − u_*‖ ~ α^gap,   and the same for the weights off S alone
    D_φ(u, α1) = log(1/α)‖u‖₁ + Σ(u log u − u) + dα

See: left, the distance from the sparse solution and the weights off its support, beside the predicted slope; right,
the limits: few weights are left as α falls.

Source: slides on implicit biases, reparametrisation, which print D_φ(u, α1) → C_α‖u‖₁: there is a remainder of order
1, u ≥ 0 is needed, and with a small gap α = 10⁻¹² is still far from the sparse solution. The exponent is derived here.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.geometry import _data
from descent.geometry._data import EPS, Data, require_runs, require_sparse, require_underdetermined
from descent.geometry._loops import mirror
from descent.geometry._potentials import Nearest, Potential, nearest
from descent.geometry._sparse import exponent, least_l1, require_even
from descent.maths.limits import require_at_most, require_within
from descent.result import Check, Erratum, Result, measured, predicted, sweep

ENTROPY = Potential("entropy")
FLOOR = 1e-10  # of the weights, below which those off the support are rounding
SOLVED = 1e-10  # of y, to which Newton's method has to meet it
SAFE, TELLING = 2, 0.1  # times the estimated error; the share of the gap to which it must be known


@experiment_config
class Config:
    seed: Seed
    samples: Count  # n
    features: Count  # d
    sparsity: Count  # positive entries of the vector that made y
    alphas: tuple[Positive, ...]  # α of u₀ = α1, evenly spaced on a logarithmic scale
    run_from: Positive  # α from which on mirror descent itself is run
    limit: Count  # its steps

    def __post_init__(self):
        require_underdetermined(self)
        require_sparse(self)
        require_even("alphas", self.alphas)
        require_within(
            "alphas", self.alphas, 1e-60, 10, "outside of it nothing small is started from"
        )
        if self.run_from > self.alphas[-1]:
            raise ValueError(f"run_from {self.run_from:g} > {self.alphas[-1]:g}, the largest α")
        require_at_most(self, "Newton's method is cubic in n", samples=500, features=5000)
        require_runs(self, "samples, features, limit", len(self.alphas), self.limit)

    @property
    def runs(self) -> list[float]:
        """α of the runs."""
        return [alpha for alpha in self.alphas if alpha >= self.run_from]


class Given(NamedTuple):
    data: Data
    nearest: list[Nearest]  # u_α of every α
    support: np.ndarray  # of u_*


def draw(config: Config) -> Given:
    data = _data.nonnegative(config.seed, config.samples, config.features, config.sparsity)
    if not _data.positive_solution(data.X, data.y) > 1e-9:
        raise Refusal(f"seed {config.seed}, sparsity {config.sparsity}: no u > 0 solves Xu = y")
    found, guess = [], None
    for before, alpha in zip((None, *config.alphas[:0:-1]), config.alphas[::-1], strict=True):
        if before is not None and before < 0.9:  # the multipliers grow like log(1/α)
            guess = found[-1].multipliers * np.log(alpha) / np.log(before)
        start = np.full(config.features, np.log(alpha))
        found.append(nearest(ENTROPY, data.X, data.y, start, guess))
    return Given(data, found[::-1], least_l1(data.X, data.y, False).support)


def predict(config: Config, given: Given) -> xr.Dataset:
    """From the linear programmes, and u_α of the runs by Newton's method."""
    X, y, _ = given.data
    best = least_l1(X, y, False)
    runs = [given.nearest[config.alphas.index(alpha)].weights for alpha in config.runs]
    u = best.weights[best.support]
    return xr.Dataset(
        {
            "sparse": predicted("j", best.weights, "u_*"),
            "gap_predicted": predicted((), best.gap, "gap"),
            "remainder_predicted": predicted((), (u * np.log(u) - u).sum(), "Σ u log u − u"),
            "end_predicted": predicted(("start", "j"), runs, "u_α"),
        }
    )


def measure(config: Config, given: Given) -> xr.Dataset:
    """u_α with its exponent, and runs of mirror descent."""
    (X, y, _), d = given.data, config.features
    limits = np.array([one.weights for one in given.nearest])
    off = np.linalg.norm(limits[:, ~given.support], axis=1)
    slope = exponent(np.array(config.alphas), off, FLOOR * np.abs(limits).max())
    ends, left = [], []
    for alpha in config.runs:
        z0 = np.full(d, np.log(alpha))
        kept = np.array([0, config.limit])
        run = mirror(X, y, z0, kept, "square", "entropy", close=1e-12 * np.abs(y).max())
        ends.append(run.weights[-1])
        left.append(np.linalg.norm(ENTROPY.response(X, run.dual, run.residual)))
    sparse = least_l1(X, y, False).weights
    divergence = ENTROPY.divergence(sparse, np.full(d, config.alphas[0]))
    return xr.Dataset(
        {
            "limit": measured(("alpha", "j"), limits, "u_α"),
            "off_support": measured("alpha", off, "weights of u_α off the support"),
            "distance": measured("alpha", np.linalg.norm(limits - sparse, axis=1), "‖u_α − u_*‖"),
            "gap": measured((), slope.value, "slope at α → 0"),
            "gap_blur": measured((), min(slope.error, 1e9), "to which it is known"),
            "remainder": measured(
                (), divergence + np.log(config.alphas[0]) * sparse.sum(), "D − log(1/α)‖u‖₁"
            ),
            "end": measured(("start", "j"), ends, "u at the end of a run"),
            "left": measured("start", left, "how far from u_α the residual lets it be"),
        },
        coords={
            "alpha": sweep(config.alphas, "alpha", "start α"),
            "start": ("start", config.runs, {"long_name": "start α of a run"}),
            "j": ("j", np.arange(d) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given = draw(config)
    found, theory = measure(config, given), predict(config, given)
    reasons = told(config, given, found)
    checks = () if reasons else compare(config, given, found, theory)
    where = "slides on implicit biases, reparametrisation and change of geometry"
    numbers = (0.0, float(theory["remainder_predicted"]), float(found["remainder"]))
    tol = rounding(config, found) + config.features * config.alphas[0]
    erratum = Erratum("remainder_of_the_divergence", where, *numbers, tol)
    return Result(
        data=found.merge(theory),
        metrics={"gap": found["gap"], "distance": found["distance"]},
        checks=checks,
        errata=() if reasons else (erratum,),
        no_claim=reasons,
    )


def told(config: Config, given: Given, found: xr.Dataset) -> tuple[str, ...]:
    """Why nothing is claimed."""
    alpha, off, blur = config.alphas[0], float(found["distance"][0]), float(found["gap_blur"])
    unsolved = max(one.residual for one in given.nearest) / np.abs(given.data.y).max()
    reasons = []
    if not unsolved <= SOLVED:
        reasons.append(f"Newton's method leaves {unsolved:.2g} of y")
    if not SAFE * blur <= TELLING * abs(float(found["gap"])):
        slope = f"the slope is {float(found['gap']):.3g} ± {SAFE * blur:.1g}"
        reasons.append(f"alphas from {alpha:g}: still {off:.2g} from the sparse solution, {slope}")
    far = (found["left"] > SOLVED * 1e3 * np.abs(found["limit"]).max()).values
    if far.any():
        late = ", ".join(f"{one:g}" for one in np.array(config.runs)[far])
        reasons.append(f"limit {config.limit}: runs from α = {late} are not at their end")
    return tuple(reasons)


def rounding(config: Config, found: xr.Dataset) -> float:
    """Of u and log u over a run of Newton's method."""
    return float(1e3 * EPS * abs(found["limit"]).max() * (1 - np.log(config.alphas[0])))


def compare(
    config: Config, given: Given, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    X, S, walk = given.data.X, given.support, rounding(config, found)
    # X_S (u − u_*)_S = −X_N u_N, so the weights off the support bound all others.
    leverage = np.linalg.norm(np.linalg.pinv(X[:, S]) @ X[:, ~S], 2) if not S.all() else 0.0
    near = (1 + leverage) * found["off_support"] + walk
    tol = SAFE * found["gap_blur"] + 1e-6
    settling, left = "twice the range of the last slopes", "the residual that is left, and rounding"
    end, remainder = found["end"], found["remainder"]
    step = 16 * EPS * np.sqrt(config.limit) * (1 - np.log(config.alphas[0]))
    ends = found["left"] + step * abs(found["limit"]).max()
    small = walk + config.features * config.alphas[0]
    return (
        Check("gap", found["gap"], "==", theory["gap_predicted"], tol, settling),
        Check("limit", found["limit"], "==", theory["sparse"], near, "weights off the support"),
        Check("end", end, "==", theory["end_predicted"], ends, left),
        Check("remainder", remainder, "==", theory["remainder_predicted"], small, "dα, rounding"),
    )
