"""From depth 3 on the least ℓ₁ norm is approached like αᴰ, whatever the data; at depth 2 the data decide.

The flow on u = w₊ᴰ − w₋ᴰ has a potential whose dual map blows up at |z| = 1. The dual weights of a solution must stay
below 1, so on the support they press against 1 and elsewhere they settle at fixed values below it. The weights off
the support are then fixed numbers times αᴰ.

    w₊(0) = w₋(0) = α1,   u = αᴰ h(z),   z = Xᵀν,   h(z) = (1 − z)^{−D/(D−2)} − (1 + z)^{−D/(D−2)},   |z| < 1
    u_α: the solution of Xu = y of this form;   u₁: least ‖u‖₁, with support S and signs s
    α → 0:   u_j/αᴰ → h(X_jᵀμ) for j ∉ S,   μ the minimum of Σ_{j ∉ S} k(X_jᵀμ), k' = h, over X_Sᵀμ = s

See: the weights off the support against α for each depth, on the predicted lines of slope D.

Source: arXiv 2002.09277 for the potential; the slides on implicit biases treat depth 2, one-sided, only. The limit of
u_j/αᴰ is derived here.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.geometry import _data
from descent.geometry._data import EPS, Data, require_sparse, require_underdetermined
from descent.geometry._depths import bridge, limit_of, multipliers
from descent.geometry._powers import Limit, as_the_step_vanishes, descend
from descent.geometry._sparse import Sparse, least_l1, require_even
from descent.maths.limits import require_at_most, require_within
from descent.result import Check, Result, measured, predicted, sweep

FLOOR, NEAR = 1e-9, 1e-7  # of the weights and of y: below it is rounding
SOLVED = 1e-8  # of y, to which Newton's method has to meet it
SAFE, TELLING = 4, 0.2  # times the estimated error; the share to which a law must be known


@experiment_config
class Config:
    seed: Seed
    samples: Count  # n
    features: Count  # d
    sparsity: Count  # non-zero entries of the vector that made y
    depths: tuple[Count, ...]  # D
    alphas: tuple[Positive, ...]  # α of w₊(0) = w₋(0) = α1, evenly spaced on a logarithmic scale
    run_alpha: Positive  # α of runs of gradient descent
    step: (
        Positive  # ηλ₁ of the coarsest of three runs, halved twice; λ of the flow's Jacobian at u_α
    )
    limit: Count  # steps of the coarsest run

    def __post_init__(self):
        require_underdetermined(self)
        require_sparse(self)
        require_increasing("depths", self.depths)
        require_within("depths", self.depths, 3, 12, "depth 2 is geometry.signed")
        require_even("alphas", self.alphas)
        require_within("alphas", self.alphas, 1e-12, 1, "a small start is looked at")
        require_within("run_alpha", self.run_alpha, 0.05, 3, "a smaller start takes too long")
        require_within("step", self.step, 1e-6, 0.5, "the limit of small steps is looked for")
        require_at_most(self, "Newton's method is cubic in n", samples=300, features=3000)
        require_at_most(self, "four times as many with the smallest step", limit=2_000_000)


class Given(NamedTuple):
    data: Data
    sparse: Sparse  # u₁


def draw(config: Config) -> Given:
    data = _data.signed(config.seed, config.samples, config.features, config.sparsity)
    return Given(data, least_l1(data.X, data.y, True))


def predict(config: Config, given: Given) -> xr.Dataset:
    """Off the support from μ; the limits of the runs from Newton's method."""
    X, S = given.data.X, given.sparse.support
    lead = np.zeros((len(config.depths), config.features))
    for row, depth in zip(lead, config.depths, strict=True):
        row[~S] = bridge(depth, X[:, ~S].T @ multipliers(depth, X, given.sparse))
    ends = [limit_of(given.data, depth, config.run_alpha).weights for depth in config.depths]
    return xr.Dataset(
        {
            "lead_predicted": predicted(("depth", "j"), lead, "h(X_jᵀμ) off the support"),
            "end_predicted": predicted(("depth", "j"), ends, "u_α"),
        }
    )


def measure(config: Config, given: Given) -> xr.Dataset:
    """u_α over α, what its weights off the support tend to, and runs of gradient descent."""
    (X, y, _), S, alphas = given.data, given.sparse.support, np.array(config.alphas)
    columns = {name: [] for name in ("off", "unsolved", "lead", "blur", "end", "end_blur", "left")}
    for depth in config.depths:
        found, guess = [], None
        for alpha in config.alphas[::-1]:
            found.insert(0, limit_of(given.data, depth, alpha, guess))
            guess = found[0].multipliers
        limits = np.array([one.weights for one in found])
        off = np.linalg.norm(limits[:, ~S], axis=1)
        small = np.flatnonzero(off > FLOOR * np.abs(limits).max())[:3][::-1]
        rest = np.where(S, 0.0, limits[small] / alphas[small, None] ** depth)
        law = as_the_step_vanishes(alphas[small] ** (depth - 2), rest)
        end = _run(config, given, depth)
        columns["off"].append(off)
        columns["unsolved"].append(max(found[k].residual for k in small) / np.abs(y).max())
        columns["lead"].append(law.value)
        columns["blur"].append(law.error.max())
        columns["end"].append(end.value)
        columns["end_blur"].append(end.error.max())
        columns["left"].append(np.linalg.norm(X @ end.value - y) / np.linalg.norm(y))
    return xr.Dataset(
        {
            "off_support": measured(("depth", "alpha"), columns["off"], "weights off the support"),
            "unsolved": measured("depth", columns["unsolved"], "Newton's residual, of y"),
            "lead": measured(("depth", "j"), columns["lead"], "u_j/αᴰ off the support, α → 0"),
            "lead_blur": measured("depth", columns["blur"], "to which it is known"),
            "end": measured(("depth", "j"), columns["end"], "end of gradient descent, η → 0"),
            "end_blur": measured("depth", columns["end_blur"], "to which it is known"),
            "left": measured("depth", columns["left"], "‖Xu − y‖ of that end, of y"),
        },
        coords={
            "depth": sweep(config.depths, "depth", "depth D"),
            "alpha": sweep(config.alphas, "alpha", "start α"),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def _run(config: Config, given: Given, depth: int) -> Limit:
    """Gradient descent from run_alpha at three steps, extrapolated to η = 0."""
    X, y, _ = given.data
    best, alpha = limit_of(given.data, depth, config.run_alpha), config.run_alpha
    power = 2 * (depth - 1) / (depth - 2)
    soft = (1 - best.dual) ** -power + (1 + best.dual) ** -power
    speed = depth**2 * alpha ** (2 * depth - 2) * soft  # u̇ = −speed ∘ g
    top = np.linalg.norm(np.sqrt(speed)[:, None] * X.T, 2) ** 2
    etas = config.step / top / 2.0 ** np.arange(3)
    ends = []
    for halved, eta in enumerate(etas.tolist()):
        kept = np.array([0, config.limit * 2**halved])
        ends.append(descend(X, y, alpha, depth, True, eta, kept).u[-1])
    return as_the_step_vanishes(etas, np.clip(np.nan_to_num(ends, nan=1e100), -1e100, 1e100))


def run(config: Config) -> Result:
    given = draw(config)
    found, theory = measure(config, given), predict(config, given)
    size = abs(found["lead"]).max("j")
    vague = (~(SAFE * found["lead_blur"] <= TELLING * size)).values
    reasons = []
    if not given.sparse.gap > 1e-6:
        reasons.append(f"gap {given.sparse.gap:.2g}: the least ℓ₁ norm is not known to be unique")
    if not (found["unsolved"] <= SOLVED).all():
        reasons.append(f"Newton's method leaves {float(found['unsolved'].max()):.2g} of y")
    if vague.any():
        names = ", ".join(f"{depth}" for depth in np.array(config.depths)[vague])
        reasons.append(f"alphas from {config.alphas[0]:g}: the law of depth {names} is not reached")
    if not (found["left"] <= NEAR).all():
        short = f"limit {config.limit}: Xu − y is still {float(found['left'].max()):.2g} of y"
        reasons.append(short)
    return Result(
        data=found.merge(theory),
        metrics={"off_support": found["off_support"]},
        checks=() if reasons else compare(config, found, theory),
        no_claim=tuple(reasons),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    size = float(abs(theory["end_predicted"]).max())
    lead, end = theory["lead_predicted"], theory["end_predicted"]
    known = SAFE * found["lead_blur"] + 1e-6 * abs(found["lead"]).max("j")
    near = SAFE * found["end_blur"] + 64 * EPS * np.sqrt(4 * config.limit) * size + NEAR
    order = "the next order, α^{D−2}, and rounding"
    step = "what the largest step adds to the limit, and rounding"
    return (
        Check("off_support", found["lead"], "==", lead, known, order),
        Check("end", found["end"], "==", end, near, step),
    )
