"""With one factor and every measurement, 0 is a saddle, ±u* are minima, and nothing else is flat.

The gradient along u and the part of it along u* can only cancel where u is along u* or is 0. At 0 the loss falls
along u* and in no other direction; at ±u* it rises in every direction.

    f(u) = ½‖uuᵀ − u*u*ᵀ‖²,   ∇f(u) = 2(‖u‖²u − (u*ᵀu)u*),   ∇²f(u) = 2‖u‖²1 + 4uuᵀ − 2u*u*ᵀ,   u: (d,)
    ∇f(u) = 0:   u = 0, or u along u* with ‖u‖ = ‖u*‖;  for u ⊥ u* it is 2‖u‖²u ≠ 0
    ∇²f(0):      −2‖u*‖² once, 0 (d − 1 times);  f(tw) = (1 + t⁴)‖u*‖⁴/2 for w ⊥ u*, ‖w‖ = ‖u*‖: no maximum
    ∇²f(±u*):    2‖u*‖² (d − 1 times), 4‖u*‖² once;  f(tu*) = (1 − t²)²‖u*‖⁴/2

See: the two minima along u* and none across it; every run of Newton's method ends at one of the three points, and
the eigenvalues there are the predicted ones.

Source: CS7180 problem set 2, question 2c. Its answer evaluates −2u*u*ᵀ, calls it less than zero and ±U*
"not critical points but only second-order stationary". Right: ±U* are minima, and 0 is the saddle.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config
from descent.maths.limits import CALL, PRODUCT, require_cost
from descent.maths.replicates import replicate
from descent.result import Check, Erratum, Result, measured, predicted, replicates
from descent.sensing._one_factor import gradient, hessian, loss, newton

POINTS = (0, 1, -1)  # the critical points, in u*
WHERE = "CS7180 problem set 2, answer to 2c"


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    size: Count  # d
    starts: Count  # of Newton's method
    newton_steps: Count
    flat_gradient: Positive  # ‖∇f‖/‖u*‖³ at which Newton's method has ended
    positions: Count  # of f along a line

    def __post_init__(self):
        if self.size < 2:
            raise ValueError(f"size {self.size}: nothing is orthogonal to u* below size 2")
        if not 1e-14 <= self.flat_gradient <= 1e-3:
            raise ValueError(
                f"flat_gradient {self.flat_gradient:g}: from 1e-14, which rounding allows, to 1e-3"
            )

    @property
    def rounding(self) -> float:
        """Of sums of d² terms of order one."""
        return 1e-14 * (10 + self.size)


def lines(config: Config) -> np.ndarray:
    """The positions t along a line."""
    return np.linspace(-1.5, 1.5, config.positions)


def predict(config: Config) -> xr.Dataset:
    """The loss along and across u*, and the eigenvalues at the three points, in units of ‖u*‖."""
    d, t = config.size, lines(config)
    minimum = [2.0] * (d - 1) + [4.0]
    spectrum = np.array([[-2.0] + [0.0] * (d - 1), minimum, minimum])
    return xr.Dataset(
        {
            "along_predicted": predicted("position", (1 - t**2) ** 2 / 2, "(1 − t²)²/2"),
            "across_predicted": predicted("position", (1 + t**4) / 2, "(1 + t⁴)/2"),
            "slope_predicted": predicted("position", 2 * (t**3 - t), "2(t³ − t)"),
            "spectrum_predicted": predicted(("point", "mode"), spectrum, "−2, 0, 2, 4"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """The same of the loss itself, and where Newton's method ends; everything in units of ‖u*‖."""
    n, d = config.starts, config.size
    kept = config.replicates * (3 * config.positions + 4 * n + 3 * d)
    solved = n * config.newton_steps * d**3
    work = 3 * (10 * PRODUCT * solved + config.positions * d**2) + 50 * CALL
    fields = "replicates, starts, newton_steps, positions, size"
    numbers = kept + 3 * (n + config.positions) * d**2
    require_cost(config, fields, numbers, config.replicates * work, free=True)
    runs = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    lines_, slopes, spectra, ends, left = map(np.stack, zip(*runs, strict=True))
    each, start = "replicate", ("replicate", "start")
    return xr.Dataset(
        {
            "along": measured((each, "position"), lines_[:, 0], "f(tu*)/‖u*‖⁴"),
            "across": measured((each, "position"), lines_[:, 1], "f(tw)/‖u*‖⁴, w ⊥ u*, ‖w‖ = ‖u*‖"),
            "slope": measured((each, "position"), lines_[:, 2], "u*ᵀ∇f(tu*)/‖u*‖⁴"),
            "gradient": measured((each, "point"), slopes, "‖∇f‖/‖u*‖³"),
            "spectrum": measured((each, "point", "mode"), spectra, "eigenvalues of ∇²f/‖u*‖²"),
            "newton_gap": measured((*start, "point"), ends, "distance of the end, in ‖u*‖"),
            "newton_gradient": measured(start, left, "‖∇f‖/‖u*‖³ where Newton's method ended"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "position": ("position", lines(config), {"long_name": "position t"}),
            "point": ("point", list(POINTS), {"long_name": "critical point, in u*"}),
            "mode": ("mode", np.arange(d) + 1, {"long_name": "mode"}),
            "start": ("start", np.arange(n), {"long_name": "start"}),
        },
    )


def _measure_one(rng: np.random.Generator, config: Config) -> tuple[np.ndarray, ...]:
    """Three profiles, three gradients, three spectra; distances of Newton's ends, their gradients."""
    d = config.size
    target = rng.standard_normal(d) / np.sqrt(d)
    norm = np.linalg.norm(target)
    across = rng.standard_normal(d)
    across -= (across @ target) * target / norm**2
    across *= norm / np.linalg.norm(across)
    line = lines(config)[:, None]
    slope = gradient(line * target, target) @ target
    profiles = np.stack([loss(line * target, target), loss(line * across, target), slope])
    points = np.multiply.outer(np.array(POINTS, float), target)
    slopes = np.linalg.norm(gradient(points, target), axis=-1) / norm**3
    spectra = np.linalg.eigvalsh(hessian(points, target)) / norm**2
    ends = newton(
        rng.standard_normal((config.starts, d)) / np.sqrt(d),
        target,
        config.newton_steps,
        config.flat_gradient,
    )
    gaps = np.linalg.norm(ends[:, None] - points, axis=-1) / norm
    return (
        profiles / norm**4,
        slopes,
        spectra,
        gaps,
        np.linalg.norm(gradient(ends, target), axis=-1) / norm**3,
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    nearest = found["point"][found["newton_gap"].argmin("point")].drop_vars("point")
    nearest = nearest.assign_attrs(long_name="critical point nearest to the end, in u*")
    going = int((found["newton_gradient"] > config.flat_gradient).sum())
    total = config.replicates * config.starts
    late = (
        f"{going} of {total} runs of Newton's method had not ended after "
        f"{config.newton_steps} steps"
    )
    return Result(
        data=found.merge(theory).assign(newton_end=nearest),
        metrics={f"newton_ends_at/{c}_u": (nearest == c).mean() for c in POINTS},
        checks=compare(config, found, theory),
        errata=refute(config, found),
        no_claim=(late,) if going else (),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    rounding, why = config.rounding, "rounding of sums over d dimensions"
    ended = found["newton_gradient"].values <= config.flat_gradient
    gap = xr.DataArray(found["newton_gap"].min("point").values[ended], dims="end")
    # Across u* the gradient 2b³ is flat at b = (flat/2)^⅓; at ±u* it is steeper.
    apart = 1.01 * (config.flat_gradient / 2) ** (1 / 3)
    spectrum, rise = theory["spectrum_predicted"], theory["across_predicted"]
    slope = theory["slope_predicted"]
    checks = (
        Check("slope_along_the_target", found["slope"], "==", slope, 4 * rounding, why),
        Check("spectra_at_critical_points", found["spectrum"], "==", spectrum, 4 * rounding, why),
        Check("loss_across_the_target", found["across"], "==", rise, 3 * rounding, why),
        Check(
            "loss_along_the_target", found["along"], "==", theory["along_predicted"], rounding, why
        ),
    )
    if not gap.size:
        return checks
    why = "where the gradient across u* is flat"
    return (*checks, Check("newton_ends_at_critical_points", gap, "==", 0.0, apart, why))


def refute(config: Config, found: xr.Dataset) -> tuple[Erratum, ...]:
    flat = (found["gradient"] < config.rounding).sel(point=[1, -1]).sum("point")
    negative = (found["spectrum"] < -4 * config.rounding).sum("mode").mean("replicate")
    at_u, at_0 = float(negative.sel(point=1)), float(negative.sel(point=0))
    at_most = f"{WHERE}: less than zero"
    return (
        Erratum("critical_points_among_plus_minus_u", WHERE, 0, 2, float(flat.mean()), 0),
        Erratum("negative_eigenvalues_at_u", f"{WHERE}: −2u*u*ᵀ", 1, 0, at_u, 0),
        Erratum("negative_eigenvalues_at_0", at_most, config.size, 1, at_0, 0),
    )
