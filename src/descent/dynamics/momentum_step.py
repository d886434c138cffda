"""At a fixed β either a whole interval of steps shares the least rate √(1 − β), or one step has it alone.

A mode with complex roots shrinks by √(1 − β) a step, whatever its curvature. If the curvatures are close enough some
steps make every mode complex, all equally good; else the best step makes the two outer modes equally slow.

    L = ‖Xw − y‖²,   z ← (1 − β)z + β∇L(w),   w ← w − ηz,   z₀ = 0;   h = ηβσ²;   r = √(1 − β)
    the best steps are [h₋/(βσ_n²), h₊/(βσ₁²)],   h∓ = (1 ∓ r)²/2,   while κ ≤ ((1 + r)/(1 − r))²
    else, and for β > 1,  η = (2 − β)/(β(σ₁² + σ_n²)),  the rate is that of the two outer modes

See: on the left the rate is flat between the dashed ends; on the right the iterations of the named steps lie on
those of the closed form, thousands for the document's step and a hundred for the best ones.

Source: CS182 homework 2, questions 2f and 2g. The document's step for its example, η₋ of the largest singular
value, is 0.0026, and takes 26175 iterations where the best steps take 128.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, experiment_config
from descent.dynamics._kernels import iterations_to_stay
from descent.dynamics._least_squares import EPS, best_step, require_decreasing
from descent.dynamics._modes import (
    bisected,
    closed_iterations,
    computed_rate,
    least,
    roots,
    undecided_iterations,
)
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.maths.momentum import best_steps, highest, polyak, radius, repeated
from descent.result import Check, Erratum, Result, measured, predicted, sweep

EXAMPLE = (0.1, (5.0, 0.05))  # β and σ² of question 2g


@experiment_config
class Config:
    beta: Positive
    squares: tuple[Positive, ...]  # σ_i², largest first
    accuracy: Positive  # ε of the iterations
    points: Annotated[Count, Field(ge=2)]  # steps η tried
    limit: Count  # iterations of one run

    def __post_init__(self):
        require_decreasing("squares", self.squares)
        require_within("squares", self.squares, 1e-50, 1e50, "its powers leave float64")
        if self.beta >= 2:
            raise ValueError(f"beta {self.beta:g} ≥ 2: |det R| ≥ 1, so no step is stable")
        require_within("beta", self.beta, 1e-3, 2, "the roots are 1, nearly")
        if self.accuracy >= 1:
            raise ValueError(f"accuracy {self.accuracy:g} ≥ 1: the start is as good as that")
        require_within("accuracy", self.accuracy, 1e-12, 1, "rounding hides it")
        require_at_most(self, "one run would take minutes", points=10_000, limit=10_000_000)
        work = 20.0 * self.points * len(self.squares) * self.limit
        require_cost(self, "points, squares, limit", operations=work)
        largest, smallest = self.squares[0], self.squares[-1]
        rate = (largest - smallest) / (largest + smallest)
        exact = np.log(self.accuracy) / np.log(rate) if rate < 1 else np.inf
        if exact > self.limit:
            raise ValueError(f"limit {self.limit}: gradient descent takes {exact:.0f} iterations")

    @property
    def printed_step(self) -> float:
        """The document's: η₋ of the largest singular value."""
        h = repeated(self.beta)[0] if self.beta < 1 else 1.0
        return float(h / (self.beta * self.squares[0]))

    @property
    def edge(self) -> float:
        """The step from which on the first mode is unstable."""
        return (2 - self.beta) / (self.beta * self.squares[0])

    def steps(self) -> np.ndarray:
        low = best_steps(self.beta, self.squares[0], self.squares[-1]).low
        return np.geomspace(min(self.printed_step, low) / 2, 0.99 * self.edge, self.points)

    def named(self) -> dict[str, tuple[float, float]]:
        """(β, η) of the settings whose iterations are predicted."""
        largest, smallest = self.squares[0], self.squares[-1]
        best, joint = best_steps(self.beta, largest, smallest), polyak(largest, smallest)
        balanced = highest(self.beta) / (self.beta * (largest + smallest))
        return {
            "printed": (self.beta, self.printed_step),
            "balanced": (self.beta, float(balanced)),
            "interval_low": (self.beta, best.low),
            "interval_high": (self.beta, best.high),
            "polyak": (joint.beta, joint.eta),
            "gradient_descent": (1.0, best_step(np.array(self.squares))),
        }


def predict(config: Config) -> xr.Dataset:
    """The best steps, the rate at every step, and the iterations of the closed form."""
    squares = np.array(config.squares)
    best = best_steps(config.beta, squares[0], squares[-1])
    rates = radius(config.beta, config.steps()[:, None] * config.beta * squares).max(-1)
    counts = [
        closed_iterations(b, e, squares, config.accuracy, config.limit)
        for b, e in config.named().values()
    ]
    return xr.Dataset(
        {
            "best_step_low_predicted": predicted((), best.low, "first step of the least rate"),
            "best_step_high_predicted": predicted((), best.high, "last step of the least rate"),
            "best_rate_predicted": predicted((), best.rate, "least rate"),
            "rate_predicted": predicted("eta", rates, "max |λ|"),
            "named_predicted": predicted("setting", counts, "iterations by the closed form"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Eigenvalues by a solver, a search for the best steps, and runs."""
    beta, squares, eta = config.beta, np.array(config.squares), config.steps()
    best = least(lambda step: computed_rate(beta, step, squares), 0.0, config.edge)

    def split(step, mode):
        return bool((roots(beta, step * beta * squares[mode]).imag != 0).all())

    low = high = best
    if all(split(best, mode) for mode in (0, -1)):
        low = float(bisected(0.0, best, lambda step: not split(step, -1)))
        high = float(bisected(best, config.edge, lambda step: split(step, 0)))
    named = np.array(list(config.named().values()))
    weights, tried = np.append(np.full(len(eta), beta), named[:, 0]), np.append(eta, named[:, 1])
    counts = iterations_to_stay(weights, tried, squares, np.array([config.accuracy]), config.limit)
    words = f"iterations, {config.limit} at the most"
    return xr.Dataset(
        {
            "best_step_low": measured((), low, "first step of the least rate"),
            "best_step_high": measured((), high, "last step of the least rate"),
            "best_rate": measured((), computed_rate(beta, best, squares), "least rate"),
            "rate": measured("eta", computed_rate(beta, eta, squares), "rate max |λ|"),
            "iterations": measured("eta", counts[: len(eta), 0], words),
            "named": measured("setting", counts[len(eta) :, 0], words),
        },
        coords={
            "eta": sweep(eta, "eta", "step η"),
            "setting": ("setting", list(config.named()), {"long_name": "setting"}),
            "setting_eta": ("setting", named[:, 1], {"long_name": "its step η"}),
        },
        attrs={"beta": beta, "accuracy": config.accuracy},
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    return Result(
        data=found.merge(theory),
        metrics={f"iterations_{n}": int(found["named"].sel(setting=n)) for n in config.named()}
        | {
            "iterations_best_step": found["iterations"].min(),
            "best_step_low": found["best_step_low"],
            "best_step_high": found["best_step_high"],
            "best_rate": found["best_rate"],
            "largest_step": config.edge,
            "printed_step": config.printed_step,
        },
        checks=compare(config, found, theory),
        errata=refute(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    squares, smallest = np.array(config.squares), config.squares[-1]
    rate = best_steps(config.beta, config.squares[0], smallest).rate
    # The rate rises at least by βσ_n² with the step; an eigenvalue of size ρ is known to u/ρ.
    step = 64 * EPS * (1 + 1 / rate**2) / (config.beta * smallest)
    undecided = [
        undecided_iterations(b, e, squares, config.accuracy, config.limit)
        for b, e in config.named().values()
    ]
    slope = "rounding of an eigenvalue over the slope of the rate"
    root = "where two roots meet, u moves them by √u"
    rows = [(f"best_step_{end}", step, slope) for end in ("low", "high")]
    rows += [(name, 1e-7, root) for name in ("best_rate", "rate")]
    rows.append(("named", found["named"].copy(data=undecided), "a count, where rounding decides"))
    return tuple(
        Check(name, found[name], "==", theory[f"{name}_predicted"], *rest) for name, *rest in rows
    )


def refute(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Erratum, ...]:
    """The document's fastest step, for its own example."""
    if (config.beta, config.squares) != EXAMPLE:
        return ()
    h = config.printed_step * config.beta * np.array(config.squares)
    where = "CS182 homework 2, question 2g: η₋ of the largest singular value, 0.0026"
    printed = float(radius(config.beta, h).max())
    correct, seen = theory["best_rate_predicted"].item(), found["best_rate"].item()
    return (Erratum("fastest rate at this β", where, printed, correct, seen, 1e-7),)
