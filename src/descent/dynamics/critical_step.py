"""Gradient descent on least squares is stable exactly below the step 1/σ₁², at which it ends in a cycle of two.

Along every right singular vector of X the error is multiplied by 1 − 2ησ_i² a step. The direction of the
largest singular value is the first to be multiplied by −1, which is a cycle, and then by more.

    L(w) = ‖Xw − y‖², no ½ and no mean,   w ← w − 2ηXᵀ(Xw − y),   w₀ = 0,   X = UΣVᵀ: (rows, columns)
    Vᵀ(w_t − w*) = diag(1 − 2ησ_i²)ᵗ Vᵀ(w₀ − w*)   exactly;   stable for 0 < η < 1/σ₁²

See: just below the critical step the error falls, at it the error stays, just above it the error grows, each on
its dashed curve.

Source: CS182 homework 2, questions 1c to 1g. Question 1c prints the bound as η σ_ℓ⁻² < σ_s⁻²; a < is lost:
η < σ_ℓ⁻² < σ_s⁻².
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config
from descent.dynamics._least_squares import Data, Regression, descend
from descent.maths.limits import require_at_most, require_cost
from descent.result import Check, Erratum, Result, measured, predicted, steps, sweep


@experiment_config
class Config(Data):
    steps: Count
    margin: Positive  # how far from η_max the outer runs are, as a share of it

    def __post_init__(self):
        super().__post_init__()
        if not self.margin < 0.5:
            raise ValueError(f"margin {self.margin:g} ≥ 0.5: the first mode changes its sign there")
        if self.margin * self.steps > 9:
            raise ValueError(
                f"margin · steps = {self.margin * self.steps:g} > 9: "
                "below η_max the error reaches rounding"
            )
        if self.margin < 1e-12:
            raise ValueError(f"margin {self.margin:g} < 1e-12: no margin, to rounding")
        require_at_most(self, "its singular values take minutes", rows=5000, columns=5000)
        require_at_most(self, "a run keeps every step", steps=1_000_000)
        numbers = 4.0 * self.steps * self.columns
        require_cost(self, "steps, rows, columns", numbers, 4 * numbers * self.rows)

    @property
    def factors(self) -> np.ndarray:
        """η/η_max of the three runs."""
        return np.array([1 - self.margin, 1, 1 + self.margin])


def kept(config: Config) -> np.ndarray:
    """The steps that are shown and compared."""
    return np.unique(np.geomspace(1, config.steps + 1, 400).astype(int)) - 1


def predict(config: Config, given: Regression) -> xr.Dataset:
    """Powers of 1 − 2ησ_i²."""
    eta = config.factors / given.squares[0]
    rho = 1 - 2 * eta[:, None] * given.squares
    powers = rho[:, None] ** kept(config)[:, None]
    modes = powers * (given.Vt @ -given.solution)
    return xr.Dataset(
        {
            "amplitude_predicted": predicted(
                ("step_size", "t", "mode"), modes, "ρ_iᵗ v_iᵀ(w₀ − w*)"
            ),
            "growth_predicted": predicted("step_size", np.abs(rho[:, 0]), "|1 − 2ησ₁²|"),
            "critical_step_predicted": predicted((), 1 / given.squares[0], "1/σ₁²"),
        }
    )


def measure(config: Config, given: Regression) -> xr.Dataset:
    """Three runs from 0, and between which of the two outer steps the first mode stops to shrink."""
    eta = config.factors / given.squares[0]
    path = descend(given, np.zeros((3, config.columns)), eta, config.steps)
    modes = (path - given.solution) @ given.Vt.T
    growth = np.abs(modes[-1, :, 0] / modes[0, :, 0]) ** (1 / config.steps)
    below, _, above = np.log(growth)
    critical = (eta[0] * above - eta[2] * below) / (above - below)
    return xr.Dataset(
        {
            "amplitude": measured(
                ("step_size", "t", "mode"), modes[kept(config)].swapaxes(0, 1), "v_iᵀ(w_t − w*)"
            ),
            "growth": measured("step_size", growth, "factor a step of the first mode"),
            "critical_step": measured(
                (), critical, "step at which the first mode neither grows nor shrinks"
            ),
        },
        coords={
            "step_size": sweep(config.factors, "step_size", "η/η_max"),
            "t": steps(kept(config), "t", "iteration t"),
            "mode": ("mode", np.arange(len(given.squares)) + 1, {"long_name": "mode i"}),
        },
    )


def run(config: Config) -> Result:
    given = config.draw()
    found, theory = measure(config, given), predict(config, given)
    error = np.sqrt(np.square(found["amplitude"]).sum("mode"))
    return Result(
        data=found.merge(theory),
        metrics={
            "largest_step": 1 / given.squares[0],
            "critical_step": found["critical_step"],
            "condition": given.condition,
            "error_at_the_end": error.isel(t=-1),
        },
        checks=compare(config, given, found, theory),
        errata=refute(config, given, found),
    )


def compare(
    config: Config, given: Regression, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    t, size = found["t"], np.abs(1 - 2 * found["step_size"])
    # Every step rounds w anew, and w* is known to κ roundings; no mode grows faster than the first.
    tol = given.rounding * (given.condition + t) * np.maximum(size, 1.0) ** t
    start = abs(float(given.Vt[0] @ given.solution))
    end = start * size**config.steps
    last = tol.isel(t=-1, drop=True) / (end * config.steps) * size
    return (
        Check(
            "modes",
            *(found["amplitude"], "==", theory["amplitude_predicted"], tol),
            "a rounding a step, and κ roundings of w*",
        ),
        Check(
            "growth",
            *(found["growth"], "==", theory["growth_predicted"], last),
            "the same, over the length of the run",
        ),
        Check(
            "critical_step",
            *(found["critical_step"], "==", theory["critical_step_predicted"]),
            secant(config, given, float((last / size).max())),
            "ln|1 − 2(1 ± margin)| is odd in the margin up to its square",
        ),
    )


def secant(config: Config, given: Regression, rounding: float) -> float:
    """How far the crossing of a straight line through two growths is off."""
    return float((2 * config.margin**2 + 2 * rounding) / given.squares[0])


def refute(config: Config, given: Regression, found: xr.Dataset) -> tuple[Erratum, ...]:
    """Read as printed, η σ_ℓ⁻² < σ_s⁻² is η < (σ_ℓ/σ_s)², which is no step at all."""
    erratum = Erratum(
        "bound on the learning rate as printed, a < lost",
        "CS182 homework 2, question 1c: η σ_ℓ⁻² < σ_s⁻²",
        printed=given.condition,
        correct=float(1 / given.squares[0]),
        measured=found["critical_step"].item(),
        tol=secant(config, given, 1e-9),
    )
    return (erratum,) if abs(erratum.printed - erratum.correct) > 2 * erratum.tol else ()
