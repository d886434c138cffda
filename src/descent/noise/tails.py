"""Beyond the step at which its third moment is lost, the weight under noisy inputs has a power-law tail.

The weight is multiplied by random factors and pushed a little at every step. Rare runs of factors above 1 carry it
far out, and how rare they are is decided by one exponent: that power of the factor has the mean 1.

    w ← (1 − ηx̌²) w + ηx̌y,   x̌ ~ N(x, σ²) fresh at every step,   w₀ = 0
    P(|w| > s) ~ s^(−α),   E|1 − ηx̌²|^α = 1,   E ln|1 − ηx̌²| < 0: the law converges
    Hill: the mean of ln(s_i/s_{k+1}) over the k largest of |w − μ| is 1/α

See: on the left Hill's estimate follows the exponent down to less than 1, where not even a mean is left; on the right
the tails are straight, with the predicted slopes.

Source: CS182 homework 2, question 3; Kesten, Acta Math. 131 (1973); Hill, Ann. Statist. 3 (1975); arXiv 2006.04740.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_at_most, require_cost
from descent.maths.sampling import mean, require_fewest
from descent.noise._chain import Chain, log_excess, require_scales, simulate, steps_to_fill
from descent.noise._thresholds import NonNegative, log_moment, lyapunov, tail_index
from descent.result import Check, Result, measured, predicted, replicates, sweep

HEAVY = 3.0  # exponent up to which the largest weights show the tail
THIN = (
    0.02  # share of the runs beyond which the bulk bends the power law: α is off by a third at 0.2
)
NEXT = 0.1  # of 1/α: what the next order of the tail makes at shares up to that


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
    draws: Count  # of x̌ a replicate, for E ln|1 − ηx̌²|
    tail: Annotated[float, Field(gt=0, le=THIN, strict=True)]  # share of the runs that is the tail

    def __post_init__(self):
        require_increasing("etas", self.etas)
        require_scales(self.x, (self.sigma,), "sigma", self.y)
        require_fewest("mean", self.replicates, len(self.etas))
        if self.tail_count < 5:
            raise ValueError(f"tail {self.tail:g}: {self.tail_count} of {self.chains} chains < 5")
        if self.tail_count * self.replicates < 500:
            raise ValueError(
                f"tail {self.tail:g}: {self.tail_count * self.replicates} of all runs < 500, which "
                "know an exponent to a quarter"
            )
        require_at_most(self, "one run would take minutes", steps=100_000, draws=10_000_000)
        weights = 4.0 * self.replicates * self.chains * len(self.etas)
        require_cost(self, "replicates, chains, etas, steps", weights, 8 * weights * self.steps)
        for eta in self.etas:
            self._require_tail(eta)

    def _require_tail(self, eta: float) -> None:
        if lyapunov(eta, self.x, self.sigma) >= 0:
            raise ValueError(f"etas {eta:g}: E ln|1 − ηx̌²| ≥ 0, so there is no limiting law")
        if log_moment(eta, HEAVY, self.x, self.sigma) < 0:
            raise ValueError(f"etas {eta:g}: E|w|³ is finite; the largest weights show the bulk")
        alpha, runs = tail_index(eta, self.x, self.sigma), self.replicates * self.chains
        needed = 2 * steps_to_fill(self.chain, eta, alpha, runs)
        if needed > self.steps:
            raise ValueError(f"steps {self.steps}: at η = {eta:g} the tail fills in {needed:.0f}")

    @property
    def chain(self) -> Chain:
        return Chain(self.x, self.sigma, self.y)

    @property
    def tail_count(self) -> int:
        """Runs of a replicate that are its tail."""
        return round(self.tail * self.chains)


def predict(config: Config) -> xr.Dataset:
    """1/α, and E ln|1 − ηx̌²|, by quadrature."""
    x, sigma = config.x, config.sigma
    exponents = [lyapunov(eta, x, sigma) for eta in config.etas]
    indices = [1 / tail_index(eta, x, sigma) for eta in config.etas]
    return xr.Dataset(
        {
            "log_excess_predicted": predicted("eta", indices, "1/α"),
            "exponent_predicted": predicted("eta", exponents, "E ln|1 − ηx̌²|"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Hill's mean in every replicate, and how large the weights are of which a share is larger."""
    eta, limit = np.array(config.etas), config.chain.limit
    excess, exponents, sizes = [], [], []
    for k in range(config.replicates):
        rng = np.random.default_rng([config.seed, k])
        w = simulate(rng, config.chain, eta, config.chains, config.steps)
        excess.append(log_excess(w - limit, config.tail_count))
        sizes.append(np.abs(w - limit))
        square = (config.x + config.sigma * rng.standard_normal(config.draws)) ** 2
        exponents.append([np.log(np.abs(1 - one * square)).mean() for one in eta])
    runs = config.replicates * config.chains
    shares = np.geomspace(min(10 / runs, 0.1), 0.5, 60)
    quantiles = np.quantile(np.concatenate(sizes, axis=1), 1 - shares, axis=1)
    cell = ("replicate", "eta")
    return xr.Dataset(
        {
            "log_excess": measured(cell, excess, "mean of ln(s_i/s_{k+1}) in the tail"),
            "exponent": measured(cell, exponents, "mean of ln|1 − ηx̌²|"),
            "size": measured(("share", "eta"), quantiles, "|w_T − μ|"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "eta": sweep(config.etas, "eta", "step η"),
            "share": ("share", shares, {"long_name": "share of the runs beyond"}),
        },
        attrs={"tail": config.tail},
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    hill, exponent = mean(found["log_excess"]), mean(found["exponent"])
    return Result(
        data=found.merge(theory),
        metrics={
            "tail_index": 1 / theory["log_excess_predicted"].assign_coords(eta=found["eta"]),
            "hill": 1 / hill.value,
            "exponent": exponent.value,
        },
        checks=(
            Check(
                *("log_excess", hill.value, "==", theory["log_excess_predicted"]),
                *(hill.tol + NEXT * hill.value, f"{hill.why}, and 10 % for the tail's next order"),
            ),
            Check(
                *("exponent", exponent.value, "==", theory["exponent_predicted"], exponent.tol),
                exponent.why,
            ),
        ),
    )
