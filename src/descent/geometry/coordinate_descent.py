"""Steepest coordinate descent ends at neither the ℓ₂ nor the ℓ₁ projection, and where depends on the step.

Each step changes the weight whose gradient is the largest. For small steps the coordinates that tie for it move
together, each in its own direction only, which is forward stagewise selection; it follows ties and not a norm, so its
end is a solution of its own. Larger steps break ties otherwise, and end elsewhere by an amount in proportion to them.

    L(w) = ½‖Xw − y‖²,   X: (n, d),   n < d,   g = Xᵀ(Xw − y),   j = argmax |g_j|,   w_j ← w_j − f g_j/max‖X_i‖²
    f → 0:   w moves along s_Aλ, A = argmax |g_j|, s = −sign g, λ ≥ 0 the least squares fit of y − Xw by s_jX_j, j in A
    w_∞(f) = w_∞(0) + O(f);   ‖w_∞ − w₀‖₁ ≥ least ‖w − w₀‖₁ over Xw = y

See: left, weights that runs with small steps end with, at the predicted places, beside the two projections; right,
distances of the ends from the stagewise one, in proportion to the step, and from the projections, which stay.

Source: slides on implicit biases, Theorem 1, for gradient descent; arXiv 1802.08246, which says that in regression the
limit of steepest descent depends on the step; Efron and others, Ann. Statist. 32 (2004), section 3.2, on stagewise
selection.
"""

import numpy as np
import xarray as xr
from scipy.optimize import linprog

from descent.config import Count, Positive, Refusal, Seed, experiment_config, require_increasing
from descent.geometry import _data, _stagewise
from descent.geometry._data import Data, require_runs, require_underdetermined
from descent.maths.limits import require_within
from descent.result import Check, Result, bound, measured, predicted, sweep

CLOSE = 1e-12  # of the first gradient, at which a run ends
NEAR = 1e-9  # of it, up to which an end is a limit
NORMS = ["l1", "l2"]


@experiment_config
class Config:
    seed: Seed
    samples: Count  # n
    features: Count  # d
    start: Positive  # w₀ = start · N(0, 1)
    shares: tuple[Positive, ...]  # f, of the step 1/max‖X_j‖²
    limit: Count  # steps of a run

    def __post_init__(self):
        require_underdetermined(self)
        require_increasing("shares", self.shares)
        if len(self.shares) < 3:
            raise ValueError(f"shares: {len(self.shares)} < 3: what a step adds is told by three")
        require_within("shares", self.shares, 1e-5, 1.99, "f < 2, where descent is stable")
        require_within("start", self.start, 1e-6, 1e6, "beyond it one of y and Xw₀ is lost")
        require_runs(self, "samples, features, limit", len(self.shares), self.limit)


def predict(config: Config, given: Data) -> xr.Dataset:
    """The end of stagewise selection, and the solutions nearest to the start."""
    X, y, w0 = given
    end = _stagewise.limit_of_small_steps(X, y, w0)
    if np.isnan(end).any():
        raise Refusal(f"seed {config.seed}: stagewise selection comes to no end")
    nearest = projections(config, given)
    lengths = [np.abs(end - w0).sum(), np.linalg.norm(end - w0)]
    bounds = [np.abs(nearest[0] - w0).sum(), np.linalg.norm(nearest[1] - w0)]
    return xr.Dataset(
        {
            "limit": predicted("j", end, "end of stagewise selection"),
            "length_predicted": predicted("norm", lengths, "of stagewise selection"),
            "length_bound": bound("norm", bounds, "least of all solutions"),
        },
        coords={"norm": ("norm", NORMS, {"long_name": "norm"})},
    )


def projections(config: Config, given: Data) -> np.ndarray:
    """The solutions nearest to the start in ℓ₁, by a linear programme, and in ℓ₂."""
    (X, y, w0), d = given, config.features
    both = np.hstack([X, -X])
    found = linprog(np.ones(2 * d), A_eq=both, b_eq=y - X @ w0, method="highs-ds")
    if found.status:
        raise Refusal(f"seed {config.seed}: the linear programme of ‖w − w₀‖₁ is not solved")
    return np.stack([w0 + found.x[:d] - found.x[d:], w0 + np.linalg.pinv(X) @ (y - X @ w0)])


def measure(config: Config, given: Data) -> xr.Dataset:
    X, y, w0 = given
    runs = [_stagewise.descend(X, y, w0, f, CLOSE, config.limit) for f in config.shares]
    ends = np.array([run.weights for run in runs])
    lengths = np.stack([np.abs(ends - w0).sum(1), np.linalg.norm(ends - w0, axis=1)], 1)
    return xr.Dataset(
        {
            "end": measured(("share", "j"), ends, "w at the end"),
            "length": measured(("share", "norm"), lengths, "‖w − w₀‖"),
            "left": measured("share", [run.left for run in runs], "max|g|, over the first"),
        },
        coords={
            "share": sweep(config.shares, "share", "step f/max‖X_j‖²"),
            "norm": ("norm", NORMS, {"long_name": "norm"}),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given = _data.regression(config.seed, config.samples, config.features, config.start)
    found, theory = measure(config, given), predict(config, given)
    reach = spread(found)
    reasons = presuppose(config, found, theory, reach)
    off = np.sqrt(((found["end"] - theory["limit"]) ** 2).sum("j"))
    looks = {"long_name": "from the stagewise end"}
    nearest = measured(("norm", "j"), projections(config, given), "nearest solution")
    return Result(
        data=found.merge(theory).assign(off=off.assign_attrs(looks), nearest=nearest),
        metrics={
            "length": found["length"],
            "least": theory["length_bound"],
            "per_step": float(reach[1]),
        },
        checks=compare(found, theory, reach) if not found["left"].max() > NEAR else (),
        no_claim=reasons,
    )


def spread(found: xr.Dataset) -> np.ndarray:
    """C of ‖w_∞(f) − w_∞(0)‖ ≤ Cf in both norms: distances of the runs from each other over the sum of their steps."""
    ends, f = found["end"].values, found["share"].values
    gaps, sums = ends[:, None] - ends[None], f[:, None] + f[None]
    apart = (np.abs(gaps).sum(-1), np.linalg.norm(gaps, axis=-1))
    return np.array([(one / sums).max() for one in apart])


def presuppose(
    config: Config, found: xr.Dataset, theory: xr.Dataset, reach: np.ndarray
) -> tuple[str, ...]:
    late = int((found["left"] > NEAR).sum())
    if late:
        return (f"limit {config.limit}: {late} runs are not at a solution",)
    # Told from the measured ends alone: by how much the smallest step exceeds the least norms.
    slack = 3 * reach * config.shares[0]
    excess = found["length"].isel(share=0).values - theory["length_bound"].values
    both = zip(NORMS, excess, slack, strict=True)
    same = [f"{name} excess {e:.2g} ≤ {s:.2g}" for name, e, s in both if e <= s]
    return (f"shares: not told from a projection: {', '.join(same)}",) if same else ()


def compare(found: xr.Dataset, theory: xr.Dataset, reach: np.ndarray) -> tuple[Check, ...]:
    f, why = found["share"].astype(float), "3Cf, C from the runs among themselves, and rounding"
    rounding = NEAR * 10 * abs(found["length"])
    wide = xr.DataArray(3 * reach, dims="norm", coords={"norm": NORMS})
    tols = wide * f + rounding
    near, least = tols.sel(norm="l2", drop=True), theory["length_bound"]
    return (
        Check("limit", found["end"], "==", theory["limit"], near, why),
        Check("length", found["length"], "==", theory["length_predicted"], tols, why),
        Check("least_length", found["length"], ">=", least, rounding, "what is left of a run"),
    )
