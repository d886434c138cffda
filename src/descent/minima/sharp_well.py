"""Gradient descent from inside the sharp well ends at its minimiser and, with a step below 2/f'', never leaves.

A gradient step of at most 1/L, L a bound on the curvature, jumps over no minimiser: it goes downhill to the next one.
Near the minimiser a step multiplies the distance by 1 − γf'', which leads away from it beyond γ = 2/f''. The ripple
makes the curvature, and more minimisers than the two of the parabolas.

    f(x) = b(x) + a cos(m(x − c)) [A sin ωx + B cos ωx],   b(x) = κ(x − c)² in the sharp well, else x²
    A, B the means of cos φ_i, sin φ_i;   x ← x − γf'(x) → x*, downhill of x₀, at the rate 1 − γf''(x*)

See: the function, and two of its terms; the run, which ends on the dashed minimiser; on the right the minimisers that
descent reaches from a grid of starts are all those at which f' vanishes and rises.

Source: FRTN50 assignment, exercise 5, with N = 2000 phases from RandomState(0). Curvatures are not those of the
parabolas: 224.9 at the sharp minimiser, not 2κ = 200; and 66.8 at the lowest minimiser of the flat well, not 2. Flat
is the well, not the minimum.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import experiment_config
from descent.maths.limits import require_cost
from descent.minima._chain import descend
from descent.minima._descent import REST, downhill, ends, growth, settled, third_bound
from descent.minima._document import refute_curvatures
from descent.minima._landscape import (
    POINTS,
    compare_landscape,
    measure_landscape,
    predict_landscape,
)
from descent.minima._setting import Setting, Terms
from descent.minima._wells import curvature, curvature_bound, minima, slope, value
from descent.result import Check, Result, measured, predicted, steps

SIDES = (-1, 1)  # below and above the critical step


@experiment_config
class Config(Setting):
    margin: Annotated[float, Field(ge=1e-9, lt=0.5)]  # around the critical step, as a share of it

    def __post_init__(self):
        super().__post_init__()
        require_cost(self, "terms", 10.0 * self.terms, 60.0 * POINTS * self.terms)


def predict(config: Config, terms: Terms) -> xr.Dataset:
    """All minimisers, the one downhill of the start, and the curvatures there."""
    mean, w = (terms.A, terms.B), config.wells
    found = minima(*mean, w)
    sharp = downhill(config.start, found, float(slope(config.start, *mean, w)))
    bend = float(curvature(sharp, *mean, w))
    factors = [1 + 2 * side * config.margin for side in SIDES]
    return xr.Dataset(
        {
            "minimiser_predicted": predicted("minimum", found, "f' = 0, rising"),
            "end_predicted": predicted((), sharp, "minimiser downhill of the start"),
            "curvature_predicted": predicted((), bend, "f'' there"),
            "critical_step_predicted": predicted((), 2 / bend, "2/f''"),
            "factor_predicted": predicted("side", factors, "|1 − γf''|"),
        }
    )


def measure(config: Config, terms: Terms) -> xr.Dataset:
    """A run, where runs from a grid of starts end, and how runs beside the minimiser shrink or grow."""
    mean, w = (terms.A, terms.B), config.wells
    path = descend(config.start, *mean, w, config.step, config.steps)
    rest = settled(config.start, *mean, w)
    bend = (slope(rest + 1e-6, *mean, w) - slope(rest - 1e-6, *mean, w)) / 2e-6
    # (1 ± margin) 2/f'' by the curvature that was measured; the factor is |1 − γf''|.
    gamma = np.array([(2 + 2 * side * config.margin) / bend for side in SIDES])
    factors = [
        growth(rest, *mean, w, g, 1 + 2 * side * config.margin)
        for g, side in zip(gamma, SIDES, strict=True)
    ]
    # On this branch the factor is γf'' − 1, a straight line in γ.
    share = (1 - factors[0]) / (factors[1] - factors[0])
    k = np.unique(np.linspace(0, config.steps, min(config.steps, 500) + 1).round().astype(int))
    return xr.Dataset(
        {
            "x": measured("k", path[k], "gradient descent x_k"),
            "end": measured((), path[-1], "x at the end"),
            "reached": measured("end_number", ends(*mean, w), "where descent from a grid ends"),
            "curvature": measured((), bend, "difference of f' around the minimiser"),
            "critical_step": measured((), gamma[0] + share * (gamma[1] - gamma[0]), "factor 1"),
            "factor": measured("side", factors, "factor a step beside the minimiser"),
        },
        coords={
            "k": steps(k, "k", "iteration k"),
            "side": ("side", list(SIDES), {"long_name": "below or above the critical step"}),
        },
        attrs={"left": w.left, "right": w.right, "step": config.step},
    )


def run(config: Config) -> Result:
    terms = config.draw()
    mean, w = (terms.A, terms.B), config.wells
    found = measure(config, terms).merge(measure_landscape(config, terms))
    theory = predict(config, terms).merge(predict_landscape(config, terms))
    place = theory["minimiser_predicted"].values
    lowest = place[value(place, *mean, w).argmin()]
    bend = found["curvature"].item()
    return Result(
        data=found.merge(theory),
        metrics={
            "cosine_mean": terms.A,
            "sine_mean": terms.B,
            "gd_limit": found["end"],
            "gd_rate": 1 - config.step * theory["curvature_predicted"],
            "sharp_curvature": theory["curvature_predicted"],
            "critical_step": theory["critical_step_predicted"],
            "lowest_minimiser": lowest,
            "lowest_value": float(value(lowest, *mean, w)),
            "lowest_curvature": float(curvature(lowest, *mean, w)),
            "minima": len(place),
        },
        checks=compare(config, terms, found, theory),
        errata=refute_curvatures(config, terms, bend, float(lowest))
        if config.of_the_course
        else (),
        no_claim=elsewhere(config, terms, found),
        unchecked=unsteady(config, terms, bend),
    )


def elsewhere(config: Config, terms: Terms, found: xr.Dataset) -> tuple[str, ...]:
    """Why the claim, which is of short steps and runs that have ended, is not of this one."""
    mean, w, end = (terms.A, terms.B), config.wells, found["x"][-1].item()
    bound = float(curvature_bound(w.centre, *mean, w))
    reasons = []
    if config.step * bound > 1:
        reasons.append(
            f"step {config.step:g} > 1/L = {1 / bound:.3g}: it may jump over a minimiser"
        )
    left = abs(float(slope(end, *mean, w))) / found["curvature"].item()
    if not left <= REST:
        reasons.append(f"after {config.steps} steps {left:.1e} of the way is left")
    if not w.left <= end < w.right:
        reasons.append(
            f"downhill of the start {config.start:g} lies {end:.4g}, outside of the well"
        )
    return tuple(reasons)


def cubic(config: Config, terms: Terms, bend: float) -> float:
    """How far third derivatives move a factor, at a distance of 10⁻⁴."""
    return float(1e-4 * third_bound(terms.A, terms.B, config.wells) / abs(bend) + 1e-6)


def unsteady(config: Config, terms: Terms, bend: float) -> dict[str, str]:
    if cubic(config, terms, bend) < config.margin:
        return {}
    why = f"the curvature changes by the margin {config.margin:g} within 10⁻⁴ of the minimiser"
    return {"factor": why, "critical_step": why}


def compare(
    config: Config, terms: Terms, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    w, bend = config.wells, found["curvature"].item()
    place, reached = theory["minimiser_predicted"], found["reached"]
    # Both ways: every minimiser is reached, and what is reached is one.
    nearest = reached[abs(reached - place).argmin("end_number")].drop_vars(
        "end_number", errors="ignore"
    )
    beside = place[abs(place - reached).fillna(np.inf).argmin("minimum")]
    top = float(curvature_bound(w.centre, terms.A, terms.B, w))
    digits = 1e-8 * top * (1 + abs(found["end"].item()))  # ε/10⁻⁶, and a third order
    stop = f"descent stops within {REST:g}"
    checks = [
        compare_landscape(config, found, theory.assign_coords(x_grid=found["x_grid"])),
        Check("every_minimum_is_reached", nearest, "==", place, 2 * REST, stop),
        Check("every_end_is_a_minimum", reached, "==", beside, 2 * REST, stop),
        Check(
            *("curvature", found["curvature"], "==", theory["curvature_predicted"], digits),
            "rounding of f' over the difference of 2·10⁻⁶",
        ),
    ]
    if not elsewhere(config, terms, found):
        checks.append(Check("end", found["end"], "==", theory["end_predicted"], 2 * REST, stop))
    if not unsteady(config, terms, bend):
        tol, why = cubic(config, terms, bend), "third derivatives within 10⁻⁴"
        expected = theory["critical_step_predicted"]
        checks += [
            Check("factor", found["factor"], "==", theory["factor_predicted"], tol, why),
            Check("critical_step", found["critical_step"], "==", expected, 2 * tol / bend, why),
        ]
    return tuple(checks)
