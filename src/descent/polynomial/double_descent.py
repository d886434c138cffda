"""Whether more coefficients than points overfit depends on the basis: Legendre recovers, monomials never do.

    x_i ~ U[a, b],  y_i = sin(ωx_i) + noise · N(0, 1),   features b_0(x) … b_d(x),   θ of least ‖θ‖ among
    the best fits;   test error = ½ mean (m(x) − sin ωx)² on a grid of [a, b] (½, and no noise)

d + 1 ≤ n: the fit does not depend on the basis. d + 1 > n: it interpolates, by the kernel Σ_k b_k(x)b_k(x′).
For Chebyshev's T_k = cos kϑ, x = cos ϑ, that kernel narrows to spikes of width 1/d at the points, and
    error = ½ mean sin²(ωx) − (π/2d) Σ_i √(1 − x_i²)(2y_i sin(ωx_i) − y_i²)/(b − a) + O(1/d²),
that of no fit at all in the end. P_k fall off as k^{-1/2}, so Legendre's kernel keeps broad tails; x^k vanishes
inside [0, 1], so more monomials add nothing there, and the error stays where the interpolation peak left it.

Source: CSE 891 homework 2, question 3.5 (fit_poly; its notebook is not attached: sin 10x, noise 0.1, n = 14,
d = 2 … 200 are those of a public copy). Over data sets the median of overparameterised Legendre does not
beat the best low degree; on one data set it may, as on that copy's. Nor does it recover what the points cannot
resolve, a wave of fewer than two of them or one below the noise; and without noise there is no peak.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy.polynomial import chebyshev, legendre

from descent.config import (
    Count,
    Number,
    Positive,
    Refusal,
    Seed,
    experiment_config,
    require_increasing,
)
from descent.result import Check, Result, replicates, sweep

BASES = {
    "chebyshev": chebyshev.chebvander,
    "legendre": legendre.legvander,
    "monomial": lambda x, degree: x[..., None] ** np.arange(degree + 1),
}


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # data sets
    points: Count  # n
    interval: tuple[Number, Number]
    frequency: Positive  # ω
    noise: Positive  # standard deviation
    degrees: tuple[Count, ...]  # d
    grid: Count  # points of the test error

    def __post_init__(self):
        require_increasing("degrees", self.degrees)
        low, high = self.interval
        if not -1 <= low < high <= 1:
            raise ValueError(
                f"interval [{low:g}, {high:g}] must lie in [−1, 1], where the bases are bounded"
            )
        if not self.degrees[0] + 1 < self.points < self.degrees[-1] + 1:
            raise ValueError(
                f"degrees {self.degrees[0]} … {self.degrees[-1]} must lie on both sides of points − 1 = {self.points - 1}"
            )
        if self.grid <= self.points:
            raise ValueError(
                f"grid {self.grid} ≤ points {self.points}: it must see what is between the points"
            )
        if self.degrees[-1] > 5000:
            raise ValueError(f"degree {self.degrees[-1]} > 5000: nothing new, and much memory")


def least_norm(
    A: Float[np.ndarray, "*r n p"], y: Float[np.ndarray, "*r n"]
) -> tuple[Float[np.ndarray, "*r p"], Float[np.ndarray, " *r"]]:
    """θ of least norm among the best fits, and cond A; no singular value is cut off."""
    U, sigma, Vt = np.linalg.svd(A, full_matrices=False)
    if not (sigma[..., -1] > 0).all():
        raise Refusal("two points of a data set coincide: no polynomial has its rank there")
    coefficients = (U.mT @ y[..., None])[..., 0] / sigma
    return (Vt.mT @ coefficients[..., None])[..., 0], sigma[..., 0] / sigma[..., -1]


def errors(
    basis: str,
    x: Float[np.ndarray, "r n"],
    y: Float[np.ndarray, "r n"],
    grid: Float[np.ndarray, " g"],
    truth: Float[np.ndarray, " g"],
    degrees: tuple[int, ...],
) -> tuple[Float[np.ndarray, "r d"], Float[np.ndarray, "r d"], Float[np.ndarray, "r d"]]:
    """Test error, relative misfit at the points, and condition number, for each degree."""
    features, test = (BASES[basis](points, degrees[-1]) for points in (x, grid))
    rows = []
    for d in degrees:
        A = features[..., : d + 1]
        theta, cond = least_norm(A, y)
        error = 0.5 * np.mean((theta @ test[:, : d + 1].T - truth) ** 2, -1)
        residual = np.abs((A @ theta[..., None])[..., 0] - y).max(-1)
        size = np.linalg.norm(A, axis=(-2, -1)) * np.linalg.norm(theta, axis=-1) + np.abs(y).max(-1)
        rows.append((error, residual / size, cond))
    return tuple(np.stack(column, 1) for column in zip(*rows, strict=True))


def gain_of_spikes(
    x: Float[np.ndarray, "r n"], y: Float[np.ndarray, "r n"], truth: Float[np.ndarray, "r n"]
) -> Float[np.ndarray, " r"]:
    """(π/2) Σ √(1 − x²)(2y sin ωx − y²): what spikes of width 1/d gain over no fit, times d(b − a)."""
    return np.pi / 2 * (np.sqrt(1 - x**2) * (2 * y * truth - y**2)).sum(1)


def run(config: Config) -> Result:
    rng, n, degrees = np.random.default_rng(config.seed), config.points, np.array(config.degrees)
    x = rng.uniform(*config.interval, (config.replicates, n))
    truth_at_points = np.sin(config.frequency * x)
    y = truth_at_points + config.noise * rng.standard_normal(x.shape)
    grid = np.linspace(*config.interval, config.grid)
    truth = np.sin(config.frequency * grid)
    found = {name: errors(name, x, y, grid, truth, config.degrees) for name in BASES}

    none = 0.5 * float(np.mean(truth**2))  # of m = 0
    over = degrees + 1 > n
    width = config.interval[1] - config.interval[0]
    spikes = none - gain_of_spikes(x, y, truth_at_points)[:, None] / (width * degrees)
    data = xr.Dataset(
        {
            name: (("replicate", "degree"), values[0], {"long_name": f"test error, {name}"})
            for name, values in found.items()
        }
        | {
            "spikes": (
                ("replicate", "degree"),
                spikes,
                {"long_name": "test error of spikes at the points", "role": "prediction"},
            ),
            "none": ((), none, {"long_name": "test error of m = 0", "role": "prediction"}),
        },
        coords={
            "degree": sweep(config.degrees, "degree", "degree d"),
            "replicate": replicates(config.replicates),
        },
    ).assign_attrs(points=n)
    median = {name: np.median(values[0], 0) for name, values in found.items()}
    under = {name: values[0][:, ~over] for name, values in found.items()}
    cond = np.max([values[2][:, ~over] for values in found.values()], 0)
    apart = np.ptp([np.sqrt(e) for e in under.values()], 0) / np.sqrt(under["legendre"])
    best = float(median["legendre"][degrees + 1 < n].min())
    at_the_end = median["chebyshev"][-1]
    # About πn²/(wd) pairs lie within a spike's width π/d of each other, and each loses up to a spike.
    spike = 0.5 * float(np.mean(y**2 + truth_at_points**2))
    second = spike * (np.pi * n / (width * degrees[-1])) ** 2
    checks = [
        # Of least squares in floating point, relative to cond.
        Check("one_fit_for_all_bases_up_to_n", float((apart / cond).max()), "<=", 0.0, 100 * np.finfo(float).eps),
        # Of the product Aθ, d + 1 terms a row, and of the backward error of n singular vectors.
        Check(
            "interpolates", float(max(v[1][:, over].max() for v in found.values())), "<=", 0.0,
            (n + degrees[-1] + 1) * np.finfo(float).eps,
        ),
        Check("legendre_below_no_fit", float(median["legendre"][-1]), "<=", none, 0.0),
        Check("legendre_below_chebyshev", float(median["legendre"][-1]), "<=", float(at_the_end), 0.0),
        Check("monomials_above_no_fit", float(median["monomial"][over].min()), ">=", none, 0.0),
    ]  # fmt: skip
    # The expansion is in the spikes' width, against the room of a point, the wave, and the grid that sees them.
    width_of_one = np.pi / degrees[-1]
    narrow = 2 * width_of_one * max(n / width, config.frequency) <= 1
    if narrow and width <= width_of_one * config.grid:
        ends = float(np.median(spikes[:, -1]))
        checks.append(
            Check("chebyshev_ends_in_spikes", float(at_the_end), "==", ends, float(second))
        )
    for name in BASES if n - 1 in config.degrees else ():
        peak = float(median[name][config.degrees.index(n - 1)])
        checks.append(
            Check(
                f"peak_above_every_low_degree/{name}",
                peak,
                ">=",
                float(median[name][degrees + 1 < n].max()),
                0.0,
            )
        )
    return Result(
        data=data,
        metrics={
            f"log10_{name}": np.log10(data[name]).median("replicate", skipna=False)
            for name in BASES
        }
        | {
            "best_low_degree": best,
            "error_of_no_fit": none,
            "share_won_by_legendre": float(
                (found["legendre"][0][:, over].min(1) < under["legendre"].min(1)).mean()
            ),
        },
        checks=tuple(checks),
    )
