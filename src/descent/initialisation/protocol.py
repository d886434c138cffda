"""The notebook's task on MNIST, a few raw images minus a mean image; and how replicates of it are compared.

    x = range/255 · (pixels − mean image of the first `averaged` images),   pixels 0 … 255
    trained on the first `images`, validated on the `validation` images that follow the averaged ones

Source: CS182 homework 2, question 5, whose notebook has CIFAR-10 and range 255 (pixels as they are).
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Integer

from descent.config import Count, Positive, Refusal, Seed, experiment_config, require_increasing
from descent.initialisation.classifiers import LOST
from descent.maths.networks import Shape

RAW = 255.0  # range of pixels as they are


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    averaged: Count  # images that the mean image is of
    images: Count  # trained on, N
    validation: Count
    hidden: tuple[Count, ...]  # widths
    batch: Count  # B, with replacement
    iterations: Count  # T
    ranges: tuple[Positive, ...]  # of the pixels

    def __post_init__(self):
        if self.replicates < 2:
            raise ValueError("replicates 1: a spread needs at least 2")
        if not self.hidden:
            raise ValueError("hidden []: one or more hidden layers")
        if self.images > self.averaged:
            raise ValueError(
                f"images {self.images} > averaged {self.averaged}: validation images follow those"
            )
        require_increasing("ranges", self.ranges)
        if len(self.ranges) < 2:
            raise ValueError("ranges: two or more, to be compared")
        if len({f"{size:g}" for size in self.ranges}) < len(self.ranges):
            raise ValueError(f"ranges {list(self.ranges)}: two agree in all six digits shown")


class Task(NamedTuple):
    """Pixels at range 255, in float32, and labels 0 … C − 1."""

    x: Float[np.ndarray, "N n"]
    labels: Integer[np.ndarray, " N"]
    validation_x: Float[np.ndarray, "V n"]
    validation_labels: Integer[np.ndarray, " V"]
    classes: int

    @property
    def fractions(self) -> Float[np.ndarray, " C"]:
        """c_k, the share of class k among the images trained on."""
        return np.bincount(self.labels, minlength=self.classes) / len(self.labels)

    def shape(self, hidden: tuple[int, ...]) -> Shape:
        return Shape((self.x.shape[1], *hidden, self.classes), "relu")


def task(mnist: xr.Dataset, config: Config) -> Task:
    """
    Raises:
        Refusal: there are too few images, or those trained on are of one class.
    """
    images, labels = mnist["train_images"].values, mnist["train_labels"].values
    end = config.averaged + config.validation
    if end > len(images):
        raise Refusal(f"averaged + validation = {end} > {len(images)} training images")
    flat = images[:end].reshape(end, -1)
    mean = flat[: config.averaged].mean(0)
    chosen = np.r_[: config.images, config.averaged : end]
    x = (flat[chosen] - mean).astype(np.float32)
    y = labels[chosen]
    if len(np.unique(y[: config.images])) < 2:
        raise Refusal(f"the first {config.images} images are of one class: nothing to learn")
    N = config.images
    return Task(x[:N], y[:N], x[N:], y[N:], int(y.max()) + 1)


def surely(values: Float[np.ndarray, " R"], lost: float = -LOST) -> float:
    """The mean over replicates less two standard errors; `lost` where one is not finite.

    Replicates that are all 0 are no excess: the number next below 0.
    """
    if not np.isfinite(values).all():
        return lost
    if not values.any():
        return float(np.nextafter(0.0, -1.0))
    return float(values.mean() - 2 * values.std(ddof=1) / np.sqrt(len(values)))
