"""A data set as a network and a loss take it: X in float32 or as whole numbers, y as classes or as targets."""

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from descent.config import Refusal
from descent.maths.images import pixel_statistics

CLASSES = ("cross_entropy", "nll_loss", "multi_margin_loss")
TARGETS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss")
TARGETS += ("binary_cross_entropy_with_logits",)


class Samples(NamedTuple):
    """X: (n, …), y: (n, …), on the device of the network."""

    X: torch.Tensor
    y: torch.Tensor


def samples(data: xr.Dataset, most: int, loss: str, device: str) -> Samples:
    """The first `most` samples.

    Bytes are pixels: less their mean, over their standard deviation (with n − 1), with one channel if they have none,
    (n, 1, row, column). Other numbers stay as they are, as float32 or int64.

    Raises:
        Refusal: a number is not finite, all pixels are equal, or y is not what the loss takes.
    """
    X, y = data["X"].values[:most], data["y"].values[:most]
    if X.dtype == np.uint8:
        X = standardised(X)
    with np.errstate(over="ignore"):
        X = np.array(X, np.float32 if X.dtype.kind == "f" else np.int64)
        y = classes(y, loss) if loss in CLASSES else np.array(y, np.float32)
    for name, array in (("X", X), ("y", y)):
        if not np.isfinite(array).all():
            where = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(1)))
            raise Refusal(f"data: {name} of sample {where} is not finite in float32")
    return Samples(torch.from_numpy(X).to(device), torch.from_numpy(y).to(device))


def standardised(pixels: np.ndarray) -> np.ndarray:
    """Pixels as train@mnist takes them, to the rounding of float32.

    Raises:
        Refusal: they are all equal.
    """
    dims = [f"d{k}" for k in range(pixels.ndim)]
    mean, std, _ = pixel_statistics(xr.Dataset({"train_images": (dims, pixels)}))
    if not std > 0:
        raise Refusal("data: all pixels are equal: there is nothing to standardise")
    scaled = pixels.astype(np.float32)
    scaled /= np.float32(255)
    scaled -= np.float32(mean)
    scaled /= np.float32(std)
    return scaled[:, None] if scaled.ndim == 3 else scaled


def classes(y: np.ndarray, loss: str) -> np.ndarray:
    """Labels 0, 1, …; those counted from 1 are counted from 0.

    Raises:
        Refusal: they are no whole numbers, or one is negative.
    """
    if (odd := y[~(y == np.round(y)) | ~np.isfinite(y)]).size:
        raise Refusal(f"data: {loss} takes whole labels, got {odd.flat[0]:g}")
    labels = y.astype(np.int64)
    if labels.min() < 0:
        raise Refusal(f"data: labels are counted from 0 or from 1, got {labels.min()}")
    whole = np.unique(labels)
    return labels - 1 if np.array_equal(whole, np.arange(1, len(whole) + 1)) else labels


def minibatches(rng: np.random.Generator, n: int, batch: int, epochs: int):
    """The rows of every step: each epoch takes every sample once, in a new order; its last minibatch may be smaller."""
    for _ in range(epochs):
        yield from torch.from_numpy(rng.permutation(n)).split(batch)
