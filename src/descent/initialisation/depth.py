"""Only He's variance keeps a deep network's mean squared gradient; the typical one shrinks even so.

Every layer multiplies the squared gradient by a random factor of mean n v/2. The mean of the product is the product
of the means, 1 for He's v = 2/n. But a typical product is set by the mean of the logarithm, which is lower, and its
spread grows as √depth.

    L hidden layers of n neurons and a linear output, weights N(0, v), G = ∂(u·f)/∂W_1
    E‖G‖² = ‖x‖² ‖u‖² (n v/2)^L,   so 1 for v = 2/n (He), 2^(−L) for 1/n (LeCun), 2^L for 4/n
    ln(‖G‖²/‖x‖²‖u‖²) = Σ ln(v Q_l),   Q_l = χ²_B, B ~ Binomial(n, ½), independent
    mean L(ln v + μ_n), variance L τ_n²;   E‖G‖⁴/(E‖G‖²)² = (1 + 5/n)^L

The median goes as e^(L(ln v + μ_n)), below the mean by the factor e^(−L τ_n²/2). N networks resolve a mean only while
the fourth power of ‖G‖² is in the sample, (1 + 5/n)^(6L) ≤ N; the mean logarithm they resolve always.

See: on the left only one line is level; on the right its mean stays at 1 while its median sinks with depth.

Source: CS182 homework 2, question 5a; arXiv 1502.01852 (He); arXiv 1812.05994 and 1801.03744 (lognormal).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_numbers, require_time
from descent.maths.random_relu import kurtosis, log_moments
from descent.maths.replicates import replicate
from descent.maths.sampling import mean_of_known_spread
from descent.result import Check, Result, measured, predicted, replicates, sweep

CHUNK = 50  # networks drawn at once
FEWEST = 100  # networks: below, a sample variance is no mean of near normal numbers


@experiment_config
class Config:
    seed: Seed
    networks: Count
    width: Count  # n, of x and of every hidden layer
    depths: tuple[Count, ...]  # L
    gains: tuple[Positive, ...]  # n v; 2 is He's, 1 LeCun's
    deviation: Positive  # √v of one more, whatever the width

    def __post_init__(self):
        require_increasing("depths", self.depths)
        require_increasing("gains", self.gains)
        layers = float(self.width) ** 2 * (self.depths[-1] + 1)
        drawn = layers * min(self.networks, CHUNK)
        passes = 2 * len(self.all_gains) * len(self.depths)
        rule = f"networks {self.networks:g}, width {self.width:g}, depth {self.depths[-1]:g}"
        require_numbers(rule, drawn + self.networks * passes)
        require_time(rule, layers * self.networks * (20 + passes))
        if self.networks < FEWEST:
            raise ValueError(f"networks {self.networks} < {FEWEST}: too few for a variance")
        if self.width < 8:
            raise ValueError(
                f"width {self.width} < 8: layers of which all is off, 2^(−n), are too many"
            )
        if self.networks * self.depths[-1] * 2.0**-self.width > 0.01:
            raise ValueError(
                f"width {self.width}: of {self.networks} networks of depth {self.depths[-1]} some "
                "have a layer that is off altogether (networks · depth · 2^(−n) > 0.01), and no "
                "logarithm"
            )
        if len({f"{gain:g}" for gain in self.all_gains}) < len(self.all_gains):
            listed = ", ".join(f"{gain:g}" for gain in self.all_gains)
            raise ValueError(f"gains and n · deviation² [{listed}]: two agree in six digits")
        for gain in self.all_gains:
            if abs(self.depths[-1] * np.log(gain / 2)) > 300:
                deepest = f"at L = {self.depths[-1]}"
                raise ValueError(f"gain {gain:g}: (n v/2)^L leaves e^±300 {deepest}")

    @property
    def all_gains(self) -> tuple[float, ...]:
        """n v of all, `deviation` last."""
        return *self.gains, self.width * self.deviation**2

    @property
    def resolved(self) -> list[int]:
        """The depths at which N networks have a mean of ‖G‖² with a known error."""
        square = kurtosis(self.width)
        return [L for L in self.depths if 6 * L * np.log(square) <= np.log(self.networks)]


def predict(config: Config) -> xr.Dataset:
    each, depths = log_moments(config.width), np.array(config.depths)
    gains = np.array(config.all_gains)
    centre = np.multiply.outer(np.log(gains / config.width) + each.mean, depths)
    mean = np.power.outer(gains / 2, depths)
    return xr.Dataset(
        {
            "mean_predicted": predicted(("gain", "depth"), mean, "(n v/2)^L"),
            "log_mean_predicted": predicted(("gain", "depth"), centre, "L(ln v + μ_n)"),
            "log_variance_predicted": predicted("depth", depths * each.variance, "L τ_n²"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """ln ‖G‖² of every network, at every gain and depth."""
    edges = np.append(np.arange(0, config.networks, CHUNK), config.networks)
    tasks = [(config, int(size)) for size in np.diff(edges)]
    logs = np.concatenate(replicate(_measure_chunk, config.seed, tasks))
    return xr.Dataset(
        {"log_square": measured(("replicate", "gain", "depth"), logs, "ln ‖G‖²")},
        coords={
            "gain": sweep(config.all_gains, "gain", "n v"),
            "depth": sweep(config.depths, "depth", "hidden layers L"),
            "replicate": replicates(config.networks),
        },
    )


def _measure_chunk(rng, config: Config, count: int) -> Float[np.ndarray, "N gain depth"]:
    """One set of Gaussians at every gain, the first L of them at every depth."""
    n, gains = config.width, np.array(config.all_gains)
    Z = [rng.standard_normal((count, n, n)) for _ in range(config.depths[-1])]
    output = rng.standard_normal((count, n, n))
    x, u = (v / np.linalg.norm(v) for v in rng.standard_normal((2, n)))
    sd = np.sqrt(gains / n)  # of the weights; a column a gain

    def columns(v):
        return np.broadcast_to(v[:, None], (count, n, len(gains)))

    h, gates = columns(x), []
    for W in Z:
        z = (W @ h) * sd
        gates.append(z > 0)
        h = np.maximum(z, 0)
    found = np.empty((count, len(gains), len(config.depths)))
    for k, depth in enumerate(config.depths):
        delta = columns(u)
        for W, gate in zip((output, *Z[depth - 1 : 0 : -1]), gates[depth - 1 :: -1], strict=True):
            delta = (W.mT @ delta) * sd * gate
        found[..., k] = np.log((delta**2).sum(1))
    return found


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    data = summary(found["log_square"]).merge(theory)
    shallow, each = config.resolved, log_moments(config.width)
    reason = f"(1 + 5/n)^(6L) > {config.networks} networks: its error is not known"
    unresolved = [L for L in config.depths if L not in shallow]
    return Result(
        data=data.assign_attrs(width=config.width, deviation=config.deviation),
        metrics={name: data[name] for name in ("mean", "median", "log_sd")}
        | {
            "kurtosis_a_layer": kurtosis(config.width),
            "log_mean_a_layer": each.mean - np.log(config.width / 2),
            "log_variance_a_layer": each.variance,
        },
        checks=compare(config, found["log_square"], theory),
        unchecked={f"mean_square/depth_{L}": reason for L in unresolved},
    )


def summary(logs: xr.DataArray) -> xr.Dataset:
    """Over the networks."""
    square, cell = np.exp(logs), ("gain", "depth")
    error = square.std("replicate", ddof=1) / np.sqrt(logs.sizes["replicate"])
    low, middle, high = np.exp(np.quantile(logs, [0.05, 0.5, 0.95], axis=0))
    return xr.Dataset(
        {
            "mean": measured(cell, square.mean("replicate").values, "mean of ‖G‖²"),
            "mean_error": measured(cell, error.values, "its standard error"),
            "median": measured(cell, middle, "median of ‖G‖²"),
            "low": measured(cell, low, "5 % of ‖G‖² are below"),
            "high": measured(cell, high, "5 % of ‖G‖² are above"),
            "log_sd": measured(cell, logs.std("replicate", ddof=1).values, "sd of ln‖G‖²"),
        },
        coords={"gain": logs["gain"], "depth": logs["depth"]},
    )


def compare(config: Config, logs: xr.DataArray, theory: xr.Dataset) -> tuple[Check, ...]:
    # All gains have the same draws: chance has one say a depth.
    points, each, depth = len(config.depths), log_moments(config.width), logs["depth"]
    centre = mean_of_known_spread(logs, np.sqrt(depth * each.variance), points)
    square = (logs - logs.mean("replicate")) ** 2 * (config.networks / (config.networks - 1))
    size = depth * each.variance
    sd = np.sqrt(2 * size**2 + depth * each.fourth)
    variance = mean_of_known_spread(square, sd, points, squares=size)
    log_mean, spread = theory["log_mean_predicted"], theory["log_variance_predicted"]
    checks = (
        Check("mean_logarithm", centre.value, "==", log_mean, centre.tol, centre.why),
        Check("log_variance", variance.value, "==", spread, variance.tol, variance.why),
    )
    if not config.resolved:
        return checks
    known = logs.sel(depth=config.resolved)
    unit = (logs["gain"] / 2) ** known["depth"]
    sd = unit * np.sqrt(kurtosis(config.width) ** known["depth"] - 1)
    mean = mean_of_known_spread(np.exp(known), sd, len(config.resolved))
    expected = theory["mean_predicted"].assign_coords(depth=depth).sel(depth=config.resolved)
    return *checks, Check("mean_square", mean.value, "==", expected, mean.tol, mean.why)
