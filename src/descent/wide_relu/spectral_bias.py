"""A wide network learns high frequencies last: the time goes with the fourth power, as a beam vibrates.

Gradient descent fits each eigenvector of the kernel at the rate of its eigenvalue. For a constant ζ and lines that are
free the kernel is the inverse of a beam's stiffness, so that the eigenvalues fall with the fourth power of the
frequency. Finite networks have these rates on average over their random neurons.

    M points x_j evenly spaced over [x_1, x_M],  w = ±1,  b uniform:  ζ = 1/(2 bias)
    f = Φa + line,   steps η on Σ (f(x_j) − y_j)²,   η = η̄/n,   τ = 2η̄t:   residual Σ_j e^{−μ_j τ} u_j u_jᵀy
    μ_j/M = ζΛ³/β_j⁴ · (1 − 2β_jτ_j/(3M²)),   cosh β cos β = 1,   Λ = Mh
    of n neurons:   E uᵀΦΦᵀu/n = μ,   whatever n
    y_j = sin 2πk(x_j − x_1)/(x_M − x_1):   half of the residual is left at τ_k, by the modes u_j of the beam

See: left, eigenvalues of the kernel and of networks on the line of slope −4; right, how long each wave takes: the
fourth power of its frequency, and a little more, since waves are not free at the ends.

Source: slides on implicit biases, early stopping and spectral bias; arXiv 1806.08734 for the order in which waves are learned.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.maths.sampling import fewest, mean
from descent.result import Check, Result, measured, predicted, replicates, sweep
from descent.wide_relu._beam import eigenvalues, neglected, projected, roots
from descent.wide_relu._data import kernel
from descent.wide_relu._initial import Initial
from descent.wide_relu._network import features
from descent.wide_relu._waves import half_times, shares

LATE = 4  # periods from which on a wave's rate is nearly that of the mode 2k


@experiment_config
class Config:
    seed: Seed
    replicates: Annotated[Count, Field(ge=fewest("mean", 12))]  # networks
    width: Count  # n
    low: Number  # x_1
    high: Number  # x_M
    points: Count  # M
    bias: Positive  # w = ±1, b ~ U(−bias, bias)
    modes: Count  # compared
    waves: tuple[Count, ...]  # k

    def __post_init__(self):
        require_increasing("waves", self.waves)
        if self.high <= self.low:
            raise ValueError(f"high {self.high:g} ≤ low {self.low:g}")
        far = max(abs(self.low), abs(self.high))
        if self.bias < far:
            raise ValueError(f"bias {self.bias:g} < {far:g}: ζ is not constant over the points")
        if self.bias > 20 * (self.high - self.low):
            raise ValueError(f"bias {self.bias:g}: most breakpoints are far from the points")
        if self.points < 5 * self.modes or self.points < 20:
            raise ValueError(f"points {self.points}: at least 20, and 5 a mode")
        if self.points < 10 * self.waves[-1]:
            raise ValueError(f"points {self.points}: at least 10 a period of wave {self.waves[-1]}")
        if self.width < 2 * self.points:
            raise ValueError(f"width {self.width} < {2 * self.points}: twice the points")
        numbers = 8.0 * self.points**2 + 60.0 * self.points * self.points + self.width * self.points
        work = self.replicates * self.points * self.width * (self.points + 20.0)
        require_cost(self, "replicates, points, width", numbers, work + 1e3 * self.points**3)

    @property
    def x(self) -> np.ndarray:
        return np.linspace(self.low, self.high, self.points)

    @property
    def initial(self) -> Initial:
        return Initial("binary_uniform", 1, self.bias)

    @property
    def zeta(self) -> float:
        return 1 / (2 * self.bias)


def predict(config: Config) -> xr.Dataset:
    """By the beam."""
    span = config.high - config.low
    mu = eigenvalues(config.points, span, config.zeta, config.modes)
    many = min(config.points // 2, 400)
    rates = eigenvalues(config.points, span, config.zeta, many)
    times = [half_times(rates, shares(k, config.points, many)) for k in config.waves]
    return xr.Dataset(
        {
            "eigenvalue_predicted": predicted("mode", mu, "ζMΛ³/β⁴ with its ends"),
            "half_time_predicted": predicted("wave", times, "by the modes of a beam"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """The kernel's eigenvalues, and how fast it fits waves."""
    x, span = config.x, config.high - config.low
    mu, u = projected(kernel(x, x, config.initial.zeta()), x)
    waves = np.sin(2 * np.pi * np.outer(config.waves, (x - x[0]) / span))
    times = [half_times(mu, (one @ u) ** 2) for one in waves]
    return xr.Dataset(
        {
            "eigenvalue": measured("mode", mu[: config.modes], "μ_j of ΠKΠ"),
            "half_time": measured("wave", times, "τ at which half of the wave is left"),
        },
        coords={
            "mode": sweep(np.arange(config.modes) + 1, "mode", "mode j"),
            "wave": sweep(config.waves, "wave", "wave k"),
        },
    )


def measure_networks(config: Config) -> xr.Dataset:
    """uᵀΦΦᵀu/n of random networks along the kernel's eigenvectors."""
    x = config.x
    u = projected(kernel(x, x, config.initial.zeta()), x)[1][:, : config.modes]
    found = []
    for r in range(config.replicates):
        w, b = config.initial.draw(np.random.default_rng([config.seed, r]), config.width)
        found.append(((u.T @ features(x, w, b)) ** 2).mean(1))
    return xr.Dataset(
        {"rate": measured(("replicate", "mode"), found, f"uᵀΦΦᵀu/n of {config.width} neurons")},
        coords={"replicate": replicates(config.replicates)},
    )


def run(config: Config) -> Result:
    found = measure(config).merge(measure_networks(config))
    theory = predict(config)
    mu, beta = found["eigenvalue"].values, roots(config.modes)
    slopes = {}
    if config.modes > 1:
        slopes["mode_slope"] = np.polyfit(np.log(beta), np.log(mu), 1)[0]
    late = [k for k in config.waves if k >= LATE]
    if len(late) > 1:
        tau = found["half_time"].sel(wave=late).values
        slopes["wave_slope"] = np.polyfit(np.log(late), np.log(tau), 1)[0]
    return Result(data=found.merge(theory), metrics=slopes, checks=compare(config, found, theory))


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    mu, tau = theory["eigenvalue_predicted"], theory["half_time_predicted"]
    part = xr.DataArray(neglected(config.points, config.modes), dims="mode")
    sampled = mean(found["rate"])
    # a wave of k periods is near mode 2k, whose shape is known as well as its eigenvalue
    near = [2 * k / config.points for k in config.waves]
    blur = xr.DataArray([0.05 * one for one in near], dims="wave") + 2 / config.points
    return (
        Check("eigenvalue", found["eigenvalue"], "==", mu, part * mu, "the next order in h"),
        Check("rate", sampled.value, "==", mu, sampled.tol + part * mu, sampled.why),
        Check(
            "half_time", found["half_time"], "==", tau, blur * tau, "the beam's shape at its ends"
        ),
    )
