"""Batches as users have them: a tensor or array, a tuple of inputs, or a dict of named ones; samples come first."""

import numpy as np
import torch
from torch import Tensor

from descent.config import Refusal
from descent.probe._untouched import Batch


def _each(batch: Batch, change) -> Batch:
    if isinstance(batch, dict):
        return {name: _each(part, change) for name, part in batch.items()}
    if isinstance(batch, list | tuple):
        return [_each(part, change) for part in batch]
    return change(batch)


def tensors(batch: Batch, name: str) -> Batch:
    """With every array as a tensor, cut off from any graph.

    Raises:
        Refusal: a part is neither.
    """

    def change(part) -> Tensor:
        if isinstance(part, Tensor):
            return part.detach()
        if isinstance(part, np.ndarray) and part.dtype != object:
            return torch.as_tensor(part)
        raise Refusal(f"{name} has a {type(part).__name__}: it must be a tensor or an array")

    return _each(batch, change)


def leaves(batch: Batch) -> list[Tensor]:
    """All tensors in it."""
    if isinstance(batch, dict):
        return [leaf for part in batch.values() for leaf in leaves(part)]
    if isinstance(batch, list | tuple):
        return [leaf for part in batch for leaf in leaves(part)]
    return [batch] if isinstance(batch, Tensor) else []


def pick(batch: Batch, rows: Tensor | slice, device: torch.device) -> Batch:
    """Some samples of it, on a device."""

    def change(part: Tensor) -> Tensor:
        index = rows if isinstance(rows, slice) else rows.to(part.device)
        return part[index].to(device)

    return _each(batch, change)


def count(x: Batch, y: Batch, name: str) -> int:
    """How many samples x and y have.

    Raises:
        Refusal: none, or not as many as each other.
    """
    parts = leaves(x) + leaves(y)
    if not parts or any(part.ndim == 0 for part in parts):
        raise Refusal(f"{name}: a part has no dimension of samples, which must come first")
    sizes = sorted({len(part) for part in parts})
    if len(sizes) > 1 or not sizes[0]:
        listed = " and ".join(map(str, sizes))
        raise Refusal(f"{name} have {listed} samples: they must have the same number, at least 1")
    return sizes[0]
