"""After a huge first step the loss is 0 to the last digit and the direction frozen: it is a perceptron's.

The logistic slope is 1 on the wrong side and 0 on the right one, up to e^{−|m|}. If all margins are large, a step
of gradient descent adds the samples that are on the wrong side, and once all are right nothing moves until
log t reaches the margins. A small loss is no sign of a direction that has converged; t·L is one.

    L(w) = Σ log(1 + e^{−z_nᵀw}),   w₀ = 0,   w ← w − η∇L(w),   t = ηk,   η = f/(nB²),  B = max ‖z_n‖
    f → ∞:   w = ηv,  v₁ = ½Σz_n,  v ← v + Σ_{z_nᵀv < 0} z_n,   frozen at the first v that separates
    any step:   L_{k+1} ≥ L_k − ηB²L_k²  (convexity, ‖∇L‖ ≤ BL), so tL ≥ tL₀/(1 + 2B²L₀t) while ηB²L₀ ≤ ½

Along a path of small steps tL stays above about 1/(2B²) and goes to 1/γ². A frozen run has a tL of e^{−η·margin}.

See: left, the margin over the largest, which stands still for huge f; right, log₁₀ of B²tL, which tells the frozen
runs: a run that converges stays above the dotted line.

Source: slides on implicit biases, theorem 3: "suitable learning rate" excludes these steps, and the loss does not
show it.
"""

from typing import no_type_check

import numpy as np
import xarray as xr
from numba import njit
from scipy.special import logsumexp

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.margin import _machine, _problem, _steepest
from descent.margin._flow import log_losses
from descent.margin._problem import EPS, Samples
from descent.maths.compiled import assign
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.result import Check, Result, bound, measured, predicted, steps, sweep

SURE = 40.0  # least |z_nᵀw| from which a slope is 0 or 1 to the last digit
SMALL = 0.5 / np.log(2)  # f up to which ηB²L₀ ≤ ½


@experiment_config
class Config(_problem.Drawn):
    factors: tuple[Positive, ...]  # f = ηnB²
    steps: Count

    def __post_init__(self):
        super().__post_init__()
        require_increasing("factors", self.factors)
        require_within("factors", self.factors, 1e-3, 1e12, "beyond, rounding decides")
        require_at_most(self, "a frozen run stays frozen", steps=10**6)
        cost = 8.0 * (self.samples + 10) * (self.dimension + 10) * self.steps
        require_cost(self, "samples, dimension, steps, factors", 0, cost * len(self.factors))


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True)
def _descend(Z, eta, kept, out):
    """Gradient descent on the logistic loss from 0; the least |z_nᵀw| after the first step."""
    n, d = Z.shape
    w, pull = np.zeros(d), np.zeros(d)
    place, nearest = 0, np.inf
    for k in range(kept[-1] + 1):
        while place < len(kept) and kept[place] == k:
            assign(out[place], w)
            place += 1
        pull[:] = 0.0
        for i in range(n):
            m = 0.0
            for j in range(d):
                m += Z[i, j] * w[j]
            if k > 0:
                nearest = min(nearest, abs(m))
            slope = 1 / (1 + np.exp(m)) if m < 700 else 0.0
            for j in range(d):
                pull[j] += slope * Z[i, j]
        for j in range(d):
            w[j] += eta * pull[j]
    return nearest


def perceptron(Z: np.ndarray, most: int) -> np.ndarray | None:
    """v, from ½Σz_n on; None if it does not separate within so many steps."""
    v = Z.sum(0) / 2
    for _ in range(most):
        wrong = Z @ v < 0
        if not wrong.any():
            return v if (Z @ v > 0).all() else None  # on the line itself a slope is ½
        v = v + Z[wrong].sum(0)
    return None


def predict(config: Config, given: Samples) -> xr.Dataset:
    """The perceptron's direction and margin, what is left of the loss, and the bound of small steps."""
    B, n, f = given.longest, config.samples, np.array(config.factors)
    gamma = _machine.machine(given.Z).gamma
    theory = {"gamma_bound": bound((), gamma, "largest margin γ")}
    t, L0 = f * config.steps / (n * B**2), n * np.log(2)
    low = np.log10(t * B**2 * L0 / (1 + 2 * B**2 * L0 * t))
    theory["rest_bound"] = bound("factor", low, "B²tL of small steps")
    v = perceptron(given.Z / B, min(config.steps - 1, 10_000))
    if v is not None:
        margins = np.outer(f / n, (given.Z / B) @ v)
        left = logsumexp(log_losses(margins, "logistic"), axis=1)
        rest = (left + np.log(t * B**2)) / np.log(10)
        unit = v / np.linalg.norm(v)
        theory["end_predicted"] = predicted("i", unit, "direction of the perceptron")
        theory["rest_predicted"] = predicted("factor", rest, "perceptron")
    return xr.Dataset(theory)


def measure(config: Config, given: Samples) -> xr.Dataset:
    B, n, kept = given.longest, config.samples, _steepest.halvings(config.steps, 3)
    X, size = np.ascontiguousarray(given.Z / B), len(config.factors)
    paths, nearest = np.empty((size, len(kept), X.shape[1])), np.empty(size)
    for place, f in enumerate(config.factors):
        nearest[place] = _descend(X, f / n, kept, paths[place])
    w, k = paths[:, 1:], kept[1:]
    t = np.array(config.factors)[:, None] * k / n  # in units of 1/B²
    margins, length = w @ X.T, np.linalg.norm(w, axis=-1)
    rest = (logsumexp(log_losses(margins, "logistic"), axis=-1) + np.log(t)) / np.log(10)
    each = ("factor", "k")
    return xr.Dataset(
        {
            "margin": measured(each, B * margins.min(-1) / length, "min zᵀw/‖w‖"),
            "rest": measured(each, rest, "log₁₀ B²tL"),
            "end": measured(("factor", "i"), w[:, -1] / length[:, -1:], "w/‖w‖"),
            "nearest": measured("factor", np.minimum(nearest, 1e300), "least |zᵀw|"),
        },
        coords={
            "factor": sweep(config.factors, "factor", "step f = ηnB²"),
            "k": steps(k, "k", "step k"),
            "i": ("i", np.arange(1, X.shape[1] + 1), {"long_name": "coordinate i"}),
        },
    )


def run(config: Config) -> Result:
    given = config.draw()
    theory, found = predict(config, given), measure(config, given)
    data = found.merge(theory)
    share = data["margin"] / data["gamma_bound"]
    share.attrs = {"long_name": "margin over the largest"}
    frozen = found["nearest"].values >= SURE
    lost = "end_predicted" not in theory
    reasons = ["the perceptron needs more steps than the runs have, or than 10000"] if lost else []
    if not frozen.any():
        largest = float(found["nearest"].max())
        reasons.append(
            f"no step is huge: a sample came as near as {largest:.3g} < {SURE:g} to the line"
        )
    return Result(
        data=data.assign(share=share),
        metrics={
            "share": share.isel(k=-1, drop=True),
            "rest": found["rest"].isel(k=-1, drop=True),
        },
        checks=compare(config, found, theory, frozen & (not lost)),
        no_claim=tuple(reasons),
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, frozen: np.ndarray
) -> tuple[Check, ...]:
    rest, small = found["rest"].isel(k=-1, drop=True), np.array(config.factors) <= SMALL
    rounding, why = 100 * config.steps * EPS, "rounding of the steps"
    margin = found["margin"]
    tol = rounding * abs(margin).max()
    checks = [Check("largest_margin", margin, "<=", theory["gamma_bound"], tol, why)]
    if small.any():
        low = theory["rest_bound"][small].assign_coords(factor=rest["factor"][small])
        checks.append(Check("rest_of_small_steps", rest[small], ">=", low, rounding, why))
    if frozen.any():
        sums = "rounding of sums of samples"
        to = theory["rest_predicted"][frozen].assign_coords(factor=rest["factor"][frozen])
        far = 1e3 * EPS * (1 + abs(rest[frozen]))
        end, direction = found["end"][frozen], theory["end_predicted"]
        near = 1e3 * EPS * config.samples
        checks += [
            Check("frozen_direction", end, "==", direction, near, sums),
            Check("rest_of_frozen_runs", rest[frozen], "==", to, far * config.samples, sums),
        ]
    return tuple(checks)
