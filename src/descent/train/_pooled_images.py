"""A few images of a set, small, standardised, and in part mislabelled, so that there is always something left to fit."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Refusal


class Images(NamedTuple):
    x: Float[np.ndarray, "n p"]  # pixels, mean 0 and variance 1 over all of them
    y: Float[np.ndarray, "n c"]  # one-hot


def pooled(
    rng: np.random.Generator, mnist: xr.Dataset, count: int, pool: int, noise: float
) -> Images:
    """`count` training images, squares of `pool` pixels averaged; a share `noise` of the labels is drawn at random.

    Raises:
        Refusal: fewer images or pixels than asked for, or nothing to see in them.
    """
    images, labels = mnist["train_images"].values, mnist["train_labels"].values
    if count > len(images):
        raise Refusal(f"images {count} > {len(images)} training images")
    side = min(images.shape[1:]) // pool
    if side == 0:
        raise Refusal(f"pool {pool} > {min(images.shape[1:])} pixels")
    chosen = rng.choice(len(images), count, replace=False)
    cut = images[chosen, : side * pool, : side * pool].astype(float)
    x = cut.reshape(-1, side, pool, side, pool).mean((2, 4)).reshape(-1, side**2)
    if x.std() == 0:
        raise Refusal("all chosen pixels are equal: there is nothing to standardise")
    classes = int(labels.max()) + 1
    random = rng.random(count) < noise
    drawn = rng.integers(0, classes, count)
    y = np.eye(classes)[np.where(random, drawn, labels[chosen])]
    return Images((x - x.mean()) / x.std(), y)
