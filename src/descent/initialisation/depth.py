"""With depth the gradient of the first layer keeps its size under He's variance and vanishes or explodes by n v/2 a layer under any other; its logarithm spreads as √depth under all.

    L hidden layers of n neurons and a linear output, weights N(0, v), G = ∂(u·f)/∂W_1,   c = n v/2
    E‖G‖² = ‖x‖² ‖u‖² c^L,   so 1 for v = 2/n (He), 2^(−L) for 1/n (LeCun), 2^L for 4/n
    ln(‖G‖²/‖x‖²‖u‖²) = Σ ln Q_l,   Q_l = v χ²_B, B ~ Binomial(n, ½), independent
    mean L(ln v + μ_n), variance L τ_n²;   E‖G‖⁴/(E‖G‖²)² = (1 + 5/n)^L

The median goes as e^(L(ln v + μ_n)), below the mean by the factor e^(−L τ_n²/2): a typical network of He's has
a gradient that shrinks with L/n, and few large ones make up for it. N networks resolve a mean only while
the fourth power of ‖G‖² is in the sample, (1 + 5/n)^(6L) ≲ N; the mean logarithm they resolve always.

Source: CS182 homework 2, question 5a; arXiv 1502.01852 (He); arXiv 1812.05994 and 1801.03744 (lognormal).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.initialisation.relu import kurtosis, log_moments
from descent.maths.replicates import replicate
from descent.result import Check, Result, sweep

CHUNK = 50  # networks drawn at once


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
        if self.networks < 20:
            raise ValueError(f"networks {self.networks} < 20: too few for quantiles")
        if self.width < 8:
            raise ValueError(
                f"width {self.width} < 8: layers of which all is off, 2^(−n), are too many"
            )
        if self.networks * self.depths[-1] * 2.0**-self.width > 0.01:
            raise ValueError(
                f"width {self.width}: of {self.networks} networks of depth {self.depths[-1]} some have a "
                "layer that is off altogether (networks · depth · 2^(−n) > 0.01), and no logarithm"
            )
        if len({f"{gain:g}" for gain in self.all_gains}) < len(self.all_gains):
            listed = ", ".join(f"{gain:g}" for gain in self.all_gains)
            raise ValueError(
                f"gains and n · deviation² [{listed}]: two agree in all six digits shown"
            )
        for gain in self.all_gains:
            if abs(self.depths[-1] * np.log(gain / 2)) > 300:
                raise ValueError(f"gain {gain:g}: (n v/2)^L leaves e^±300 at L = {self.depths[-1]}")

    @property
    def all_gains(self) -> tuple[float, ...]:
        """n v of all, `deviation` last."""
        return *self.gains, self.width * self.deviation**2


def _run(rng, config: Config, count: int) -> Float[np.ndarray, "N gain depth"]:
    """ln‖G‖² of `count` networks: one set of Gaussians at every gain, the first L of them at every depth."""
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
    N, depths = config.networks, np.array(config.depths)
    sizes = np.diff(np.append(np.arange(0, N, CHUNK), N))
    chunks = replicate(_run, config.seed, [(config, int(size)) for size in sizes])
    logs = np.concatenate(chunks)  # (N, gain, depth)
    each = log_moments(config.width)
    v = np.array(config.all_gains) / config.width
    centre = np.multiply.outer(np.log(v) + each.mean, depths)
    sd = np.sqrt(depths * each.variance)
    mean_predicted = np.power.outer(np.array(config.all_gains) / 2, depths)

    share = np.exp(logs - np.log(mean_predicted))  # ‖G‖² over its mean
    mean, error = share.mean(0), share.std(0, ddof=1) / np.sqrt(N)
    log_z = (logs.mean(0) - centre) / (sd / np.sqrt(N))
    # Of a sample variance, with the excess kurtosis of the sum of L: under 2 for ln χ²_B, B ≥ 1.
    spread = logs.std(0, ddof=1) / sd
    spread_z = (spread - 1) / np.sqrt((2 + 2 / depths) / (4 * N))
    known = kurtosis(config.width) ** (6 * depths) <= N  # κ of the square, that its error be known
    checks = [
        Check("mean_logarithm_in_standard_errors", np.abs(log_z).max(), "<=", 0.0, 4.5),
        Check("spread_of_the_logarithm_in_standard_errors", np.abs(spread_z).max(), "<=", 0.0, 4.5),
    ]
    if known.any():
        z = np.abs((mean - 1) / error)[:, known]
        checks.append(Check("mean_square_in_standard_errors", z.max(), "<=", 0.0, 4.5))
    if len(depths) > 1:
        slope = np.polyfit(depths, logs.mean(0).T, 1)[0]
        # The logarithms at the two ends, of networks that share their layers, have at most these errors.
        tol = 4.5 * (sd[0] + sd[-1]) / np.sqrt(N) / (depths[-1] - depths[0])
        gap = np.abs(slope - (np.log(v) + each.mean)).max()
        checks.append(Check("rate_of_the_logarithm", gap, "<=", 0.0, tol))

    cell = ("gain", "depth")
    low, median, high = np.exp(np.quantile(logs, [0.05, 0.5, 0.95], axis=0))
    z95 = 1.6448536269514722
    data = xr.Dataset(
        {
            "mean": (cell, mean * mean_predicted, {"long_name": "mean of ‖G‖²"}),
            "mean_error": (cell, error * mean_predicted, {"long_name": "its standard error"}),
            "mean_predicted": (
                cell,
                mean_predicted,
                {"long_name": "(n v/2)^L", "role": "prediction"},
            ),
            "median": (cell, median, {"long_name": "median of ‖G‖²"}),
            "low": (cell, low, {"long_name": "5 % of ‖G‖² are below"}),
            "high": (cell, high, {"long_name": "5 % of ‖G‖² are above"}),
            "median_predicted": (
                cell,
                np.exp(centre),
                {"long_name": "e^(L(ln v + μ_n))", "role": "prediction"},
            ),
            "low_predicted": (
                cell,
                np.exp(centre - z95 * sd),
                {"long_name": "lognormal 5 % quantile", "role": "prediction"},
            ),
            "high_predicted": (
                cell,
                np.exp(centre + z95 * sd),
                {"long_name": "lognormal 95 % quantile", "role": "prediction"},
            ),
            "log_sd": (cell, logs.std(0, ddof=1), {"long_name": "standard deviation of ln‖G‖²"}),
            "log_sd_predicted": ("depth", sd, {"long_name": "τ_n √L", "role": "prediction"}),
            "resolved": (
                "depth",
                known.astype(int),
                {"long_name": "1 where N networks resolve the mean"},
            ),
        },
        coords={
            "gain": sweep(config.all_gains, "gain", "n v"),
            "depth": sweep(config.depths, "depth", "hidden layers L"),
        },
        attrs={"networks": N, "width": config.width, "deviation": config.deviation},
    )
    return Result(
        data=data,
        metrics={name: data[name] for name in ("mean", "median", "log_sd")}
        | {
            "kurtosis_a_layer": kurtosis(config.width),
            "log_mean_a_layer": each.mean - np.log(config.width / 2),
            "log_variance_a_layer": each.variance,
        },
        checks=tuple(checks),
    )
