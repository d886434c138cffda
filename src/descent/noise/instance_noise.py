"""Fresh noise of variance σ² on the one input shrinks the mean weight as ridge regression with λ = σ² does.

The noise enters the gradient twice, so its mean is that of the loss plus a penalty on w². The penalty is the same for
every step, while the spread around the mean grows with the step.

    w ← (1 − ηx̌²) w + ηx̌y,   x̌ = x + N,   N ~ N(0, σ²) fresh at every step,   w₀ = 0
    E w ← (1 − η(x² + σ²)) E w + ηxy   →   xy/(x² + σ²) = argmin (xw − y)² + σ²w²
    E w_t = (1 − (1 − η(x² + σ²))ᵗ) xy/(x² + σ²);   the limit is short of y/x by (y/x) σ²/(x² + σ²)
    Var w → [2y(E x̌ − ηE x̌³)μ + ηy²E x̌²]/(2E x̌² − ηE x̌⁴) − μ²,   μ = xy/(x² + σ²)
    E x̌³ = x³ + 3xσ²,   E x̌⁴ = x⁴ + 6x²σ² + 3σ⁴

An average tells its exact value only where its standard error has a finite variance: the mean where E w⁴ is
finite, the variance where E w⁸ is.

See: on the left the mean over the runs goes to its limit along the closed form; the means lie on the ridge solution
whatever the step, well short of y/x without noise; the variance follows its dashed curve.

Source: CS182 homework 2, questions 3b and 3d. The limit is printed with the step in it, ηy/(σ² + η²), as if η were x.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Number, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_at_most, require_cost
from descent.maths.sampling import mean, require_fewest
from descent.maths.times import log_spaced
from descent.noise._chain import Chain, require_scales, stationary, steps_to_settle, walk
from descent.noise._thresholds import NonNegative, critical_step, log_moment, raw_moments
from descent.result import Check, Erratum, Result, measured, predicted, replicates, steps, sweep

LOOKS = 12  # along a run
START = 1e-6  # what may be left of the start


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    chains: Count  # runs a replicate, each with its own noise
    steps: Count  # T
    x: NonNegative
    sigma: Positive  # standard deviation of the noise on x
    y: Number  # not 0
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
    def looks(self) -> np.ndarray:
        """The t at which the mean is taken."""
        return log_spaced(self.steps, LOOKS)[1:]

    @property
    def light(self) -> list[float]:
        """The steps at which E w⁸ is finite."""
        return [eta for eta in self.etas if log_moment(eta, 8.0, self.x, self.sigma) < 0]


def predict(config: Config) -> xr.Dataset:
    """The ridge solution, the way to it, how far from y/x it is, and the stationary variance."""
    variance = stationary(config.chain, np.array(config.etas)).variance
    second = raw_moments(config.x, config.sigma, 2)[2]
    kept = (1 - np.array(config.etas)[:, None] * second) ** config.looks
    short = config.y / config.x * config.sigma**2 / second if config.x else 0.0
    return xr.Dataset(
        {
            "limit_predicted": predicted((), config.chain.limit, "xy/(x² + σ²)"),
            "mean_at_predicted": predicted(("eta", "t"), (1 - kept) * config.chain.limit, "E w_t"),
            "short_predicted": predicted((), short, "(y/x) σ²/(x² + σ²)"),
            "variance_predicted": predicted("eta", variance, "limit of Var w_t"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Mean and variance over the runs of every replicate."""
    eta, means, variances = np.array(config.etas), [], []
    looks = set(config.looks.tolist())
    for k in range(config.replicates):
        rng = np.random.default_rng([config.seed, k])
        means.append([])
        for t, w in enumerate(walk(rng, config.chain, eta, config.chains, config.steps), 1):
            if t in looks:
                means[-1].append(w.mean(-1))
        variances.append(w.var(-1, ddof=1))
    cell, noiseless = ("replicate", "eta"), config.y / config.x if config.x else 0.0
    at = np.array(means).swapaxes(1, 2)
    return xr.Dataset(
        {
            "mean_at": measured((*cell, "t"), at, "mean of w_t"),
            "mean": measured(cell, at[..., -1], "mean of w_T"),
            "short": measured(cell, noiseless - at[..., -1], "y/x − mean of w_T"),
            "variance": measured(cell, variances, "variance of w_T"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "eta": sweep(config.etas, "eta", "step η"),
            "t": steps(config.looks, "t", "iteration t"),
        },
        attrs={"noiseless": noiseless},
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
        errata=refute(config, found, theory),
        unchecked={
            f"variance/eta_{eta:g}": "E w⁸ is infinite, so no sample tells a variance from chance"
            for eta in heavy
        },
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    centre = mean(found["mean"])
    # What is left of the start, in w and in w².
    second = raw_moments(config.x, config.sigma, 2)[2]
    left = START * abs(config.x * config.y) / second
    checks = [
        Check(
            *("mean", centre.value, "==", theory["limit_predicted"], centre.tol + left),
            f"{centre.why}, and 10⁻⁶ of the start",
        )
    ]
    along = mean(found["mean_at"])
    rows = [("mean_at", along.value, along.tol, along.why)]
    if config.x:
        gap, why = mean(found["short"]), f"{centre.why}, and 10⁻⁶ of the start"
        rows.append(("short", gap.value, gap.tol + left, why))
    for name, value, tol, why in rows:
        expected = theory[f"{name}_predicted"]
        rounding = 1e-12 * abs(config.y / config.x) if config.x else 0.0
        checks.append(Check(name, value, "==", expected, tol + rounding, why))
    if config.light:
        spread = mean(found["variance"].sel(eta=config.light))
        expected = theory.assign_coords(eta=found["eta"])["variance_predicted"].sel(
            eta=config.light
        )
        tol = spread.tol + 4 * START * (spread.value + left**2 / START**2)
        why = f"{spread.why}, and 10⁻⁶ of the start"
        checks.append(Check("variance", spread.value, "==", expected, tol, why))
    return tuple(checks)


def refute(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Erratum, ...]:
    """The printed limit at the step η that it fits least, where the runs tell it from the right one."""
    centre, right = mean(found["mean"]), theory["limit_predicted"].item()
    printed = found["eta"] * config.y / (config.sigma**2 + found["eta"] ** 2)
    left = START * abs(config.x * config.y) / (config.x**2 + config.sigma**2)
    off = (abs(printed - right) / (centre.tol + left)).values
    k = int(off.argmax())
    erratum = Erratum(
        "limit of the mean, with η for x",
        "CS182 homework 2, question 3d: E w_t → ηy/(σ² + η²)",
        *(printed[k].item(), right, centre.value[k].item(), float(centre.tol[k]) + left),
    )
    return (erratum,) if off[k] > 2 else ()
