"""Plain descent flips the error along the large singular value at every step; averaged gradients turn it slowly.

The error along a singular direction is multiplied by 1 − 2ησ², which is negative first where σ is large. With an
averaged gradient the two roots become complex: the error turns by an angle θ a step instead of by half a turn, and
shrinks by √(1 − β) whatever σ is.

    L(w) = ‖Xw − y‖²,   z ← (1 − β)z + βg,   w ← w − ηz,   w₀ = 0, z₀ = g₀;   x_i = v_iᵀ(w − w*),  h_i = ηβσ_i²
    plain:     x_i changes its sign every step  ⇔  2ησ_i² > 1
    averaged:  complex where (1 − r)²/2 < h_i < (1 + r)²/2,  r = √(1 − β):  cos θ = (2 − β − 2h_i)/2r

See: on the left the direction with the larger σ² jumps from one side to the other; in the middle, averaged, it
swings; both lie on their closed forms.

Source: CS182 homework 2, questions 2h and 2i, with the points and the step of their notebook.
"""

import numpy as np
import xarray as xr

from descent.config import experiment_config
from descent.dynamics._notebook import HUGE, Points, Problem, closed, descend, draw, rounding
from descent.result import Check, Result, measured, predicted, steps

SEEN = (
    1e-7  # of the largest |x| so far, down to which signs count: rounding is a part in 10⁸ of that
)


@experiment_config
class Config(Points):
    def runs(self) -> dict[str, tuple[float, float]]:
        """(β, η) by name."""
        return {"plain": (1.0, self.step), "averaged": (self.beta, self.step)}


def predict(config: Config, given: Problem) -> xr.Dataset:
    """Errors and gradients from the closed form, and how often the errors change their sign."""
    found = np.array([closed(given, *one, config.steps) for one in config.runs().values()])
    slopes = 2 * given.squares * found
    dims = ("run", "t", "direction")
    return xr.Dataset(
        {
            "error_predicted": predicted(dims, found, "closed form"),
            "gradient_predicted": predicted(dims, slopes, "2σ_i² x_i"),
            "flips_predicted": predicted(("run", "direction"), flips(found), "changes of sign"),
        }
    )


def measure(config: Config, given: Problem) -> xr.Dataset:
    """Both runs."""
    paths = [descend(given, *one, config.steps) for one in config.runs().values()]
    x = np.array([(path.w - given.solution) @ given.Vt.T for path in paths])
    slopes = np.array([path.gradient @ given.Vt.T for path in paths])
    dims = ("run", "t", "direction")
    return xr.Dataset(
        {
            "error": measured(dims, x, "x_i = v_iᵀ(w_t − w*)"),
            "gradient": measured(dims, slopes, "v_iᵀ∇L(w_t)"),
            "flips": measured(("run", "direction"), flips(x), "changes of sign"),
            "square": measured("direction", given.squares, "σ_i²"),
        },
        coords={
            "run": ("run", list(config.runs()), {"long_name": "run"}),
            "direction": ("direction", [1, 2], {"long_name": "direction i"}),
            "t": steps(np.arange(config.steps + 1), "t", "iteration t"),
        },
    )


def flips(x: np.ndarray, seen: float = SEEN) -> np.ndarray:
    """How often x changes its sign over t, in every run and direction, until it falls to rounding: (run, direction)."""
    most = np.maximum.accumulate(np.abs(x).max(-1, keepdims=True), 1)
    hidden = np.cumsum(~(np.abs(x) > seen * most), 1) > 0
    return ((np.diff(np.sign(x), axis=1) != 0) & ~hidden[:, 1:]).sum(1)


def run(config: Config) -> Result:
    given = draw(config)
    with np.errstate(over="ignore", invalid="ignore"):  # diverging is a result
        found, theory = measure(config, given), predict(config, given)
        checks = compare(config, given, found, theory)
    return Result(
        data=found.merge(theory),
        metrics={
            "largest_square": given.squares[0],
            "smallest_square": given.squares[1],
            "condition": given.condition,
            "flips": found["flips"].sel(run="plain"),
            "flips_averaged": found["flips"].sel(run="averaged"),
        },
        checks=checks,
        no_claim=elsewhere(config, given),
    )


def elsewhere(config: Config, given: Problem) -> tuple[str, ...]:
    """Why the claim, which is of some steps and weights, is not of these."""
    large, small = 2 * config.step * given.squares
    reasons = []
    if not large > 1 > small:
        reasons.append(
            f"2ησ² is {large:.3g} and {small:.3g}: not one direction alone flips at every step"
        )
    if large >= 2:
        reasons.append(f"2ησ₁² = {large:.3g} ≥ 2: plain descent diverges")
    # Complex roots: the trace is less than twice the root of the determinant.
    trace = 2 - config.beta - config.beta * large
    if config.beta >= 1 or trace**2 >= 4 * (1 - config.beta):
        reasons.append(f"β = {config.beta:g}: the averaged direction has real roots")
    return tuple(reasons)


def compare(
    config: Config, given: Problem, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    part, size = rounding(given, config.steps), np.abs(found["error"]).max("direction")
    # A run that diverges is compared until it is huge.
    kept = (size < HUGE).cumprod("t").astype(bool)
    scale = xr.zeros_like(size).copy(data=np.maximum.accumulate(size.values, -1))
    tol = 2 * part * scale
    slopes = 2 * found["square"]
    # Where rounding decides what is too small for its sign to count.
    ends = [flips(found["error"].values, SEEN * (1 + sign * 1e-3)) for sign in (-1, 1)]
    undecided = found["flips"].copy(data=np.abs(ends[1] - ends[0]))
    rows = [
        ("error", tol, "t² roundings near a repeated root"),
        ("gradient", slopes * tol, "2σ² times that of the error"),
    ]
    return (
        *(
            Check(name, found[name], "==", theory[f"{name}_predicted"], tolerance, why, kept)
            for name, tolerance, why in rows
        ),
        Check("flips", found["flips"], "==", theory["flips_predicted"], undecided, "a count"),
    )
