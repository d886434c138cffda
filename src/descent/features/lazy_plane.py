"""A network of width n and weight variance v learns features where nv is below the target, and hardly any above.

The product of two layers fits by growing along one direction. If the start is large, a small relative move suffices,
and the kernel stays what it was (lazy); if it is small, nearly all of the final weights is what was learned (rich).

    f(z) = aᵀWz,   a: (n,), W: (n, d), entries N(0, v),   one sample x, ‖x‖ = 1, target y,   L = ½(f(x) − y)²
    w = Wx:   a + w grows by A, a − w shrinks by B, AB = 1 for gradient flow;   P = ‖a₀ + w₀‖², M = ‖a₀ − w₀‖²
    PA² = 2y + √(4y² + PM),   MB² = −2y + √(4y² + PM)
    kernel  K = ‖a‖² + ‖w‖²:   K_T/K₀ = √(4y² + PM)/½(P + M) → √(1 + (y/nv)²) for large n
    move    ‖θ_T − θ₀‖² = ½((A − 1)²P + (B − 1)²M)
    unseen  f_T(z)² over z ⟂ x, on average ‖a_TᵀW(1 − xxᵀ)‖²/(d − 1)
    mean    E ln K_T/K₀ over starts: P/2v and M/2v are independent χ² of n degrees of freedom
    boundary, K_T = √2 K₀ in the mean:  v = y/n for large n

See: left, the growth of the kernel over width and variance with the predicted boundary, a line of slope −1; right, all
widths on one curve over nv.

Source: CS182 homework 2, question 6i, which compares features of trained networks; slides on implicit biases, related
work, the kernel regime; arXiv 1812.07956 (lazy training); arXiv 1312.6120 (the flow of two linear layers).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.features._lazy import (
    FACTOR,
    QUANTILES,
    Start,
    boundary,
    crossing,
    ends,
    expected_growth,
    known_crossings,
    train,
)
from descent.maths.limits import CALL, require_at_most, require_cost, require_within
from descent.maths.replicates import replicate
from descent.maths.sampling import Estimate, mean, require_fewest
from descent.result import Check, Result, measured, predicted, replicates, sweep

FITTED = 1e-6  # |f(x) − y|/y at which a run ends
RUNS = ("growth", "move", "unseen")
DIMS = ("replicate", "width", "variance")


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # networks at every point
    inputs: Count  # d
    widths: tuple[Count, ...]  # n
    variances: tuple[Positive, ...]  # v
    target: Positive  # y
    step: Positive  # η(K + |f(x) − y|) at every step

    def __post_init__(self):
        require_increasing("widths", self.widths)
        require_increasing("variances", self.variances)
        require_within(
            "step", self.step, 1e-3, 0.1, "of gradient flow it is neglected to that order"
        )
        require_within("variances", self.variances, 1e-12, 1e12, "weights are not that different")
        require_within("target", self.target, 1e-12, 1e12, "it is compared with n v")
        require_at_most(self, "only one direction of them matters", inputs=1000)
        require_fewest("mean", self.replicates, len(self.widths) * len(self.variances))
        size = float(sum(self.widths)) * len(self.variances) * (self.inputs + 1)
        runs = self.replicates * len(self.widths)
        numbers = 2 * size + 3.0 * runs * len(self.variances) * (self.inputs + 4)
        work = 7 * self.steps * self.replicates * size + 50 * CALL * runs
        work += 20.0 * QUANTILES**2 * len(self.widths) * (len(self.variances) + 15)
        require_cost(self, "replicates, inputs, widths, variances, step", numbers, work)

    @property
    def steps(self) -> int:
        """More than any run should take: the weights have to grow by e^folds, and the error to fall to FITTED."""
        ends_ = np.outer(self.variances, self.widths) / self.target
        return int((np.abs(np.log(ends_)).max() + 40) / self.step)


def predict(config: Config, start: Start) -> xr.Dataset:
    """Where gradient flow ends from every start, what starts do in the mean, and where that is √2."""
    end = ends(start, config.target, config.inputs)
    v, y = np.array(config.variances), config.target
    mean_growth = [expected_growth(n, v, y) for n in config.widths]
    where = [boundary(n, y) for n in config.widths]
    return xr.Dataset(
        {
            "growth_predicted": predicted(DIMS, end.growth, "ln √(4y² + PM)/½(P + M)"),
            "move_predicted": predicted(DIMS, end.move, "√½((A − 1)²P + (B − 1)²M)/‖θ₀‖"),
            "unseen_predicted": predicted(DIMS, end.unseen, "‖a_TᵀW(1 − xxᵀ)‖²/(d − 1)"),
            "mean_growth_predicted": predicted(DIMS[1:], mean_growth, "E ln K_T/K₀"),
            "boundary_predicted": predicted("width", where, "v of K_T = √2 K₀"),
        }
    )


def measure(config: Config) -> tuple[xr.Dataset, Start]:
    """What gradient descent makes of every network, and the lengths that its start had."""
    tasks = [(config, n) for _ in range(config.replicates) for n in config.widths]
    found = replicate(_measure_one, config.seed, tasks)
    shape = (config.replicates, len(config.widths))
    table = {
        name: np.array([one[name] for one in found]).reshape(*shape, *found[0][name].shape)
        for name in found[0]
    }
    growth = xr.DataArray(table["growth"], dims=DIMS)
    v = np.array(config.variances)
    where = [crossing(v, one) for one in growth.mean("replicate", skipna=False).values]
    data = xr.Dataset(
        {
            "growth": measured(DIMS, table["growth"], "ln K_T/K₀"),
            "move": measured(DIMS, table["move"], "‖θ_T − θ₀‖/‖θ₀‖"),
            "unseen": measured(DIMS, table["unseen"], "mean f_T² where there is no sample"),
            "misfit": measured(DIMS, table["misfit"], "|f_T(x) − y|/y"),
            "boundary": measured("width", where, "v at which the mean growth is ln √2"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "width": sweep(config.widths, "width", "width n"),
            "variance": sweep(config.variances, "variance", "variance v of the weights"),
        },
        attrs={"target": config.target},
    )
    return data, Start(*(table[name] for name in Start._fields))


def _measure_one(rng: np.random.Generator, config: Config, width: int) -> dict[str, np.ndarray]:
    """One draw at every variance."""
    a, W = rng.standard_normal(width), rng.standard_normal((width, config.inputs))
    x = rng.standard_normal(config.inputs)
    x /= np.linalg.norm(x)
    scale = np.sqrt(config.variances)
    starts = np.outer(scale, a), np.multiply.outer(scale, W)
    return train(*starts, x, config.target, config.step, config.steps)


def run(config: Config) -> Result:
    found, start = measure(config)
    theory = predict(config, start)
    late = int((found["misfit"] > FITTED).sum())
    reasons = (f"{late} of {found['misfit'].size} runs do not fit",) if late else ()
    estimate = mean(found["growth"])
    checks, unchecked = compare(config, found, theory, start, estimate)
    middle = found[list(RUNS)].median("replicate", skipna=False)
    known = {k: measured(DIMS[1:], middle[k].values, f"median {found[k].long_name}") for k in RUNS}
    known["mean_growth"] = measured(DIMS[1:], estimate.value.values, "mean ln K_T/K₀")
    expected = theory[["mean_growth_predicted", "boundary_predicted"]]
    data = found.drop_vars(["misfit", "replicate", *RUNS]).assign(known).merge(expected)
    return Result(
        data=data,
        metrics={name: data[name] for name in ("mean_growth", "move", "unseen")}
        | {"boundary": data["boundary"].dropna("width")},
        checks=() if reasons else checks,
        no_claim=reasons,
        unchecked=unchecked,
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, start: Start, estimate: Estimate
) -> tuple[tuple[Check, ...], dict[str, str]]:
    """The checks, and why those are left out that these widths and variances cannot decide."""
    # Steps of a part η|r| ≤ step lose a part of AB: twice what that and a misfit do to the end.
    y, d = config.target, config.inputs
    exact = ends(start, y, d)
    others = [ends(start, y, d, part * config.step) for part in (0.25, 0.5, 0.75, 1)]
    others.append(ends(start, y * (1 + 5 * FITTED), d))
    why, checks, unchecked = "finite steps, AB < 1, and the misfit at the end", (), {}
    for name in RUNS:
        if name == "unseen" and d == 1:
            unchecked[name] = "inputs 1: there is no direction beside that of the sample"
            continue
        at = getattr(exact, name)
        off = np.max([np.abs(at - getattr(other, name)) for other in others], axis=0)
        slack = xr.DataArray(2 * off + FITTED**1.5 * (1 + np.abs(at)), dims=DIMS)
        checks += (Check(name, found[name], "==", theory[f"{name}_predicted"], slack, why),)
    expected = theory["mean_growth_predicted"]
    grown = ("mean_growth", estimate.value, "==", expected, estimate.tol + 2 * config.step**2)
    checks += (Check(*grown, f"{estimate.why}, and finite steps"),)
    where, at = found["boundary"], theory["boundary_predicted"]
    known = known_crossings(np.array(config.variances), where.values, estimate.tol.values)
    if not len(known.rows):
        reason = f"no width has it between two variances, known to a factor {FACTOR}"
        return checks, unchecked | {"boundary": reason}
    off = np.expm1(known.noise) * where[known.rows]
    why = "4 of the errors of the mean, and a quarter of a squared cell"
    return (
        *checks,
        Check("boundary", where[known.rows], "==", at[known.rows], off, why),
    ), unchecked
