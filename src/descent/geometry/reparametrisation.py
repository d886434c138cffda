"""Gradient descent on w with u = w² follows mirror descent of the entropy at four times the step, up to O(η).

A step on w multiplies each u_j by (1 − 2ηg_j)², which is e^{−4ηg_j} to first order: a step 4η of mirror descent,
whose potential is the entropy. As η → 0 the two are one flow. At a positive step they part by an amount proportional
to it, so gradient descent misses the solution of least divergence by O(η); mirror descent meets it at any step.

    L(w) = ½‖Xu − y‖²,   u = w²,   g = Xᵀ(Xu − y),   u₀ = α1;   flow:  u̇ = 2wẇ = −4ug
    mirror descent with cη:   u_{k+1} = u_k e^{−cηg_k};        u_*: least D_φ(u, u₀) over Xu = y, φ = Σ u log u − u
    log u_{k+1} = log u_k − 4ηg_k − 4η²g_k² + O(η³),   so with q = ∫ g² dt along the flow and D = diag u_*:
    u_∞ = u_* − 4η(1 − DXᵀ(XDXᵀ)⁻¹X) D q + O(η²)

See: left, the distance between the paths of the two methods: with 4η it shrinks with η, with 2η it does not; right,
the distance of each limit from u_*, with the slope 1 and the factor that theory gives.

Source: slides on implicit biases, reparametrisation. They print u̇ = D_w ẇ = −2D_u∇L; it is u̇ = 2D_w ẇ = −4D_u∇L.
They call the two iterations equivalent; only the flows are.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, experiment_config
from descent.geometry import _data
from descent.geometry._data import EPS, Data
from descent.geometry._potentials import Nearest, Potential, nearest, spread
from descent.geometry._powers import as_the_step_vanishes, compared, flow
from descent.geometry._small_steps import SAFE, Halved, coarsest, unready
from descent.maths.limits import require_within
from descent.maths.times import log_spaced
from descent.result import Check, Erratum, Result, measured, predicted, steps, sweep

ENTROPY = Potential("entropy")
DIMS = {"shift": "j", "lead": ("t", "j"), "lag": ("t", "j"), "speed": ()}
NAMES = {
    "shift": "(u_∞ − u_*)/η",
    "lead": "(u − u of mirror descent)/η",
    "lag": "u − u of mirror descent with 2η",
    "speed": "c of u̇ = −cug",
}
LONGEST = 5_000_000  # steps of a run


@experiment_config
class Config(Halved):
    alpha: Positive  # u₀ = α1
    step: Positive  # ηλ₁ of the coarsest run, λ the eigenvalues of 4XDXᵀ at u_*
    times: Count  # at which paths are compared

    def __post_init__(self):
        super().__post_init__()
        require_within("alpha", self.alpha, 1e-8, 1e3, "outside of it the flow takes too long")
        require_within("step", self.step, 1e-6, 0.5, "the limit of small steps is looked for")
        require_within("times", self.times, 1, 2000, "points of a path")


class Given(NamedTuple):
    data: Data
    nearest: Nearest  # u_*
    lam: np.ndarray  # eigenvalues of 4XDXᵀ there: the unit of the steps
    coarse: np.ndarray  # steps of the coarsest run at the times

    def etas(self, config: Config) -> np.ndarray:
        return config.shares / self.lam[0]


def draw(config: Config) -> Given:
    """The regression, and how long its runs have to be."""
    data = _data.nonnegative(config.seed, config.samples, config.features, config.sparsity)
    X, y, _ = data
    if not _data.positive_solution(X, y) > 1e-9:
        raise Refusal(f"seed {config.seed}, sparsity {config.sparsity}: no u > 0 solves Xu = y")
    best = nearest(ENTROPY, X, y, np.full(config.features, np.log(config.alpha)))
    lam = 4 * spread(ENTROPY, X, best.dual)
    growth = np.abs(best.dual - np.log(config.alpha)).max() / (4 * np.abs(X.T @ y).max())
    coarse = coarsest(config, lam, growth, LONGEST)
    return Given(data, best, lam, log_spaced(coarse, config.times))


def predict(config: Config, given: Given) -> xr.Dataset:
    """Along the flow: its path, the first order of the gap between the methods, and that of the limit."""
    (X, y, _), times = given.data, given.coarse * given.etas(config)[0]
    path = flow(X, y, np.full(config.features, np.log(config.alpha)), times)
    slower = flow(X, y, np.full(config.features, np.log(config.alpha)), times / 2)
    u = given.nearest.weights
    shift = -4 * u * path.squares
    shift = shift - ENTROPY.response(X, given.nearest.dual, X @ shift)
    return xr.Dataset(
        {
            "best": predicted("j", u, "u_*"),
            "shift_predicted": predicted("j", shift, "(u_∞ − u_*)/η, first order"),
            "lead_predicted": predicted(("t", "j"), path.lead, "of the flow"),
            "lag_predicted": predicted(("t", "j"), path.u - slower.u, "between flows"),
            "speed_predicted": predicted((), 4.0, "c of the flow u̇ = −c u g"),
        }
    )


def measure(config: Config, given: Given) -> xr.Dataset:
    """Both methods at every step, mirror descent with 4η and with 2η, and what they tend to as η → 0."""
    etas, coarse = given.etas(config), given.coarse
    paths = compared(given.data.X, given.data.y, config.alpha, etas, coarse)
    gap, each = paths.gradient - paths.four, etas[:, None, None]
    limits = {
        "shift": as_the_step_vanishes(etas, gap[:, -1] / each[:, 0]),
        "lead": as_the_step_vanishes(etas, gap / each),
        "lag": as_the_step_vanishes(etas, paths.gradient - paths.two),
        "speed": as_the_step_vanishes(etas, paths.speed),
    }
    found = {
        "gap": measured(("share", "t"), np.linalg.norm(gap, axis=2), "‖u − u of mirror descent‖"),
        "gap_two": measured(
            ("share", "t"), np.linalg.norm(paths.gradient - paths.two, axis=2), "the same with 2η"
        ),
        "mirrored": measured(("share", "j"), paths.four[:, -1], "u of mirror descent at the end"),
        "left": measured(("share", "method"), paths.left, "‖Xu − y‖ at the end"),
    }
    for name, limit in limits.items():
        words = f"{NAMES[name]}, η → 0"
        found[name] = measured(DIMS[name], limit.value, words)
        found[f"{name}_blur"] = measured(DIMS[name], limit.error, f"{words}: of the largest step")
    return xr.Dataset(
        found,
        coords={
            "share": sweep(config.shares, "share", "step ηλ₁ of gradient descent"),
            "method": ("method", ["gradient", "mirror"], {"long_name": "method"}),
            "t": steps(coarse * etas[0], "t", "time t = ηk"),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given = draw(config)
    found, theory = measure(config, given), predict(config, given)
    reasons = unready(config, found, given.data.y, "Xu − y")
    return Result(
        data=found.merge(theory),
        metrics={
            "distance": found["gap"].isel(t=-1) / np.linalg.norm(theory["best"]),
            "speed": found["speed"],
        },
        checks=() if reasons else compare(config, given, found, theory),
        errata=() if reasons else refute(config, given, found, theory),
        no_claim=reasons,
    )


def compare(
    config: Config, given: Given, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    u, dual = np.abs(given.nearest.weights).max(), np.abs(given.nearest.dual).max()
    walk = 64 * EPS * np.sqrt(LONGEST) * u * dual  # both round at every step
    least, why = given.etas(config)[-1], "what the largest step adds to the limit, and rounding"
    checks = []
    for name in DIMS:
        tol = SAFE * found[f"{name}_blur"].max() + (walk if name == "lag" else walk / least)
        checks.append(Check(name, found[name], "==", theory[f"{name}_predicted"], tol, why))
    off = walk + found["left"].max() * np.sqrt(4 * u / given.lam[-1])
    left = "the residual that is left, and rounding"
    return (*checks, Check("mirrored", found["mirrored"], "==", theory["best"], off, left))


def refute(
    config: Config, given: Given, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Erratum, ...]:
    """The factor of the flow, and that the two iterations are not equivalent."""
    where = "slides on implicit biases, reparametrisation and change of geometry"
    eta, blur = given.etas(config)[-1], SAFE * float(found["speed_blur"]) + 1e-6
    apart = float(found["gap"][-1, -1])
    first = float(eta * np.linalg.norm(theory["shift_predicted"]))
    second = abs(apart - float(found["gap"][-2, -1]) / 2)  # halving leaves half the second order
    speed = float(found["speed"])
    return (
        Erratum("factor_of_the_flow", where, 2.0, 4.0, speed, blur),
        Erratum("iterations_equivalent", where, 0.0, first, apart, SAFE * second),
    )
