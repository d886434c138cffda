"""With the loss r⁴/4 a constant step closes in like 1/√k; a step that grows as the loss flattens is linear.

The loss has no curvature at its minimum, so the gradient is the cube of the residual and each step does less than the
last. A step in proportion to 1/max r² makes up for it exactly: a residual of a tenth is then treated as the residual
itself. Both rates come from one vector, the shape in which the residuals die out.

    L(w) = ¼‖Xw − y‖₄⁴,   X: (n, d),   n < d,   r = Xw − y,   A = XXᵀ,   w_{k+1} = w_k − η_k Xᵀr³
    η_k = η:   √(ηk) r_k → ρ with ρ/2 = Aρ³,   ‖w_k − w_∞‖ √(ηk) → ‖X⁺ρ‖
    η_k = c/(σ₁² max r_k²):   max|r| shrinks by 1 − c/(2σ₁² max ρ²) a step
    both end at w_∞ = w₀ + X⁺(y − Xw₀)

See: left, with a constant step the distance follows the flow, then the power; right, with the step rule it falls to
rounding at the predicted factor a step.

Source: slides on implicit biases, Theorem 1, whose limit does not depend on the loss; arXiv 1802.08246. That the loss
decides how fast, ρ and both rates are derived here.
"""

from itertools import pairwise

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.geometry import _data, _flat
from descent.geometry._data import EPS, Data, require_runs, require_underdetermined
from descent.geometry._flat_checks import MARKS, compare, presuppose
from descent.geometry._loops import mirror
from descent.geometry._powers import as_the_step_vanishes
from descent.maths.limits import require_at_most, require_within
from descent.maths.remainder import of_neighbours
from descent.maths.times import log_spaced
from descent.result import Result, measured, predicted, steps

PARTS = (1, 2, 4)  # η divided by these


@experiment_config
class Config:
    seed: Seed
    samples: Count  # n
    features: Count  # d
    start: Positive  # w₀ = start · N(0, 1)
    share: Positive  # c of the step rule, and of the constant step at the start
    steps: Count  # of the largest constant step; it is halved twice
    limit: Count  # steps by the rule

    def __post_init__(self):
        require_underdetermined(self)
        require_at_most(self, "the flow of n residuals is stiff", samples=100)
        require_within("start", self.start, 1e-6, 1e6, "beyond it one of y and Xw₀ is lost")
        require_within("share", self.share, 0.001, 0.66, "c < ⅔, where descent is stable")
        if self.steps < 1000:
            raise ValueError(f"steps {self.steps} < 1000: no power is seen")
        require_runs(self, "samples, features, steps", 1, sum(PARTS) * self.steps)
        require_at_most(self, "a step takes 10 µs", limit=1_000_000)

    @property
    def kept(self) -> np.ndarray:
        """Steps of the largest η, ten a decade up to the last."""
        last = round(10 * np.log10(self.steps))
        back = (self.steps / 10 ** (np.arange(last + 1) / 10)).round().astype(int)
        return np.unique(np.append(back, 0))


def step_of(config: Config, given: Data) -> float:
    """η."""
    r = given.X @ given.vector - given.y
    return config.share / (given.sigma[0] ** 2 * float(np.abs(r).max()) ** 2)


def predict(config: Config, given: Data) -> xr.Dataset:
    """Of the flow from the start."""
    X, y, w0 = given
    A, r, pinv = X @ X.T, X @ w0 - y, np.linalg.pinv(X)
    flow = _flat.residuals(A, r, step_of(config, given) * config.kept) @ pinv.T
    rest = _flat.rest(A, r)
    if not np.isfinite(flow).all() or np.isnan(rest.slowest):
        raise Refusal(f"seed {config.seed}: the flow of the residuals comes to no rest")
    constant = np.linalg.norm(pinv @ rest.rho)
    return xr.Dataset(
        {
            "limit": predicted("j", w0 + pinv @ (y - X @ w0), "w₀ + X⁺(y − Xw₀)"),
            "distance_predicted": predicted("k", np.linalg.norm(flow, axis=1), "flow"),
            "constant_predicted": predicted((), constant, "‖X⁺ρ‖"),
            "power_predicted": predicted((), -0.5, "−½"),
        }
    )


def predict_factor(config: Config, given: Data, passed: np.ndarray) -> xr.Dataset:
    """Of the step rule, once it has come to a shape of the residuals: which minimum lies below that."""
    rho = _flat.rest(given.X @ given.X.T, passed).rho
    if np.isnan(rho).any():
        raise Refusal(f"seed {config.seed}: the flow of the residuals comes to no rest")
    factor = 1 - config.share / (2 * given.sigma[0] ** 2 * np.abs(rho).max() ** 2)
    return xr.Dataset({"factor_predicted": predicted((), factor, "1 − c/(2σ₁² max ρ²)")})


def measure(config: Config, given: Data) -> xr.Dataset:
    X, y, w0 = given
    eta, nearest = step_of(config, given), w0 + np.linalg.lstsq(X, y - X @ w0)[0]
    paths = [
        mirror(X, y, w0, config.kept * part, "quartic", eta=eta / part, search=False).weights
        for part in PARTS
    ]
    distance = np.linalg.norm(np.nan_to_num(paths, nan=1e100) - nearest, axis=2)
    late = [paths[-1][config.kept.searchsorted(k)] for k in (config.kept[-11], config.kept[-1])]
    still = as_the_step_vanishes(eta / np.array(PARTS), distance)
    return xr.Dataset(
        {
            "distance": measured("k", distance[0], "‖w_k − w_∞‖"),
            "slow": measured("k", still.value, "‖w − w_∞‖ for η → 0"),
            "shape": measured(
                ("at", "i"),
                (np.array(late) @ X.T - y) * np.sqrt(eta * config.kept[[-11, -1], None]),
                "√(ηk) r_k",
            ),
            "slow_blur": measured("k", of_neighbours(still.error), "to which it is known"),
        },
        coords={
            "k": steps(config.kept, "k", "iteration k"),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def measure_rule(config: Config, given: Data) -> xr.Dataset:
    """Descent with the step rule, to rounding, and its factors between the marks."""
    X, y, w0 = given
    w, sizes, ends, passed = w0, [], [], None
    floor = 32 * EPS * (np.abs(y).max() + np.abs(X).sum(1).max() * np.abs(w0).max())
    for _ in range(config.limit):
        r = X @ w - y
        sizes.append(float(np.abs(r).max()))
        ends.append(w)
        if passed is None and sizes[-1] <= MARKS[0] * sizes[0]:
            passed = r
        if sizes[-1] <= floor:
            break
        w = w - config.share / (given.sigma[0] * sizes[-1]) ** 2 * (X.T @ r**3)
    table, nearest = np.array(sizes), w0 + np.linalg.lstsq(X, y - X @ w0)[0]
    at = [int(np.argmax(table <= mark * table[0])) for mark in MARKS]
    found = [(table[b] / table[a]) ** (1 / max(b - a, 1)) for a, b in pairwise(at)]
    kept = log_spaced(len(table) - 1, 100)
    return xr.Dataset(
        {
            "rule_distance": measured(
                "m", np.linalg.norm(np.array(ends)[kept] - nearest, axis=1), "‖w − w_∞‖, step rule"
            ),
            "rule_end": measured("j", ends[-1], "w at the end"),
            "rule_left": measured((), table[-1] / table[0], "max|r| at the end, over the first"),
            "factor": measured("mark", found, "factor a step"),
            "rounding": measured((), floor / (MARKS[-1] * table[0]), "of r at the last mark"),
            "passed": measured("i", r if passed is None else passed, "residuals at the first mark"),
        },
        coords={
            "m": steps(kept, "m", "iteration k"),
            "i": ("i", np.arange(config.samples) + 1, {"long_name": "sample i"}),
            "mark": ("mark", list(MARKS[1:]), {"long_name": "residual, over the first"}),
        },
    )


def run(config: Config) -> Result:
    given = _data.regression(config.seed, config.samples, config.features, config.start)
    found = measure(config, given).merge(measure_rule(config, given))
    theory = predict(config, given).merge(predict_factor(config, given, found["passed"].values))
    eta, missing = step_of(config, given), presuppose(given, found, config.share)
    scaled = np.sqrt(eta * found["k"]) * found["slow"]
    return Result(
        data=found.merge(theory),
        metrics={
            "scaled_distance": scaled.isel(k=-1, drop=True),
            "constant": theory["constant_predicted"],
            "factor": found["factor"].isel(mark=-1, drop=True),
            "steps_of_the_rule": float(found["m"][-1]),
        },
        checks=compare(given, found, theory, eta, missing),
        no_claim=tuple(why for check, why in missing.items() if check != "power"),
        unchecked={check: why for check, why in missing.items() if check == "power"},
    )
