"""Gradient descent stays in the sharp well for ever; SGD leaves it, as often as its transition operator predicts.

    f_i(x) = b(x) + a sin(ωx + φ_i) cos(m(x − c)),   b(x) = κ(x − c)² in the sharp well, else x²
    GD:   x ← x − γf'(x) → the minimiser x* downhill of x₀, by 1 − γf''(x*) a step;   unstable for γ > 2/f''(x*)
    SGD:  x ← x − γf_i'(x), i uniform;   P(x_k outside the well), P(never yet outside) from its operator

SGD comes back into the sharp well now and then, so "escaped" means where it is at the end. It does not
converge in the flat well either: there its stationary spread is of order a ω √(γ/16).

Source: FRTN50 assignment, exercise 5, with N = 2000 phases from RandomState(0). The exercise says that SGD finds the
flat minimum "most of the time": P = 0.888 at γ = 10⁻³. Curvatures are not those of the parabolas: 224.9 at the
sharp minimiser, not 2κ = 200; and 66.8 at the lowest minimiser of the flat well, not 2. Flat is the
well, not the minimum.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import (
    Count,
    Number,
    Positive,
    Refusal,
    Seed,
    experiment_config,
    require_increasing,
)
from descent.minima import chain
from descent.minima.wells import (
    Wells,
    curvature,
    curvature_bound,
    minima,
    search_range,
    slope,
    value,
    wells,
)
from descent.result import Check, Erratum, Result, replicates, steps, sweep

ODDS = np.log(2e3)  # a bound on a share below is broken once in 10³ draws
STARTS = 8  # of gradient descent in the shortest period of f'
NUDGE = 1e-6  # off the minimiser, to see whether it attracts
REST = 1e-9  # distance to a minimiser at which a run has ended
FOLD = 100.0  # how far it then comes nearer or goes off: to 10⁻⁴, where the cubic term is a part in 10³
ENTRIES = 1e8  # of the operator: 0.8 GB, and minutes over 10³ steps


@experiment_config
class Config:
    seed: Seed  # of SGD's choices
    phase_seed: Seed  # of the phases, from the legacy stream that the course uses
    replicates: Count
    terms: Count  # N
    centre: Positive  # c
    sharpness: Positive  # κ
    amplitude: Positive  # a
    frequency: Positive  # ω
    envelope: Positive  # m
    start: Number
    step: Positive  # γ
    steps: Count
    gammas: tuple[Positive, ...]  # steps γ of the sweep
    resolution: Annotated[Count, Field(ge=4)]  # cells of the operator's grid in a stride of SGD
    margin: Annotated[float, Field(gt=0, lt=0.5)]  # around the critical step

    def __post_init__(self):
        require_increasing("gammas", self.gammas)
        if self.sharpness <= 1:
            raise ValueError(f"sharpness {self.sharpness:g} ≤ 1: the parabolas enclose no well")
        w = self.wells
        if not w.left <= self.start < w.right:
            raise ValueError(
                f"start {self.start:g} is outside the sharp well [{w.left:g}, {w.right:g})"
            )
        if max(self.swept) >= 1:
            raise ValueError(
                f"step {max(self.swept):g} ≥ 1 = 2/b'' of the flat well: every run diverges"
            )
        if self.phase_seed >= 2**32:
            raise ValueError(f"phase_seed {self.phase_seed} ≥ 2³²: not a seed of that stream")

    @property
    def wells(self) -> Wells:
        return wells(self.centre, self.sharpness, self.amplitude, self.frequency, self.envelope)

    @property
    def of_the_course(self) -> bool:
        """Whether what the course document says is about these very wells."""
        own = (self.centre, self.sharpness, self.amplitude, self.frequency, self.envelope)
        return own == (5, 100, 20, 10, 2)

    @property
    def swept(self) -> list[float]:
        """The steps of the sweep and the one that is looked at closely."""
        return sorted({*self.gammas, self.step})


def require_operator(config: Config) -> None:
    """Refuse an operator that would fill the memory: the stride is long and the sharp well narrow.

    Raises:
        Refusal: naming the step.
    """
    for gamma in config.swept:
        nodes = int(chain.cells(config.wells, gamma, config.resolution).sum())
        row = chain.width(config.wells, gamma, config.resolution)
        if nodes * row > ENTRIES:
            raise Refusal(
                f"step {gamma:g}: its operator has {nodes} × {row} > {ENTRIES:g} entries; lower the resolution"
            )


def downhill(x: float, found: np.ndarray, slope_there: float) -> float:
    """The minimiser next to x on the side to which the slope falls; the nearest where there is none."""
    side = found[(found - x) * slope_there <= 0]
    side = side if len(side) else found
    return float(side[np.argmin(np.abs(side - x))])


def share_bound(p: np.ndarray, runs: int) -> np.ndarray:
    """|share of `runs` − p| that is exceeded once in 10³ draws at most (Bernstein)."""
    p = np.clip(p, 0, 1)  # a sum of masses, so 1 to rounding
    return np.sqrt(2 * p * (1 - p) * ODDS / runs) + ODDS / (3 * runs)


def ends(A: float, B: float, w: Wells) -> np.ndarray:
    """Where gradient descent with steps 1/L, which jumps over no minimiser of its well, ends from a grid of starts.

    Without the starts that are still on their way: where f' is only just not 0 the way takes long.
    """
    far = search_range(A, B, w)
    x = np.linspace(-far, far, int(STARTS * far * (w.frequency + w.envelope) / np.pi))
    for _ in range(1000):
        x = x - slope(x, A, B, w) / curvature_bound(x, A, B, w)
    for _ in range(4):  # Newton's last digits, where a shallow minimum is slow
        bend = curvature(x, A, B, w)
        x = x - np.where(bend > 0, slope(x, A, B, w) / np.where(bend > 0, bend, 1.0), 0.0)
    return x[np.abs(slope(x, A, B, w)) <= REST * curvature(x, A, B, w)]


def nearest(x: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.abs(x[:, None] - points).min(1)


def growth(x: float, A: float, B: float, w: Wells, gamma: float, predicted: float) -> float:
    """The factor a step by which gradient descent from next to x moves away from it, or nearer."""
    count = max(1, int(np.log(FOLD) / abs(np.log(predicted))))
    path = chain.descend(x + NUDGE, A, B, w, gamma, count)
    return float(np.abs((path[-1] - x) / NUDGE) ** (1 / count))


def run(config: Config) -> Result:
    require_operator(config)
    w, K, R, N = config.wells, config.steps, config.replicates, config.terms
    legacy = np.random.RandomState(config.phase_seed)
    phases = 2 * np.pi * legacy.rand(N)
    cosines, sines = np.cos(phases), np.sin(phases)
    A, B = float(cosines.mean()), float(sines.mean())

    found = minima(A, B, w)
    bend = curvature(found, A, B, w)
    lowest = int(value(found, A, B, w).argmin())
    sharp = downhill(config.start, found, float(slope(config.start, A, B, w)))
    f2 = float(curvature(sharp, A, B, w))
    path = chain.descend(config.start, A, B, w, config.step, K)
    reached = ends(A, B, w)
    critical = 2 / f2
    factors = [1 + 2 * sign * config.margin for sign in (-1, 1)]
    below, above = (growth(sharp, A, B, w, (1 + factor) / f2, factor) for factor in factors)

    rng = np.random.default_rng(config.seed)
    shares, predictions, errors = [], [], []
    for gamma in config.swept:
        last, first, outside = chain.sample(rng, config.start, cosines, sines, w, gamma, K, R)
        coarse, fine = (
            chain.law(config.start, cosines, sines, w, gamma, K, n)
            for n in (config.resolution // 2, config.resolution)
        )
        shares.append([outside[-1] / R, (first <= K).mean()])
        predictions.append([fine.outside[-1], 1 - fine.survival[-1]])
        errors.append(
            np.abs(np.subtract(predictions[-1], [coarse.outside[-1], 1 - coarse.survival[-1]]))
        )
        if gamma == config.step:
            kept = last, first, outside, coarse, fine
    last, first, outside, coarse, fine = kept
    shares, predictions, errors = map(np.array, (shares, predictions, errors))
    # The error of the operator: at h/2 it is less than the change from h to h/2.
    excess = np.abs(shares - predictions) / (share_bound(predictions, R) + errors)
    here = config.swept.index(config.step)
    survival = 1 - np.searchsorted(np.sort(first), np.arange(K + 1), side="right") / R
    grid_error = float(np.abs(fine.survival - coarse.survival).max())
    escaped = (last < w.left) | (last >= w.right)

    k = np.unique(np.linspace(0, K, min(K, 500) + 1).round().astype(int))
    x = np.linspace(-6 * w.centre / 5, 7 * w.centre / 5, 601)
    document = chain.follow(config.start, legacy.randint(N, size=K), cosines, sines, w, config.step)
    data = xr.Dataset(
        {
            "x_gd": ("k", path[k], {"long_name": "gradient descent"}),
            "x_sgd": ("k", document[k], {"long_name": "SGD, the course's stream"}),
            "outside": ("k", outside[k] / R, {"long_name": "outside the sharp well at k"}),
            "outside_predicted": (
                "k",
                fine.outside[k],
                {"long_name": "P(outside at k)", "role": "prediction"},
            ),
            "survival": ("k", survival[k], {"long_name": "never outside up to k"}),
            "survival_predicted": (
                "k",
                fine.survival[k],
                {"long_name": "P(never outside up to k)", "role": "prediction"},
            ),
            "escaped": ("gamma", shares[:, 0], {"long_name": f"outside at k = {K}"}),
            "escaped_predicted": (
                "gamma",
                predictions[:, 0],
                {"long_name": "P(outside at the end)", "role": "prediction"},
            ),
            "ever_left": ("gamma", shares[:, 1], {"long_name": f"outside at some k ≤ {K}"}),
            "ever_left_predicted": (
                "gamma",
                predictions[:, 1],
                {"long_name": "P(ever outside)", "role": "prediction"},
            ),
            "last": ("replicate", last, {"long_name": "x_K"}),
            "first": ("replicate", first, {"long_name": "first k outside; K + 1: never"}),
            "f": ("x", value(x, A, B, w), {"long_name": "f(x)"}),
            "minimiser": ("minimum", found, {"long_name": "local minimiser"}),
            "curvature": ("minimum", bend, {"long_name": "f'' there"}),
        },
        coords={
            "k": steps(k, "k", "iteration k"),
            "gamma": sweep(config.swept, "gamma", "step γ"),
            "replicate": replicates(R),
            "x": ("x", x, {"long_name": "x"}),
            "minimum": ("minimum", np.arange(len(found)), {"long_name": "minimum, from the left"}),
        },
        attrs={"left": w.left, "right": w.right, "minimiser": sharp, "step": config.step},
    )

    spread = float(last[escaped].std()) if escaped.any() else 0.0
    bends = [
        (slope(p + 1e-6, A, B, w) - slope(p - 1e-6, A, B, w)) / 2e-6 for p in (sharp, found[lowest])
    ]
    # ε/10⁻⁶ of the slope's terms, and the third order of the difference.
    rounding = 1e-8 * float(curvature_bound(w.centre, A, B, w)) * (1 + np.abs(found).max())
    median = float(np.median(first))
    errata, where = [], "FRTN50 assignment, exercise 5"
    # A standard deviation over n runs, to 4 of its standard errors with a kurtosis of 6 at most.
    tol = 4 * fine.spread * np.sqrt(1.25 / max(int(escaped.sum()), 1)) + abs(
        fine.spread - coarse.spread
    )
    if config.of_the_course:
        errata += [
            Erratum("curvature_at_the_sharp_minimiser", f"{where}: the parabola alone",
                    2 * config.sharpness, f2, float(bends[0]), rounding),
            Erratum("curvature_at_the_flat_minimiser", f"{where}: the parabola alone",
                    2.0, float(bend[lowest]), float(bends[1]), rounding),
        ]  # fmt: skip
        if tol < fine.spread / 2:  # enough runs escaped to tell their spread from none
            errata.append(
                Erratum("sgd_converges_in_the_flat_well", f"{where}: spread of x_K there",
                        0.0, fine.spread, spread, tol)
            )  # fmt: skip
    return Result(
        data=data,
        metrics={
            "cosine_mean": A,
            "sine_mean": B,
            "gd_limit": path[-1],
            "gd_rate": 1 - config.step * f2,
            "sharp_curvature": f2,
            "critical_step": critical,
            "lowest_minimiser": found[lowest],
            "lowest_value": float(value(found, A, B, w)[lowest]),
            "lowest_curvature": bend[lowest],
            "minima": len(found),
            "escaped": data["escaped"],
            "escaped_predicted": data["escaped_predicted"],
            "ever_left": data["ever_left"],
            "ever_left_predicted": data["ever_left_predicted"],
            "median_exit": median,
            "median_exit_predicted": int(np.argmax(fine.survival < 0.5)) if fine.survival[-1] < 0.5 else K + 1,
            "spread_outside": spread,
            "spread_outside_predicted": fine.spread,
        },
        checks=(
            # The slope is a sum of terms up to aω, so x has their rounding over f'' on itself.
            Check("gd_ends_at_the_sharp_minimiser", path[-1], "==", sharp, 1e-12 * (1 + abs(sharp))),
            Check("every_minimum_is_found", float(nearest(reached, found).max()), "<=", 0.0, REST),
            Check("every_minimum_attracts", float(nearest(found, reached).max()), "<=", 0.0, REST),
            # γ = (1 ± margin) 2/f'': the factor is |1 − γf''|; the cubic term is a part in 10³ at the most.
            Check("factor_below_the_critical_step", below, "==", factors[0], 1e-3),
            Check("factor_above_the_critical_step", above, "==", factors[1], 1e-3),
            Check("operator_loses_no_mass", max(fine.leaked, coarse.leaked), "<=", 0.0, 1e-9),
            Check("share_that_escaped", shares[here, 0], "==", predictions[here, 0],
                  float((share_bound(predictions, R) + errors)[here, 0])),
            Check("escaped_and_left_over_bounds_all_steps", float(excess.max()), "<=", 1.0, 0.0),
            # Dvoretzky, Kiefer and Wolfowitz: the whole curve, once in 10³ draws further off.
            Check("survival_curve", float(np.abs(survival - fine.survival).max()), "<=", 0.0,
                  float(np.sqrt(ODDS / (2 * R))) + grid_error),
            Check("sgd_escapes_more_often_than_not", shares[here, 0], ">=", 0.5, 0.0),
        ),
        errata=tuple(errata),
    )  # fmt: skip
