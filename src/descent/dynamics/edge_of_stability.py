"""Full-batch training sharpens until λ_max(∇²L) meets 2(2 − β)/(βη), where averaged gradients lose stability, and stays.

    z ← (1 − β)z + β∇L(w),   w ← w − ηz,   z₀ = 0;   L = ½ mean ‖f(x) − y‖², y one-hot
    a direction of curvature λ = 2σ² is stable up to ηβσ² = 2 − β:   λ_max → 2(2 − β)/(βη)

Every β gets the step η = 2(2 − β)/(β·plateau), so that all are to end at the same sharpness. Plain
descent, β = 1, is to end at 2/η; the bound 1/(βσ²) would have the others end at 2/(βη), lower by 2 − β.

A share of the labels is random, so that there is always something left to fit and the sharpness
keeps pushing up. Several eigenvalues then hover at the edge, the largest of them a few hundredths above.

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


def train(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray, beta: float, config: Config
) -> tuple[np.ndarray, float]:
    """(sharpness, its residual, loss) at every measurement, and the share of steps that raise the loss."""
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
        rising = float(np.mean(np.diff(losses) > 0))
    return np.array(curve), rising


def run(config: Config, mnist: xr.Dataset) -> Result:
    draws = [
        prepared(np.random.default_rng([config.seed, k]), mnist, config)
        for k in range(config.replicates)
    ]
    betas, n = np.array(config.betas), config.replicates
    tasks = [(*draw, float(beta), config) for beta in betas for draw in draws]
    curves, rising = zip(*replicate(train, config.seed, tasks), strict=True)
    measured = np.array(curves).reshape(len(betas), n, -1, 3)  # (beta, replicate, t, quantity)
    sharpness, residual, loss = np.moveaxis(measured, -1, 0)
    t = np.arange(0, config.steps + 1, config.every)
    late = t >= (1 - config.tail) * config.steps
    ratio = sharpness[..., late].mean(-1) / config.plateau
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
        worst = ratio[k][np.abs(ratio[k] - 1).argmax()]
        # The largest of several eigenvalues that hover at the edge: up to 0.045 above it (measured).
        checks.append(Check(f"plateau_over_predicted/beta_{beta:g}", float(worst), "==", 1.0, 0.06))
    lowest = config.betas[0]
    if lowest < 1:
        errata.append(
            Erratum(
                f"plateau of the sharpness at β = {lowest:g}",
                "CS182 homework 2, questions 2d to 2f: the bound 1/(βσ²), hence 2/(βη)",
                printed=float(predicted[0] / highest(lowest)),
                correct=float(predicted[0]),
                measured=float(ratio[0].mean() * config.plateau),
                tol=0.06 * float(predicted[0]),
            )
        )
    up = np.array(rising).reshape(len(betas), n).mean(1)
    by_beta = {"beta": betas}
    return Result(
        data=data,
        metrics={
            "plateau_over_predicted": xr.DataArray(ratio.mean(1), coords=by_beta),
            "share_of_steps_that_raise_the_loss": xr.DataArray(up, coords=by_beta),
            "final_loss": xr.DataArray(loss[..., -1].mean(1), coords=by_beta),
            "sharpness_at_the_start": float(sharpness[..., 0].mean()),
        },
        checks=tuple(checks),
        errata=tuple(errata),
    )
