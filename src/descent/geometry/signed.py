"""With u = w₊² − w₋² the scale of the start decides: a large one gives the ℓ₂ solution, a small one the ℓ₁.

The flow on w₊ and w₋ is mirror descent of the hypentropy, a potential that is a square where |u| is below its scale
β = 2α² and |u| log|u| above it. From a large start the weights stay below and the shortest solution is found; from
a small one they rise above and the solution of least ℓ₁ norm is.

    u = w₊² − w₋²,   w₊(0) = w₋(0) = α1;   the flow keeps w₊w₋ = α², and φ = Σ u asinh(u/β) − √(u² + β²)
    u_α: least φ over Xu = y;   u₂: least ‖u‖₂;   u₁: least ‖u‖₁ with support S and signs s
    α → ∞:   u_α − u₂ = P u₂³/(24α⁴) + O(α⁻⁸),   P = 1 − X⁺X, cubes entry by entry
    α → 0:   u_α − u₁ ~ α^{2 gap},   gap = max s over μ:  X_Sᵀμ = s,  |X_jᵀμ| ≤ 1 − s for j ∉ S

See: the distances from both solutions cross; the slopes on either side are the predicted ones.

Source: slides on implicit biases, reparametrisation, which treat u = w² only; arXiv 2002.09277 for u = w₊² − w₋². The
two asymptotic laws are derived here.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config
from descent.geometry import _data
from descent.geometry._data import EPS, Data, require_sparse, require_underdetermined, unseen
from descent.geometry._potentials import Nearest, Potential, nearest
from descent.geometry._powers import as_the_step_vanishes
from descent.geometry._sparse import exponent, least_l1, require_even
from descent.maths.limits import require_at_most, require_within
from descent.result import Check, Result, measured, predicted, sweep

FLOOR = 1e-10  # of the weights, below which a difference of them is rounding
SOLVED = 1e-10  # of y, to which Newton's method has to meet it
SAFE = 2  # times the estimated error
TELLING, SHARP = 0.1, 0.5  # shares to which the law of large α and the exponent must be known


@experiment_config
class Config:
    seed: Seed
    samples: Count  # n
    features: Count  # d
    sparsity: Count  # non-zero entries of the vector that made y
    alphas: tuple[Positive, ...]  # α of w₊(0) = w₋(0) = α1, evenly spaced on a logarithmic scale

    def __post_init__(self):
        require_underdetermined(self)
        require_sparse(self)
        require_even("alphas", self.alphas)
        require_within("alphas", self.alphas, 1e-30, 1e6, "β = 2α² leaves nothing to add to u")
        require_at_most(self, "Newton's method is cubic in n", samples=500, features=5000)


class Given(NamedTuple):
    data: Data
    nearest: list[Nearest]  # u_α of every α
    support: np.ndarray  # of u₁


def draw(config: Config) -> Given:
    data = _data.signed(config.seed, config.samples, config.features, config.sparsity)
    found, guess = [], None
    for before, alpha in zip((None, *config.alphas[:0:-1]), config.alphas[::-1], strict=True):
        if before is not None and before < 0.5:  # the multipliers grow like log(1/β)
            guess = found[-1].multipliers * np.log(2 * alpha**2) / np.log(2 * before**2)
        potential = Potential("hypentropy", 2 * alpha**2)
        found.append(nearest(potential, data.X, data.y, np.zeros(config.features), guess))
    return Given(data, found[::-1], least_l1(data.X, data.y, True).support)


def predict(config: Config, given: Given) -> xr.Dataset:
    X, y, _ = given.data
    shortest, sparse = np.linalg.pinv(X) @ y, least_l1(X, y, True)
    return xr.Dataset(
        {
            "shortest": predicted("j", shortest, "u₂"),
            "sparse": predicted("j", sparse.weights, "u₁"),
            "large_predicted": predicted("j", unseen(X, shortest**3) / 24, "Pu₂³/24"),
            "exponent_predicted": predicted((), 2 * sparse.gap, "2 gap"),
        }
    )


def measure(config: Config, given: Given) -> xr.Dataset:
    """u_α, and the laws by which it comes to its ends."""
    (X, y, _), alphas = given.data, np.array(config.alphas)
    limits = np.array([one.weights for one in given.nearest])
    size = float(np.abs(limits).max())
    off = np.linalg.norm(limits[:, ~given.support], axis=1)
    slope = exponent(X, given.support, limits, 2 * alphas**2, two_sided=True)
    gaps = limits - np.linalg.lstsq(X, y)[0]
    far = np.flatnonzero(np.linalg.norm(gaps, axis=1) > FLOOR * size)[-3:]
    law = as_the_step_vanishes(alphas[far] ** -4, gaps[far] * alphas[far, None] ** 4)
    rounding = 64 * EPS * size * alphas[far[-1]] ** 4
    return xr.Dataset(
        {
            "limit": measured(("alpha", "j"), limits, "u_α"),
            "off_support": measured("alpha", off, "weights of u_α off the support of u₁"),
            "from_shortest": measured("alpha", np.linalg.norm(gaps, axis=1), "‖u_α − u₂‖"),
            "large": measured("j", law.value, "α⁴(u_α − u₂), α → ∞"),
            "large_blur": measured((), law.error.max() + rounding, "to which it is known"),
            "exponent": measured((), 2 * slope.value, "slope at α → 0"),
            "exponent_blur": measured((), min(2 * slope.error, 1e9), "to which it is known"),
        },
        coords={
            "alpha": sweep(config.alphas, "alpha", "start α"),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given = draw(config)
    found, theory = measure(config, given), predict(config, given)
    reasons = told(config, given, found)
    sparse = np.sqrt(((found["limit"] - theory["sparse"]) ** 2).sum("j"))
    return Result(
        data=found.merge(theory).assign(from_sparse=measured("alpha", sparse.values, "‖u_α − u₁‖")),
        metrics={"exponent": found["exponent"], "from_shortest": found["from_shortest"]},
        checks=() if reasons else compare(given, found, theory),
        no_claim=reasons,
    )


def told(config: Config, given: Given, found: xr.Dataset) -> tuple[str, ...]:
    """Why nothing is claimed."""
    reasons = []
    unsolved = max(one.residual for one in given.nearest) / np.abs(given.data.y).max()
    if not unsolved <= SOLVED:
        reasons.append(f"Newton's method leaves {unsolved:.2g} of y")
    slope, blur = float(found["exponent"]), float(found["exponent_blur"])
    if not blur <= SHARP * abs(slope):
        known = f"is {slope:.3g} ± {blur:.1g}" if blur < 1e3 else "is not known"
        reasons.append(f"alphas from {config.alphas[0]:g}: the slope {known}")
    away = float(found["from_shortest"][-1] / np.linalg.norm(found["limit"][-1]))
    if not away <= TELLING:
        reasons.append(f"alphas to {config.alphas[-1]:g}: still {away:.2g} from the ℓ₂ solution")
    size, blur = float(abs(found["large"]).max()), SAFE * float(found["large_blur"])
    if not blur <= TELLING * size:
        reasons.append(f"alphas to {config.alphas[-1]:g}: α⁴(u − u₂) is {size:.3g} ± {blur:.1g}")
    return tuple(reasons)


def compare(given: Given, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    X, S = given.data.X, given.support
    walk = 1e3 * EPS * abs(found["limit"]).max()
    # X_S (u − u₁)_S = −X_N u_N, so the weights off the support bound all others.
    leverage = np.linalg.norm(np.linalg.pinv(X[:, S]) @ X[:, ~S], 2) if not S.all() else 0.0
    near, limit = (1 + leverage) * found["off_support"] + walk, found["limit"]
    large, blur = theory["large_predicted"], SAFE * found["large_blur"]
    # The law and what follows it, both shrinking from one α to the next.
    last = limit[-1].drop_vars("alpha")
    ended = 2 * float(np.linalg.norm(found["large"])) * float(limit["alpha"][-1]) ** -4 + walk
    tol, settling = found["exponent_blur"], "bounds of the dual at both scales"
    return (
        Check("exponent", found["exponent"], "==", theory["exponent_predicted"], tol, settling),
        Check(
            "large_start", found["large"], "==", large, blur, "the next order, α⁻⁸, and rounding"
        ),
        Check("sparse", limit, "==", theory["sparse"], near, "weights off the support"),
        Check("shortest", last, "==", theory["shortest"], ended, "twice the leading order, α⁻⁴"),
    )
