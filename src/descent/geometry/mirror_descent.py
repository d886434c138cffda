"""Mirror descent ends at the solution with the least Bregman divergence of its potential from its start.

Every step moves the dual weights ∇φ(w) by a combination of the samples. Among the solutions Xw = y only one has
dual weights that differ from the start's by such a combination, and it minimises the divergence. So the potential
decides which solution is found, and neither the loss nor the steps do.

    ∇φ(w_{k+1}) = ∇φ(w_k) − η_k Xᵀℓ'(Xw_k − y),   X: (n, d),   n < d
    w_∞ = argmin D_φ(w, w₀) over Xw = y:   ∇φ(w_∞) = ∇φ(w₀) + Xᵀν,   solved for ν by Newton's method
    P∇φ(w_k) = P∇φ(w₀) for all k,   P = 1 − X⁺X
    near w_∞ the slowest direction shrinks by 1 − ηℓ''(0)λ_n(XH⁻¹Xᵀ) a step,   H = ∇²φ(w_∞)
    φ:   entropy Σ w log w − w from α1;   hypentropy of β,  Σ|w|^p/p  and  ½wᵀKw  from 0

See: left, the limits of the potentials on the same samples: entropy and a small β give few weights, a quadratic
form many; right, how each run comes to its own limit.

Source: slides on implicit biases, Theorem 2; arXiv 1802.08246. The theorem asks for a strongly convex potential and
gives the entropy as an example, which is not one, as its curvature 1/w has no lower bound; nor are the hypentropy
and Σ|w|^p/p for p ≠ 2. What is needed is that ∇φ has an inverse and that the loss reaches zero, for which p = 4 needs
steps below a bound that its limit sets.
"""

from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from descent.config import Count, Number, Positive, Refusal, Seed, experiment_config
from descent.geometry import _data
from descent.geometry._data import (
    EPS,
    Data,
    require_runs,
    require_sparse,
    require_underdetermined,
    unseen,
)
from descent.geometry._loops import NONE
from descent.geometry._potentials import Potential, nearest, spread, start_of
from descent.geometry._rates import contraction, settled
from descent.maths.times import log_spaced
from descent.result import Check, Result, measured, predicted, steps, sweep

NEAR = 1e-7  # of the weights, within which a run has to have come for its end to be a limit
TELLING = 0.1  # of 1 − rate, to which it must be known to be compared
SMALLEST, LARGEST = 1e-12, 1e6  # of a parameter
LOSSES = ("square", "huber")


@experiment_config
class Config:
    seed: Seed
    samples: Count  # n
    features: Count  # d
    sparsity: Count  # positive entries of the vector that made y
    potentials: tuple[tuple[Literal["entropy", "hypentropy", "power", "quadratic"], Number], ...]
    step: Positive  # ηλ₁(XH⁻¹Xᵀ) of the steps in which the rate is read off
    limit: Count  # steps of a run

    def __post_init__(self):
        require_underdetermined(self)
        require_sparse(self)
        if self.step >= 2:
            raise ValueError(f"step {self.step:g} ≥ 2 (in 1/λ₁): mirror descent leaves its limit")
        if not self.potentials or len(set(self.labels)) < len(self.potentials):
            raise ValueError("potentials: one or more, none of them twice")
        for name, value in self.potentials:
            if not SMALLEST <= value <= LARGEST:
                raise ValueError(f"potentials {name} {value:g}: must lie in 1e-12 … 1e6")
            if name == "power" and not 1.05 <= value <= 4:
                rule = "p must lie in 1.05 … 4; above it the steps that settle are too small"
                raise ValueError(f"potentials power {value:g}: {rule}")
        runs = len(LOSSES) * len(self.potentials)
        require_runs(self, "samples, features, limit", runs, self.limit)

    @property
    def labels(self) -> list[str]:
        return [f"{name} {value:g}" for name, value in self.potentials]


class Given(NamedTuple):
    data: Data
    potentials: list[Potential]
    starts: list[np.ndarray]  # ∇φ(w₀)


def draw(config: Config) -> Given:
    """The regression, and a K with eigenvalues from 1 to the parameter."""
    d = config.features
    data = _data.nonnegative(config.seed, config.samples, d, config.sparsity)
    rng, potentials, starts = np.random.default_rng([config.seed, 1]), [], []
    for name, value in config.potentials:
        Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
        K = (Q * np.geomspace(1, value, d)) @ Q.T if name == "quadratic" else None
        potentials.append(Potential(name, value, K))
        starts.append(np.full(d, np.log(value) if name == "entropy" else 0.0))
        if name == "entropy" and not _data.positive_solution(data.X, data.y) > 1e-9:
            where = f"seed {config.seed}, sparsity {config.sparsity}"
            raise Refusal(f"{where}: no w > 0 solves Xw = y, which the entropy needs")
    return Given(data, potentials, starts)


def predict(config: Config, given: Given) -> xr.Dataset:
    X, y, _ = given.data
    limits, rates, null = [], [], []
    for potential, z0 in zip(given.potentials, given.starts, strict=True):
        found = nearest(potential, X, y, z0, start_of(potential, X, y))
        lam = spread(potential, X, found.dual)
        limits.append(found.weights)
        rates.append(1 - config.step * lam[-1] / lam[0])
        null.append(np.linalg.norm(unseen(X, z0)))
    return xr.Dataset(
        {
            "limit": predicted(("potential", "j"), limits, "least D_φ(w, w₀)"),
            "rate_predicted": predicted("potential", rates, "1 − ηλ_n"),
            "null_predicted": predicted("potential", null, "‖P∇φ(w₀)‖"),
        }
    )


def measure(config: Config, given: Given) -> xr.Dataset:
    """Runs with both losses; `off` is how far from a solution, and from its own potential's, an end may be."""
    X, y, _ = given.data
    kept, close = log_spaced(config.limit, 80), 1e-12 * np.abs(y).max()
    columns = {name: [] for name in ("end", "distance", "null", "off", "walk", "rate", "blur")}
    for potential, z0 in zip(given.potentials, given.starts, strict=True):
        inverse = NONE if potential.K is None else np.linalg.inv(potential.K)
        named = potential.name, potential.parameter, inverse
        runs = [settled(X, y, z0, kept, loss, named, close) for loss in LOSSES]
        paths = np.array([run.weights for run in runs])
        left = [potential.response(X, run.dual, run.residual) for run in runs]
        size = max(np.abs(z0).max(), np.abs(runs[0].dual).max())
        walk = 16 * EPS * np.sqrt(config.limit) * size
        shrunk = contraction(potential, X, y, runs[0].dual, config.step)
        columns["end"].append(paths[:, -1])
        columns["distance"].append(np.linalg.norm(paths - paths[:, -1:], axis=2))
        columns["null"].append(np.linalg.norm(unseen(X, potential.gradient(paths)), axis=2))
        columns["off"].append(
            np.linalg.norm(left, axis=1) + walk * potential.softness(runs[0].dual)
        )
        columns["walk"].append(walk * np.sqrt(config.features))
        columns["rate"].append(shrunk.rate)
        columns["blur"].append(shrunk.blur)
    each = ("potential", "loss")
    return xr.Dataset(
        {
            "end": measured((*each, "j"), columns["end"], "w at the end"),
            "distance": measured((*each, "k"), columns["distance"], "‖w_k − w_∞‖"),
            "null": measured((*each, "k"), columns["null"], "‖P∇φ(w_k)‖"),
            "off": measured(each, columns["off"], "how far from its limit an end may be"),
            "walk": measured("potential", columns["walk"], "rounding of ∇φ(w) over the run"),
            "rate": measured("potential", columns["rate"], "factor a step"),
            "rate_blur": measured("potential", columns["blur"], "to which it is known"),
        },
        coords={
            "potential": sweep(config.labels, "potential", "potential"),
            "loss": sweep(LOSSES, "loss", "loss"),
            "k": steps(kept, "k", "iteration k"),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given = draw(config)
    found, theory = measure(config, given), predict(config, given)
    share = found["off"] / np.sqrt((found["end"] ** 2).sum("j"))
    late = [str(name) for name, one in share.groupby("potential") if not (one <= NEAR).all()]
    short = f"limit {config.limit}: {', '.join(late)} end up to {float(share.max()):.2g} of ‖w‖ off"
    checks, unchecked = compare(found, theory, not late)
    return Result(
        data=found.merge(theory),
        metrics={
            "distance_at_the_end": abs(found["end"] - theory["limit"]).max(("loss", "j")),
            "rate": found["rate"],
        },
        checks=checks,
        no_claim=(short,) if late else (),
        unchecked=unchecked,
    )


def compare(
    found: xr.Dataset, theory: xr.Dataset, arrived: bool
) -> tuple[tuple[Check, ...], dict[str, str]]:
    """The checks, and what is not checked and why."""
    null, before, walk = found["null"], theory["null_predicted"], found["walk"]
    checks = [Check("dual_unseen", null, "==", before, walk, "16ε√K: rounding of K steps")]
    if not arrived:
        return tuple(checks), {"rate": "no run is at its limit"}
    end, left = found["end"], "the residual that is left, and rounding"
    checks.append(Check("limit", end, "==", theory["limit"], found["off"], left))
    rate, blur = theory["rate_predicted"], found["rate_blur"]
    vague = (blur > TELLING * abs(1 - rate)).values
    if not vague.all():
        sure, linear = {"potential": ~vague}, "the map is linear to its perturbation, and rounding"
        checks.append(Check("rate", found["rate"][sure], "==", rate[sure], blur[sure], linear))
    names = ", ".join(found["potential"].values[vague])
    return tuple(checks), {"rate": f"lost in rounding for {names}"} if vague.any() else {}
