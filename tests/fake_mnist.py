"""Small images with something to learn in them, in the shape of MNIST."""

import numpy as np
import xarray as xr


def fake_mnist(
    rng: np.random.Generator, n_train: int, n_test: int, side: int = 5, classes: int = 3
) -> xr.Dataset:
    """A random pattern a class under noise of half its contrast; every class occurs if n ≥ classes."""
    patterns = rng.integers(0, 2, (classes, side, side))
    arrays = {}
    for part, n in (("train", n_train), ("test", n_test)):
        labels = rng.permutation(np.arange(n) % classes)
        grey = 170 * patterns[labels] + rng.integers(0, 86, (n, side, side))
        arrays[f"{part}_images"] = ((part, "row", "column"), grey.astype(np.uint8))
        arrays[f"{part}_labels"] = ((part,), labels)
    return xr.Dataset(arrays)
