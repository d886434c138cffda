"""With more coefficients than points, the basis decides: Legendre fits recover, monomials stay as bad as at n.

Up to n coefficients the best fit is one polynomial, whatever the basis. Beyond, the shortest of many is taken,
and short means something else in every basis. Given the points, its expected error is exact.

    x_i ~ U[a, b],  y_i = sin(ωx_i) + noise · N(0, 1),  i = 1 … n;   features b_0(x) … b_d(x);   θ of least ‖θ‖
    among the best fits;   test error = ½ mean (m(x) − sin ωx)² on a grid of [a, b] (½, and no noise)
    m(x) = Σ_i y_i L_i(x):   E error = ½ mean (Σ_i sin(ωx_i)L_i − sin ωx)² + ½ noise² Σ_i mean L_i²,   given x

For Chebyshev's T_k = cos kϑ, x = cos ϑ, the L_i narrow to spikes of width 1/d at the points, and
    error = ½ mean sin²(ωx) − (π/2d) Σ_i √(1 − x_i²)(2y_i sin(ωx_i) − y_i²)/(b − a) + O(1/d²),
that of no fit at all in the end. P_k fall off as k^{-1/2}, so Legendre's keep broad tails; x^k vanishes inside
[0, 1], so more monomials add nothing there, and the error stays where the peak at d + 1 = n left it.

See: all bases agree up to d + 1 = n, where the error peaks; then Legendre falls below no fit, Chebyshev comes
to it along the dashed law, and monomials stay far above. On the right, fits of both kinds to one data set.

Source: CSE 891 homework 2, question 3.5 (fit_poly; the numbers are those of a public copy). Over data sets the
median of overparameterised Legendre does not beat the best low degree; on one data set it may.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Number, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.polynomial import _bases, _fits
from descent.polynomial._bases import BASES, Data, Expected
from descent.result import Check, Result, measured, predicted, replicates, sweep

EPS = float(np.finfo(float).eps)
EACH = ("basis", "replicate", "degree")


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
            raise ValueError(f"interval [{low:g}, {high:g}] must lie in [−1, 1]: bounded bases")
        n, first, last = self.points, self.degrees[0], self.degrees[-1]
        if not first + 1 < n < last + 1:
            raise ValueError(f"degrees {first} … {last}: not both sides of points − 1 = {n - 1}")
        if self.grid <= n:
            raise ValueError(f"grid {self.grid} ≤ points {n}: it must see what is between them")
        if last > 5000:
            raise ValueError(f"degree {last} > 5000: nothing new, and much memory")
        if self.frequency * high > 1e6 or self.noise > 1e6:
            raise ValueError("frequency, noise: up to 1e6, beyond which a sine has no digits left")
        require_cost(self, "replicates, points, degrees", 6.0 * self.replicates * n * last)
        require_cost(self, "grid, replicates, degrees", 4.0 * self.grid * (self.replicates + last))


def draw(config: Config) -> Data:
    rng = np.random.default_rng(config.seed)
    x = rng.uniform(*config.interval, (config.replicates, config.points))
    truth = np.sin(config.frequency * x)
    y = truth + config.noise * rng.standard_normal(x.shape)
    grid = np.linspace(*config.interval, config.grid)
    return Data(x, y, truth, grid, np.sin(config.frequency * grid))


def predict(config: Config, data: Data, given: Expected) -> xr.Dataset:
    """The one fit up to n coefficients; the expected error at the last degree; the law of the spikes."""
    width, degrees = config.interval[1] - config.interval[0], np.array(config.degrees)
    none = 0.5 * float(np.mean(data.truth_on_grid**2))
    spikes = none - _bases.gain_of_spikes(data)[:, None] / (width * degrees)
    under = [d for d in config.degrees if d + 1 <= config.points]
    root = [_bases.orthogonal_fit(data, d, config.interval) for d in under]
    label = "test error of spikes at the points"
    return xr.Dataset(
        {
            "root_predicted": predicted(("replicate", "low"), np.stack(root, 1), "√ of the error"),
            "last_predicted": predicted(
                ("basis", "replicate"), given.mean, "expected at the last d"
            ),
            "spikes": predicted(("replicate", "degree"), spikes, label),
        }
    )


def measure(config: Config, data: Data) -> xr.Dataset:
    """The test errors, and the fits at the points."""
    found = [_bases.errors(name, data, config.degrees) for name in BASES]
    error, met, size, cond = (np.stack(parts) for parts in zip(*found, strict=True))
    under = np.array(config.degrees) + 1 <= config.points
    return xr.Dataset(
        {
            "error": measured(EACH, error, "test error"),
            "root": measured(("basis", "replicate", "low"), np.sqrt(error[..., under]), "√ error"),
            "met": measured((*EACH, "i"), met, "fit at the points"),
            "size": measured(EACH, size, "‖A‖‖θ‖ + max|y|"),
            "condition": measured(("basis", "replicate", "low"), cond[..., under], "cond A"),
            "y": measured(("replicate", "i"), data.y, "y_i"),
        },
        coords={
            "basis": ("basis", list(BASES), {"long_name": "basis"}),
            "degree": sweep(config.degrees, "degree", "degree d"),
            "low": ("low", np.array(config.degrees)[under], {"long_name": "degree d < n"}),
            "replicate": replicates(config.replicates),
        },
    )


def run(config: Config) -> Result:
    data = draw(config)
    given = _bases.expected(data, config.degrees[-1], config.noise)
    found, theory = measure(config, data), predict(config, data, given)
    none = 0.5 * float(np.mean(data.truth_on_grid**2))
    over = np.array(config.degrees) + 1 > config.points
    error = {name: found["error"].sel(basis=name, drop=True) for name in BASES}
    median = error["legendre"].median("replicate")
    best = [d + 1 < config.points for d in config.degrees]
    won = error["legendre"].values[:, over].min(1) < error["legendre"].values[:, ~over].min(1)
    narrow = _bases.narrow(config)
    wide = "spikes are not narrow beside the points, the wave, the grid, or noise hides them"
    label = {"long_name": "test error of m = 0", "role": "prediction"}
    result = found[["error"]].merge(theory[["spikes"]]).assign(none=((), none, label))
    result = result.merge(_fits.shown(data, config.degrees, found["error"]))
    return Result(
        data=result.assign_attrs(points=config.points),
        metrics={
            f"log10_{name}": np.log10(one.where(one > 0)).median("replicate", skipna=False)
            for name, one in error.items()
        }
        | {
            "best_low_degree": median[best].min(),
            "error_of_no_fit": none,
            "share_won_by_legendre": won.mean(),
        },
        checks=compare(config, data, given, found, theory),
        no_claim=reasons(config, given, none),
        unchecked={} if narrow else {"chebyshev_ends_in_spikes": wide},
    )


def reasons(config: Config, given: Expected, none: float) -> tuple[str, ...]:
    """Why nothing can be told of these data, or Legendre is not expected to recover, or monomials are."""
    _, legendre, monomial = (float(np.median(mean)) for mean in given.mean)
    found, chance = [], float(given.chance.max())
    if chance >= 1:
        found.append(
            f"replicates {config.replicates}: chance lets a mean error be {chance:.2g} off 1"
        )
    if not legendre < none:
        found.append(
            f"degree {config.degrees[-1]}: Legendre expects {legendre:.2g}, no fit {none:.2g}"
        )
    if not monomial > none:
        found.append(
            f"degree {config.degrees[-1]}: monomials expect {monomial:.2g}, no fit {none:.2g}"
        )
    return tuple(found)


def compare(
    config: Config, data: Data, given: Expected, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    n, last = config.points, config.degrees[-1]
    scale = np.maximum(theory["root_predicted"], np.sqrt(np.mean(data.y**2)))
    solve = 100 * EPS * found["condition"] * scale
    over = np.array(config.degrees) + 1 > n
    met, size = (found[name].isel(degree=over) for name in ("met", "size"))
    product, why = (n + last + 1) * EPS * size, "(n + d + 1)ε of the product Aθ"
    # Two points that nearly coincide make an error that all others vanish beside, so each in its
    # own units.
    units = found["error"].isel(degree=-1, drop=True) / theory["last_predicted"]
    chance = xr.DataArray(given.chance, dims="basis")
    of_noise = "sum of χ² given the points, Laurent and Massart"
    checks = (
        Check(
            "one_fit_up_to_n", found["root"], "==", theory["root_predicted"], solve, "100ε cond A"
        ),
        Check("meets_the_points", met, "==", found["y"], product, why),
        Check("error_over_expected", units.mean("replicate"), "==", 1, chance, of_noise),
    )
    if not _bases.narrow(config):
        return checks
    # About πn²/(wd) pairs lie within a spike's width π/d of each other, and each loses up to a
    # spike.
    width = config.interval[1] - config.interval[0]
    spike = 0.5 * float(np.mean(data.y**2 + data.truth**2))
    second = spike * (np.pi * n / (width * last)) ** 2
    end = float(found["error"].sel(basis="chebyshev")[:, -1].median())
    expected = float(theory["spikes"][:, -1].median())
    close = "pairs within a spike's width"
    return (*checks, Check("chebyshev_ends_in_spikes", end, "==", expected, second, close))
