"""With every measurement, the error of a small start is α² times what the start has outside X*.

The directions of X* absorb what the start shares with them; nothing absorbs the rest, M. It only shrinks by itself,
slower and slower: a small start stays on a plateau of height α², a large one falls on a tail 1/t that does not
depend on the start.

    f(U) = ½‖UUᵀ − X*‖²,   U: (d, d),   U₀ = αW,   U ← U − 2η(UUᵀ − X*)U
    W_p: the rows of W outside the range of X*;   Q: an orthonormal basis of the rows inside it
    M = α² W_p(1 − QQᵀ)W_pᵀ, eigenvalues μ_k, falls by 4ηM² a step
    error(t) = √Σ_k (1/μ_k + 4ηt)⁻²:   the plateau ‖M‖ ∝ α² for small α, and never above √(d − r)/4ηt

Everything is in the eigenbasis of X*, where a Gaussian W is a Gaussian W.

See: the dashed curves on the left, which no fit has moved; in the middle the plateau, of slope 2 in α, up to the
limit that a large start reaches.

Source: CS7180 problem set 2, question 2d, at m = ∞; arXiv 2508.20344 (closed form of the flow).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import CALL, PRODUCT, require_cost
from descent.maths.replicates import replicate
from descent.result import Check, Result, bound, measured, predicted, replicates, steps, sweep
from descent.sensing._population import descend, draw, law, unabsorbed
from descent.sensing._problem import require_stable

FLAT = 0.05  # a plateau that falls by more in the whole run is none


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    size: Count  # d
    rank: Count  # r
    alphas: tuple[Positive, ...]
    step: Positive  # η λ₁(X*)
    steps: Count

    def __post_init__(self):
        require_increasing("alphas", self.alphas)
        require_stable(self.step)
        if not self.rank < self.size:
            raise ValueError(f"rank {self.rank} ≥ size {self.size}: nothing lies outside X*")


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """What the start W leaves, along the whole run."""
    alpha, t = np.array(config.alphas), np.arange(config.steps + 1)
    mu = [np.multiply.outer(alpha**2, unabsorbed(W, config.rank)) for W in given["W"].values]
    curves = [
        [law(x, eta, t) for x in one] for one, eta in zip(mu, given["eta"].values, strict=True)
    ]
    tail = np.sqrt(config.size - config.rank) / (4 * given["eta"] * config.steps)
    each = ("replicate", "alpha")
    plateau = np.linalg.norm(mu, axis=-1)
    return xr.Dataset(
        {
            "distance_predicted": predicted((*each, "t"), curves, "√Σ(1/μ_k + 4ηt)⁻²"),
            "plateau": predicted(each, plateau, "α²‖W_p(1 − QQᵀ)W_pᵀ‖"),
            "tail_limit": bound("replicate", tail, "√(d − r)/4ηT"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """The problem, its start, and the distance along every run."""
    d, a = config.size, len(config.alphas)
    work = (8 * PRODUCT * a * d**3 + CALL) * config.replicates * config.steps
    numbers = 4.0 * config.replicates * a * (config.steps + d**2)
    require_cost(config, "size, alphas, steps, replicates", numbers, work, free=True)
    runs = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    spectrum, W, distance = map(np.stack, zip(*runs, strict=True))
    return xr.Dataset(
        {
            "distance": measured(("replicate", "alpha", "t"), distance, "‖U_tU_tᵀ − X*‖"),
            "spectrum": measured(("replicate", "row"), spectrum, "eigenvalues of X*"),
            "W": measured(("replicate", "row", "column"), W, "direction W of the start"),
            "eta": measured("replicate", config.step / spectrum[:, 0], "η"),
        },
        coords={
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "t": steps(np.arange(config.steps + 1), "t", "step t"),
            "replicate": replicates(config.replicates),
        },
    )


def _measure_one(rng: np.random.Generator, config: Config) -> tuple[np.ndarray, ...]:
    spectrum, W = draw(rng, config.size, config.rank)
    starts = np.multiply.outer(config.alphas, W)
    return spectrum, W, descend(spectrum, starts, config.step / spectrum[0], config.steps)[0]


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    runs = presupposed(config, found)
    final, alphas = found["distance"].isel(t=-1, drop=True), np.array(config.alphas)
    slopes = np.diff(np.log(final), axis=1) / np.diff(np.log(alphas))
    plateau = theory["plateau"]
    reasons = {
        "X* was not found in full, or only to rounding": runs["missing"] > FLAT * final.values
    }
    reasons |= {"the first step overshoots": runs["overshoot"] >= 1}
    reasons = {name: off & np.isfinite(final.values) for name, off in reasons.items()}
    reasons |= {"the distance left float64": ~np.isfinite(final.values)}
    fit = ~np.any(list(reasons.values()), axis=0)
    flat = fit & (runs["fall"] < FLAT)
    return Result(
        data=found.drop_vars(["W", "spectrum"]).merge(theory),
        metrics={
            "distance": final.mean("replicate", skipna=False),
            "plateau": plateau.mean("replicate"),
            "plateau_over_alpha2": (plateau[:, 0] / alphas[0] ** 2).mean(),
            "measured_over_alpha2": (final[:, 0] / alphas[0] ** 2).mean(),
            "slope_smallest": slopes[:, 0].mean() if slopes.size else 0.0,
            "tail_ratio": (final[:, -1] / theory["tail_limit"]).mean(skipna=False),
        },
        checks=compare(final, theory, runs, fit, flat),
        no_claim=tuple(
            f"{n.sum()} of {n.size} runs: {name}" for name, n in reasons.items() if n.any()
        ),
        unchecked={} if flat.any() else {"plateau": f"each falls by more than {FLAT:.0%}"},
    )


def presupposed(config: Config, found: xr.Dataset) -> dict[str, np.ndarray]:
    """Of every run (replicate, alpha), from the start alone and not from the law:

    `missing` of X* itself after T steps, from the growth of its slowest direction; `fall`, by which share
    the largest part outside falls at the most; `overshoot` 2ημ of the first step; `finite`, what steps of
    this size add to the law of the largest μ, relative to it, and what a step for every e-fold of
    the signal takes of all that is outside, before the signal has absorbed its share.
    """
    alpha, r, T = np.array(config.alphas), config.rank, config.steps
    lam, eta = found["spectrum"].values[:, :r], found["eta"].values[:, None]
    inside = np.linalg.svd(found["W"].values[:, :r], compute_uv=False)[:, -1:] * alpha
    outside = np.linalg.norm(found["W"].values[:, r:], 2, axis=(1, 2))[:, None] * alpha
    slow, fast = lam[:, -1:], lam[:, :1]
    grown = np.log(inside / np.sqrt(slow)) + T * np.log1p(2 * eta * slow)
    missing = np.sqrt(r) * fast * np.exp(-2 * grown)
    missing += 2 * np.sqrt(slow) * np.minimum(outside, np.sqrt(fast)) * np.exp(-grown)
    missing += 1e-15 * config.size * fast  # and rounding
    folds = 1 + np.abs(np.log(inside / np.sqrt(fast)))
    top = eta * outside**2
    mu, added = top.copy(), np.zeros_like(top)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(T):
            added += np.where(2 * mu < 1, 1 / (1 - 2 * mu) ** 2 - 1 - 4 * mu, 0) / mu
            mu = mu * (1 - 2 * mu) ** 2
    rest = [unabsorbed(W, r).max() for W in found["W"].values]
    own = np.maximum(eta * np.reshape(rest, (-1, 1)) * alpha**2, 1e-300)
    finite = 2 * added / (1 / top + 4 * T) + 4 * folds * top**2 / own / (1 + 4 * own * T)
    return {"missing": missing, "fall": 8 * T * top, "overshoot": 2 * top, "finite": finite}


def compare(
    final: xr.DataArray,
    theory: xr.Dataset,
    runs: dict[str, np.ndarray],
    fit: np.ndarray,
    flat: np.ndarray,
) -> tuple[Check, ...]:
    law_, plateau, limit = xr.broadcast(
        theory["distance_predicted"].isel(t=-1, drop=True), theory["plateau"], theory["tail_limit"]
    )
    checks = []
    why = "finite steps, one more or less, and what X* itself still lacks"
    for name, relation, expected, tol, where, reason in (
        ("distance", "==", law_, runs["finite"] * final.values + runs["missing"], fit, why),
        (
            "plateau",
            "==",
            plateau,
            runs["fall"] * final.values + runs["missing"],
            flat,
            "its fall in T steps",
        ),
        ("distance_below_tail", "<=", limit, runs["missing"], fit, "what X* itself still lacks"),
    ):
        one, other, slack = (pick(x, where, final) for x in (final, expected, final.copy(data=tol)))
        if one.size:
            checks.append(Check(name, one, relation, other, slack, reason))
    return tuple(checks)


def pick(array: xr.DataArray, where: np.ndarray, names: xr.DataArray) -> xr.DataArray:
    """The runs of (replicate, alpha) that are compared, named by both."""
    replicate_, alpha = (names[dim].values for dim in ("replicate", "alpha"))
    place = [f"replicate {replicate_[k]}, alpha {alpha[a]:g}" for k, a in np.argwhere(where)]
    values = array.transpose("replicate", "alpha").values[where]
    return xr.DataArray(values, dims="run", coords={"run": place})
