"""A saturated sigmoid network is a constant, and descent stays there only if its curvature is below 2/η.

Where every unit of the last hidden layer is fully off or on, no gradient passes it and the network is a constant:
only the last weights and the last bias still act. Their loss is a quadratic with one curvature, and gradient descent
returns to its minimum only if the step times that curvature is below 2. A unit that is on makes it larger by 32, so
at a large step all of them end off.

    h = 4/(1 + e^{−z}),   saturated: h_k ∈ {0, 4},   m = Σ W_k h_k + b,   f = mean (m − y_i)²
    ∇²f has one eigenvalue that is not 0:   λ = 2(1 + ‖h‖²) = 2(1 + 16 · number of units that are on)
    stays:  λ ≤ 2/η

See: every point on the right lies on the dashed line and left of the dotted one.

Source: FRTN50 assignment 3b, where the largest step makes the 4·sigmoid network worse.
"""

import numpy as np
import xarray as xr

from descent.config import Positive, experiment_config
from descent.maths import rules
from descent.maths.activations import slope
from descent.maths.initialise import initialise
from descent.maths.network import Shape, forward
from descent.maths.times import log_spaced
from descent.maths.training import train
from descent.mlp1d import _problem
from descent.mlp1d._problem import DRAWN, Hidden, constant_floor
from descent.result import Check, Result, bound, measured, predicted, replicates, steps

FLAT = 1e-6  # largest slope of a unit that counts as saturated


@experiment_config
class Config(_problem.Config):
    hidden: Hidden
    rate: Positive  # η

    def __post_init__(self):
        super().__post_init__()
        if self.rate >= 1:
            raise ValueError(f"rate {self.rate:g} ≥ 1: even with all units off λ = 2 is above 2/η")

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "sigmoid4")

    @property
    def slack(self) -> float:
        """How far λ may be above 2/η if half the run has not made 1 of a rounding."""
        growth = np.log(1 / np.finfo(float).eps) / max(self.epochs - self.epochs // 2, 1)
        return float(np.expm1(growth) / self.rate)


def predict(config: Config, found: xr.Dataset) -> xr.Dataset:
    """The curvature of a constant from the units that are on, and the largest one that stays."""
    curvature = 2 * (1 + 16 * found["on"].values)
    return xr.Dataset(
        {
            "sharpness_predicted": predicted("case", curvature, "2(1 + 16 · units on)"),
            "critical_bound": bound((), 2 / config.rate, "2/η"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Training, and the Hessians of the networks that end saturated."""
    (x, y), shape, R = _problem.points(config.points), config.shape, config.replicates
    _problem.require_room(shape, R, config.points, config.epochs)
    _problem.require_hessian(shape)
    theta = initialise(np.random.default_rng(config.seed), "uniform", shape, R)
    slope_of = _problem.slope(x, y, shape)
    half = config.epochs // 2
    out = train(theta, slope_of, rules.descent(), config.rate, config.epochs, keep=(half,))
    h = forward(out.theta, x, shape).inputs[-1]
    before, steepest = (
        slope(units, "sigmoid4").max((1, 2))
        for units in (forward(out.kept[0], x, shape).inputs[-1], h)
    )
    flat = (before < FLAT) & (steepest < FLAT) & ~out.is_lost
    lam = _problem.sharpness(out.theta[flat], config.points, shape)
    kept = log_spaced(config.epochs, DRAWN)
    each, case = "replicate", "case"
    return xr.Dataset(
        {
            "loss": measured(("epoch", each), out.losses[kept], "training loss"),
            "saturated": measured(each, flat.astype(float), "saturated halfway and at the end"),
            "diverged": measured(each, out.is_lost.astype(float), "diverged"),
            "on": measured(case, (h[flat][:, 0] > 2).sum(1), "units that are on"),
            "slope": measured(case, steepest[flat], "largest slope of a unit"),
            "sharpness": measured(case, lam, "λ_max at the end"),
        },
        coords={
            "epoch": steps(kept, "epoch", "epoch"),
            each: replicates(R),
            case: (case, np.arange(flat.sum()), {"long_name": "saturated network"}),
        },
    )


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    _, y = _problem.points(config.points)
    some = found.sizes["case"] > 0
    lost, unchecked = int(found["diverged"].sum()), {}
    if config.slack >= 1 / config.rate:
        unchecked["stable"] = f"epochs {config.epochs}: too few for an unstable network to leave"
    return Result(
        data=found.merge(theory).assign_attrs(constant=constant_floor(y)),
        metrics={
            "saturated_fraction": found["saturated"].mean(),
            "diverged_fraction": found["diverged"].mean(),
            "on_largest": found["on"].max() if some else 0,
            "final_median": found["loss"].isel(epoch=-1).median(),
        },
        checks=compare(config, found, theory) if some else (),
        no_claim=()
        if some
        else (
            f"none of {config.replicates} networks is saturated after {config.epochs} epochs at "
            f"rate {config.rate:g}, {lost} were lost",
        ),
        unchecked=unchecked,
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    lam, tol = found["sharpness"], 1e-12 + 100 * found["slope"]
    why = "slopes that are left"
    checks = [Check("sharpness", lam, "==", theory["sharpness_predicted"], tol, why)]
    if config.slack < 1 / config.rate:
        why = "what half the run does not make large from a rounding"
        checks.append(Check("stable", lam, "<=", theory["critical_bound"], config.slack, why))
    return tuple(checks)
