"""Momentum on the dual weights keeps the limit of mirror descent; momentum on the weights shifts it by O(η).

Heavy ball on ∇φ(w) still adds up combinations of the samples. Extrapolating w instead and then applying ∇φ adds a
term that curves out of them wherever φ is not a quadratic form. Its first order in η is an integral along the
path of mirror descent, so how far the limit moves can be said beforehand.

    dual:     z_{k+1} = z_k + β(z_k − z_{k−1}) − ηg_k,   g = Xᵀ(Xw − y),   w = (∇φ)⁻¹(z)
    primal:   v_k = w_k + β(w_k − w_{k−1}),   z_{k+1} = ∇φ(v_k) − ηXᵀ(Xv_k − y)
    P = 1 − X⁺X:   dual Pz_∞ = Pz₀;   primal P(z_∞ − z₀) = η β(1 + β)/(2(1 − β)²) P∫φ'''(w)ẇ² dt + O(η²)
    along ẇ = −H⁻¹∇L(w), H = ∇²φ(w):  w_∞ − w_* = H⁻¹q − H⁻¹Xᵀ(XH⁻¹Xᵀ)⁻¹XH⁻¹q for the dual shift q

See: left, how far the dual weights leave what the samples span; right, the distance of the limits from w_*, with the
factor that theory gives for momentum on the weights.

Source: slides on implicit biases, Theorem 2; arXiv 1802.08246 for dual and primal momentum. That the shift is O(η)
and its size are derived here; where φ is a quadratic form φ''' = 0, and both keep the limit.
"""

from typing import Annotated, Literal, NamedTuple

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Positive, Refusal, experiment_config
from descent.geometry import _data
from descent.geometry._data import Data, unseen
from descent.geometry._momentum import curved, follow, rounding
from descent.geometry._potentials import Nearest, Potential, nearest, spread
from descent.geometry._powers import as_the_step_vanishes
from descent.geometry._small_steps import SAFE, Halved, coarsest, unready
from descent.maths.limits import require_within
from descent.maths.times import log_spaced
from descent.result import Check, Result, measured, predicted, steps, sweep

KINDS = ["dual", "primal"]
LONGEST = 2_000_000  # steps of a run


@experiment_config
class Config(Halved):
    potential: Literal["entropy", "hypentropy"]
    scale: Positive  # α of the entropy's start α1; β of the hypentropy, which starts from 0
    momentum: Annotated[float, Field(gt=0, le=0.95)]  # β
    step: Positive  # ηλ₁/(1 − β) of the coarsest run, λ the eigenvalues of XH⁻¹Xᵀ at w_*

    def __post_init__(self):
        super().__post_init__()
        require_within("scale", self.scale, 1e-6, 1e3, "outside of it a run takes too long")
        require_within("step", self.step, 1e-6, 1, "the limit of small steps is looked for")


class Given(NamedTuple):
    data: Data
    potential: Potential
    start: np.ndarray  # z₀
    nearest: Nearest  # w_*
    lam: np.ndarray  # eigenvalues of XH⁻¹Xᵀ there: the unit of the steps
    coarse: int  # steps of the coarsest run

    def etas(self, config: Config) -> np.ndarray:
        return config.shares * (1 - config.momentum) / self.lam[0]

    def hyper(self) -> float:
        """β of the hypentropy; 0 for the entropy."""
        return float(self.potential.parameter) if self.potential.name == "hypentropy" else 0.0


def draw(config: Config) -> Given:
    """The regression, and how long its runs have to be."""
    data = _data.nonnegative(config.seed, config.samples, config.features, config.sparsity)
    potential, d = Potential(config.potential, config.scale), config.features
    entropy = config.potential == "entropy"
    if entropy and not _data.positive_solution(data.X, data.y) > 1e-9:
        raise Refusal(f"seed {config.seed}, sparsity {config.sparsity}: no w > 0 solves Xw = y")
    z0 = np.full(d, np.log(config.scale) if entropy else 0.0)
    best = nearest(potential, data.X, data.y, z0)
    lam = spread(potential, data.X, best.dual)
    growth = np.abs(best.dual - z0).max() / np.abs(data.X.T @ data.y).max()
    return Given(data, potential, z0, best, lam, coarsest(config, lam, growth, LONGEST))


def predict(config: Config, given: Given) -> xr.Dataset:
    X, beta, potential = given.data.X, config.momentum, given.potential
    last = given.coarse * given.etas(config)[0] / (1 - beta)
    q = (
        -beta
        * (1 + beta)
        / (2 * (1 - beta) ** 2)
        * curved(given.potential, *given.data[:2], given.start, last)
    )
    root = potential.root(given.nearest.dual)
    shift = root**2 * q
    shift = shift - potential.response(X, given.nearest.dual, X @ shift)
    return xr.Dataset(
        {
            "best": predicted("j", given.nearest.weights, "w_*"),
            "null_predicted": predicted((), np.linalg.norm(unseen(X, given.start)), "‖Pz₀‖"),
            "shift_predicted": predicted("j", shift, "(w_∞ − w_*)/η, first order"),
        }
    )


def measure(config: Config, given: Given) -> xr.Dataset:
    X, y, _ = given.data
    etas, z0 = given.etas(config), given.start
    coarse = log_spaced(given.coarse, 60)
    duals, left, rounded = [], [], []
    for halved, eta in enumerate(etas.tolist()):
        runs = [
            follow(X, y, z0, eta, config.momentum, primal, given.hyper(), coarse * 2**halved)
            for primal in (False, True)
        ]
        duals.append([run.dual for run in runs])
        rounded.append(rounding(runs[0], given.coarse * 2**halved, config.samples, config.momentum))
        left.append([np.linalg.norm(run.residual) for run in runs])
    duals = np.nan_to_num(np.array(duals), nan=1e100, posinf=1e100, neginf=-1e100)
    with np.errstate(all="ignore"):
        ends = np.clip(given.potential.weights(duals[:, :, -1]), -1e100, 1e100)
        null = np.linalg.norm(unseen(X, duals), axis=3)
    gap = ends[:, 1] - ends[:, 0]
    shift = as_the_step_vanishes(etas, gap / etas[:, None])
    return xr.Dataset(
        {
            "end": measured(("share", "kind", "j"), ends, "w at the end"),
            "null": measured(("share", "kind", "t"), np.minimum(null, 1e100), "‖Pz‖"),
            "rounded": measured(
                "share", np.nan_to_num(rounded, nan=1e100), "rounding of Pz, at most"
            ),
            "left": measured(("share", "kind"), np.nan_to_num(left, nan=1e100), "‖Xw − y‖"),
            "gap": measured("share", np.linalg.norm(gap, axis=1), "between the two limits"),
            "shift": measured("j", shift.value, "(w_∞ − w_*)/η, η → 0"),
            "shift_blur": measured("j", shift.error, "of the largest step"),
        },
        coords={
            "share": sweep(config.shares, "share", "step ηλ₁/(1 − β)"),
            "kind": ("kind", KINDS, {"long_name": "momentum on"}),
            "t": steps(coarse * etas[0] / (1 - config.momentum), "t", "time ηk/(1 − β)"),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given = draw(config)
    found, theory = measure(config, given), predict(config, given)
    reasons = unready(config, found, given.data.y, "Xw − y")
    return Result(
        data=found.merge(theory),
        metrics={"gap": found["gap"] / np.linalg.norm(theory["best"])},
        checks=() if reasons else compare(config, given, found, theory),
        no_claim=reasons,
    )


def compare(
    config: Config, given: Given, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    walk = found["rounded"]
    soft = given.potential.softness(given.nearest.dual)
    off = float(walk.max()) * soft + found["left"].max() * np.sqrt(soft / given.lam[-1])
    tol = SAFE * found["shift_blur"].max() + 2 * off / given.etas(config)[-1]
    null, end = found["null"].sel(kind="dual"), found["end"].sel(kind="dual")
    every, left = "ε/2 of every operation, 1/(1 − β) times", "the residual left, and rounding"
    first = "what the largest step adds to the limit, and rounding"
    return (
        Check("dual_unseen", null, "==", theory["null_predicted"], walk, every),
        Check("dual_limit", end, "==", theory["best"], off, left),
        Check("primal_shift", found["shift"], "==", theory["shift_predicted"], tol, first),
    )
