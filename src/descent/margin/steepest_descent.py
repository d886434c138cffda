"""Steepest descent in a norm finds the largest margin in that norm: another norm, another classifier.

Every step goes along the direction of length 1 in the norm that raises the weighted mean of the margins most, so the
margin per length grows until no direction does better. Coordinate descent (ℓ₁), gradient descent (ℓ₂) and sign
descent (ℓ_∞) on the same samples therefore end at different classifiers.

    L(w) = Σ_n e^{−z_nᵀw},   p = softmax(−Zw),   g = Zᵀp,   w ← w + ℓ_k v,   v = argmax {gᵀv: ‖v‖ = 1}
    γ = max {min_n z_nᵀw: ‖w‖ ≤ 1} = min {‖Zᵀp‖_*: p ≥ 0, Σp = 1},   B = max_n ‖z_n‖_*
    normalised   ℓ_k = ‖g‖_*/B²         gap of the margin O(1/k)
    root         ℓ_k = 1/(B√(k + 1))     gap ≤ B (log n + ½ Σ_j 1/(j + 1))/Σ_j 1/√(j + 1) = O(log k/√k)
    bounded      ℓ_k = min(L, 1)‖g‖_*/B²  gap O(1/log k), as of any bounded step of the theorem
    ‖w/‖w‖ − ŵ‖ is small with the gap where the ball is strictly convex (1 < p < ∞)

The last w and the mean p of the runs enclose γ without knowing it, and that is the tolerance. In ℓ₁ and ℓ_∞ many
directions can have the same margin. Theirs is claimed where the dual programme shows it to be the only one (_unique).

See: every curve is the gap to the largest margin of one norm; left with normalised steps, in the middle with steps
1/√k, on the right with the bounded steps of the theorem, which need exponentially long.

Source: slides on implicit biases, theorem 4; arXiv 1802.08246, theorem 5. The slide says that w/‖w‖ converges to
"the" solution for a suitable step η; the paper proves the limit of the margin, for η_t ≤ min(η₊, 1/(B²L)).
"""

import numpy as np
import xarray as xr

from descent.config import experiment_config
from descent.margin import _normed
from descent.margin._normed import EXACT, bests, measured_runs, unconverged, unsure, width
from descent.margin._norms import Best
from descent.result import Check, Result, bound, predicted

RULES = {"normalised": 1.0, "root": 1.0, "bounded": 1.0}  # with their η
CLAIMED = ["normalised", "root"]  # in this number of steps
SHARP = 0.3  # a direction that is known to no less than this is not checked


@experiment_config
class Config(_normed.Normed):
    def __post_init__(self):
        super().__post_init__()
        self.require_time(len(RULES))


def predict(config: Config, references: list[Best], k: np.ndarray) -> xr.Dataset:
    """γ by a programme of its own for every norm, the directions that are unique, and the bound on the root rule."""
    norms = config.all_norms()
    Z = config.draw().Z
    B = np.array([float(which.dual(Z).max()) for which in norms])
    lengths, squares = np.cumsum(1 / np.sqrt(np.arange(1, k[-1] + 1))), harmonic(k)
    worst = B[:, None] * (np.log(config.samples) + squares / 2) / lengths[k - 1]
    gamma = np.array([one.gamma for one in references])
    low = gamma[:, None] - worst
    low = np.where(low >= 0, low, -B[:, None])  # a negative margin may be of a shorter w
    theory = {
        "gamma_predicted": predicted("norm", gamma, "largest margin γ"),
        "root_bound": bound(("norm", "k"), low, "γ − B(log n + …)/Σ 1/√k"),
    }
    strict = [place for place in range(len(norms)) if references[place].only(norms[place])]
    if strict:
        directions = [references[place].w for place in strict]
        theory["end_predicted"] = predicted(("strict", "i"), directions, "ŵ/‖ŵ‖")
    names = [config.norms[place] for place in strict]
    return xr.Dataset(theory, {"strict": ("strict", names, {"long_name": "norm of one direction"})})


def harmonic(k: np.ndarray) -> np.ndarray:
    """Σ_{j ≤ k} 1/j."""
    return np.cumsum(1 / np.arange(1, k[-1] + 1))[k - 1]


def measure(config: Config) -> xr.Dataset:
    return measured_runs(config, config.draw(), RULES)


def run(config: Config) -> Result:
    references = bests(config, config.draw())
    found = measure(config)
    theory = predict(config, references, found["k"].values)
    checks, unchecked = compare(config, found, theory, references)
    gap = 1 - found["margin"] / theory["gamma_predicted"]
    gap.attrs = {"long_name": "relative gap of the margin"}
    half = gap.isel(k=-1 - _normed.A_HALVING)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.log2(gap.isel(k=-1, drop=True) / half.drop_vars("k"))
    data = found.merge(theory).assign(gap=gap)
    return Result(
        data=data,
        metrics={
            "gap": gap.isel(k=-1, drop=True),
            "slope": slope,
            "gamma": theory["gamma_predicted"],
        },
        checks=checks,
        no_claim=unconverged(config, found, CLAIMED),
        unchecked=unchecked,
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, references: list[Best]
) -> tuple[tuple[Check, ...], dict[str, str]]:
    margin, gamma, open_ = found["margin"], theory["gamma_predicted"], width(found)
    rounding = unsure(config, references)
    last = margin.isel(k=-1, drop=True).sel(rule=CLAIMED)
    tol = open_.sel(rule=CLAIMED) + rounding
    enclosed = "what the run's own mean weights leave open"
    root = margin.sel(rule="root", drop=True)
    checks = [
        Check("largest_margin", margin, "<=", gamma, rounding, "rounding and the programme"),
        Check("margin", last, "==", gamma, tol, enclosed),
        Check(
            "margin_of_root",
            root,
            ">=",
            theory["root_bound"],
            rounding,
            "rounding and the programme",
        ),
    ]
    unchecked = {}
    for which, reference in zip(config.all_norms(), references, strict=True):
        name, own = f"direction_in_{which.name}", found.sel(norm=which.name)
        short = float(open_.sel(norm=which.name, rule="normalised") / own["above"].min())
        far = reference.reach(which, short + EXACT)
        if not reference.only(which):
            unchecked[name] = "not shown to be the only one: the ball has flat faces"
        elif not far <= SHARP:
            unchecked[name] = f"the enclosed margin tells the direction to {far:.2g} only"
        else:
            end = own["end"].sel(rule="normalised", drop=True).drop_vars("norm")
            to = theory["end_predicted"].sel(strict=which.name, drop=True)
            why = "convexity of the ball" if which.strict else "the programme's dual weights"
            checks.append(Check(name, end, "==", to, far, why))
    return tuple(checks), unchecked
