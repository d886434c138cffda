"""A linearised network fits feature by feature at known rates, and never what its frozen features miss.

To first order in the weights the residual shrinks along every singular vector of the Jacobian by a factor of its own, and
what is orthogonal to all of them stays. A network without biases has four, so it stops where two lines through the
data, one on either side of 0, stop. A trained network goes on, since training turns its features towards y.

    r = m₀ + J(θ − θ₀) − y,   θ ← θ − η(2/N) Jᵀr:   u_kᵀr_t = (1 − 2ησ_k²/N)^t u_kᵀr₀,   J = UΣVᵀ, K = JJᵀ = UΣ²Uᵀ
    it converges for 0 < η < N/σ₁², and what is orthogonal to U stays: (1/N)‖(I − UUᵀ)r₀‖² at any t
    zero biases: U spans x₊, x₋, 1_{x>0}, 1_{x<0} and m₀ lies in that span, so the floor is that of two lines through y

See: the loss of the linearised network follows the prediction down to its floor; the trained network ends below it.

Source: CS182 homework 2, question 6, whose features these are; arXiv 1806.07572 (neural tangent kernel). The
bound is that of its question 1 for the matrix J.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Refusal, Seed, experiment_config
from descent.features import _halves, _problem
from descent.features._linearised import MODES, ROUNDING, SHOWN, held_by, linearised_runs
from descent.features._problem import Hidden, require_room
from descent.features._training import (
    Schedule,
    ends,
    orders,
    require_steps,
    step_count,
    train_in_batches,
)
from descent.maths.initialise import initialise
from descent.maths.network import Shape, losses
from descent.maths.times import log_spaced
from descent.result import Check, Result, measured, over_replicates, predicted

LARGEST = 1500  # points of a kernel that is diagonalised

Share = Annotated[float, Field(gt=0, lt=1)]


@experiment_config
class Config(_problem.Data, Schedule):
    seed: Seed
    replicates: Annotated[int, Field(ge=2, le=1000)]
    hidden: Hidden
    steps: Annotated[int, Field(ge=2, le=100_000)]  # of linearised gradient descent
    share: Share  # of N/σ₁², the rate
    aside: Share  # how far below and above the bound two more runs are, as a share
    test_points: Annotated[int, Field(ge=1, le=1_000_000)]

    def __post_init__(self):
        super().__post_init__()
        trained = self.replicates
        require_steps(self.samples, self.batch, self.epochs, trained, self.hidden)
        if self.steps * np.log10(1 + 2 * self.aside) > 100:
            raise ValueError(f"aside {self.aside:g}: {self.steps} steps above the bound overflow")

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "relu")

    @property
    def kept(self) -> np.ndarray:
        return log_spaced(self.steps, 100)

    @property
    def runs(self) -> tuple[float, float, float]:
        """Rates of the linearised runs, in N/σ₁²."""
        return self.share, 1 - self.aside, 1 + self.aside


def modes(eigenvalue: np.ndarray, rate: np.ndarray, N: int, t: np.ndarray) -> np.ndarray:
    """(1 − 2ησ_k²/N)^t."""
    return (1 - 2 * rate * eigenvalue / N) ** t


def floor(x: np.ndarray, y: np.ndarray) -> float:
    """Mean square that two lines leave, one on either side of 0."""
    A = _halves.split(x)
    left = y - A @ np.linalg.lstsq(A, y)[0]
    return float(np.mean(left**2))


def predict(config: Config, found: xr.Dataset) -> xr.Dataset:
    """Rates from the points x = ±1, the modes at any step from those at the first, and the floor."""
    x, y = config.sample()
    theta = initialise(
        np.random.default_rng(config.seed), "student", config.shape, config.replicates
    )
    square = _halves.singular_values(theta, x, config.shape) ** 2  # (R, 4)
    rate = np.array(config.runs) * config.samples / square[:, :1]  # (R, run)
    factor = modes(
        square[:, None, None], rate[..., None, None], config.samples, config.kept[:, None]
    )
    amplitude = factor * found["amplitude"].values[:, :, :1]
    loss = np.sum(amplitude[:, 0] ** 2, axis=-1) / config.samples + found["left"].values[:, None]
    each = "replicate"
    return xr.Dataset(
        {
            "eigenvalue_predicted": predicted((each, "mode"), square, "σ_k² from x = ±1"),
            "amplitude_predicted": predicted(
                (each, "run", "step", "mode"), amplitude, "(1 − 2ησ²/N)^t"
            ),
            "loss_predicted": predicted((each, "step"), loss, "from (1 − 2ησ²/N)^t"),
            "floor_predicted": predicted((), floor(x, y), "two lines"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Linearised runs in parameters from every start, and the same networks trained."""
    rng, shape, N = np.random.default_rng(config.seed), config.shape, config.samples
    x, y = config.sample()
    theta = initialise(rng, "student", shape, config.replicates)
    found = over_replicates(
        [linearised_runs(one, x, y, config.shape, config.runs, config.kept) for one in theta]
    )
    T = step_count(N, config.batch, config.epochs)
    order = orders(rng, config.replicates, N, T, config.batch)
    out = train_in_batches(theta, x, y, shape, order, config.pace)
    end, test = ends(out), np.linspace(-1, 1, config.test_points)[:, None]
    held = {
        name: [held_by(one, x, y, shape) for one in at]
        for name, at in (("before", theta), ("after", end))
    }
    error = losses(end, test, config.function(test), shape, "square")
    dims = ("replicate", "features")
    return found.assign(
        trained=measured("replicate", losses(end, x, y, shape, "square"), "loss after training"),
        trained_test=measured("replicate", error, "test error after training"),
        lost=measured("replicate", out.is_lost.astype(float), "the loss was lost"),
        held_before=measured(dims, held["before"], "share of ‖y‖² in features, before training"),
        held_after=measured(dims, held["after"], "share of ‖y‖² in features, after training"),
        features=("features", np.arange(min(SHOWN, N)) + 1, {"long_name": "first features"}),
    )


def run(config: Config) -> Result:
    N, R, P = config.samples, config.replicates, config.shape.parameters
    if N > LARGEST:
        raise Refusal(f"samples {N} > {LARGEST}: a kernel that large is not diagonalised")
    drawn = step_count(N, config.batch, config.epochs) * config.batch
    require_room(max(N * P, 4 * R * P, R * drawn), f"{P} parameters, {R} × {drawn} samples")
    require_room(3 * (config.steps + 1) * N, f"steps {config.steps} × samples {N}")
    found = measure(config)
    theory = predict(config, found)
    low = theory["floor_predicted"]
    reachable = 1 - low / float(np.mean(config.sample()[1] ** 2))
    medians = found.median("replicate")
    dead = int((found["rank"] < MODES).sum())
    return Result(
        data=found.merge(theory).assign(reachable=reachable.assign_attrs(long_name="two lines")),
        metrics={
            "rate_bound_median": (N / found["eigenvalue"][:, 0]).median(),
            "floor": low,
            "reachable_share": reachable,
            "held_by_four_after_median": medians["held_after"][3],
            "trained_median": medians["trained"],
            "trained_test_median": medians["trained_test"],
            "trained_below_the_floor": (found["trained"] < low).mean(),
            "linearised_median": medians["loss"][-1],
        },
        checks=compare(config, found, theory),
        unchecked={"floor": "every network is off on a side"} if dead == R else {},
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    N, alive = config.samples, found["rank"].values == MODES
    eigenvalue, amplitude, loss = found["eigenvalue"], found["amplitude"], found["loss"]
    rounded = 20 * config.steps * np.sqrt(N) * ROUNDING  # of every step and every product
    growth = np.maximum(1, np.abs(1 - 2 * found["run"])) ** found["step"]
    size = np.sqrt(N * loss[:, 0]) * growth
    top, why = N * ROUNDING * eigenvalue[:, 0], "rounding of N products"
    within, steps_why = rounded * size, "a rounding a step and product"
    checks = [
        Check("eigenvalue", eigenvalue, "==", theory["eigenvalue_predicted"], top, why),
        Check("amplitude", amplitude, "==", theory["amplitude_predicted"], within, steps_why),
        Check("loss", loss, "==", theory["loss_predicted"], rounded * loss[:, 0], steps_why),
    ]
    if alive.any():
        low = theory["floor_predicted"]
        tol, reason = 1e-10 * found["left"][alive], "rounding of a projection"
        checks.append(Check("floor", found["left"][alive], "==", low, tol, reason))
    return tuple(checks)
