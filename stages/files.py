"""Files that are either whole or absent, and inputs as labelled arrays."""

import os
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from blocks import refuse


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Save through a temporary name in the same folder, then rename.

    Raises:
        OSError: the disk is full, say; `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        save(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: str) -> xr.Dataset:
    """An artifact (.nc), or a data folder as its files; one line and exit code 2 if it is damaged."""
    try:
        return xr.load_dataset(path, engine="scipy") if path.endswith(".nc") else images(path)
    except (OSError, ValueError, TypeError, IndexError, RuntimeError, EOFError) as error:
        refuse(
            f"{path}: missing or damaged ({type(error).__name__}: {error}); `dvc repro` makes it"
        )


def images(root: str) -> xr.Dataset:
    """MNIST as torchvision reads it: {train,test}_images (n, row, column) uint8 and _labels (n)."""
    from torchvision.datasets import MNIST  # 3 s, and only the families on MNIST need it

    parts = {"train": MNIST(root, train=True), "test": MNIST(root, train=False)}
    arrays = {}
    for name, part in parts.items():
        if not 0 < len(part.data) == len(part.targets):
            raise ValueError(f"{len(part.data)} images, {len(part.targets)} labels of {name}")
        arrays[f"{name}_images"] = ((name, "row", "column"), part.data.numpy())
        arrays[f"{name}_labels"] = ((name,), part.targets.numpy())
    return xr.Dataset(arrays)
