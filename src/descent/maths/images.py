"""Images and labels as a network takes them."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Integer

from descent.config import Refusal


class Images(NamedTuple):
    """Standardised pixels x, one row an image, and labels 0 … classes − 1."""

    x: Float[np.ndarray, "n pixels"]
    labels: Integer[np.ndarray, " n"]


class Pixels(NamedTuple):
    """Mean and standard deviation (with n − 1) of the training pixels scaled to [0, 1], and their largest."""

    mean: float
    std: float
    largest: float


def pixel_statistics(mnist: xr.Dataset) -> Pixels:
    counts = np.bincount(mnist["train_images"].values.ravel(), minlength=256)
    values = np.arange(256)
    mean = np.average(values, weights=counts)
    variance = np.sum(counts * (values - mean) ** 2) / (counts.sum() - 1)
    return Pixels(mean / 255, np.sqrt(variance) / 255, np.flatnonzero(counts)[-1] / 255)


def standardised(mnist: xr.Dataset, part: str, dtype: type = np.float32) -> Images:
    """The images of `part` ("train" or "test") minus the training mean over the training deviation.

    Raises:
        Refusal: the training pixels have no spread, or there is no such part.
    """
    if f"{part}_images" not in mnist:
        raise Refusal(f"data: it has no {part} set, which this experiment reads")
    mean, std, _ = pixel_statistics(mnist)
    if std == 0:
        raise Refusal("all training pixels are equal: there is nothing to standardise")
    images = mnist[f"{part}_images"].values
    x = images.reshape(len(images), -1).astype(dtype) / dtype(255)
    return Images((x - dtype(mean)) / dtype(std), mnist[f"{part}_labels"].values)
