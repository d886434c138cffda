"""With one factor and infinitely many measurements the critical points are 0, a strict saddle, and the minima ±u*.

    f(u) = ½‖uuᵀ − u*u*ᵀ‖²,   ∇f(u) = 2(‖u‖²u − (u*ᵀu)u*),   ∇²f(u) = 2‖u‖²1 + 4uuᵀ − 2u*u*ᵀ
    ∇f(u) = 0:  u = 0, or u along u* with ‖u‖ = ‖u*‖;  for u ⊥ u* it is 2‖u‖²u ≠ 0
    ∇²f(0):   −2‖u*‖² once, 0 (d − 1 times); f(tw) − f(0) = t⁴/2 for a unit w ⊥ u*: no maximum
    ∇²f(±u*): 2‖u*‖² (d − 1 times), 4‖u*‖² once

m measurements keep the saddle and blur it: ∇²f_m(0) = −(2/m) Σ yᵢ sym(Aᵢ) has a semicircle of noise
with its edges at ±2‖u*‖²√(2d/m), for its entries have the variance 2‖u*‖⁴/m. While that is less
than 2‖u*‖², at m > 2d, the one negative eigenvalue stays outside, at −2‖u*‖²(1 + d/2m).

Source: CS7180 problem set 2, question 2c. Its answer evaluates −2u*u*ᵀ, calls it less than zero and ±U*
"not critical points but only second-order stationary". Right: ±U* are minima, and 0 is the saddle.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.result import Check, Erratum, Result, replicates, sweep
from descent.sensing._problem import pack, unpack

POINTS = (0, 1, -1)  # the critical points, in u*
ROWS = 500  # measurements drawn at once
# Mean and standard deviation of the Tracy–Widom law of real symmetric matrices: the largest
# eigenvalue of d × d noise with its edge at 1 is 1 + d^(−2/3)/2 times it, up to O(1/d).
TRACY_WIDOM = (-1.2065, 1.268)


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    size: Count  # d
    starts: Count  # of Newton's method
    newton_steps: Count
    flat: Positive  # ‖∇f‖/‖u*‖³ at which Newton's method has ended
    positions: Count  # of f along a line
    measurements: tuple[Count, ...]  # m

    def __post_init__(self):
        require_increasing("measurements", self.measurements)
        if self.size < 2:
            raise ValueError(f"size {self.size}: nothing is orthogonal to u* below size 2")


def loss(u: Float[np.ndarray, "n d"], target: Float[np.ndarray, " d"]) -> Float[np.ndarray, " n"]:
    error = u[..., :, None] * u[..., None, :] - np.outer(target, target)
    return np.square(error).sum((-2, -1)) / 2


def gradient(
    u: Float[np.ndarray, "*n d"], target: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "*n d"]:
    return 2 * (np.vecdot(u, u)[..., None] * u - (u @ target)[..., None] * target)


def hessian(
    u: Float[np.ndarray, "*n d"], target: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "*n d d"]:
    square = np.vecdot(u, u)[..., None, None] * np.eye(len(target))
    return 2 * square + 4 * u[..., :, None] * u[..., None, :] - 2 * np.outer(target, target)


def newton(
    u: Float[np.ndarray, "n d"], target: Float[np.ndarray, " d"], config: Config
) -> Float[np.ndarray, "n d"]:
    """Newton's method for ∇f = 0 from every start, until the gradient is flat."""
    for _ in range(config.newton_steps):
        slope = gradient(u, target)
        going = np.linalg.norm(slope, axis=-1) > config.flat * np.linalg.norm(target) ** 3
        if not going.any():
            break
        step = np.linalg.solve(hessian(u[going], target), slope[going][..., None])[..., 0]
        u = u.copy()
        u[going] -= step
    return u


def sampled_spectra(
    rng, target: Float[np.ndarray, " d"], counts: tuple[int, ...]
) -> Float[np.ndarray, "m d"]:
    """Eigenvalues of ∇²f_m(0) = −2 unpack(Sᵀy/m) for the first m of one sequence of measurements."""
    x = pack(np.outer(target, target))
    total, drawn, spectra = np.zeros_like(x), 0, []
    for m in counts:
        while drawn < m:
            S = rng.standard_normal((min(ROWS, m - drawn), len(x)))
            total += (S @ x) @ S
            drawn += len(S)
        spectra.append(np.linalg.eigvalsh(-2 * unpack(total / m)))
    return np.array(spectra)


def predicted_spectra(d: int) -> Float[np.ndarray, "point d"]:
    """Of ∇²f at the critical points, in ‖u*‖², increasing."""
    minimum = [2.0] * (d - 1) + [4.0]
    return np.array([[-2.0] + [0.0] * (d - 1), minimum, minimum])


def edge(d: int, m: np.ndarray) -> np.ndarray:
    """Of the bulk of ∇²f_m(0), in ‖u*‖²."""
    return 2 * np.sqrt(2 * d / m)


def outlier(d: int, m: np.ndarray) -> np.ndarray:
    """The negative eigenvalue of ∇²f_m(0), in ‖u*‖²; the edge of the bulk where it is inside."""
    return np.where(m > d / 2, -2 * (1 + d / (2 * m)), -edge(d, m))


def _run(rng, config: Config) -> tuple:
    """Everything in units of ‖u*‖."""
    d = config.size
    target = rng.standard_normal(d) / np.sqrt(d)
    norm = np.linalg.norm(target)
    across = rng.standard_normal(d)
    across -= (across @ target) * target / norm**2
    across *= norm / np.linalg.norm(across)
    line = np.linspace(-1.5, 1.5, config.positions)[:, None]
    profiles = np.stack([loss(line * way, target) for way in (target, across)]) / norm**4

    points = np.multiply.outer(np.array(POINTS, float), target)
    slopes = np.linalg.norm(gradient(points, target), axis=-1) / norm**3
    spectra = np.linalg.eigvalsh(hessian(points, target)) / norm**2
    ends = newton(rng.standard_normal((config.starts, d)) / np.sqrt(d), target, config)
    gaps = np.linalg.norm(ends[:, None] - points, axis=-1) / norm
    sampled = sampled_spectra(rng, target, config.measurements) / norm**2
    return profiles, slopes, spectra, gaps, sampled


def edge_check(ratio: np.ndarray, d: int, m: int) -> Check:
    """Mean over replicates of the measured edge over the predicted one, against Tracy and Widom's law.

    4 standard errors: of that law, and of ‖y‖/√m, √(1/2m); and what the law leaves out, some 0.8/d.
    """
    mean, spread = np.multiply(TRACY_WIDOM, d ** (-2 / 3) / 2)
    tol = 4 * np.sqrt((spread**2 + 1 / (2 * m)) / len(ratio)) + 1.5 / d
    return Check(f"bulk_edge_over_predicted/m_{m}", ratio.mean(), "==", 1 + mean, tol)


def outlier_check(ratio: np.ndarray, d: int, m: int) -> Check:
    """Mean over replicates of the negative eigenvalue over the predicted one.

    4 standard errors of ‖y‖²/m, √(2/m); and the part O(1/m) of d/2m that d dimensions leave to chance.
    """
    tol = 4 * np.sqrt(2 / (m * len(ratio))) + 2 / m
    return Check(f"saddle_over_predicted/m_{m}", ratio.mean(), "==", 1.0, tol)


def run(config: Config) -> Result:
    d, m = config.size, np.array(config.measurements)
    runs = replicate(_run, config.seed, [(config,)] * config.replicates)
    profiles, slopes, spectra, gaps, sampled = map(np.stack, zip(*runs, strict=True))
    position = np.linspace(-1.5, 1.5, config.positions)
    expected = predicted_spectra(d)
    end = gaps.argmin(-1)
    data = xr.Dataset(
        {
            "along": (("replicate", "position"), profiles[:, 0], {"long_name": "f(tu*)/‖u*‖⁴"}),
            "across": (
                ("replicate", "position"),
                profiles[:, 1],
                {"long_name": "f(tw)/‖u*‖⁴, w ⊥ u*, ‖w‖ = ‖u*‖"},
            ),
            "across_predicted": (
                "position",
                (1 + position**4) / 2,
                {"long_name": "(1 + t⁴)/2", "role": "prediction"},
            ),
            "spectrum": (
                ("replicate", "point", "mode"),
                spectra,
                {"long_name": "eigenvalues of ∇²f/‖u*‖²"},
            ),
            "newton_end": (
                ("replicate", "start"),
                np.take(POINTS, end),
                {"long_name": "critical point nearest to the end of Newton's method, in u*"},
            ),
            "newton_gap": (
                ("replicate", "start"),
                gaps.min(-1),
                {"long_name": "distance from it, in ‖u*‖"},
            ),
            "edge": (
                ("replicate", "m"),
                sampled[..., -1],
                {"long_name": "largest eigenvalue of ∇²f_m(0)/‖u*‖²"},
            ),
            "lowest": (
                ("replicate", "m"),
                sampled[..., 0],
                {"long_name": "smallest eigenvalue of ∇²f_m(0)/‖u*‖²"},
            ),
            "edge_predicted": ("m", edge(d, m), {"long_name": "2√(2d/m)", "role": "prediction"}),
            "lowest_predicted": (
                "m",
                outlier(d, m),
                {"long_name": "−2(1 + d/2m)", "role": "prediction"},
            ),
        },
        coords={
            "m": sweep(m, "m", "measurements m"),
            "replicate": replicates(config.replicates),
            "position": ("position", position, {"long_name": "position t"}),
            "point": ("point", list(POINTS), {"long_name": "critical point, in u*"}),
            "mode": ("mode", np.arange(d) + 1, {"long_name": "mode"}),
            "start": ("start", np.arange(config.starts), {"long_name": "start"}),
        },
    )
    reached = {f"newton_ends_at/{c}_u": (data["newton_end"] == c).mean() for c in POINTS}
    # Along w ⊥ u* the gradient 2b³ is flat at b = (flat/2)^⅓; at ±u* it is steeper.
    apart = 1.01 * (config.flat / 2) ** (1 / 3)
    rise = np.abs(profiles[:, 1] - (1 + position**4) / 2).max()
    ratio = sampled[..., -1] / edge(d, m)
    depth = sampled[..., 0] / outlier(d, m)
    rounding = 1e-12  # of sums of d² terms of order one, up to d ≈ 10³
    critical = (slopes < rounding)[:, 1:].sum(1).mean()
    negative = (spectra < -rounding).sum(-1).mean(0)
    where = "CS7180 problem set 2, answer to 2c"
    return Result(
        data=data,
        metrics=reached
        | {
            "edge": data["edge"].mean("replicate", skipna=False),
            "edge_predicted": data["edge_predicted"],
            "lowest": data["lowest"].mean("replicate", skipna=False),
            "lowest_predicted": data["lowest_predicted"],
        },
        checks=(
            Check("gradient_at_critical_points", slopes.max(), "<=", 0.0, rounding),
            Check(
                "spectra_at_critical_points", np.abs(spectra - expected).max(), "<=", 0.0, rounding
            ),
            Check("rise_across_the_target", rise, "<=", 0.0, rounding),
            Check("newton_ends_at_critical_points", gaps.min(-1).max(), "<=", 0.0, apart),
            Check("critical_points_reached", len(np.unique(end)), "==", len(POINTS), 0),
            *(edge_check(ratio[:, k], d, count) for k, count in enumerate(config.measurements)),
            *(
                outlier_check(depth[:, k], d, count)
                for k, count in enumerate(config.measurements)
                if count > 2 * d
            ),
        ),
        errata=(
            Erratum("critical_points_among_plus_minus_u", where, 0, 2, critical, 0),
            Erratum("negative_eigenvalues_at_u", f"{where}: −2u*u*ᵀ", 1, 0, negative[1], 0),
            Erratum("negative_eigenvalues_at_0", f"{where}: less than zero", d, 1, negative[0], 0),
        ),
    )
