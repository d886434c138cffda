"""Full-batch training sharpens until λ_max(∇²L) meets 2(2 − β)/(βη), where averaged gradients lose stability, and stays.

    z ← (1 − β)z + β∇L(w),   w ← w − ηz,   z₀ = 0;   L = ½ mean ‖f(x) − y‖², y one-hot
    a direction of curvature λ = 2σ² is stable up to ηβσ² = 2 − β:   λ_max → 2(2 − β)/(βη)

Every β gets the step η = 2(2 − β)/(β·plateau), so that all are to end at the same sharpness. Plain
descent, β = 1, is to end at 2/η; the bound 1/(βσ²) would have the others end at 2/(βη), lower by 2 − β.

A share of the labels is random, so that there is always something left to fit and the sharpness
keeps pushing up. Several eigenvalues then hover at the edge, the largest of them above it: by up to 0.05 at
the plateau of 35, start of 0.7 and 1800 steps, 10 seeds; the more the longer the step. At β = 1 it is
0.07 to 0.09 at 20 and 0.10 to 0.11 at 12; at β = 0.5 up to 0.04; at β = 0.2 up to 0.01. No theory here has
the excess, so a check only tells the bound from the next one that it could be taken for.

The edge is where a direction stops to be stable, so this is about runs that start below it and are found at
it in the tail. One that starts above is unstable from its first step on: it diverges or lands where it
is flatter, and may stay there. One that stays below is stable, and nothing holds it: short steps do not
reach the edge in the time given, or the fit ends first. There a step of plain descent cannot raise the loss.

Source: CS182 homework 2, questions 2d to 2f (bound); arXiv 2103.00065 (edge of stability, here for averaged
gradients).
"""

from functools import partial
from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import (
    Count,
    Positive,
    Refusal,
    Seed,
    experiment_config,
    require_increasing,
)
from descent.dynamics.curvature import (
    State,
    differentiate,
    hessian_times,
    largest_eigenvalue,
)
from descent.maths import mlp
from descent.maths.momentum import highest
from descent.maths.replicates import replicate
from descent.result import Check, Erratum, Result, replicates, steps, sweep

Share = Annotated[float, Field(ge=0, le=1)]
APART = 0.1  # of the edge; bounds nearer to it than twice the excess are not told from it


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    images: Count  # n, drawn from the training set
    pool: Count  # side of the squares of pixels that are averaged
    hidden: tuple[Count, ...]  # widths
    start: Positive  # times LeCun's weights
    noise: Share  # of labels drawn at random
    betas: tuple[Positive, ...]
    plateau: Positive  # sharpness at which every run is to end
    steps: Count
    every: Count  # steps between two measurements
    products: Count  # Hessian–vector products a measurement
    tail: Share  # of the run, over which the plateau is averaged

    def __post_init__(self):
        require_increasing("betas", self.betas)
        if self.betas[-1] >= 2:
            raise ValueError(f"betas {self.betas[-1]:g} ≥ 2: no step is stable")
        if self.every > self.steps:
            raise ValueError(f"every {self.every} > steps {self.steps}: only the start is measured")
        if self.tail == 0:
            raise ValueError("tail 0: there is nothing to average")

    def step(self, beta: float) -> float:
        """η at which the predicted sharpness is the plateau."""
        return 2 * highest(beta) / (beta * self.plateau)


def prepared(rng: np.random.Generator, mnist: xr.Dataset, config: Config) -> tuple:
    """Standardised pooled pixels (n, p) and one-hot labels (n, c), some of them random."""
    images, labels = mnist["train_images"].values, mnist["train_labels"].values
    if config.images > len(images):
        raise Refusal(f"images {config.images} > {len(images)} training images")
    side = min(images.shape[1:]) // config.pool
    if side == 0:
        raise Refusal(f"pool {config.pool} > {min(images.shape[1:])} pixels")
    chosen = rng.choice(len(images), config.images, replace=False)
    cut = images[chosen, : side * config.pool, : side * config.pool].astype(float)
    x = cut.reshape(-1, side, config.pool, side, config.pool).mean((2, 4)).reshape(-1, side**2)
    if x.std() == 0:
        raise Refusal("all chosen pixels are equal: there is nothing to standardise")
    classes = int(labels.max()) + 1
    random = rng.random(config.images) < config.noise
    drawn = rng.integers(0, classes, config.images)
    return (x - x.mean()) / x.std(), np.eye(classes)[np.where(random, drawn, labels[chosen])]


def halfway(beta: float) -> float:
    """From 2(2 − β)/(βη) to the nearest of 2/(βη) and, with σ² taken for λ, 1/(βη) and (2 − β)/(βη); over the first."""
    ratios = np.array([1, 1 / 2, highest(beta) / 2]) / highest(beta)
    gaps = np.abs(1 - ratios)
    return float(gaps[gaps >= APART].min()) / 2


def train(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray, beta: float, config: Config
) -> tuple[np.ndarray, float, float]:
    """(sharpness, its residual, loss) at every measurement; the share of steps that raise the loss, also in the tail."""
    widths = [x.shape[1], *config.hidden, y.shape[1]]
    start = mlp.initialise(rng, widths, "lecun", True, np.float64)
    w = config.start * mlp.flattened(start)
    z, v = np.zeros_like(w), rng.standard_normal(len(w))
    eta, curve, losses = config.step(beta), [], []

    def times(u: np.ndarray, network: mlp.Network, state: State) -> np.ndarray:
        return mlp.flattened(hessian_times(network, state, mlp.unflattened(u, widths, True)))

    with np.errstate(over="ignore", invalid="ignore"):  # diverging is a result
        for t in range(config.steps + 1):
            network = mlp.unflattened(w, widths, True)
            state = differentiate(network, x, y)
            losses.append(state.loss)
            if t % config.every == 0:
                product = partial(times, network=network, state=state)
                top = largest_eigenvalue(product, v, config.products)
                v = top.vector
                curve.append((top.value, top.residual, state.loss))
            z = (1 - beta) * z + beta * mlp.flattened(state.gradient)
            w = w - eta * z
        up = np.diff(losses) > 0
    late = up[-max(1, round(config.tail * config.steps)) :]
    return np.array(curve), float(np.mean(up)), float(np.mean(late))


def run(config: Config, mnist: xr.Dataset) -> Result:
    draws = [
        prepared(np.random.default_rng([config.seed, k]), mnist, config)
        for k in range(config.replicates)
    ]
    betas, n = np.array(config.betas), config.replicates
    tasks = [(*draw, float(beta), config) for beta in betas for draw in draws]
    curves, rising, rising_late = zip(*replicate(train, config.seed, tasks), strict=True)
    measured = np.array(curves).reshape(len(betas), n, -1, 3)  # (beta, replicate, t, quantity)
    sharpness, residual, loss = np.moveaxis(measured, -1, 0)
    t = np.arange(0, config.steps + 1, config.every)
    late = t >= (1 - config.tail) * config.steps
    ratio = sharpness[..., late].mean(-1) / config.plateau
    from_below = sharpness[..., 0] < config.plateau
    finite = np.isfinite(loss).all(-1) & np.isfinite(sharpness).all(-1)
    touched = (sharpness[..., late] >= config.plateau).any(-1)
    at_edge = from_below & finite & touched
    predicted = np.array([2 * highest(b) / (b * config.step(b)) for b in betas])
    dims = ("beta", "replicate", "t")
    data = xr.Dataset(
        {
            "sharpness": (dims, sharpness, {"long_name": "sharpness λ_max(∇²L)"}),
            "residual": (dims, residual, {"long_name": "‖Hv − λv‖"}),
            "loss": (dims, loss, {"long_name": "training loss ½ mean ‖f − y‖²"}),
            "plateau_over_predicted": (
                dims[:2],
                ratio,
                {"long_name": f"mean sharpness, last {config.tail:.0%}, over 2(2 − β)/(βη)"},
            ),
            "predicted": ("beta", predicted, {"long_name": "2(2 − β)/(βη)", "role": "prediction"}),
            "printed": ("beta", predicted / highest(betas), {"long_name": "2/(βη)"}),
        },
        coords={
            "beta": sweep(betas, "beta", "weight β of the new gradient"),
            "replicate": replicates(n),
            "t": steps(t, "t", "iteration t"),
        },
    )
    checks, errata = [], []
    for k, beta in enumerate(config.betas):
        if at_edge[k].any():
            there = ratio[k][at_edge[k]]
            worst = there[np.abs(there - 1).argmax()]
            name = f"plateau_over_predicted/beta_{beta:g}"
            checks.append(Check(name, float(worst), "==", 1.0, halfway(beta)))
    diverged = int((from_below & ~finite).sum())
    checks.append(Check("runs_diverged_from_below", diverged, "==", 0, 0))
    # Descent lemma: the loss falls by at least η‖∇L‖²(1 − ηλ/2).
    stable = (from_below & finite & ~touched)[betas == 1]
    if stable.any():
        most = np.array(rising_late).reshape(len(betas), n)[betas == 1][stable].max()
        checks.append(Check("share_of_steps_up_below_the_edge", float(most), "==", 0.0, 0.0))
    lowest = config.betas[0]
    if abs(1 - 1 / highest(lowest)) >= APART and lowest < 1 and at_edge[0].any():
        errata.append(
            Erratum(
                f"plateau of the sharpness at β = {lowest:g}",
                "CS182 homework 2, questions 2d to 2f: the bound 1/(βσ²), hence 2/(βη)",
                printed=float(predicted[0] / highest(lowest)),
                correct=float(predicted[0]),
                measured=float(ratio[0][at_edge[0]].mean() * config.plateau),
                tol=halfway(lowest) * float(predicted[0]),
            )
        )
    up = np.array(rising).reshape(len(betas), n).mean(1)
    reached, ended = at_edge.any(1), np.isfinite(loss[..., -1]).all(1)
    plateaus = np.array([ratio[k][at_edge[k]].mean() for k in np.flatnonzero(reached)])
    by_beta = {"beta": betas}
    return Result(
        data=data,
        metrics={
            "plateau_over_predicted": xr.DataArray(plateaus, coords={"beta": betas[reached]}),
            "share_at_the_edge": xr.DataArray(at_edge.mean(1), coords=by_beta),
            "share_of_steps_that_raise_the_loss": xr.DataArray(up, coords=by_beta),
            "final_loss": xr.DataArray(loss[ended, :, -1].mean(1), coords={"beta": betas[ended]}),
            "sharpness_at_the_start": float(sharpness[..., 0].mean()),
        },
        checks=tuple(checks),
        errata=tuple(errata),
    )
