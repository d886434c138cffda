"""Adam ends at flatter minima than gradient descent, from the same starts and from where descent had ended.

Gradient descent sharpens until λ_max is near 2/η and stays below that edge. Adam's steps are longer: it leaves such
minima and comes to rest where the loss is flatter. That is said of this problem, at these rates. The document's own
six networks can be had again, and there it is so, too: their Adam starts from what gradient descent had trained.

    λ = λ_max(∇²f(θ)) at the end of a run;   pairs of runs from one start that both end below a small loss
    each is Adam's or descent's to be the flatter with chance ½ if the two are alike
    gradient descent: λ ≤ 2/η of the median network, up to a small share of it

See: on the right, points below the diagonal are starts from which Adam ends flatter, the document's six among them.
Before that the test losses and the fits of these six, by both methods, near the points and far from them.

Source: FRTN50 assignment 3d. It says that Adam tends to find sharp minima and gradient descent flat ones, without
measuring it, and that gradient descent does not get below 10e-6, which three of its own six do.
"""

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from pydantic import Field
from scipy import stats

from descent.config import Positive, experiment_config
from descent.maths.initialise import initialise
from descent.maths.network import Shape
from descent.maths.sampling import level
from descent.mlp1d import _document, _problem
from descent.mlp1d._left_over import EPOCHS
from descent.mlp1d._problem import Hidden
from descent.mlp1d._six import adapted, descended, measure_six
from descent.result import Check, Erratum, Result, bound, measured, predicted, replicates

Share = Annotated[float, Field(ge=0, lt=0.5)]
Decay = Annotated[float, Field(ge=0, lt=1)]
EPS = float(np.finfo(np.float32).eps)


class Told(NamedTuple):
    pairs: int
    flatter: float
    chance: float


@experiment_config
class Config(_problem.Config):
    hidden: Hidden
    descent_rate: Positive
    adam_rate: Positive
    beta1: Decay
    beta2: Decay
    epsilon: Positive
    stop_loss: Positive  # below which Adam stops
    small_loss: Positive  # below which the end of a run counts as a minimum
    claim_edge: Share  # by which the median may be above 2/η
    printed_first: tuple[Positive, ...]  # first losses of Adam in 3d, six, or none
    printed_floor: Positive  # below which gradient descent is said not to get

    def __post_init__(self):
        super().__post_init__()
        if not self.stop_loss < self.small_loss:
            raise ValueError(
                f"stop_loss {self.stop_loss:g} must be below small_loss {self.small_loss:g}"
            )
        if len(self.printed_first) not in (0, 6):
            raise ValueError(f"printed_first: {len(self.printed_first)} values, must be 6 or none")
        if self.replicates < FEWEST:
            raise ValueError(f"replicates {self.replicates} < {FEWEST}: chance makes any share")

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "relu")

    @property
    def is_documents(self) -> bool:
        """Whether the settings are those that the document prints for."""
        own = (_document.POINTS, _document.WIDTHS, _document.RATE, 0.1, EPOCHS, 1e-13)
        rates = (self.descent_rate, self.adam_rate, self.epochs, self.stop_loss)
        decays = (self.beta1, self.beta2, self.epsilon) == (0.9, 0.999, 1e-8)
        return (self.points, self.shape.widths, *rates) == own and decays


FEWEST = int(np.ceil(1 - np.log2(level(1))))  # starts by which all of one sign are no chance


def predict(config: Config) -> xr.Dataset:
    """The edge of gradient descent, and what the document prints."""
    found = {"edge": bound((), 2 / config.descent_rate, "2/η of gradient descent")}
    if config.is_documents and config.printed_first:
        first = np.array(config.printed_first)
        found["first_predicted"] = predicted("six", first, "first loss of Adam, printed")
    return xr.Dataset(found)


def measure(config: Config) -> xr.Dataset:
    """Both rules from the same fresh starts, and where they end."""
    shape, R, N = config.shape, config.replicates, config.points
    _problem.require_room(shape, R, N, 2 * config.epochs)
    _problem.require_hessian(shape)
    theta = initialise(np.random.default_rng(config.seed), "uniform", shape, R)
    runs = {
        "descent": descended(config, theta),
        "adam": adapted(config, theta, config.stop_loss),
    }
    data, each, small = {}, "replicate", np.ones(R, bool)
    for name, out in runs.items():
        end = np.where(out.is_lost[:, None], 0.0, out.theta)
        sharpness, final = _problem.sharpness(end, N, shape), out.losses[-1]
        small &= ~out.is_lost & (final < config.small_loss) & (sharpness > 0)
        data[f"{name}_sharpness"] = measured(each, sharpness, f"λ_max at the end of {name}")
        data[f"{name}_final"] = measured(each, final, f"loss at the end of {name}")
    text = "both are small at the end"
    return xr.Dataset(
        data | {"small": measured(each, small.astype(float), text)},
        coords={each: replicates(R)},
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    pairs, flatter, chance = told(found)
    own = config.is_documents
    six = measure_six(config) if own else xr.Dataset()
    low, high = (
        found[f"{name}_sharpness"].where(found["small"] == 1) for name in ("adam", "descent")
    )
    metrics = {"pairs": float(pairs), "flatter_share": flatter}
    if pairs:
        metrics |= {"adam_median": low.median(), "descent_median": high.median()}
    if own:
        metrics |= {name: six[name] for name in ("stopped", "six_before", "six_after")}
        metrics["escapes"] = six["escapes"].sum()
        metrics["stops"] = (six["stopped"] < config.epochs).sum()
    reason = f"Adam is flatter in {flatter:.0%} of {pairs} pairs, chance makes {0.5 + chance:.0%}"
    return Result(
        data=found.merge(theory).merge(six),
        metrics=metrics,
        checks=compare(config, found, six, theory),
        errata=errata(config, six) if own else (),
        no_claim=() if pairs and flatter - 0.5 > chance else (reason,),
    )


def told(found: xr.Dataset) -> Told:
    """Of the pairs that end at minima: how often Adam's is the flatter, and how far chance may take that from ½."""
    small = found["small"].values == 1
    lower = found["adam_sharpness"].values[small] < found["descent_sharpness"].values[small]
    pairs = int(small.sum())
    least = stats.binom.ppf(level(1) / 2, pairs, 0.5) if pairs else 0.0
    return Told(pairs, float(lower.mean()) if pairs else 0.5, 0.5 - float(least) / max(pairs, 1))


def compare(
    config: Config, found: xr.Dataset, six: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    pairs, flatter, chance = told(found)
    if not pairs:
        return ()
    middle = found["descent_sharpness"].where(found["small"] == 1).median()
    slack, why = config.claim_edge * 2 / config.descent_rate, "the share that is claimed"
    checks = [
        Check("flatter_less_half", flatter - 0.5, ">=", 0, chance, f"a sign test on {pairs} pairs"),
        Check("descent_below_the_edge", middle, "<=", theory["edge"], slack, why),
    ]
    if "first_predicted" in theory:
        first, why = six["first"], "twice what float64 changes, and rounding of residuals"
        tol = 2 * six["rounding"] + 8 * EPS * np.sqrt(six["first"])
        checks.append(Check("first_loss_of_adam", first, "==", theory["first_predicted"], tol, why))
    return tuple(checks)


def errata(config: Config, six: xr.Dataset) -> tuple[Erratum, ...]:
    """Of what the document says of its own runs."""
    where, least = "FRTN50 assignment 3d", float(six["least_double"])
    sharper = np.sign(np.log(six["six_after"] / six["six_before"]).median())
    floor = config.printed_floor
    return (
        Erratum("sign_of_what_adam_adds_to_the_sharpness", where, 1.0, -1.0, float(sharper), 0.0),
        Erratum("least_loss_of_descent", where, floor, least, float(six["least"]), 0.01 * floor),
    )
