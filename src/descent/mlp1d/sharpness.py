"""Gradient descent sharpens until λ_max of the Hessian is 2/η, and then trains on at that edge of stability.

    θ ← θ − η∇f(θ),   λ_max(∇²f(θ_t)) rises while it is below 2/η; above it the step along the top eigenvector
    overshoots, by 1 − ηλ_max < −1, and the growing swing brings the sharpness down again
    a step within one linear piece:  f(θ − ηg) − f(θ) = −η‖g‖² + η² ∫₀¹ (1 − s) gᵀ∇²f(θ − sηg)g ds

The Hessian is exact (forward over backward by hand) and that of the piece θ lies in. Training leaves points on kinks of
ReLU: there differences of gradients are not vᵀ∇²f v, and a step across may raise the loss at any λ_max.

Source: FRTN50 assignment 3d asserts that Adam finds sharp minima and gradient descent flat ones, unmeasured; arXiv
2103.00065 (edge of stability).
"""

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from descent.config import Count, Positive, Refusal, experiment_config, require_increasing
from descent.maths.networks import (
    Shape,
    draw,
    forward,
    gradients,
    hessian_products,
    hessians,
    losses,
)
from descent.mlp1d import problem
from descent.mlp1d.problem import Hidden, require_room
from descent.mlp1d.training import thinned, train
from descent.result import Check, Result, replicates, steps, sweep

LARGEST_HESSIAN = 1000  # parameters: 8 MB


@experiment_config
class Config(problem.Config):
    hidden: Hidden
    rates: tuple[Positive, ...]  # η
    times: Count  # epochs at which λ_max is computed, evenly spaced, after epoch 0
    near: Positive  # share of 2/η that counts as the edge
    difference: Positive  # h of the differences of gradients

    def __post_init__(self):
        super().__post_init__()
        require_increasing("rates", self.rates)
        if self.times > self.epochs:
            raise ValueError(f"times {self.times} > epochs {self.epochs}")
        if self.near >= 1:
            raise ValueError(f"near {self.near:g}: must be below 1")

    @property
    def epochs_looked_at(self) -> np.ndarray:
        return np.linspace(0, self.epochs, self.times + 1).round().astype(int)


def top(
    theta: Float[np.ndarray, "R P"], x: np.ndarray, y: np.ndarray, shape: Shape
) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, "R P"]]:
    """λ_max and its eigenvector of every network."""
    values, vectors = np.linalg.eigh(hessians(theta, x, y, shape))
    return values[:, -1], vectors[:, :, -1]


def sharpness(
    theta: Float[np.ndarray, "R P"], x: np.ndarray, y: np.ndarray, shape: Shape
) -> Float[np.ndarray, " R"]:
    """λ_max, one Hessian at a time to save memory."""
    return np.array([np.linalg.eigvalsh(hessians(one[None], x, y, shape)[0])[-1] for one in theta])


def same_piece(a: np.ndarray, b: np.ndarray, x: np.ndarray, shape: Shape) -> Bool[np.ndarray, " R"]:
    """Whether the same units are on at all points in networks a and b."""
    patterns = ([h > 0 for h in forward(theta, x, shape)[1:-1]] for theta in (a, b))
    return np.all([(p == q).all((1, 2)) for p, q in zip(*patterns, strict=True)], axis=0)


def taylor_gap(
    theta: Float[np.ndarray, "S R P"],
    lam: Float[np.ndarray, "S R"],
    eta: Float[np.ndarray, " R"],
    x: np.ndarray,
    y: np.ndarray,
    shape: Shape,
) -> tuple[Float[np.ndarray, " k"], float]:
    """Deviation of (f(θ − ηg) − f(θ))/(η‖g‖²) from its expansion, of steps without a switch; and the share of those with one.

    Within a piece m is a polynomial of degree D in the step, so D Gauss points give the integral exactly.
    """
    nodes, weights = np.polynomial.legendre.leggauss(len(shape.widths) - 1)
    nodes, weights = (nodes + 1) / 2, weights / 2
    gaps, switched = [], []
    for at, l in zip(theta, lam, strict=True):
        below = (l > 0) & (eta * l < 2)
        at, step = at[below], eta[below]
        f, g = gradients(at, x, y, shape)
        moved = -step[:, None] * g
        first = np.sum(g * g, 1) * step
        same = same_piece(at, at + moved, x, shape)
        second = np.zeros(len(at))
        for s, w in zip(nodes, weights, strict=True):
            here = at + s * moved
            same &= same_piece(at, here, x, shape)
            product = hessian_products(here, moved, x, y, shape)
            second += w * (1 - s) * np.sum(moved * product, 1)
        used = same & (first > 1e-7 * np.sqrt(f))  # else the rounding of residuals, 1e-16, shows
        change = losses(at + moved, x, y, shape) - f
        gaps.append(change[used] / first[used] + 1 - second[used] / first[used])
        switched.append(~same)
    share = np.concatenate(switched)
    return np.concatenate(gaps), float(share.mean()) if len(share) else 0.0


def run(config: Config) -> Result:
    x, y = problem.points(config.points)
    shape = Shape((1, *config.hidden, 1), "relu")
    P, R, rates = shape.parameters, config.replicates, len(config.rates)
    require_room(P, R * rates * (config.times + 1))
    if P > LARGEST_HESSIAN:
        raise Refusal(
            f"hidden {list(config.hidden)}: {P} parameters > {LARGEST_HESSIAN} for a Hessian"
        )
    when, kept = config.epochs_looked_at, thinned(config.epochs)
    start = np.tile(draw(np.random.default_rng(config.seed), shape, R), (rates, 1))
    eta = np.repeat(config.rates, R)
    out = train(start, x, y, shape, eta, config.epochs, snapshots=when.tolist())
    lam = np.zeros((len(when), rates * R))
    for k, theta in enumerate(out.snapshots):
        there = ~(out.diverged & (out.ended <= when[k]))  # a lost network has no sharpness: 0
        lam[k, there] = sharpness(theta[there], x, y, shape)
    relative = (lam * eta / 2).reshape(len(when), rates, R)
    lost = out.diverged.reshape(rates, R)
    middle = np.median(
        np.where(lost, np.inf, relative), 2
    )  # (time, rate); of which most are lost: inf

    rises = (np.diff(out.losses, axis=0) > 0).mean(0)
    gaps, switched = taylor_gap(out.snapshots, lam, eta, x, y, shape)

    end = out.theta[~out.diverged]
    h, gap, smooth = config.difference, np.zeros(0), np.zeros(0, bool)
    if len(end):
        values, v = top(end, x, y, shape)
        ahead, back = (gradients(end + s * h * v, x, y, shape)[1] for s in (1, -1))
        gap = np.abs(np.sum((ahead - back) * v, 1) / (2 * h) / values - 1)
        smooth = same_piece(end + h * v, end - h * v, x, shape)

    checks = []
    for k, rate in enumerate(config.rates):
        at = f"rate_{rate:g}"
        last = middle[-1, k]
        # At the edge the median hovers within 2 % of 2/η (measured).
        checks.append(Check(f"median_at_most_critical/{at}", last, "<=", 1.0, 0.02))
        arrived = np.flatnonzero(middle[:-1, k] >= config.near)
        if len(arrived):
            lowest = middle[arrived[0] :, k].min()
            checks.append(Check(f"stays_at_the_edge/{at}", lowest, ">=", config.near, 0.1))
    reached = middle[-1, -1] if np.isfinite(middle[-1, -1]) else np.nan  # lost is not at the edge
    checks.append(Check("largest_rate_at_the_edge", reached, ">=", config.near, 0.0))
    if len(gaps):
        # Rounding of f, 2e-16 √f, relative to a change of 1e-7 √f.
        checks.append(Check("taylor_within_a_piece", np.abs(gaps).max(), "<=", 0.0, 1e-8))
    dims = ("rate", "epoch", "replicate")
    dataset = xr.Dataset(
        {
            "sharpness": (
                ("rate", "time", "replicate"),
                lam.reshape(len(when), rates, R).transpose(1, 0, 2),
                {"long_name": "λ_max(∇²f(θ_t))"},
            ),
            "loss": (
                dims,
                out.losses[kept].reshape(len(kept), rates, R).transpose(1, 0, 2),
                {"long_name": "training loss"},
            ),
            "rises": (
                ("rate", "replicate"),
                rises.reshape(rates, R),
                {"long_name": "share of steps that raise the loss"},
            ),
            "diverged": (
                ("rate", "replicate"),
                lost.astype(float),
                {"long_name": "diverged"},
            ),
            "critical": (
                "rate",
                2 / np.array(config.rates),
                {"long_name": "2/η", "role": "prediction"},
            ),
        },
        coords={
            "rate": sweep(config.rates, "rate", "rate η"),
            "time": steps(when, "time", "epoch"),
            "epoch": steps(kept, "epoch", "epoch"),
            "replicate": replicates(R),
        },
    )
    last = dataset["sharpness"].isel(time=-1)
    return Result(
        data=dataset,
        metrics={
            "parameters": float(P),
            "sharpness_median": last.median("replicate"),
            "sharpness_p95": last.quantile(0.95, "replicate"),
            "critical": dataset["critical"],
            "start_sharpness_median": np.median(lam[0]),
            "rises_mean": dataset["rises"].mean("replicate"),
            "diverged_fraction": dataset["diverged"].mean("replicate"),
            "steps_that_switch_a_unit": switched,
            "on_a_kink_fraction": 1 - smooth.mean() if len(end) else 0.0,
            "difference_gap_on_a_kink": np.median(gap[~smooth]) if (~smooth).any() else 0.0,
        },
        checks=tuple(checks),
    )
