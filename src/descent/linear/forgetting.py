"""RMSProp and Adam, too, end away from the shortest solution when there are several samples.

Like AdaGrad they divide every coordinate by its own gradients, so their steps leave the span of the samples. RMSProp
forgets and goes on in a cycle as wide as η, so its mean over the last steps is taken; that is a solution up to what
the cycle bends. Where coordinates move alike only one solution can be reached, and nothing is claimed.

    X: (n, d),   n < d,   g = (2/n)Xᵀ(Xw − t),   w₀ = 0
    RMSProp:  v ← b_v v + (1 − b_v) g∘g,   w ← w − η g/√v;      Adam: m as well, both corrected for their start
    w̄ the mean of the last steps:   Xw̄ ≈ t, so w̄ᵀX⁺t ≈ ‖X⁺t‖²,   ‖w̄ − X⁺t‖ ≫ ‖Xw̄ − t‖/σ_n

See: the weights of both methods lie off the dashed lines of their own colours, the shortest solution, at
every rate.

Source: CSE 891 homework 2, the question on linear regression and optimisation, part 3, "other adaptive methods".
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, experiment_config, require_increasing
from descent.linear import _adaptive
from descent.maths import optimisers
from descent.maths.coordinatewise import only_limit
from descent.maths.limits import require_cost
from descent.maths.projection import project
from descent.result import Check, Result, measured, predicted, sweep

Row = Annotated[tuple[Number, ...], Field(min_length=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
TAIL = 1000  # last steps that are averaged
SURE = 1000  # times what the rest of the residual could move the mean


@experiment_config
class Config:
    samples: Annotated[tuple[Row, ...], Field(min_length=2)]  # the rows of X
    targets: Row
    etas: tuple[Positive, ...]
    momentum: Decay  # b_m of Adam
    decay: Decay  # b_v of Adam
    rms_decay: Decay  # b_v of RMSProp
    steps: Count

    def __post_init__(self):
        require_increasing("etas", self.etas)
        _adaptive.require_samples(self.samples, self.targets)
        if not self.etas[-1] < 1e100:
            raise ValueError(f"etas {self.etas[-1]:g}: squares leave float64 beyond 1e100")
        if self.steps < 2 * TAIL:
            raise ValueError(f"steps {self.steps} < {2 * TAIL}: the last {TAIL} are averaged")
        require_cost(self, "steps, etas", 0, 40.0 * len(self.etas) * self.steps * self.X.size)

    @property
    def X(self) -> np.ndarray:
        return np.array(self.samples, float)

    @property
    def methods(self) -> dict[str, optimisers.Memory]:
        return {
            "RMSProp": optimisers.rmsprop(self.rms_decay),
            "Adam": optimisers.adam(self.momentum, self.decay),
        }


def predict(config: Config) -> xr.Dataset:
    """What every solution has in common with the shortest."""
    d, t = config.X.shape[1], np.array(config.targets, float)
    least = project(config.X, t, np.zeros(d), np.ones(d))
    return xr.Dataset({"square_of_least": predicted((), float(least @ least), "‖X⁺t‖²")})


def measure(config: Config) -> xr.Dataset:
    """The means of the last steps, how far they are from the targets and from the shortest solution."""
    X, t, K = config.X, np.array(config.targets, float), config.steps
    tail, shortest = np.arange(K - TAIL + 1, K + 1), np.linalg.lstsq(X, t)[0]
    runs = [_adaptive.ends(X, t, config.etas, rule, tail) for rule in config.methods.values()]
    mean = np.array(runs).mean(2)
    with np.errstate(over="ignore", invalid="ignore"):
        left = np.linalg.norm(mean @ X.T - t, axis=-1)
        far = np.linalg.norm(mean - shortest, axis=-1)
    cell = ("rule", "eta")
    return xr.Dataset(
        {
            "mean": measured((*cell, "j"), mean, "mean of the last w_k"),
            "product": measured(cell, mean @ shortest, "w̄ᵀX⁺t"),
            "left": measured(cell, left, "‖Xw̄ − t‖"),
            "far": measured(cell, far, "‖w̄ − X⁺t‖"),
            "shortest": measured("j", shortest, "X⁺t"),
        },
        coords={
            "rule": ("rule", list(config.methods), {"long_name": "method"}),
            "eta": sweep(config.etas, "eta", "rate η"),
            "j": ("j", np.arange(1, X.shape[1] + 1), {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    sigma = float(np.linalg.svd(config.X, compute_uv=False)[-1])
    length = float(np.linalg.norm(found["shortest"]))
    known = _known(found, sigma, length)
    late = [f"{rule} at η = {eta:g}" for rule, eta in zip(*_names(found, ~known), strict=True)]
    reasons = [f"{', '.join(late)}: its last steps are too far from the targets"] if late else []
    if only_limit(config.X, np.array(config.targets, float)) is not None:
        reasons.append("coordinates move alike, which leaves one solution to all these methods")
    return Result(
        data=found.merge(theory),
        metrics={"far": found["far"], "mean": found["mean"]},
        checks=compare(found, theory, sigma) if not reasons else (),
        no_claim=tuple(reasons),
    )


def _known(found: xr.Dataset, sigma: float, length: float) -> np.ndarray:
    """Runs whose last steps tell a distance of a tenth of the shortest solution from none."""
    with np.errstate(invalid="ignore", over="ignore"):
        return SURE * found["left"].values / sigma <= length / 10


def _names(found: xr.Dataset, which: np.ndarray) -> tuple[list[str], list[float]]:
    rows, columns = np.nonzero(which)
    return [str(found["rule"].values[k]) for k in rows], [found["eta"].values[k] for k in columns]


def compare(found: xr.Dataset, theory: xr.Dataset, sigma: float) -> tuple[Check, ...]:
    moved = found["left"] / sigma  # what is left of the residual, over the smallest singular value
    length = float(np.linalg.norm(found["shortest"]))
    tol, why = (moved + 1e-12 * length) * length, "what the rest of the residual could move"
    square = theory["square_of_least"]
    return (
        Check("product_with_the_shortest", found["product"], "==", square, tol, why),
        Check(
            "distance_from_the_shortest", found["far"], ">=", SURE * moved, 0, f"{SURE} times that"
        ),
    )
