"""If the measurements commute, a small start √α·I leads UUᵀ to the least trace, at an error of order α^gap.

The product X = UUᵀ keeps the eigenvectors that the measurements share, and its eigenvalues follow entropy mirror
descent. A vanishing start turns the entropy into the sum of the eigenvalues, which is the trace. How fast follows from
a linear programme: the best gap that a dual solution leaves to the eigenvalues that are zero.

    X = UUᵀ: (d, d),   L = ½ Σ_k (⟨A_k, X⟩ − b_k)²,   A_k = Q diag(a_k) Qᵀ,   k = 1 … m < d
    U₀ = √α I,   ⟨A_k, A_l⟩ = δ_kl
    flow:   X = Q diag(x) Qᵀ,   ẋ = −4x ∘ Aᵀ(Ax − b),   so x → argmin Σ_j x_j ln(x_j/α) − x_j  over Ax = b
    α → 0:  x → argmin Σ_j x_j over Ax = b, x ≥ 0, with support S, and tr X − least ~ α^gap,
            gap = max {s : a_jᵀμ = 1 for j ∈ S, a_jᵀμ ≤ 1 − s for j ∉ S}
    gradient descent U ← U − 2ηΣ_k(⟨A_k, X⟩ − b_k)A_kU follows the flow up to an error of order η

For measurements that do not commute the same is only a conjecture: their trace is reported beside.

See: left, the trace of X above the least one falls by the dashed power of α; right, the eigenvalues lie in the circles
of the flow, and the smaller the start the nearer to the crosses, of the linear programme.

Source: slides on implicit biases, the papers on linear networks; arXiv 1705.09280, theorem 1 and its conjecture; the
exponent is derived here.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.factorisation import _halved, _trace
from descent.factorisation._halved import HALVINGS, NEAR
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.result import Check, Result, measured, predicted, sweep

STEADY = 0.03  # of the power: its change between pairs of α, and what others add, at the most
SOLVED = 1e-6  # ‖Ax − b‖/‖b‖ up to which a run has come to its limit


@experiment_config
class Config:
    seed: Seed
    size: Count  # d
    measurements: Count  # m
    rank: Count  # of the matrix that is measured
    starts: tuple[Positive, ...]  # α of gradient descent
    small: tuple[Positive, ...]  # α of the flow's limit, for the power
    step: Positive  # the largest 4η x λ_max(AAᵀ), x the largest eigenvalue
    steps: Count  # of it

    def __post_init__(self):
        require_increasing("starts", self.starts)
        require_increasing("small", self.small)
        require_within("starts", self.starts, 1e-6, 1, "smaller ones need too many steps")
        require_within("small", self.small, 1e-100, 0.1, "for the limit α → 0")
        if len(self.small) < 3:
            raise ValueError(f"small: {len(self.small)} values; a power and its change take 3")
        require_at_most(self, "with d of them X is determined", measurements=self.size - 1)
        require_at_most(self, "a matrix has no larger one", rank=self.size)
        require_at_most(self, "its semidefinite programme takes an SVD a step", size=60)
        require_within("step", self.step, 1e-6, 0.5, "from 2 on no run is stable")
        work = sum(HALVINGS) * len(self.starts) * self.size**3 * 6.0
        require_cost(self, "size, starts, steps", operations=work * self.steps)


def measure(config: Config, given: _trace.Problem) -> xr.Dataset:
    """X at the end of gradient descent on U, at three steps from every start."""
    top = 4 * given.x.max() * np.linalg.norm(given.a, 2) ** 2
    shape = (len(config.starts), len(HALVINGS), config.size)
    values, outside, left = np.empty(shape), np.empty(shape[:2]), np.empty(shape[:2])
    for i, alpha in enumerate(config.starts):
        for h, part in enumerate(HALVINGS):
            eta, count = config.step / top / part, config.steps * part
            X = _trace.descend(given.commuting, given.b, alpha, eta, count)
            turned = given.Q.T @ X @ given.Q
            values[i, h] = np.diag(turned)
            outside[i, h] = np.linalg.norm(turned - np.diag(values[i, h]))
            left[i, h] = np.linalg.norm(given.a @ values[i, h] - given.b)
    dims = ("alpha", "halving", "j")
    return xr.Dataset(
        {
            "eigenvalue": measured(dims, values, "eigenvalue x_j"),
            "outside": measured(dims[:2], outside, "‖X − Q diag(x) Qᵀ‖"),
            "residual": measured(dims[:2], left / np.linalg.norm(given.b), "‖Ax − b‖/‖b‖"),
        },
        coords={
            "alpha": sweep(config.starts, "alpha", "start α"),
            "halving": _halved.coordinate(),
            "j": ("j", np.arange(config.size) + 1, {"long_name": "eigenvalue j"}),
        },
    )


def measure_limits(config: Config, given: _trace.Problem) -> xr.Dataset:
    """Trace of the flow's limit above the least one, for ever smaller α; by Newton's method on the dual."""
    limits = np.array([_trace.entropic(given, alpha) for alpha in config.small])
    above = _trace.above(given, limits)
    with np.errstate(all="ignore"):
        slope = np.diff(np.log(above)) / np.diff(np.log(config.small))
        steeper = _trace.steeper(given, limits)
    return xr.Dataset(
        {
            "limit": measured(("small", "j"), limits, "limit of the flow"),
            "above": measured("small", above, "tr X − least"),
            "exponent": measured("between", slope, "power of α"),
            "steeper": measured("small", steeper, "what others add to it"),
        },
        coords={
            "small": sweep(config.small, "small", "start α"),
            "between": ("between", np.arange(len(slope)), {"long_name": "two neighbouring α"}),
        },
    )


def measure_generic(config: Config, given: _trace.Problem) -> xr.Dataset:
    """Trace over the least one where the measurements do not commute; and whether the run meets them."""
    eta = config.step / (4 * given.x.max())
    ratio, left = _trace.beside(given, config.starts, eta, config.steps)
    return xr.Dataset(
        {
            "generic_ratio": measured("alpha", ratio, "tr X/least, not commuting"),
            "generic_residual": measured("alpha", left, "‖A(X) − b‖/‖b‖, not commuting"),
        }
    )


def predict(config: Config, given: _trace.Problem) -> xr.Dataset:
    """The flow's limits, the least trace, and the power of α."""
    limits = [_trace.entropic(given, alpha) for alpha in config.starts]
    found = _trace.programme(given)
    return xr.Dataset(
        {
            "eigenvalue_predicted": predicted(("alpha", "j"), limits, "limit of the flow"),
            "least_predicted": predicted("j", found.x, "least trace"),
            "gap_predicted": predicted((), found.gap, "gap of the linear programme"),
        }
    )


def run(config: Config) -> Result:
    given = _trace.drawn(config.seed, config.size, config.measurements, config.rank)
    parts = (measure(config, given), measure_limits(config, given), measure_generic(config, given))
    found = xr.merge(parts)
    theory = predict(config, given).assign_coords(alpha=found["alpha"], j=found["j"])
    reasons = presuppose(config, found, given)
    trace = found["eigenvalue"].isel(halving=-1, drop=True).sum("j")
    return Result(
        data=found.merge(theory),
        metrics={
            "trace": trace,
            "least_trace": theory["least_predicted"].sum(),
            "gap_predicted": theory["gap_predicted"],
            "exponent": found["exponent"].isel(between=0, drop=True),
            "generic_ratio": found["generic_ratio"],
            "generic_residual": found["generic_residual"],
        },
        checks=() if reasons else compare(config, found, theory),
        no_claim=reasons,
    )


def presuppose(config: Config, found: xr.Dataset, given: _trace.Problem) -> tuple[str, ...]:
    """What is not so of these measurements, or of these runs."""
    far = float(found["residual"].max())
    if not far <= SOLVED:
        return (f"steps {config.steps}: ‖Ax − b‖/‖b‖ is {far:.2g} at the end, not {SOLVED:g}",)
    limits = [_trace.entropic(given, alpha) for alpha in (*config.starts, *config.small)]
    if not np.isfinite(limits).all():
        return ("Newton's method for the flow's limit did not come to its end",)
    if _trace.programme(given).gap < 1e-6 or float(found["above"].min()) <= 0:
        return ("the linear programme leaves no gap: its solution is not the only one",)
    change = float(abs(found["exponent"][:2].diff("between")).max())
    if change > STEADY or float(found["above"][0] / found["above"][1]) > 0.5:
        return (f"small: two α are too close, or the power changes by {change:.2g} between pairs",)
    if (others := float(found["steeper"].isel(small=1))) > STEADY:
        return (f"small: parts that die out faster still add {others:.2g} to the power",)
    _, rest, moved = _halved.limit(found["eigenvalue"])
    share = float((rest.max("j") / moved.max("j")).max())
    if not share <= NEAR:
        return (f"step {config.step:g} is too large: the remainder is {share:.2g} of its change",)
    return ()


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    x, rest, _ = _halved.limit(found["eigenvalue"])
    size = float(found["limit"].max())
    slope = found["exponent"].isel(between=0, drop=True)
    others = found["steeper"].isel(small=1, drop=True)  # at the larger α of the pair
    change = abs(slope - found["exponent"].isel(between=1, drop=True)) * 3 + 1e-6 + others
    tol, order2 = rest.max("j") + 10 * SOLVED * size, "what is left of order η², three times over"
    rounding = 1e-12 * size * np.sqrt(config.steps)
    why = "theory gives 0; rounding of the steps"
    late = "three times its change from the pair of α before, and parts that die out faster"
    # The limit's error falls by (α₀/α₁)^gap: up to 1/2 what is left is about the last change.
    end, before = (found["limit"].isel(small=k, drop=True) for k in (0, 1))
    last, least = 3 * abs(end - before).max("j") + 1e-9 * size, theory["least_predicted"]
    smaller = "three times its change from the next α"
    return (
        Check("limit_of_the_limits", end, "==", least, last, smaller),
        Check("eigenvalues", x, "==", theory["eigenvalue_predicted"], tol, order2),
        Check("shared_eigenvectors", found["outside"], "==", 0, rounding, why),
        Check("exponent", slope, "==", theory["gap_predicted"], change, late),
        Check("trace", x.sum("j"), ">=", least.sum(), tol * config.size, order2),
    )
