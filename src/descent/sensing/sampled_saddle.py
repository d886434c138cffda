"""With more than 2d measurements, noise in the curvature leaves the saddle at 0 its way down.

At 0 the sample's curvature is the saddle's one negative eigenvalue and a random matrix, whose eigenvalues fill a
semicircle. The eigenvalue along u* stays outside of it, and is even pushed away a little, while the semicircle is
narrow enough; at m = 2d its edge is where the eigenvalue was.

    ∇²f_m(0) = −(2/m) Σ yᵢ sym(Aᵢ),   yᵢ = u*ᵀAᵢu*;   u*: (d,),   Aᵢ: (d, d) with N(0, 1) entries
    edges of the semicircle:    ±2‖u*‖²√(2d/m), for an entry has the variance 2‖u*‖⁴/m
    the negative eigenvalue:    −2‖u*‖²(1 + d/2m)

See: the edge of the noise falls as 1/√m and crosses the saddle's own eigenvalue at m = 2d.

Source: CS7180 problem set 2, question 2c, for m measurements; the law of the largest eigenvalue is Tracy and
Widom's, that of the eigenvalue outside is Péché's and Baik, Ben Arous and Péché's.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.maths.replicates import replicate
from descent.maths.sampling import mean_of_known_spread
from descent.result import Check, Result, measured, predicted, replicates, sweep
from descent.sensing._problem import pack, unpack

ROWS = 500  # measurements drawn at once
# Mean and standard deviation of the Tracy–Widom law of real symmetric matrices: the largest
# eigenvalue of d × d noise with its edge at 1 is 1 + d^(−2/3)/2 times it, up to O(1/d).
TRACY_WIDOM = (-1.2065, 1.268)
Counts = np.ndarray | xr.DataArray
LEAST = 10  # d from which on that law is known to be close
FEWEST = 20  # m with which ‖y‖²/m is known to a third


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    size: Count  # d
    measurements: tuple[Count, ...]  # m

    def __post_init__(self):
        require_increasing("measurements", self.measurements)
        if self.size < LEAST:
            raise ValueError(f"size {self.size} < {LEAST}: the noise has a law in many dimensions")
        if self.measurements[0] < FEWEST:
            raise ValueError(f"measurements {self.measurements[0]} < {FEWEST}: too few for a law")

    @property
    def above(self) -> list[int]:
        """The m at which the saddle's eigenvalue is outside the noise for certain."""
        return [m for m in self.measurements if m > 2 * self.size]


def edge(d: int, m: Counts) -> Counts:
    """Of the bulk of ∇²f_m(0), in ‖u*‖²."""
    return 2 * np.sqrt(2 * d / m)


def outlier(d: int, m: Counts) -> np.ndarray:
    """The negative eigenvalue of ∇²f_m(0), in ‖u*‖²; the edge of the bulk where it is inside."""
    return np.where(m > d / 2, -2 * (1 + d / (2 * m)), -edge(d, m))


def predict(config: Config) -> xr.Dataset:
    d, m = config.size, np.array(config.measurements)
    return xr.Dataset(
        {
            "edge_predicted": predicted("m", edge(d, m), "2√(2d/m)"),
            "lowest_predicted": predicted("m", outlier(d, m), "−2(1 + d/2m)"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Extreme eigenvalues of the curvature at 0, in ‖u*‖², from one sequence of measurements a replicate."""
    p, last = config.size * (config.size + 1) // 2, config.measurements[-1]
    work = 20.0 * config.replicates * last * p
    require_cost(config, "size, measurements, replicates", 2 * ROWS * p, work, free=True)
    runs = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    spectra, each = np.stack(runs), ("replicate", "m")
    return xr.Dataset(
        {
            "edge": measured(each, spectra[..., -1], "largest eigenvalue of ∇²f_m(0)/‖u*‖²"),
            "lowest": measured(each, spectra[..., 0], "smallest eigenvalue of ∇²f_m(0)/‖u*‖²"),
        },
        coords={
            "m": sweep(config.measurements, "m", "measurements m"),
            "replicate": replicates(config.replicates),
        },
    )


def _measure_one(rng: np.random.Generator, config: Config) -> Float[np.ndarray, "m d"]:
    target = rng.standard_normal(config.size) / np.sqrt(config.size)
    return sampled_spectra(rng, target, config.measurements) / (target @ target)


def sampled_spectra(
    rng: np.random.Generator, target: Float[np.ndarray, " d"], counts: tuple[int, ...]
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


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    few = f"no m of {list(config.measurements)} is above 2d = {2 * config.size}"
    return Result(
        data=found.merge(theory),
        metrics={
            "edge": found["edge"].mean("replicate", skipna=False),
            "edge_predicted": theory["edge_predicted"],
            "lowest": found["lowest"].mean("replicate", skipna=False),
            "lowest_predicted": theory["lowest_predicted"],
        },
        checks=compare(config, found, theory),
        no_claim=() if config.above else (few,),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    """Means over replicates; the fluctuations are those of the two laws, and of ‖y‖²/m, which is χ²_m/m."""
    d, m = config.size, found["m"].astype(float)
    theory = theory.assign_coords(m=found["m"])
    shift, spread = (x * d ** (-2 / 3) / 2 for x in TRACY_WIDOM)
    width, points = edge(d, m), len(config.measurements)
    bulk = mean_of_known_spread(found["edge"], width * np.sqrt(spread**2 + 1 / (2 * m)), points)
    tol = bulk.tol + width * (1.5 / d + 1 / (4 * m))
    expected = theory["edge_predicted"] * (1 + shift)
    why = "{}, and 1.5/d of it, which Tracy and Widom leave out"
    checks = [Check("edge_of_the_noise", bulk.value, "==", expected, tol, why.format(bulk.why))]
    if config.above:
        m, depth = m.sel(m=config.above), 2 * (1 + d / (2 * m.sel(m=config.above)))
        sd = depth * np.sqrt(2 / m + d / (2 * m**2))
        low = mean_of_known_spread(found["lowest"].sel(m=config.above), sd, points)
        expected, why = theory["lowest_predicted"].sel(m=config.above), f"{low.why}, and 2/m of it"
        checks.append(Check("saddle", low.value, "==", expected, low.tol + 2 * depth / m, why))
    return tuple(checks)
