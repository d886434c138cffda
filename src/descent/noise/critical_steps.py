"""Under noisy inputs every moment of the weight, and its law, has a critical step of its own.

A step multiplies the weight by the random factor 1 − ηx̌². The p-th moment stays bounded while the mean of its p-th
power is below 1, and high powers feel the rare large factors most. Where the mean of its logarithm is negative the
law converges, even beyond the step at which the mean runs away.

    w ← (1 − ηx̌²) w + ηx̌y,   x̌ ~ N(x, σ²) fresh at every step
    E|1 − η_p x̌²|^p = 1,   η_ms = η_2 = 2E x̌²/E x̌⁴,   η_mean = 2/(x² + σ²),   E ln|1 − η_as x̌²| = 0
    η_4 < η_ms < η_1 ≤ η_mean,   η_1 < η_as

The inequalities are theorems (log-convexity in p; Jensen); that η_mean < η_as is only what is observed.

See: the five critical steps, in units of that of the mean, over the noise: without noise they are one, and with much
of it the fourth moment is lost at a tenth of the step.

Source: CS182 homework 2, question 3c, which asks for the mean only; Kesten, Acta Math. 131 (1973); arXiv 2006.04740.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.optimize import brentq

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.maths.sampling import mean, require_fewest
from descent.noise._chain import require_scales
from descent.noise._thresholds import NonNegative, Thresholds, thresholds
from descent.result import Check, Result, measured, predicted, replicates, sweep

SLOPE = 0.05  # share of η over which the slope of a moment is taken


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    draws: Count  # of x̌ a replicate
    x: NonNegative
    sigma: Positive  # for the metrics; one of the noises
    noises: tuple[Positive, ...]  # σ

    def __post_init__(self):
        require_increasing("noises", self.noises)
        require_scales(self.x, self.noises, "noises")
        if self.sigma not in self.noises:
            raise ValueError(f"sigma {self.sigma:g} must be one of noises {list(self.noises)}")
        require_fewest("mean", self.replicates, 5 * len(self.noises))
        if self.draws < 5000:
            raise ValueError(
                f"draws {self.draws} < 5000: an eighth power's mean is not near normal"
            )
        drawn = 4.0 * self.replicates * self.draws
        require_cost(self, "replicates, draws, noises", drawn, 100 * drawn * len(self.noises))


def predict(config: Config) -> xr.Dataset:
    """The five critical steps for every noise, by quadrature."""
    found = [thresholds(config.x, sigma) for sigma in config.noises]
    return xr.Dataset(
        {"critical_predicted": predicted(("sigma", "moment"), found, "critical step")}
    )


def measure(config: Config) -> xr.Dataset:
    """The critical steps of a sample, and what every replicate makes of them."""
    noise = np.array(
        [
            np.random.default_rng([config.seed, k]).standard_normal(config.draws)
            for k in range(config.replicates)
        ]
    )
    found = [sample_steps(np.square(config.x + sigma * noise)) for sigma in config.noises]
    names = list(Thresholds._fields)
    return xr.Dataset(
        {"critical": measured(("sigma", "replicate", "moment"), found, "critical step")},
        coords={
            "sigma": sweep(config.noises, "sigma", "noise σ"),
            "replicate": replicates(config.replicates),
            "moment": ("moment", names, {"long_name": "what converges below it"}),
        },
    )


def sample_steps(square: Float[np.ndarray, "r n"]) -> Float[np.ndarray, "r 5"]:
    """The steps at which the whole sample's moments are critical, as the mean over pseudo-values of the replicates.

    The root η₀ of the mean G of g_r over replicates is the mean of η₀ − g_r(η₀)/G'(η₀).
    """
    moments = [np.mean(square**k, axis=1) for k in range(1, 5)]
    m = [float(one.mean()) for one in moments]

    def fourth(eta):
        """(E(1 − ηx̌²)⁴ − 1)/η."""
        a, b, c, d = moments
        return -4 * a + eta * (6 * b + eta * (-4 * c + eta * d))

    def first(eta):
        return np.abs(1 - eta * square).mean(1) - 1

    def logarithm(eta):
        return np.log(np.abs(1 - eta * square)).mean(1)

    top, middle = 2 / m[0], 2 * m[0] / m[1]
    upper = root(first, middle, top)
    high = upper
    while logarithm(high).mean() < 0:
        high *= 1.1
    rows = [
        (fourth, root(fourth, 0.0, middle)),
        (lambda eta: -2 * moments[0] + eta * moments[1], middle),
        (first, upper),
        (lambda eta: eta * moments[0] - 2, top),
        (logarithm, root(logarithm, high / 1.1, high) if high > upper else high),
    ]
    return np.stack([pseudo_values(g, eta) for g, eta in rows], -1)


def root(g, low: float, high: float) -> float:
    """Of the mean of g over replicates, which rises from low to high; an end where rounding leaves no change of sign."""
    if g(high).mean() <= 0:
        return float(high)
    if low > 0 and g(low).mean() >= 0:
        return float(low)
    return float(brentq(lambda eta: g(eta).mean(), low, high, xtol=1e-13 * high))


def pseudo_values(g, eta: float) -> Float[np.ndarray, " r"]:
    slope = (g(eta * (1 + SLOPE)) - g(eta * (1 - SLOPE))).mean() / (2 * SLOPE * eta)
    return eta - g(eta) / slope


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    exact = theory["critical_predicted"].assign_coords(
        found["critical"].drop_vars("replicate").coords
    )
    over_mean = exact.sel(moment="almost_sure") / exact.sel(moment="mean")
    own = exact.sel(sigma=config.sigma)
    steps = mean(found["critical"])
    return Result(
        data=found.merge(theory),
        metrics={f"eta_{name}": own.sel(moment=name) for name in Thresholds._fields}
        | {"almost_sure_over_mean": over_mean.min()},
        checks=(
            Check(
                *("critical_step", steps.value, "==", theory["critical_predicted"]),
                *(steps.tol + 1e-12 * abs(steps.value), steps.why),
            ),
        ),
    )
