"""With several directions of the largest margin, the rule that breaks ties decides which one descent finds.

Where the largest entries of a sample tie, every vector on them has the same ℓ₁ margin. All the coordinates that tie
are directions of steepest descent, so nothing in the update says which of them to take.

    one sample z: (d,),   J = {j: |z_j| = max|z|},   L(w) = e^{−zᵀw},   w ← w + ℓ sign(z_j) e_j with j in J
    first, last   j the first or the last of J: w/‖w‖₁ = sign(z_j) e_j
    even          the mean over J, a steepest direction too: w/‖w‖₁ = Σ_J sign(z_j) e_j/|J|
    the margin zᵀw/‖w‖₁ is max|z| in all three, the largest there is

In ℓ₂ the direction is z/‖z‖ by every rule.

See: the weights of w/‖w‖₁ by the rule that breaks ties: three classifiers with one margin.

Source: slides on implicit biases, theorem 4, which says that w/‖w‖ converges to "the" solution in any norm;
arXiv 1802.08246, theorem 5, claims the limit of the margin, which all of them have.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, experiment_config
from descent.maths.limits import require_at_most, require_within
from descent.result import Check, Erratum, Result, measured, predicted, sweep

RULES = ["first", "last", "even"]
EPS = float(np.finfo(float).eps)


@experiment_config
class Config:
    sample: Annotated[tuple[Number, ...], Field(min_length=2, max_length=1000)]  # z
    steps: Count

    def __post_init__(self):
        require_at_most(self, "every step goes the same way", steps=100_000)
        require_within("sample", self.sample, -1e12, 1e12, "squares of squares leave float64")
        if max(abs(z) for z in self.sample) < 1e-12:
            raise ValueError("sample: no entry is at least 1e-12, so no direction has a margin")
        if len(self.tied) < 2:
            alone = f"|z_{self.tied[0] + 1}| alone is the largest"
            raise ValueError(f"sample: {alone}, so the direction is unique; a tie needs two")

    @property
    def tied(self) -> np.ndarray:
        """J."""
        size = np.abs(self.sample)
        return np.flatnonzero(size == size.max())


def predict(config: Config) -> xr.Dataset:
    """The end of every rule by what it does with J, and the margin that all share."""
    z, J = np.array(config.sample, float), config.tied
    ends = np.zeros((3, len(z)))
    ends[0, J[0]], ends[1, J[-1]] = np.sign(z[J[0]]), np.sign(z[J[-1]])
    ends[2, J] = np.sign(z[J]) / len(J)
    apart = np.abs(ends[1] - ends[0]).sum()
    return xr.Dataset(
        {
            "end_predicted": predicted(("rule", "i"), ends, "predicted"),
            "margin_predicted": predicted("rule", np.full(3, np.abs(z).max()), "largest margin"),
            "apart_predicted": predicted((), apart, "distance of two limits in ℓ₁"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Steepest descent in ℓ₁ on the gradient of the loss, with steps ‖g‖_∞/B²."""
    z = np.array(config.sample, float)
    ends = []
    for rule in RULES:
        w = np.zeros(len(z))
        for _ in range(config.steps):
            g = z  # −∇ log L of one sample, whatever its margin
            w = w + steepest(g, rule) / np.abs(g).max()
        ends.append(w / np.abs(w).sum())
    ends = np.array(ends)
    return xr.Dataset(
        {
            "end": measured(("rule", "i"), ends, "w/‖w‖₁"),
            "margin": measured("rule", ends @ z, "zᵀw/‖w‖₁"),
            "apart": measured((), np.abs(ends[1] - ends[0]).sum(), "distance of two limits in ℓ₁"),
        },
        coords={
            "rule": sweep(RULES, "rule", "which of the tied coordinates moves"),
            "i": ("i", np.arange(1, len(z) + 1), {"long_name": "coordinate i"}),
        },
    )


def steepest(g: np.ndarray, rule: str) -> np.ndarray:
    """A v with ‖v‖₁ = 1 and gᵀv = ‖g‖_∞."""
    v, size = np.zeros(len(g)), np.abs(g)
    if rule == "even":
        top = size == size.max()
        return np.where(top, np.sign(g), 0) / top.sum()
    place = size.argmax() if rule == "first" else len(g) - 1 - size[::-1].argmax()
    v[place] = np.sign(g[place])
    return v


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    apart, far = float(found["apart"]), float(theory["apart_predicted"])
    tol = 4 * config.steps * EPS * len(config.sample)
    where = "slides on implicit biases, theorem 4: w/‖w‖ converges to the solution"
    return Result(
        data=found.merge(theory),
        metrics={"apart": apart, "margin": found["margin"]},
        checks=compare(config, found, theory),
        errata=(Erratum("one_solution", where, 0.0, far, apart, tol),),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    tol, why = 4 * config.steps * EPS * len(config.sample), "rounding of the steps"
    size = float(max(abs(z) for z in config.sample))
    apart = found["apart"], "==", theory["apart_predicted"]
    return (
        Check("end", found["end"], "==", theory["end_predicted"], tol, why),
        Check("margin", found["margin"], "==", theory["margin_predicted"], tol * size, why),
        Check("apart", *apart, tol, why),
    )
