"""The notebook's task on MNIST: a few raw images minus a mean image, and networks that learn them.

    x = range/255 · (pixels − mean image of the first `averaged` images),   pixels 0 … 255
    trained on `images` from `first` on, validated on the `validation` images that follow the averaged ones

In place of the mean image its mean over the pixels, or nothing, can be taken off.

Source: CS182 homework 2, question 5, whose notebook has CIFAR-10 and range 255 (pixels as they are).
"""

from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Integer
from pydantic import Field

from descent.config import (
    Count,
    Data,
    Index,
    Positive,
    Refusal,
    Seed,
    experiment_config,
    require_increasing,
)
from descent.maths.limits import CALL, PRODUCT, require_cost
from descent.maths.network import Shape
from descent.maths.sampling import fewest

RAW = 255.0  # range of pixels as they are
PIXELS, CLASSES = 784, 10  # of MNIST, for estimates


@experiment_config
class Images:
    data: Data
    seed: Seed
    replicates: Annotated[Count, Field(ge=fewest("mean"))]  # networks
    averaged: Count  # images that the mean is of
    first: Index  # of those trained on
    images: Count  # trained on, N
    centred: Literal["mean image", "mean", "none"]  # what is taken off: pixel by pixel, of all, 0
    hidden: Annotated[tuple[Count, ...], Field(min_length=1)]  # widths
    batch: Count  # B, with replacement

    def __post_init__(self):
        if (end := self.first + self.images) > self.averaged:
            what = f"images {self.images}" + f" + first {self.first}" * bool(self.first)
            raise ValueError(
                f"{what}{f' = {end}' * bool(self.first)} > averaged {self.averaged}: "
                "validation images follow those"
            )

    def require_affordable(self, side_by_side: int, passes: int, looks: int) -> None:
        """So many networks at once, each with so many passes over a minibatch and over all images."""
        widths = (PIXELS, *self.hidden, CLASSES)
        weights = sum(float(a) * b for a, b in pairwise(widths))
        rows = max(self.batch, self.images if looks else 0)
        networks = float(self.replicates) * side_by_side
        numbers = side_by_side * (6 * weights + 3.0 * rows * sum(self.hidden))
        multiplied = 6 * PRODUCT * weights * (self.batch * passes + rows * looks)
        updated = (30 + 10 * passes) * weights + CALL * len(widths) * passes / side_by_side
        counts = [name for name in ("images", "iterations") if hasattr(self, name)]
        require_cost(
            self,
            ", ".join(["hidden", "batch", "replicates", *counts]),
            numbers + 4 * networks * passes,
            networks * (multiplied + updated),
        )


@experiment_config
class Training(Images):
    validation: Count
    iterations: Count  # T
    ranges: Annotated[tuple[Positive, ...], Field(min_length=2)]  # of the pixels

    def __post_init__(self):
        super().__post_init__()
        require_increasing("ranges", self.ranges)


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


def task(mnist: xr.Dataset, config: Images, validation: int = 0) -> Task:
    """
    Raises:
        Refusal: there are too few images, or those trained on are of one class.
    """
    images, labels = mnist["train_images"].values, mnist["train_labels"].values
    end = config.averaged + validation
    if end > len(images):
        raise Refusal(f"averaged + validation = {end} > {len(images)} training images")
    flat = images[:end].reshape(end, -1)
    mean = flat[: config.averaged].mean(0)
    mean = {"mean image": mean, "mean": mean.mean(), "none": 0.0}[config.centred]
    chosen = np.r_[config.first : config.first + config.images, config.averaged : end]
    x = (flat[chosen] - mean).astype(np.float32)
    y = labels[chosen]
    N = config.images
    if len(np.unique(y[:N])) < 2:
        at = f"first {config.first}" if config.first else "the first"
        raise Refusal(f"{at} {N} images are of one class: nothing to learn")
    return Task(x[:N], y[:N], x[N:], y[N:], int(y.max()) + 1)
