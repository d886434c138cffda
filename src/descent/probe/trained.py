"""A minibatch gradient is the full one plus noise: E‖g_B‖² = ‖∇L‖² + tr Σ/B, in every layer of any network.

The gradient over all n samples is the mean of those of the samples, Σ is their covariance, and a minibatch averages B of
them. So a norm that stays flat while the loss falls is mostly noise, and the noise scale tells from which B on it is
not. The law asks nothing of the network; other laws hold for some networks and steps only, and are claimed for those.

    E‖g_B‖² = ‖∇L‖² + (tr Σ/B) (n − B)/(n − 1)   for B different samples, layer by layer
    noise scale tr Σ/‖∇L‖²

See: the norms over all samples fall below those of minibatches; what is between them is noise.

Source: arXiv 1812.06162, Appendix A (noise scale).
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import StringConstraints

from descent.config import Count, Refusal, Seed, experiment_config
from descent.probe import _networks
from descent.probe._optimise import loss_of, optimiser
from descent.probe._sets import CLASSES, TARGETS, Samples, samples
from descent.probe.probe import Probe
from descent.result import Result, over_replicates

Named = Annotated[str, StringConstraints(min_length=1)]


@experiment_config
class Config:
    network: Named  # FILE.py:FUNCTION, which returns a torch module
    data: Named  # a data set, a folder, a FILE.npz or FILE.py:FUNCTION, which returns (X, y)
    samples: Count  # of the data, from the first on; as many as there are where there are fewer
    loss: Literal[CLASSES + TARGETS]  # of torch.nn.functional, its mean over a minibatch
    optimiser: Named  # of torch.optim
    arguments: dict[str, Any]  # of the optimiser, by their names in torch
    batch: Count  # B
    epochs: Count
    every: Count  # steps between two looks
    replicates: Count
    seed: Seed
    device: Literal["cpu", "cuda", "auto"]

    def __post_init__(self):
        for name, value in self.arguments.items():
            plain = all(isinstance(v, int | float | str | None) for v in flat(value))
            if not plain:
                raise ValueError(f"arguments.{name}: must be a number, a text or a list of numbers")


def flat(value) -> list:
    return value if isinstance(value, list) else [value]
