"""With as many factors as the rank, gradient descent from a small random start finds X* at a linear rate.

Once every direction of X* has emerged from the start, the loss is a quadratic around the factors that make X*,
and every eigenvector of the Hessian there shrinks by 1 − ημ a step. The rotations of the factors, which change
nothing, are its zero modes.

    U: (d, r),   U₀ = start · W,   U ← U − η∇f(U),   η = step/λ₁(X*)
    ‖U_tU_tᵀ − X*‖ → 0 like ρᵗ,   ρ ≤ 1 − ημ⁺ (or ημ_max − 1, if that is more),   μ⁺ the smallest eigenvalue > 0
    linearised:  Δ ← (1 − ηH)Δ,   H = ∇²f(U*),   U_s = (U* + Δ_s)Ω, Ω the nearest rotation
    H has r(r−1)/2 zero modes, the rotations U*Ω, Ω antisymmetric

How fast a run of finite length falls depends on the modes that are left in it. So ρ is predicted from its state
at one step s, when it has come close.

See: the median distance falls along a straight line down to rounding; the dashed line has the rate of the
slowest mode of the first problem.

Source: CS7180 problem set 2, question 2b.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Positive, experiment_config
from descent.maths.replicates import replicate
from descent.result import Check, Result, bound, measured, predicted
from descent.sensing import _problem
from descent.sensing._at_rank import flat_or_steep, measure_one, zero_modes
from descent.sensing._curvature import edges
from descent.sensing._linearised import linearised, rate_over, within_fit
from descent.sensing._phases import unfinished
from descent.sensing._problem import pack
from descent.sensing._sample import require_decided
from descent.sensing._target import Rows, require_matrices
from descent.sensing._trajectories import (
    curves,
    held_out_checks,
    labelled,
    lost,
    require_trajectories,
)

ROUNDING = 1e-15  # of a relative distance
GAUSSIAN = "when X* emerges, and how far norms mix, is known of Gaussian measurements"


@experiment_config
class Config(_problem.Config):
    start: Positive  # U₀ = start · N(0, 1)
    fit: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=2)]
    # relative distances between which the rate is read off
    matrices: tuple[Rows, ...]  # A_i of your own, or none: then they are N(0, 1)

    def __post_init__(self):
        super().__post_init__()
        low, high = self.fit
        if not 1e-13 <= low < high <= 1e-3:
            raise ValueError(
                f"fit {list(self.fit)} must be an interval, lower end first, from 1e-13 (below is rounding) to "
                "1e-3 (above nothing is linear)"
            )
        if not self.matrices:
            require_decided(self, self.measurements)
        elif len(self.matrices) != self.measurements:
            raise ValueError(
                f"matrices: there are {len(self.matrices)}, and oversampling {self.oversampling:g} "
                f"makes {self.measurements}"
            )
        require_matrices(self.matrices, self.size)

    @property
    def rows(self) -> Float[np.ndarray, "m p"] | None:
        """Your own measurements."""
        A = np.array(self.matrices, float)
        return pack((A + A.mT) / 2) if self.matrices else None

    @property
    def edges(self) -> tuple[float, float]:
        """(1 ∓ √(p/m))²."""
        return edges(self.freedom, self.measurements)


def measure(config: Config) -> xr.Dataset:
    """Every replicate's run, the rate read off it, and its Hessian at U*."""
    require_trajectories(config, config.rank, 1)
    paths, factor, H, spectrum, left = zip(
        *replicate(measure_one, config.seed, [(config,)] * config.replicates), strict=True
    )
    data = labelled(list(paths), config, (config.start,)).squeeze("alpha", drop=True)
    within = [within_fit(d, config.fit) for d in data["relative_distance"].values]
    rates = [rate_over(*pair) for pair in zip(data["distance"].values, within, strict=True)]
    square = ("replicate", "entry", "other")
    return data.assign(
        rate=measured("replicate", rates, "ρ read off the run"),
        fitted=measured("replicate", list(map(len, within)), "steps that ρ is read off"),
        spectrum=measured(("replicate", "mode"), np.array(spectrum), "eigenvalues of ∇²f(U*)"),
        hessian=measured(square, np.array(H), "∇²f(U*)"),
        factor_star=measured(("replicate", "row", "factor"), np.array(factor), "U*"),
        remaining=measured("replicate", list(left), "share of X* that may be left"),
    ).assign_coords(mode=("mode", np.arange(len(spectrum[0])) + 1, {"long_name": "mode"}))


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """The rate from the state at one step and the Hessian, the slowest mode's, and by how much it may be off."""
    zeros = config.rank * (config.rank - 1) // 2
    eta, mu = given["eta"].values, given["spectrum"].values
    slowest = np.maximum(np.abs(1 - eta * mu[:, zeros]), np.abs(1 - eta * mu[:, -1]))
    rates, nonlinear = zip(
        *(linearised(given.isel(replicate=k), config.fit) for k in range(config.replicates)),
        strict=True,
    )
    return xr.Dataset(
        {
            "rate_predicted": predicted("replicate", list(rates), "ρ of the linearised run"),
            "rate_bound": bound("replicate", slowest, "1 − ημ⁺"),
        },
        attrs={"nonlinear": list(nonlinear)},
    )


def presupposed(config: Config, found: xr.Dataset) -> tuple[str, ...]:
    """Why the claim says nothing here: the start is not small, a run is lost, too short, or shows no rate."""
    reasons = lost(found["distance"].isel(t=-1))
    size = config.start**2 * (np.sqrt(config.size) + np.sqrt(config.rank)) ** 2
    smallest = float(found["eigenvalue"].isel(i=-1).min())
    if size > smallest:
        reasons += (f"start {config.start:g}: ‖U₀U₀ᵀ‖ is about {size:.2g} > λ_r = {smallest:.2g}",)
    loss = 2 * found["training_loss"].isel(t=-1) / (found["eigenvalue"] ** 2).sum("i")
    if config.matrices:
        reasons += flat_or_steep(config, found)
    else:
        reasons += unfinished(config.steps, loss, found["remaining"])
    few = int((found["fitted"] < 3).sum())
    if few and not reasons:
        reasons += (f"fewer than 3 steps of {few} runs are within fit {list(config.fit)}",)
    return reasons


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    reasons = presupposed(config, found)
    data = found.merge(theory).drop_vars(
        ["U", "hessian", "factor_star", "row", "factor"], errors="ignore"
    )
    return Result(
        data=data,
        metrics=curves(data, config)
        | {
            "rate": found["rate"].mean(),
            "rate_predicted": theory["rate_predicted"].mean(),
            "rate_bound": theory["rate_bound"].mean(),
            "measurements": config.measurements,
        },
        checks=(
            *rest(config, found),
            *(() if reasons else compare(config, found, theory)),
        ),
        no_claim=reasons,
        unchecked=dict.fromkeys(("relative_distance", "rate_of_slowest_mode"), GAUSSIAN)
        if config.matrices
        else {},
    )


def rest(config: Config, found: xr.Dataset) -> tuple[Check, ...]:
    """What holds whatever the run does."""
    counted = ()
    if not config.matrices:
        rotations = config.rank * (config.rank - 1) // 2
        counted = (Check("zero_modes", zero_modes(found), "==", rotations, 0, "a count"),)
    return (*counted, *held_out_checks(found, config.held_out))


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    end = found["relative_distance"].isel(t=-1, drop=True)
    left = found["remaining"] + 10 * ROUNDING
    # A slope over N steps is off by 3/N of what the logarithms are off by, at the most.
    slope = 3 * theory["rate_predicted"] / found["fitted"]
    off = np.array(theory.attrs["nonlinear"]) + ROUNDING / config.fit[0]
    low, high = config.edges
    mixed = np.log(high / low) / 2
    why = "Δ² beside Δ, and rounding, over the steps of the fit"
    shape = "½ ln of the largest over the smallest curvature, over the steps of the fit"
    rate = Check("rate", found["rate"], "==", theory["rate_predicted"], slope * off, why)
    if config.matrices:
        return (rate,)
    return (
        Check("relative_distance", end, "==", 0.0, left, "of the slowest mode, and rounding"),
        rate,
        Check(
            "rate_of_slowest_mode", found["rate"], "<=", theory["rate_bound"], slope * mixed, shape
        ),
    )
