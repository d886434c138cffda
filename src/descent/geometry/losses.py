"""Whichever loss gradient descent drives to zero, it ends at the solution that is nearest to its start.

Every gradient is a combination of the samples, so a run never moves in a direction that no sample sees. Among the
solutions Xw = y only one differs from the start by a combination of samples: the nearest. Neither the loss nor the
steps enter, only that the loss reaches zero; they decide how fast.

    L(w) = Σ_i ℓ(x_iᵀw − y_i),   X: (n, d),  n < d,   w_{k+1} = w_k − η_k Xᵀℓ'(Xw_k − y)
    w_∞ = w₀ + X⁺(y − Xw₀),   Pw_k = Pw₀ for all k,   P = 1 − X⁺X
    ℓ:   r²/2    Huber (δ = 1)    log cosh r    eʳ − r − 1    r⁴/4
    near w_∞ the slowest direction shrinks by 1 − ηℓ''(0)σ_n² a step; r⁴/4 has no curvature there (geometry.flat_loss)

The step is searched: doubled, then halved until the new gradient does not point back, whatever the loss.

See: left, the distance to the predicted limit falls to rounding for every loss; right, the part of the weights
that no sample sees stays what it was at the start.

Source: slides on implicit biases, Theorem 1; arXiv 1802.08246. The proof sets λ_i = Σ_t ℓ'; it must be
η Σ_t ℓ', which changes nothing else. That the loss reaches zero is assumed there, and needs samples without
contradictions.
"""

from typing import Literal

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config
from descent.geometry import _data
from descent.geometry._data import EPS, Data, require_runs, require_underdetermined, unseen
from descent.geometry._loops import mirror
from descent.geometry._potentials import Potential
from descent.geometry._rates import contraction
from descent.maths.limits import require_within
from descent.maths.times import log_spaced
from descent.result import Check, Result, measured, predicted, replicates, steps, sweep

NEAR = 1e-8  # of the way, within which a run has to have come for its end to be a limit
TELLING = 0.1  # of 1 − rate, to which it must be known to be compared


@experiment_config
class Config:
    seed: Seed  # of the first problem; the next ones have the seeds that follow
    replicates: Count  # problems
    samples: Count  # n
    features: Count  # d
    start: Positive  # w₀ = start · N(0, 1)
    losses: tuple[Literal["square", "huber", "log_cosh", "exponential", "quartic"], ...]
    step: Positive  # ησ₁² of the steps in which the rate is read off
    limit: Count  # steps of a run

    def __post_init__(self):
        require_underdetermined(self)
        if not self.losses or len(set(self.losses)) < len(self.losses):
            raise ValueError("losses: one or more, none of them twice")
        if self.step >= 2:
            raise ValueError(f"step {self.step:g} ≥ 2 (in 1/σ₁²): gradient descent diverges")
        require_within("start", self.start, 1e-6, 1e6, "beyond it one of y and Xw₀ is lost")
        require_runs(
            self,
            "replicates, samples, features, limit",
            self.replicates * len(self.losses),
            self.limit,
        )

    @property
    def curved(self) -> list[str]:
        """The losses with ℓ''(0) = 1."""
        return [name for name in self.losses if name != "quartic"]


def draw(config: Config) -> list[Data]:
    size = config.samples, config.features
    seeds = range(config.seed, config.seed + config.replicates)
    return [_data.regression(seed, *size, config.start) for seed in seeds]


def predict(config: Config, given: list[Data]) -> xr.Dataset:
    limits = [w0 + np.linalg.pinv(X) @ (y - X @ w0) for X, y, w0 in given]
    null = [np.linalg.norm(unseen(X, w0)) for X, _, w0 in given]
    slow = [1 - config.step * (g.sigma[-1] / g.sigma[0]) ** 2 for g in given]
    rate = np.tile(np.array(slow)[:, None], len(config.curved))
    return xr.Dataset(
        {
            "limit": predicted(("replicate", "j"), limits, "w₀ + X⁺(y − Xw₀)"),
            "null_predicted": predicted("replicate", null, "‖Pw₀‖"),
            "rate_predicted": predicted(("replicate", "curved"), rate, "1 − ησ_n²"),
        }
    )


def measure(config: Config, given: list[Data]) -> xr.Dataset:
    """Runs of every loss on every problem, and a constant step along the slowest direction."""
    kept, plain = log_spaced(config.limit, 80), Potential("euclidean")
    end, distance, null, off, rate, blur = [], [], [], [], [], []
    for X, y, w0 in given:
        scale = np.abs(y).max() + np.abs(X).sum(1).max() * np.abs(w0).max()
        runs = [mirror(X, y, w0, kept, loss, close=32 * EPS * scale) for loss in config.losses]
        paths = np.array([run.weights for run in runs])
        end.append(paths[:, -1])
        distance.append(np.linalg.norm(paths - paths[:, -1:], axis=2))
        null.append(np.linalg.norm(unseen(X, paths), axis=2))
        least = np.linalg.svd(X, compute_uv=False)[-1]
        off.append([np.linalg.norm(run.residual) / least for run in runs])
        shrunk = [
            contraction(plain, X, y, run.dual, config.step, loss)
            for run, loss in zip(runs, config.losses, strict=True)
            if loss != "quartic"
        ]
        rate.append([one.rate for one in shrunk])
        blur.append([one.blur for one in shrunk])
    each, curved = ("replicate", "loss"), ("replicate", "curved")
    return xr.Dataset(
        {
            "end": measured((*each, "j"), end, "w at the end"),
            "distance": measured((*each, "k"), distance, "‖w_k − w_∞‖"),
            "null": measured((*each, "k"), null, "‖Pw_k‖"),
            "off": measured(each, off, "‖Xw − y‖/σ_n at the end"),
            "rate": measured(curved, rate, "factor a step"),
            "rate_blur": measured(curved, blur, "to which it is known"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "loss": sweep(config.losses, "loss", "loss"),
            "curved": sweep(config.curved, "curved", "loss with curvature at 0"),
            "k": steps(kept, "k", "iteration k"),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given = draw(config)
    found, theory = measure(config, given), predict(config, given)
    length = lengths(given)
    late = int((found["off"] > NEAR * length).sum())
    far = float((found["off"] / length).max())
    short = f"limit {config.limit}: {late} runs end up to {far:.2g} of ‖w‖ away from a solution"
    checks, unchecked = compare(config, found, theory, length)
    return Result(
        data=found.merge(theory),
        metrics={
            "distance_at_the_end": abs(found["end"] - theory["limit"]).max(),
            "rate": found["rate"].isel(replicate=0),
        },
        checks=checks,
        no_claim=(short,) if late else (),
        unchecked=unchecked,
    )


def lengths(given: list[Data]) -> xr.DataArray:
    """‖w₀‖ + ‖X⁺y‖, of the order of all weights."""
    sizes = [np.linalg.norm(w0) + np.linalg.norm(np.linalg.lstsq(X, y)[0]) for X, y, w0 in given]
    return xr.DataArray(sizes, dims="replicate")


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, length: xr.DataArray
) -> tuple[tuple[Check, ...], dict[str, str]]:
    """The checks, and what is not checked and why."""
    # Along the samples the residual says how far off an end is; across them a run only rounds.
    walk, why = 16 * EPS * np.sqrt(config.limit) * length, "16ε√K: rounding of K steps"
    off, left = found["off"] + walk, "the residual that is left, and rounding"
    null, unseen_before = found["null"], theory["null_predicted"]
    checks = [Check("null_component", null, "==", unseen_before, walk, why)]
    if not (found["off"] <= NEAR * length).all():
        return tuple(checks), {"rate": "not every run is at its limit"}
    checks.append(Check("limit", found["end"], "==", theory["limit"], off, left))
    rate, blur = theory["rate_predicted"], found["rate_blur"]
    if not rate.size or (blur > TELLING * abs(1 - rate)).any():
        known = f"known to {float(blur.max()):.2g}" if rate.size else "no loss has curvature at 0"
        return tuple(checks), {"rate": known}
    linear = "ℓ' is linear to the size of the residual, and rounding"
    return (*checks, Check("rate", found["rate"], "==", rate, blur, linear)), {}
