"""A network that fits random labels exactly is right on new images once in as many as there are classes.

It has enough parameters to fit whatever it is given, so that a training error of 0 says nothing about new images. Labels
that know nothing of the images are as good under any renaming of the classes, and so is the network that learned them:
its answer to a new image is each class with the same probability.

    n images, one hidden layer of ReLU, half the squared distance from one-hot labels, Adam on all images
    true:     random start, the images' own labels
    random:   random start, labels drawn uniformly from the C classes:   E (share right on new images) = 1/C exactly
    restart:  from the end of the random labels, the images' own labels: as good on the training images

The restart ends at another minimum with training error 0. How much worse it is on new images is reported; no theory
gives it.

See: left, all three fit their training labels; right, on new images random labels are at 1/C.

Source: slides on implicit biases, the first pages; arXiv 1611.03530 for random labels, 1906.02613 for bad starts.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Data, Positive, Seed, experiment_config
from descent.maths import rules
from descent.maths.initialise import initialise
from descent.maths.limits import PRODUCT, require_cost
from descent.maths.network import Shape, outputs, value_and_gradient
from descent.maths.sampling import fewest, mean
from descent.maths.times import log_spaced
from descent.maths.training import Run, train
from descent.result import Check, Result, measured, predicted, replicates, steps
from descent.train._pooled_images import Images, pooled

CASES = ["true", "random", "restart"]
PIXELS = 784  # of MNIST, for estimates


@experiment_config
class Config:
    data: Data
    seed: Seed
    replicates: Annotated[Count, Field(ge=fewest("mean"))]  # networks, each with labels of its own
    images: Count  # n, trained on
    new: Count  # images that were not
    pool: Count  # side of the squares of pixels that are averaged
    hidden: Count  # width
    rate: Positive  # Adam's
    steps: Count

    def __post_init__(self):
        if self.hidden * 4 < self.images:
            raise ValueError(
                f"hidden {self.hidden} < {self.images / 4:g}: a neuron for four images"
            )
        rows, inputs = self.images + self.new, PIXELS / self.pool**2
        numbers = self.replicates * self.hidden * (8 * (inputs + 10) + 3 * rows) + rows * PIXELS
        work = 18.0 * self.replicates * self.steps * self.images * self.hidden * inputs * PRODUCT
        require_cost(self, "replicates, images, new, hidden, steps", numbers, work)


def predict(config: Config, classes: int) -> xr.Dataset:
    return xr.Dataset(
        {
            "chance_predicted": predicted((), 1 / classes, "1/C"),
            "fitted_predicted": predicted("case", np.ones(3), "all of the training labels"),
        }
    )


def right(theta: np.ndarray, x: np.ndarray, shape: Shape, labels: np.ndarray) -> np.ndarray:
    """The share of images whose largest output is that of their label, for every network."""
    return (outputs(theta, x, shape).argmax(-1) == labels).mean(-1)


def measure(config: Config, images: Images) -> xr.Dataset:
    """All networks side by side, first on either labels, then from the random ones on the true ones."""
    n, classes = config.images, images.y.shape[1]
    x, new = (one.astype(np.float32) for one in (images.x[:n], images.x[n:]))
    shape = Shape((x.shape[1], config.hidden, classes), "relu")
    rng = np.random.default_rng([config.seed, 1])
    start = initialise(rng, "he", shape, config.replicates).astype(np.float32)
    own = np.broadcast_to(images.y[:n].argmax(1), (config.replicates, n))
    labels = {"true": own, "random": rng.integers(0, classes, own.shape), "restart": own}
    ends, kept, found = {}, log_spaced(config.steps, 60), []
    for case in CASES:
        ran = _train(
            config,
            ends.get("random", start) if case == "restart" else start,
            x,
            shape,
            labels[case],
        )
        ends[case] = ran.theta
        fitted = right(ran.theta, x, shape, labels[case])
        truth = images.y[n:].argmax(1)
        found.append((fitted, right(ran.theta, new, shape, truth), ran.losses[kept].T, ran.is_lost))
    fitted, share, losses, lost = (np.array(one) for one in zip(*found, strict=True))
    each = ("case", "replicate")
    return xr.Dataset(
        {
            "fitted": measured(each, fitted, "share right on training labels"),
            "share": measured(each, share, "share right on new images"),
            "loss": measured((*each, "step"), losses, "loss"),
            "lost": measured(each, lost.astype(float), "run that diverged"),
        },
        coords={
            "case": ("case", CASES, {"long_name": "labels and start"}),
            "replicate": replicates(config.replicates),
            "step": steps(kept, "step", "step"),
        },
    )


def _train(
    config: Config, start: np.ndarray, x: np.ndarray, shape: Shape, labels: np.ndarray
) -> Run:
    target = np.eye(shape.widths[-1], dtype=np.float32)[labels]

    def slope(theta: np.ndarray, active: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        given = np.broadcast_to(x, (len(active), *x.shape))
        return value_and_gradient(theta, given, target[active], shape, "half_square")

    rule = rules.adam(0.9, 0.999, 1e-8)
    return train(start, slope, rule, config.rate, config.steps)


def run(config: Config, mnist: xr.Dataset) -> Result:
    count = config.images + config.new
    images = pooled(np.random.default_rng(config.seed), mnist, count, config.pool, 0.0)
    found, theory = measure(config, images), predict(config, images.y.shape[1])
    lost = int(found["lost"].sum())
    short = int((found["fitted"] < 1).sum())
    reasons = {
        f"rate {config.rate:g}: {lost} runs diverged": lost,
        f"steps {config.steps}: {short} of {3 * config.replicates} runs do not fit": short,
    }
    no_claim = tuple(why for why, some in reasons.items() if some)
    share = found["share"].mean("replicate")
    return Result(
        data=found.merge(theory),
        metrics={
            "share": share,
            "restart_costs": share.sel(case="true") - share.sel(case="restart"),
        },
        checks=() if no_claim else compare(found, theory),
        no_claim=no_claim,
    )


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    chance = mean(found["share"].sel(case="random", drop=True))
    fitted = found["fitted"].drop_vars("case")
    return (
        Check("fitted", fitted, "==", theory["fitted_predicted"], 0, "labels are counted"),
        Check("share", chance.value, "==", theory["chance_predicted"], chance.tol, chance.why),
    )
