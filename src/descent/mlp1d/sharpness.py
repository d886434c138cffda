"""Gradient descent sharpens until λ_max of the Hessian is 2/η, and then trains on at that edge of stability.

Below 2/η a step is stable and training drives λ_max up. Above it the step along the top eigenvector overshoots, by
1 − ηλ_max < −1, and the growing swing brings the sharpness down again. So once the median network has come up to the
edge, it stays there, up to a small share of it.

    θ ← θ − η∇f(θ),   critical sharpness 2/η
    a step within one linear piece:  (f(θ − ηg) − f(θ))/(η‖g‖²) = −1 + η/‖g‖² ∫₀¹ (1 − s) gᵀ∇²f(θ − sηg)g ds

The Hessian is exact and that of the piece θ lies in. Training leaves points on kinks of ReLU: there differences of
gradients are not vᵀ∇²f v, and a step across may raise the loss at any λ_max.

See: on the left, every rate that gets to the dashed line stays there; the smallest does not get there in time. On the
right, the loss goes on falling meanwhile.

Source: FRTN50 assignment 3d asserts that Adam finds sharp minima and gradient descent flat ones, unmeasured; arXiv
2103.00065 (edge of stability).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths import rules
from descent.maths.initialise import initialise
from descent.maths.network import Shape
from descent.maths.times import first_above, log_spaced
from descent.maths.training import Run, train
from descent.mlp1d import _problem
from descent.mlp1d._piece import Steps, kinks, steps_within_a_piece
from descent.mlp1d._problem import DRAWN, Hidden
from descent.result import Check, Result, measured, predicted, replicates, steps, sweep

# Networks: of 480 runs with 3 to 9, 4 had a median off the edge; of 200 with 12 or 20, none.
FEWEST = 10


@experiment_config
class Config(_problem.Config):
    hidden: Hidden
    rates: tuple[Positive, ...]  # η
    times: Count  # epochs at which λ_max is computed, evenly spaced, after epoch 0
    claim_edge: Positive  # share of 2/η within which the median network stays
    difference: Positive  # h of the differences of gradients

    def __post_init__(self):
        super().__post_init__()
        require_increasing("rates", self.rates)
        if self.replicates < FEWEST:
            few = "the median of so few networks leaves the edge by chance"
            raise ValueError(f"replicates {self.replicates} < {FEWEST}: {few}")
        if self.times > self.epochs:
            raise ValueError(f"times {self.times} > epochs {self.epochs}")
        if self.claim_edge >= 0.5:
            raise ValueError(f"claim_edge {self.claim_edge:g}: must be below 0.5")

    @property
    def epochs_looked_at(self) -> np.ndarray:
        return np.linspace(0, self.epochs, self.times + 1).round().astype(int)

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "relu")


def predict(config: Config, moves: Steps) -> xr.Dataset:
    """The edge, and what a step within a piece changes by its expansion along the way."""
    change, rates = -1 + moves.curved, np.array(config.rates)
    return xr.Dataset(
        {
            "critical_predicted": predicted("rate", 2 / rates, "2/η"),
            "change_predicted": predicted("move", change, "−1 + η/‖g‖² ∫ (1 − s) gᵀ∇²f g"),
        }
    )


def measure_steps(config: Config, out: Run, lam: np.ndarray) -> Steps:
    """Steps below the edge, from the networks at the epochs that are looked at."""
    x, y = _problem.points(config.points)
    eta = np.repeat(config.rates, config.replicates)
    return steps_within_a_piece(out.kept, lam, eta, x, y, config.shape)


def measure(config: Config) -> tuple[xr.Dataset, Run, np.ndarray]:
    """Training at every rate from the same starts, and the sharpness on the way."""
    (x, y), shape = _problem.points(config.points), config.shape
    R, rates, when = config.replicates, len(config.rates), config.epochs_looked_at
    _problem.require_room(shape, R * rates * len(when), config.points)
    _problem.require_room(shape, R * rates, config.points, config.epochs)
    _problem.require_hessian(shape)
    theta = initialise(np.random.default_rng(config.seed), "uniform", shape, R)
    start, eta, slope = np.tile(theta, (rates, 1)), np.repeat(config.rates, R), None
    slope = _problem.slope(x, y, shape)
    out = train(start, slope, rules.descent(), eta, config.epochs, keep=when.tolist())
    lam = np.zeros((len(when), rates * R))
    for k, theta in enumerate(out.kept):
        there = ~(out.is_lost & (out.lost <= when[k]))  # a lost network has no sharpness: 0
        lam[k, there] = _problem.sharpness(theta[there], config.points, shape)
    rises = (np.diff(out.losses, axis=0) > 0).mean(0)
    kept, each = log_spaced(config.epochs, DRAWN), ("rate", "replicate")
    first, second = (
        values.reshape(-1, rates, R).transpose(1, 0, 2) for values in (lam, out.losses[kept])
    )
    lost = out.is_lost.astype(float).reshape(rates, R)
    data = {
        "sharpness": measured(("rate", "time", "replicate"), first, "λ_max(∇²f(θ_t))"),
        "loss": measured(("rate", "epoch", "replicate"), second, "training loss"),
        "rises": measured(each, rises.reshape(rates, R), "share of steps that raise the loss"),
        "diverged": measured(each, lost, "diverged"),
    }
    coords = {
        "rate": sweep(config.rates, "rate", "rate η"),
        "time": steps(when, "time", "epoch"),
        "epoch": steps(kept, "epoch", "epoch"),
        "replicate": replicates(R),
    }
    return xr.Dataset(data, coords), out, lam


def run(config: Config) -> Result:
    found, out, lam = measure(config)
    moves = measure_steps(config, out, lam)
    theory = predict(config, moves)
    middle, reasons = typical(config, found)
    x, y = _problem.points(config.points)
    piece = kinks(out.theta[~out.is_lost], config.difference, x, y, config.shape)
    last = found["sharpness"].isel(time=-1)
    numbers = np.arange(len(moves.change))
    shown = found.merge(theory).assign(
        change=measured("move", moves.change, "change of the loss in a step, over η‖g‖²")
    )
    return Result(
        data=shown.assign_coords(move=("move", numbers, {"long_name": "step within a piece"})),
        metrics={
            "parameters": float(config.shape.parameters),
            "sharpness_median": last.median("replicate"),
            "sharpness_p95": last.quantile(0.95, "replicate"),
            "critical": shown["critical_predicted"],
            "start_sharpness_median": np.median(lam[0]),
            "rises_mean": found["rises"].mean("replicate"),
            "diverged_fraction": found["diverged"].mean("replicate"),
            "steps_that_switch_a_unit": moves.switched,
            "on_a_kink_fraction": piece.share,
            "difference_gap_on_a_kink": piece.gap,
        },
        checks=compare(config, middle, moves, theory),
        no_claim=() if middle else tuple(reasons.values()),
        unchecked=reasons if middle else {},
    )


def typical(config: Config, found: xr.Dataset) -> tuple[dict[str, xr.DataArray], dict[str, str]]:
    """The median sharpness from when it first came up to the edge; why a rate has none."""
    arrived, reasons = {}, {}
    for k, rate in enumerate(config.rates):
        name, edge = f"sharpness_at_rate_{rate:g}", 2 / rate
        one = found.isel(rate=k, drop=True)
        middle = one["sharpness"].median("replicate")
        first = first_above(middle.values, (1 - config.claim_edge / 2) * edge)
        if one["diverged"].mean() >= 0.5:
            reasons[name] = f"rate {rate:g}: {int(one['diverged'].sum())} networks were lost"
        elif first == 0:
            reasons[name] = (
                f"rate {rate:g}: starts at λ_max {middle[0]:.3g}, the edge is {edge:.3g}"
            )
        elif np.isnan(first):
            top = float(middle.max())
            reasons[name] = (
                f"rate {rate:g}: λ_max came to {top:.3g} of {edge:.3g} in {config.epochs} epochs"
            )
        else:
            arrived[name] = middle[int(first) :].assign_coords(rate=rate)
    return arrived, reasons


def compare(
    config: Config, middle: dict[str, xr.DataArray], moves: Steps, theory: xr.Dataset
) -> tuple[Check, ...]:
    checks, claimed = [], "the share of 2/η that is claimed"
    for name, lam in middle.items():
        rate = float(lam["rate"])
        edge = theory["critical_predicted"][config.rates.index(rate)].drop_vars(
            "rate", errors="ignore"
        )
        tol = config.claim_edge * 2 / rate
        checks.append(Check(name, lam.drop_vars("rate"), "==", edge, tol, claimed))
    if len(moves.change):
        change, tol = (xr.DataArray(a, dims="move") for a in (moves.change, moves.rounding))
        expected, why = theory["change_predicted"], "rounding of the residuals"
        checks.append(Check("step_within_a_piece", change, "==", expected, tol, why))
    return tuple(checks)
