"""Training sharpens the loss until its largest curvature meets 2(2 − β)/(βη), and holds it there.

Sharpness is the largest eigenvalue of the Hessian. Below the edge descent with averaged gradients is stable, and
training makes the loss sharper. Above it the error along the sharpest direction changes its sign at every step and
grows, and the weights move to where the loss is flatter. Some labels are random, so that there is always more to fit.

    z ← (1 − β)z + β∇L(w),   w ← w − ηz,   z₀ = 0;   L = ½ mean ‖f(x) − y‖², y one-hot
    a direction of curvature λ = 2σ² is stable up to ηβσ² = 2 − β, where a root is −1:   λ_max → 2(2 − β)/(βη)

Every β gets the step η = 2(2 − β)/(β·plateau), so that all runs are to end at one sharpness, plateau. The claim is about
runs that came to the edge. They are recognised without the prediction: they ended sharper than they began, late steps
undo the step before, as at a root of −1, and the sharpness moves no more from where it has been before. The largest
eigenvalue stays a few per cent above the edge. No theory here gives that excess, so the check only tells the edge from
other candidates: 2/(βη), and the formula with σ² for λ.

See: on the left the sharpness of every β rises to the dashed line and stays there, above the dotted lines 2/(βη) that
the document would give; on the right the plateaus over the predicted edge are near 1 at every β.

Source: CS182 homework 2, questions 2d to 2f: by its bound 1/(βσ²) the sharpness would end at 2/(βη); arXiv 2103.00065.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.check import with_points
from descent.config import Count, Data, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_at_most, require_cost
from descent.maths.momentum import highest
from descent.maths.replicates import replicate
from descent.result import (
    Check,
    Erratum,
    Result,
    measured,
    over_replicates,
    predicted,
    steps,
    sweep,
)
from descent.train._pooled_images import Images, pooled
from descent.train._sharpening import (
    APART,
    Settings,
    along,
    fates,
    halfway,
    of_the_tail,
    reasons,
    shape_of,
    trace,
)

Share = Annotated[float, Field(ge=0, le=1)]
FEWEST = 3  # measurements that make a plateau


@experiment_config
class Config:
    data: Data
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
    products: Annotated[
        int, Field(ge=4)
    ]  # Hessian–vector products a measurement; 2 miss the largest
    tail: Share  # of the run, over which the plateau is averaged

    def __post_init__(self):
        require_increasing("betas", self.betas)
        if self.betas[-1] >= 2:
            raise ValueError(f"betas {self.betas[-1]:g} ≥ 2: no step is stable")
        if self.every > self.steps:
            raise ValueError(f"every {self.every} > steps {self.steps}: only the start is measured")
        require_at_most(self, "runs that take hours", replicates=1000, steps=1_000_000, pool=10_000)
        if (few := self.late.sum()) < FEWEST:
            raise ValueError(
                f"tail {self.tail:g}: {few} measurements, fewer than {FEWEST}: nothing to average"
            )

    @property
    def times(self) -> np.ndarray:
        """When the sharpness is measured."""
        return np.arange(0, self.steps + 1, self.every)

    @property
    def late(self) -> np.ndarray:
        """Whether a measurement is in the tail."""
        return self.times >= (1 - self.tail) * self.steps

    def step(self, beta: float) -> float:
        """η at which the sharpness is to end at the plateau."""
        return 2 * (2 - beta) / (beta * self.plateau)


def predict(config: Config) -> xr.Dataset:
    """Where a root of every β's recursion at its own step is −1."""
    edge = [2 * highest(beta) / (beta * config.step(beta)) for beta in config.betas]
    return xr.Dataset({"edge_predicted": predicted("beta", edge, "2(2 − β)/(βη)")})


def measure(config: Config, mnist: xr.Dataset) -> xr.Dataset:
    """Every β on the same images of a replicate: the sharpness along the run, and the run's tail."""
    draws = [
        pooled(rng, mnist, config.images, config.pool, config.noise)
        for rng in (np.random.default_rng([config.seed, k]) for k in range(config.replicates))
    ]
    parameters = shape_of(draws[0], config.hidden).parameters
    passes = config.steps * (1 + 2 * config.products / config.every)
    runs = len(config.betas) * config.replicates
    # A tenth, since products of matrices are that much faster than plain loops.
    work = 0.6 * passes * runs * parameters * config.images
    require_cost(config, "steps, replicates, betas, hidden, images", 0, work)
    tasks = [(draw, float(beta), config) for beta in config.betas for draw in draws]
    found = replicate(_measure_one, config.seed, tasks)
    by_beta = [over_replicates(found[k : k + len(draws)]) for k in range(0, runs, len(draws))]
    betas = sweep(config.betas, "beta", "weight β of the new gradient")
    return xr.concat(by_beta, "beta").assign_coords(beta=betas)


def _measure_one(
    rng: np.random.Generator, images: Images, beta: float, config: Config
) -> xr.Dataset:
    eta = config.step(beta)
    settings = Settings(
        config.hidden, config.start, beta, eta, config.steps, config.every, config.products
    )
    seen = trace(rng, images, settings)
    return xr.Dataset(
        along(seen) | of_the_tail(seen, config.late, config.tail),
        coords={"t": steps(config.times, "t", "iteration t")},
    )


def run(config: Config, mnist: xr.Dataset) -> Result:
    found, theory = measure(config, mnist), predict(config)
    fate = fates(found)
    there, edge = fate.at_the_edge, theory["edge_predicted"]
    ratio, reached = found["edge"] / edge, there.any("replicate")
    ended = ~fate.lost.any("replicate")
    data = found.merge(theory).assign(
        plateau_over_predicted=ratio.assign_attrs(long_name="late sharpness over 2(2 − β)/(βη)"),
        printed=measured("beta", [2 / (b * config.step(b)) for b in config.betas], "2/(βη)"),
    )
    return Result(
        data=data,
        metrics={
            "plateau_over_predicted": ratio.where(there).mean("replicate")[reached],
            "share_at_the_edge": there.mean("replicate"),
            "share_of_steps_that_raise_the_loss": found["risen"].mean("replicate"),
            "final_loss": found["loss"].isel(t=-1, drop=True).mean("replicate")[ended],
            "sharpness_at_the_start": float(found["sharpness"][..., 0].mean()),
        },
        checks=compare(config, found, theory, there),
        errata=refute(config, found, there),
        no_claim=reasons(found, fate),
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, there: xr.DataArray
) -> tuple[Check, ...]:
    """The plateau of every run that came to the edge."""
    within = [halfway(beta) * config.plateau for beta in config.betas]
    tol, edge = xr.DataArray(within, {"beta": there["beta"]}), theory["edge_predicted"]
    why = "halfway to the next value it could be taken for, as no theory has the excess"
    return with_points(Check("edge", found["edge"], "==", edge, tol, why, there))


def refute(config: Config, found: xr.Dataset, there: xr.DataArray) -> tuple[Erratum, ...]:
    """The document's bound, where it is furthest from the edge."""
    beta, at_edge = config.betas[0], there.isel(beta=0)
    if not (beta < 1 and 1 - 1 / (2 - beta) >= APART and at_edge.any()):
        return ()
    correct = 2 * highest(beta) / (beta * config.step(beta))
    return (
        Erratum(
            f"plateau of the sharpness at β = {beta:g}",
            "CS182 homework 2, questions 2d to 2f: the bound 1/(βσ²), hence 2/(βη)",
            printed=2 / (beta * config.step(beta)),
            correct=correct,
            measured=float(found["edge"].isel(beta=0).where(at_edge).mean()),
            tol=halfway(beta) * correct,
        ),
    )
