"""Fresh noise of variance σ² on the one input shrinks the mean weight as ridge regression with λ = σ² does.

The noise enters the gradient twice, so its mean is that of the loss plus a penalty on w². The penalty is the same for
every step, while the spread around the mean grows with the step.

    w ← (1 − ηx̌²) w + ηx̌y,   x̌ = x + N,   N ~ N(0, σ²) fresh at every step,   w₀ = 0
    E w ← (1 − η(x² + σ²)) E w + ηxy   →   xy/(x² + σ²) = argmin (xw − y)² + σ²w²
    Var w → [2y(E x̌ − ηE x̌³)μ + ηy²E x̌²]/(2E x̌² − ηE x̌⁴) − μ²,   μ = xy/(x² + σ²)
    E x̌³ = x³ + 3xσ²,   E x̌⁴ = x⁴ + 6x²σ² + 3σ⁴

An average tells its exact value only where its standard error has a finite variance: the mean where E w⁴ is
finite, the variance where E w⁸ is.

See: the means lie on the ridge solution whatever the step, well below y/x without noise; the variance follows its
dashed curve.

Source: CS182 homework 2, questions 3b and 3d.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_at_most, require_cost
from descent.maths.sampling import mean, require_fewest
from descent.noise._chain import Chain, require_scales, simulate, stationary, steps_to_settle
from descent.noise._thresholds import NonNegative, critical_step, log_moment, raw_moments
from descent.result import Check, Result, measured, predicted, replicates, sweep

START = 1e-6  # what may be left of the start


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    chains: Count  # runs a replicate, each with its own noise
    steps: Count  # T
    x: NonNegative
    sigma: Positive  # standard deviation of the noise on x
    y: Positive
    etas: tuple[Positive, ...]  # steps η

    def __post_init__(self):
        require_increasing("etas", self.etas)
        require_scales(self.x, (self.sigma,), "sigma", self.y)
        require_fewest("mean", self.replicates, len(self.etas))
        if self.chains < 100:
            raise ValueError(
                f"chains {self.chains} < 100: an average of squares is not near normal"
            )
        require_at_most(self, "one run would take minutes", steps=100_000)
        weights = 4.0 * self.replicates * self.chains * len(self.etas)
        require_cost(self, "replicates, chains, etas, steps", weights, 8 * weights * self.steps)
        for eta in self.etas:
            if log_moment(eta, 4.0, self.x, self.sigma) >= 0:
                fourth = critical_step(4.0, self.x, self.sigma)
                raise ValueError(
                    f"etas {eta:g} ≥ {fourth:.4g}: E w⁴ is infinite, so no sample tells the mean"
                )
            needed = steps_to_settle(self.chain, eta, START)
            if needed > self.steps:
                raise ValueError(f"steps {self.steps}: at η = {eta:g} the start fades in {needed}")

    @property
    def chain(self) -> Chain:
        return Chain(self.x, self.sigma, self.y)

    @property
    def light(self) -> list[float]:
        """The steps at which E w⁸ is finite."""
        return [eta for eta in self.etas if log_moment(eta, 8.0, self.x, self.sigma) < 0]


def predict(config: Config) -> xr.Dataset:
    """The ridge solution, and the stationary variance."""
    variance = stationary(config.chain, np.array(config.etas)).variance
    return xr.Dataset(
        {
            "limit_predicted": predicted((), config.chain.limit, "xy/(x² + σ²)"),
            "variance_predicted": predicted("eta", variance, "limit of Var w_t"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Mean and variance over the runs of every replicate."""
    eta, means, variances = np.array(config.etas), [], []
    for k in range(config.replicates):
        rng = np.random.default_rng([config.seed, k])
        w = simulate(rng, config.chain, eta, config.chains, config.steps)
        means.append(w.mean(-1))
        variances.append(w.var(-1, ddof=1))
    cell = ("replicate", "eta")
    return xr.Dataset(
        {
            "mean": measured(cell, means, "mean of w_T"),
            "variance": measured(cell, variances, "variance of w_T"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "eta": sweep(config.etas, "eta", "step η"),
        },
        attrs={"noiseless": config.y / config.x if config.x else 0.0},
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    heavy = [eta for eta in config.etas if eta not in config.light]
    return Result(
        data=found.merge(theory),
        metrics={
            "limit": theory["limit_predicted"],
            "mean": found["mean"].mean("replicate"),
            "variance": found["variance"].mean("replicate"),
            "variance_exact": theory["variance_predicted"],
        },
        checks=compare(config, found, theory),
        unchecked={
            f"variance/eta_{eta:g}": "E w⁸ is infinite, so no sample tells a variance from chance"
            for eta in heavy
        },
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    centre = mean(found["mean"])
    # What is left of the start, in w and in w².
    second = raw_moments(config.x, config.sigma, 2)[2]
    left = START * config.x * config.y / second
    checks = [
        Check(
            *("mean", centre.value, "==", theory["limit_predicted"], centre.tol + left),
            f"{centre.why}, and 10⁻⁶ of the start",
        )
    ]
    if config.light:
        spread = mean(found["variance"].sel(eta=config.light))
        expected = theory.assign_coords(eta=found["eta"])["variance_predicted"].sel(
            eta=config.light
        )
        tol = spread.tol + 4 * START * (spread.value + left**2 / START**2)
        why = f"{spread.why}, and 10⁻⁶ of the start"
        checks.append(Check("variance", spread.value, "==", expected, tol, why))
    return tuple(checks)
