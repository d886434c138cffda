"""Scaling all gradients scales the moves of SGD and momentum; RMSProp and Adam hardly notice.

SGD and momentum are linear in the gradients. RMSProp and Adam divide a gradient by the root of an average of its
squares, and a common factor cancels, but for ε.

    the same T gradients of n coordinates, |g| between ½ and 1½, times c; θ_T(c) what the steps add up to
    ‖θ_T(c)‖/‖θ_T(1)‖ = c for SGD and momentum; 1 up to ε/(c |g| √(1 − ρ)) for RMSProp and Adam
    first step of a coordinate: η|g|, η|g|, η|g|/(√(1 − ρ)|g| + ε), η|g|/(|g| + ε)

RMSProp does not correct its memory for having started at 0: its first step is 1/√(1 − ρ) times η, Adam's is η.

See: two lines of slope 1, and two that are level.

Source: CS182 homework 2, question 5, whose notebook compares the four rules; arXiv 1412.6980 (Adam).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, Seed, experiment_config, require_increasing
from descent.maths.four_rules import ADAPTIVE, NAMES, Rules, first_step
from descent.maths.limits import CALL, require_cost
from descent.result import Check, Result, measured, predicted, sweep

SMALLEST, LARGEST = 0.5, 1.5  # |g|


@experiment_config
class Config(Rules):
    seed: Seed
    steps: Count  # T
    coordinates: Count  # n
    factors: tuple[Positive, ...]  # c

    def __post_init__(self):
        require_increasing("factors", self.factors)
        if not 1e-60 < self.factors[0] <= self.factors[-1] < 1e60:
            raise Refusal(f"factors {self.factors[0]:g} … {self.factors[-1]:g} leave 1e-60 … 1e60")
        self.require_unfelt(min(1.0, self.factors[0]))
        points = float(self.coordinates) * len(self.factors)
        numbers = 10 * points + float(self.coordinates) * self.steps
        work = (100 * points + CALL) * self.steps
        require_cost(self, "coordinates, steps", numbers, work)


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    factors = np.array(config.factors)
    ratio = [np.ones(len(factors)) if name in ADAPTIVE else factors for name in NAMES]
    c = xr.DataArray(factors, dims="factor")
    step = first_step(config, c * given["first_gradient"]).transpose("rule", "factor")
    return xr.Dataset(
        {
            "moved_predicted": predicted(("rule", "factor"), ratio, "c, or 1"),
            "first_step_predicted": predicted(("rule", "factor"), step.values, "first step"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Every rule on one made-up run of gradients, times every factor and times 1."""
    rng = np.random.default_rng(config.seed)
    gradients = rng.uniform(SMALLEST, LARGEST, (config.steps, config.coordinates))
    c = np.array([1.0, *config.factors])[:, None]
    moved, first = [], []
    for name, rule in config.rules.items():
        theta = np.zeros((len(c), config.coordinates))
        memories = rule.start(theta)
        for t, g in enumerate(gradients, 1):
            memories, update = rule.step(memories, c * g, t, config.rates[name])
            theta = theta + update
            if t == 1:
                first.append(theta[1:, 0])
        length = np.linalg.norm(theta, axis=1)
        moved.append(length[1:] / length[0])
    return xr.Dataset(
        {
            "moved": measured(("rule", "factor"), moved, "‖θ_T(c)‖/‖θ_T(1)‖"),
            "first_step": measured(("rule", "factor"), first, "first step of a coordinate"),
            "first_gradient": measured((), gradients[0, 0], "|g| of that coordinate, for c = 1"),
        },
        coords={
            "rule": ("rule", list(NAMES), {"long_name": "rule"}),
            "factor": sweep(config.factors, "factor", "factor c on all gradients"),
        },
    )


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    return Result(
        data=found.merge(theory),
        metrics={f"{name}_moved": found["moved"].sel(rule=name, drop=True) for name in NAMES},
        checks=compare(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    # ε beside the smallest root of v, that of the first step of RMSProp, with c and with 1.
    smaller = np.minimum(found["factor"], 1.0)
    felt = config.epsilon / (smaller * SMALLEST * np.sqrt(1 - config.decay))
    rounding = 8 * (config.steps + 10) * np.finfo(float).eps
    tol = (felt * found["rule"].isin(ADAPTIVE) + rounding) * theory["moved_predicted"]
    moved, step = found["moved"], found["first_step"]
    return (
        Check(
            "moved", moved, "==", theory["moved_predicted"], abs(tol), "ε/(c|g|√(1 − ρ)), rounding"
        ),
        Check(
            "first_step", step, "==", theory["first_step_predicted"], 1e-14 * step, "ten roundings"
        ),
    )
