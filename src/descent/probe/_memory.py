"""What a probe is set to, and what one look leaves to the next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from descent.probe._layers import Layer
from descent.probe._untouched import Batch

CHUNK = 128  # samples of a pass, where no minibatch says how many fit


class Setting(NamedTuple):
    """See `Probe`."""

    samples: int
    products: int
    deep: int


@dataclass
class Memory:
    """What one look leaves to the next."""

    rng: np.random.Generator
    optimizer: torch.optim.Optimizer | None
    last: tuple[Batch, Batch] | None = None  # minibatch
    looks: int = 0
    good: set[str] | None = None  # layers whose formula was verified
    coupled: bool = False  # the loss is not a mean over samples
    apart: str = ""  # why no two layers are homogeneous, once that was seen
    unseen: dict[str, str] = field(default_factory=dict)
    vector: np.ndarray | None = None  # of the last sharpness
    method: str = ""
    batch: int = CHUNK
    full_batch: bool = False


class Before(NamedTuple):
    """What a step starts from."""

    layers: list[Layer]
    parameters: dict[str, Tensor]
    gradient: dict[str, Tensor]  # of the minibatch, as the probe found it


class Of(NamedTuple):
    """Whose looks they are."""

    model: nn.Module
    loss_fn: Callable
    setting: Setting
    memory: Memory
