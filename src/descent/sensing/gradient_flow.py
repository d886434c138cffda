"""Gradient flow from any start has a closed form, which gradient descent tends to as its step shrinks.

The flow of P = UUᵀ is a Riccati equation, and the equation of P⁻¹ is linear. Gradient descent with a step η is O(η)
away from it, so twice the result of half the step less that of the whole step is O(η²) away.

    U: (d, d),   f(U) = ½‖UUᵀ − X‖²,   P' = 2XP + 2PX − 4P²,   D = 4∫₀ᵗ e^{4Xs} ds
    P(t) = e^{2Xt} U₀ (1 + U₀ᵀDU₀)⁻¹ U₀ᵀ e^{2Xt}

Everything is in the eigenbasis of X, where a Gaussian start is a Gaussian start.

See: the distance between gradient descent and the closed form halves with the step.

Source: CS7180 problem set 2, question 2d, at m = ∞; arXiv 2508.20344 (closed form of the flow).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Positive, Seed, experiment_config
from descent.maths.limits import CALL, PRODUCT, require_cost
from descent.maths.replicates import replicate
from descent.result import Check, Result, measured, predicted, replicates
from descent.sensing._population import descend, draw
from descent.sensing._problem import require_stable


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    size: Count  # d
    rank: Count  # r
    alpha: Positive  # U₀ = αW
    time: Positive  # λ₁(X) t to which the flow is followed
    steps: Count  # of the coarsest run over that time
    halvings: Count  # finer runs, each with half the step

    def __post_init__(self):
        require_stable(self.time / self.steps)
        if self.rank > self.size:
            raise ValueError(f"rank {self.rank} > size {self.size}: no such matrix")
        if self.time > 150:
            raise ValueError(f"time {self.time:g} > 150: e^(4λt) leaves float64")
        if self.halvings < 2:
            raise ValueError(f"halvings {self.halvings} < 2: no error of an extrapolation is known")
        if self.halvings > 20:
            raise ValueError(
                f"halvings {self.halvings} > 20: rounding is larger than the steps' error"
            )


def flow(
    spectrum: Float[np.ndarray, " d"], U: Float[np.ndarray, "d k"], t: float
) -> Float[np.ndarray, "d d"]:
    """P(t) of the gradient flow from U in the eigenbasis of X.

    With B = e^{2Xt}D^{−½}, which is bounded, and N = D^½UUᵀD^½ it is B(1 − (1 + N)⁻¹)B. The rows of N
    differ by e^{4λt}; scaled to a unit diagonal, 1 + N has a harmless condition.
    """
    safe = np.where(spectrum > 0, spectrum, spectrum.max())
    D = np.where(spectrum > 0, np.expm1(4 * safe * t) / safe, 4 * t)
    grown = np.sqrt(D)[:, None] * U
    H = np.eye(len(U)) + grown @ grown.T
    s = 1 / np.sqrt(np.diag(H))
    inverse = s[:, None] * np.linalg.inv(s[:, None] * H * s) * s
    B = np.where(spectrum > 0, np.sqrt(safe / -np.expm1(-4 * safe * t)), 1 / np.sqrt(4 * t))
    return B[:, None] * (np.eye(len(U)) - inverse) * B


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """The flow from every start."""
    flows = [
        flow(x.values, config.alpha * W.values, config.time / float(x[0]))
        for x, W in zip(given["spectrum"], given["W"], strict=True)
    ]
    return xr.Dataset(
        {"flow": predicted(("replicate", "row", "column"), flows, "P(t) of the flow")}
    )


def measure(config: Config) -> xr.Dataset:
    """The problem, and UUᵀ where gradient descent ends, with the coarsest step first."""
    d, runs = config.size, config.halvings + 1
    work = (8 * PRODUCT * d**3 + CALL) * config.replicates * config.steps * 2**runs
    numbers = 2 * config.replicates * runs * d**2
    require_cost(config, "size, steps, halvings, replicates", numbers, work, free=True)
    ends = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    spectrum, W, P = map(np.stack, zip(*ends, strict=True))
    fine = config.time / config.steps / 2.0 ** np.arange(runs)
    square = ("row", "column")
    return xr.Dataset(
        {
            "spectrum": measured(("replicate", "row"), spectrum, "eigenvalues of X"),
            "W": measured(("replicate", *square), W, "direction W of the start"),
            "descent": measured(("replicate", "flow_step", *square), P, "UUᵀ of gradient descent"),
        },
        coords={
            "flow_step": ("flow_step", fine, {"long_name": "step ηλ₁"}),
            "replicate": replicates(config.replicates),
        },
    )


def _measure_one(rng: np.random.Generator, config: Config) -> tuple[np.ndarray, ...]:
    spectrum, W = draw(rng, config.size, config.rank)
    ends = []
    for k in range(config.halvings + 1):
        count = config.steps * 2**k
        eta = config.time / spectrum[0] / count
        U = descend(spectrum, config.alpha * W[None], eta, count)[1][0]
        ends.append(U @ U.T)
    return spectrum, W, np.array(ends)


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    error = np.sqrt(((found["descent"] - theory["flow"]) ** 2).sum(("row", "column"), skipna=False))
    error = error.assign_attrs(long_name="‖UUᵀ − P(t)‖, P the gradient flow")
    loose = float((uncertainty(found) / largest(found)).max())
    reasons = {
        "of so large a start and step gradient descent diverges": not np.isfinite(loose),
        f"two extrapolations to η = 0 differ by {loose:.1g}, more than a tenth": loose > 0.1,
    }
    return Result(
        data=xr.Dataset({"flow_error": error}),
        metrics={"flow_error": error.mean("replicate", skipna=False)},
        checks=() if any(reasons.values()) else compare(found, theory),
        no_claim=tuple(reason for reason, applies in reasons.items() if applies),
    )


def extrapolated(found: xr.Dataset, finest: int) -> xr.DataArray:
    """2P(η/2) − P(η), η/2 the step of run `finest` (counted from the end)."""
    half, whole = (found["descent"].isel(flow_step=k, drop=True) for k in (finest, finest - 1))
    return 2 * half - whole


def largest(found: xr.Dataset) -> xr.DataArray:
    """The largest entry of every replicate's UUᵀ."""
    return abs(found["descent"].isel(flow_step=-1, drop=True)).max(("row", "column"), skipna=False)


def uncertainty(found: xr.Dataset) -> xr.DataArray:
    """Largest change from one extrapolation to the next: thrice the error that is left, which falls as η²."""
    change = extrapolated(found, -1) - extrapolated(found, -2)
    return abs(change).max(("row", "column"), skipna=False)


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    tol = uncertainty(found) + 1e-12 * largest(found)
    why = "what the last halving of the step changed"
    return (Check("closed_form", extrapolated(found, -1), "==", theory["flow"], tol, why),)
