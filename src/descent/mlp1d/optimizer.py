"""Adam first moves every weight by one step length, and gets to tiny losses from more starts than descent.

Corrected for having started at 0, Adam's memories are the gradient and its square after one step, so the gradient's
size cancels. Where the loss is flat it therefore goes on at full length when gradient descent hardly moves. At a large
step it also gets stuck more often, as the shares on the right of the figure show.

    gradient descent:  θ ← θ − ηg;   Adam:  θ ← θ − η m̂/(√v̂ + ε)
    first step of Adam:  θ₁ − θ₀ = −η g/(|g| + ε)
    reached: f(θ_t) < claim_loss for some t up to the last epoch; the same starts for both, so the starts from which only
    one of them gets there are Adam's or descent's with chance ½ each if the two are alike

See: Adam's curves end on the dashed line where gradient descent's go on falling slowly.

Source: FRTN50 assignment 3d (its 10e-14 is 1e-13); arXiv 1412.6980. The document says that both start from the same
points, but its Adam starts from what gradient descent has trained, at losses a million times smaller. The loss it
prints where a run stops is the mean over the run, and gradient descent is not held up at 10e-6: a larger rate goes on.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths import rules
from descent.maths.initialise import initialise
from descent.maths.network import Shape, value_and_gradient
from descent.maths.times import log_spaced
from descent.maths.training import train
from descent.mlp1d import _document, _problem
from descent.mlp1d._pair import FORMULA, described, lead, summary
from descent.mlp1d._problem import DRAWN, MOST_POINTS, Hidden
from descent.result import Check, Erratum, Result, measured, predicted, replicates, steps, sweep

Decay = Annotated[float, Field(ge=0, lt=1)]
EPS = float(np.finfo(float).eps)


@experiment_config
class Config(_problem.Config):
    hidden: Hidden
    rates: tuple[Positive, ...]  # η, of both
    beta1: Decay
    beta2: Decay
    epsilon: Positive
    claim_loss: Positive  # below which a run has reached what the claim is about, and stops
    stuck_loss: Positive  # above which a network is counted as stuck; nothing is claimed of it
    adam_rate: Positive  # of the Adam that is compared with gradient descent at its own
    descent_rate: Positive  # of gradient descent; Adam starts from what it trained in the document
    test_points: Count
    printed_first: tuple[Positive, ...]  # first loss of gradient descent, and of Adam
    printed_stopped: tuple[Positive, ...]  # where Adam stopped
    printed_floor: tuple[Positive, ...]  # below which gradient descent is said not to go

    def __post_init__(self):
        super().__post_init__()
        require_increasing("rates", self.rates)
        if self.adam_rate not in self.rates or self.descent_rate not in self.rates:
            raise ValueError(
                f"adam_rate {self.adam_rate:g} and descent_rate {self.descent_rate:g} must be among "
                "the rates"
            )
        if not self.claim_loss < self.stuck_loss:
            raise ValueError(
                f"claim_loss {self.claim_loss:g} must be below stuck_loss {self.stuck_loss:g}"
            )
        if self.test_points > MOST_POINTS:
            raise ValueError(f"test_points {self.test_points} > {MOST_POINTS}")
        if len(self.printed_first) not in (0, 2):
            raise ValueError(f"printed_first: {len(self.printed_first)} values, must be 2 or none")

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "relu")

    @property
    def is_documents(self) -> bool:
        """Whether the settings are those that the document prints for."""
        shape = self.points == _document.POINTS and self.shape.widths == _document.WIDTHS
        rates = self.adam_rate == 0.1 and self.descent_rate == _document.RATE
        return shape and rates and self.claim_loss == 1e-13

    def rule(self, name: str) -> rules.Rule:
        adam = rules.adam(self.beta1, self.beta2, self.epsilon)
        return adam if name == "adam" else rules.descent()


def _starts(config: Config) -> np.ndarray:
    rng = np.random.default_rng(config.seed)
    return initialise(rng, "uniform", config.shape, config.replicates)


def predict(config: Config) -> xr.Dataset:
    """Adam's first step from the gradient, in units of η."""
    x, y = _problem.points(config.points)
    _, g = value_and_gradient(_starts(config), x, y, config.shape, "square")
    step = -g / (np.abs(g) + config.epsilon)
    return xr.Dataset({"first_step_predicted": predicted(("replicate", "k"), step, "−g/(|g| + ε)")})


def measure(config: Config) -> xr.Dataset:
    """Both rules at every rate from the same starts; Adam from what gradient descent has trained; Adam's first step."""
    (x, y), rates, R = _problem.points(config.points), len(config.rates), config.replicates
    networks = R * rates
    _problem.require_room(config.shape, networks, config.points, config.epochs)
    _problem.require_room(config.shape, networks, config.test_points)
    theta, slope = _starts(config), _problem.slope(x, y, config.shape)
    together, each, data = np.tile(theta, (rates, 1)), np.repeat(config.rates, R), {}
    stop, adam = config.claim_loss, config.rule("adam")
    fine = np.linspace(-1, 1, config.test_points)[:, None]
    for name in FORMULA:
        out = train(together, slope, config.rule(name), each, config.epochs, stop=stop)
        data |= described(name, out, config.shape, config.epochs, fine, config.stuck_loss, rates)
        if name == "descent":
            trained = out.theta.reshape(rates, R, -1)[config.rates.index(config.descent_rate)]
    after = train(trained, slope, adam, config.adam_rate, config.epochs, stop=stop)
    moved = train(theta, slope, adam, config.adam_rate, 1).theta - theta
    carried, ended = "Adam, from what gradient descent has trained", after.ended(config.epochs)
    return xr.Dataset(
        data
        | {
            "first_step": measured(("replicate", "k"), moved / config.adam_rate, "(θ₁ − θ₀)/η"),
            "carried_first": measured("replicate", after.losses[0], f"first loss of {carried}"),
            "carried_ended": measured("replicate", ended.astype(float), f"last epoch of {carried}"),
            "carried_stopped": measured(
                "replicate", after.has_stopped.astype(float), f"reached by {carried}"
            ),
        },
        coords={
            "rate": sweep(config.rates, "rate", "rate η"),
            "epoch": steps(log_spaced(config.epochs, DRAWN), "epoch", "epoch"),
            "replicate": replicates(R),
            "k": ("k", np.arange(theta.shape[1]), {"long_name": "coordinate of θ"}),
        },
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    ahead, chance, alone = lead(found, config.adam_rate, config.descent_rate)
    reason = (
        f"Adam is ahead by {ahead:.2g} of the starts, chance makes {chance:.2g}: {alone} of "
        f"{config.replicates} starts get there by one of the two only"
    )
    return Result(
        data=found.merge(theory).assign_attrs(stop=config.claim_loss),
        metrics=summary(found),
        checks=compare(config, found, theory),
        errata=errata(config, found),
        no_claim=() if ahead > chance else (reason,),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    ahead, chance, alone = lead(found, config.adam_rate, config.descent_rate)
    size = float(np.abs(_starts(config)).max())
    tol, why = 1e-12 + EPS * size / config.adam_rate, "m̂ = g, v̂ = g² and θ₁ to a rounding each"
    sign = f"a sign test on the {alone} starts from which only one gets there"
    step, expected = found["first_step"], theory["first_step_predicted"]
    return (
        Check("first_step_of_adam", step, "==", expected, tol, why),
        Check("adam_less_descent_reached", ahead, ">=", 0, chance, sign),
    )


def errata(config: Config, found: xr.Dataset) -> tuple[Erratum, ...]:
    """On the document's settings only."""
    if not config.is_documents:
        return ()
    where, stands = "FRTN50 assignment 3d", []
    if config.printed_first:
        descent, adam = config.printed_first
        first = (found[f"{name}_loss"].isel(epoch=0).values for name in FORMULA)
        apart = float(np.abs(np.log10(next(first) / next(first))).max())
        name = "decades_between_first_losses_of_shared_starts"
        stands.append(Erratum(name, where, np.log10(adam / descent), 0.0, apart, 1e-12))
    reached = found["adam_final"].values[found["adam_stopped"].values == 1]
    if len(reached):
        stands += [
            Erratum(
                f"loss_where_adam_stopped_{k}",
                where,
                printed,
                0.0,
                reached.max(),
                config.claim_loss,
            )
            for k, printed in enumerate(config.printed_stopped)
        ]
    low = float(np.median(found["descent_final"].values[-1]))
    stands += [
        Erratum("floor_of_gradient_descent", where, printed, 0.0, low, printed / 10)
        for printed in config.printed_floor
    ]
    return tuple(stands)
