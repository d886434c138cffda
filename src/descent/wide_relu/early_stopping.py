"""Stopped at t ∝ M^(4/5) of the mean loss, a wide network's risk falls like M^(−4/5) as the points become more.

By then it has learned about t^¼ modes. Their noise costs σ²/M each, and what the others leave out costs at most
1/(4et), so that the two are of one size where t = M^(4/5). Gradient descent on the summed loss is M times faster: its
time is M^(−1/5), and at M^(4/5) it has learned too much.

    y_j = g₀(x_j) + ε_j,   Var ε = σ²,   x_j evenly spaced over a length 1,   ζ = 1/(2 bias), lines free
    residual of mode j:   e^{−2tμ_j/M} for (1/M) Σ (f − y)²,   e^{−2tμ_j} for Σ (f − y)²
    risk = bias + σ²/M (1 + BI/π),   B = (2tζΛ³)^¼,   I = ∫₀^∞ (1 − e^{−u⁻⁴})² du = 0.99356,   Λ = M/(M − 1)
    t = cM^(4/5):   B ∝ M^(1/5), risk ∝ M^(−4/5);   on the summed loss B ∝ M^(9/20), risk ∝ M^(−11/20)

See: risks of infinitely wide networks lie on the predicted lines for either loss; those of trained networks, with their
5–95 % band, are the same on average; the dotted line has the slope −4/5.

Source: slides on implicit biases: t = Θ(M^(4/5)) gives M^(−4/5), which is so for the mean loss; the loss printed there is
a sum, where it is t = Θ(M^(−1/5)).
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.maths.sampling import fewest, mean
from descent.result import Check, Erratum, Result, measured, predicted, sweep
from descent.wide_relu import _stopped
from descent.wide_relu._beam import projected
from descent.wide_relu._data import kernel
from descent.wide_relu._initial import Initial
from descent.wide_relu._stopped_networks import finite, measure_networks

MOST = 0.3  # of what noise adds: beyond it the number of neurons is seen, not the noise
LOSSES = ["mean", "sum"]
PRINTED, SUMMED = -0.8, -0.55  # exponents of M


@experiment_config
class Config:
    seed: Seed
    replicates: Annotated[Count, Field(ge=fewest("mean", 5))]  # networks of each number of points
    width: Count  # n
    bias: Annotated[float, Field(ge=0.5, le=5)]  # w = ±1, b ~ U(−bias, bias); points over [−½, ½]
    points: tuple[Count, ...]  # M
    trained: tuple[Count, ...]  # those with networks
    noise: Positive  # σ
    time: Positive  # c:  t = cM^(4/5)

    def __post_init__(self):
        require_increasing("points", self.points)
        require_increasing("trained", self.trained)
        if not set(self.trained) <= set(self.points):
            raise ValueError(f"trained {list(self.trained)}: must be among the points")
        if len(self.points) < 2 or self.points[0] < 20:
            raise ValueError("points: two numbers or more, from 20 on")
        if self.width < 3 * self.trained[-1]:
            raise ValueError(f"width {self.width} < {3 * self.trained[-1]}: three times the points")
        if not 1e-3 <= self.noise <= 1e3:
            raise ValueError(
                f"noise {self.noise:g}: within 1e3 of the target, or one hides the other"
            )
        for M in self.points:
            early, late = (_stopped.reach(M, t, self.zeta) for t in self.times(M))
            if early < 8:
                raise ValueError(
                    f"time {self.time:g}: at {M} points B = {early:.3g} < 8, slow modes are left"
                )
            if late > M:
                raise ValueError(f"time {self.time:g}: B = {late:.3g} > {M} points, all is fitted")
        most, largest = self.points[-1], self.trained[-1]
        work = 30.0 * most**3 + self.replicates * len(self.trained) * 8.0 * largest**2 * self.width
        numbers = 60.0 * most**2 + 4.0 * largest * self.width
        require_cost(self, "replicates, width, points, trained", numbers, work)

    @property
    def zeta(self) -> float:
        return 1 / (2 * self.bias)

    @property
    def initial(self) -> Initial:
        return Initial("binary_uniform", 1, self.bias)

    def times(self, M: int) -> tuple[float, float]:
        """t in the time of the mean loss, if it is cM^(4/5) of the mean and of the summed loss."""
        t = self.time * M**0.8
        return t, t * M


def predict(config: Config) -> xr.Dataset:
    """By the modes of a beam."""
    risk = [
        [
            _stopped.bias(M, t, config.zeta)
            + config.noise**2 / M * _stopped.freedom(M, t, config.zeta)
            for M in config.points
            for t in [config.times(M)[loss]]
        ]
        for loss in range(2)
    ]
    return xr.Dataset(
        {"risk_predicted": predicted(("loss", "points"), risk, "bias + σ²/M (1 + BI/π)")}
    )


def measure(config: Config) -> xr.Dataset:
    """Risks of infinitely wide networks, by their kernel."""
    risk, rest = np.zeros((2, len(config.points))), np.zeros((2, len(config.points)))
    for m, M in enumerate(config.points):
        x = np.linspace(-0.5, 0.5, M)
        mu, u = projected(kernel(x, x, config.initial.zeta()), x)
        share = (_stopped.target(x + 0.5) @ u) ** 2
        for k, t in enumerate(config.times(M)):
            left = np.exp(-np.clip(2 * t * mu / M, 0, 700))
            variance = config.noise**2 / M * (2 + ((1 - left) ** 2).sum())
            rest[k, m] = (left**2 * share).sum() / M
            risk[k, m] = rest[k, m] + variance
    return xr.Dataset(
        {
            "risk": measured(("loss", "points"), risk, "E ‖f_t − g₀‖², n = ∞"),
            "bias": measured(("loss", "points"), rest, "the same without noise"),
        },
        coords={
            "loss": ("loss", LOSSES, {"long_name": "loss"}),
            "points": sweep(config.points, "points", "points M"),
        },
    )


def run(config: Config) -> Result:
    found, theory = measure(config).merge(measure_networks(config)), predict(config)
    M, risk = np.log(config.points), np.log(found["risk"].values)
    return Result(
        data=found.merge(theory),
        metrics={
            "slope_mean": np.polyfit(M, risk[0], 1)[0],
            "slope_sum": np.polyfit(M, risk[1], 1)[0],
            "risk": found["risk"].sel(loss="mean", drop=True),
        },
        checks=compare(config, found, theory),
        unchecked=narrow(config, found),
        errata=refute(config, found),
    )


def narrow(config: Config, found: xr.Dataset) -> dict[str, str]:
    """Why networks are not compared: their finite number of neurons shows more than the noise."""
    change, noise = finite(config, found)
    part = float((change / noise).max())
    if part <= MOST:
        return {}
    return {
        "risk_networks": f"width {config.width}: it changes the bias by {part:.2g} of the noise"
    }


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    dims = ("loss", "points")
    off, left = np.zeros((2, len(config.points))), np.zeros((2, len(config.points)))
    for m, M in enumerate(config.points):
        for k, t in enumerate(config.times(M)):
            off[k, m] = config.noise**2 / M * _stopped.neglected(M, t, config.zeta)
            left[k, m] = min(1, 1000 / M**2) * _stopped.bias(M, t, config.zeta)
    tol, exact = xr.DataArray(off + left, dims=dims), theory["risk_predicted"]
    places = [config.points.index(M) for M in config.trained]
    shown, rest = exact[0, places], tol[0, places]
    shown, rest = (one.rename(points="trained") for one in (shown, rest))
    sampled = mean(found["risk_networks"])
    off = sampled.tol + rest + 10 / config.width * sampled.value + finite(config, found)[0]
    many = f"{sampled.why}, 10/n of it, and what n neurons change of the bias"
    risk = Check(
        "risk", found["risk"], "==", exact, tol, "the next order in 1/M, of noise and bias"
    )
    networks = Check("risk_networks", sampled.value, "==", shown, off, many)
    return (risk,) if narrow(config, found) else (risk, networks)


def refute(config: Config, found: xr.Dataset) -> tuple[Erratum, ...]:
    """The exponent of M on the summed loss, where enough modes are learned to tell it."""
    M = config.points[-2:]
    B = _stopped.reach(M[0], config.times(M[0])[1], config.zeta)
    if B < 60 or M[0] / 3 < B or M[1] < 1.2 * M[0]:
        return ()
    late = found["risk"].sel(loss="sum").isel(points=slice(-2, None)).values
    slope = float(np.log(late[1] / late[0]) / np.log(M[1] / M[0]))
    where = "slides on implicit biases, noisy data: exponent of M, of the risk at t = Θ(M^(4/5))"
    return (Erratum("summed_loss", where, PRINTED, SUMMED, slope, 0.05),)
