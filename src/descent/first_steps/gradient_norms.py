"""Started at zero or tiny weights a deep ReLU network trains one bias, on the noise of class counts.

From zero every hidden unit, weight and backward signal is zero and stays so. From tiny weights units differ, but what
comes through ten layers is nothing. Either way a softmax of its biases is left, and its minibatch gradient is the
difference between its probabilities and the classes drawn: a floor of noise, which on a linear axis looks like 0.

    the mean over the 2L arrays W_l, b_l of ‖∂ loss/∂·‖, at every step of SGD, θ ← θ − ηĝ
    p = softmax(b) with the gradient p − ĉ;   ĉ the class fractions of the minibatch, c of all images
    E ‖p − ĉ‖² = (1 − Σ c_k²)/B + E ‖p − c‖²,   p = 1/C at first, later by a recursion for mean and covariance of b

Symmetry and vanishing are two reasons for one curve. Weights are tiny where the outputs differ from the last bias by
less than the floor is known to; that is measured, and where they differ by more there is no claim on them. He's
weights on raw pixels start with outputs as long as the inputs, certain and wrong: hence the first spike.

See: the curves of zero and of tiny weights lie on the dashed floor; He's, Xavier's and LeCun's stay far above it.

Source: CS182 homework 2, question 5a (there on CIFAR-10). Its answer has He's norm drop “to around 0” and the other
two “stay stable at 0”: the other two are at the floor, about 0.0044, and He's stays hundreds of times above it.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Index, Positive, experiment_config
from descent.first_steps import _protocol
from descent.first_steps._floor import floor, require_known
from descent.first_steps._norms import norms_along_a_run
from descent.first_steps._protocol import RAW, Task
from descent.first_steps._starts import NAMES
from descent.maths.replicates import replicate
from descent.result import (
    Check,
    Erratum,
    Result,
    over_replicates,
    predicted,
)

FLAT = 10.0  # a norm within this factor of the floor cannot be told from it on the document's axis
DOCUMENT = {
    "averaged": 49000,
    "first": 0,
    "centred": "mean image",
    "images": 4000,
    "hidden": (50,) * 10,
    "batch": 100,
    "iterations": 200,
}
DOCUMENT |= {"rate": 1e-3, "small": 0.01}  # at raw pixels


@experiment_config
class Config(_protocol.Training):
    rate: Positive  # η
    small: Positive  # standard deviation of "random"
    early: tuple[Index, Index]  # iterations after the first few, from and up to
    late: Count  # iterations at the end that are averaged

    def __post_init__(self):
        super().__post_init__()
        self.require_affordable(len(NAMES) * len(self.ranges), self.iterations, looks=0)
        if self.rate >= 4:
            raise ValueError(
                f"rate {self.rate:g} ≥ 4 = 2/max λ(J): a softmax of biases need not settle"
            )
        if not self.early[0] < self.early[1] <= self.iterations:
            raise ValueError(
                f"early {list(self.early)} must be an interval within {self.iterations} iterations"
            )
        if self.late > self.iterations:
            raise ValueError(f"late {self.late} > iterations {self.iterations}")

    @property
    def arrays(self) -> int:
        """2L."""
        return 2 * len(self.hidden) + 2

    @property
    def is_the_documents(self) -> bool:
        settings = all(getattr(self, field) == value for field, value in DOCUMENT.items())
        return settings and self.ranges[-1] == RAW


def predict(config: Config, fractions: Float[np.ndarray, " C"]) -> xr.Dataset:
    law = floor(fractions, config.batch, config.rate, config.iterations)
    return xr.Dataset({"square_predicted": predicted("iteration", law.mean, "E ‖p − ĉ‖²")})


def measure(config: Config, task: Task) -> xr.Dataset:
    """All starts at all ranges, replicate by replicate."""
    return over_replicates(
        replicate(norms_along_a_run, config.seed, [(task, config)] * config.replicates)
    )


def run(config: Config, mnist: xr.Dataset) -> Result:
    task = _protocol.task(mnist, config, config.validation)
    square_tol = require_known(
        task.fractions, config.batch, config.rate, config.iterations, config.replicates
    )
    found, theory = measure(config, task), predict(config, task.fractions)
    moved = float(found["through"].sel(start="random").max())
    reasons = ()
    if moved > square_tol:
        reasons = (
            f"small {config.small:g} is not tiny here: its weights move the outputs by {moved:.2g}, "
            f"and the floor's square is known to {square_tol:.2g}",
        )
    curve = np.sqrt(np.fmax(theory["square_predicted"], 0)) / config.arrays
    level = float(np.sqrt((curve**2).mean()))
    rms = np.sqrt((found["norm"] ** 2).mean(["replicate", "iteration"])).isel(range=-1, drop=True)
    metrics = {"floor": level} | {f"{name}_rms": rms.sel(start=name) for name in ("zero", "random")}
    return Result(
        data=found.merge(theory).assign(
            floor=predicted("iteration", curve.values, "floor: the noise of the class counts (rms)")
        ),
        metrics=metrics | by_start(config, found),
        checks=compare(config, found, theory, square_tol),
        errata=errata(config, found, rms, square_tol, level) if config.is_the_documents else (),
        no_claim=reasons,
    )


def by_start(config: Config, found: xr.Dataset) -> dict[str, xr.DataArray]:
    """Medians over the replicates, by range."""
    norm, loss = found["norm"], found["loss"]
    numbers = {
        "first": norm.isel(iteration=0, drop=True),
        "early": norm[..., slice(*config.early)].mean("iteration"),
        "late": norm[..., -config.late :].mean("iteration"),
        "first_loss": loss.isel(iteration=0, drop=True),
        "accuracy": found["accuracy"],
    }
    table = {what: one.median("replicate") for what, one in numbers.items()}
    table["diverged_fraction"] = found["lost"].astype(float).mean("replicate")
    return {
        f"{name}_{what}": one.sel(start=name, drop=True)
        for name in NAMES
        for what, one in table.items()
    }


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, square_tol: float
) -> tuple[Check, ...]:
    """Of the starts whose weights move nothing."""
    through = found["through"].max("replicate").sel(start=["zero", "random"])
    tiny = through.start[(through <= square_tol).all("range").values]
    square = (found["last_bias"].sel(start=tiny) ** 2).mean(["replicate", "iteration"])
    level = theory["square_predicted"].mean()
    # What comes through the weights moves p by at most half of it, |J| ≤ ½, and b follows.
    tol = square_tol + 2 * np.sqrt(square) * through.sel(start=tiny)
    others = found["others"].sel(start="zero")
    chance = f"exact spread of {config.iterations} · {config.replicates} minibatches"
    exact = "exactly 0 in any precision"
    return (
        Check("zero_start_all_but_the_last_bias", others, "==", 0.0, 0.0, exact),
        Check("last_bias_squared", square, "==", level, tol, chance),
    )


def errata(
    config: Config, found: xr.Dataset, rms: xr.DataArray, square_tol: float, level: float
) -> tuple[Erratum, ...]:
    """What the document reads off its linear axis, on pixels as they are, at its own settings.

    The other biases of small weights see at most the last one's gradient times √(n_k v_{k+1}/2) a layer.
    """
    tol = square_tol / (2 * level * config.arrays**2)
    halves = np.array(config.hidden) * config.small**2 / 2
    leak = level * np.sqrt(np.cumprod(halves[::-1])).sum()
    where = "CS182 homework 2, question 5a (there on CIFAR-10): "
    stable = f"{where}“the other two stay stable at 0”"
    he = found["norm"].sel(start="he")[..., -1, -config.late :].mean("iteration")
    near = float((he <= FLAT * level).mean())
    zero, random = (float(rms.sel(start=name)) for name in ("zero", "random"))
    return (
        Erratum("norm of the zero start", stable, 0.0, level, zero, tol),
        Erratum("norm of the small random start", stable, 0.0, level, random, tol + leak),
        Erratum(
            "share of He's networks that end near the other two",
            f"{where}He's norm “quickly drop to around 0”",
            1.0,
            0.0,
            near,
            0.0,
        ),
    )
