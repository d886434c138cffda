"""Passes of our own through somebody else's model that leave no trace in it, and none in any random state.

Within `untouched` the model is in evaluation mode, so that dropout is off and normalisation uses its running
statistics; what was compiled runs uncompiled; nothing is cast to a lower precision; and operations without a second
derivative are replaced by equal ones that have it. `Twin` holds copies of the parameters and buffers, on which all
passes run: gradients go to the copies, hooks on the parameters are not called, and statistics that a pass changes are
those of the copies.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from descent.config import Refusal

Batch = Any  # a tensor; a list or tuple of positional inputs; a dict of named ones
Loss = Callable[[Any, Any], Tensor]
FLAT = ("_flat_weights", "_flat_weight_refs")


def unwrap(model: nn.Module) -> nn.Module:
    """The module itself, without torch.compile's and torch.nn.parallel's covers."""
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


def device_of(model: nn.Module) -> torch.device:
    """Where its first parameter lies."""
    return next(model.parameters()).device


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within, and afterwards everything as it was."""
    device = device_of(model)
    modes = [(module, module.training) for module in model.modules()]
    # A recurrent layer keeps a second list of its weights, which would keep the copies.
    lists = [
        (module, {name: vars(module)[name] for name in FLAT if name in vars(module)})
        for module, _ in modes
        if isinstance(module, nn.RNNBase)
    ]
    numpy, python = np.random.get_bit_generator(), random.getstate()
    numbers = numpy.state
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        with ExitStack() as stack:
            cards = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
            stack.enter_context(torch.random.fork_rng(list(cards), device_type="cuda"))
            stack.enter_context(torch.autocast(device.type, enabled=False))
            stack.enter_context(torch.enable_grad())
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            if lists and device.type == "cuda":  # cuDNN's has no gradient in evaluation mode
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            if "_dynamo" in vars(torch):  # loaded, so something may be compiled
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            torch.backends.mha.set_fastpath_enabled(False)
            for module, _ in modes:
                module.training = False
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for module, kept in lists:
            vars(module).update(kept)
        torch.backends.mha.set_fastpath_enabled(fast)
        numpy.state = numbers
        random.setstate(python)


class Twin(NamedTuple):
    """A model with copies of its parameters (leaves that ask for gradients as the originals do) and buffers."""

    model: nn.Module
    loss_fn: Loss
    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]

    @property
    def trained(self) -> dict[str, Tensor]:
        """The parameters that ask for a gradient."""
        return {name: p for name, p in self.parameters.items() if p.requires_grad}

    def output(self, x: Batch, moved: Mapping[str, Tensor] | None = None) -> Any:
        """f(x), with some parameters replaced."""
        values = {**self.parameters, **self.buffers, **(moved or {})}
        args, named = (), {}
        if isinstance(x, dict):
            named = x
        else:
            args = tuple(x) if isinstance(x, list | tuple) else (x,)
        return functional_call(self.model, values, args, named)

    def loss(self, x: Batch, y: Batch, moved: Mapping[str, Tensor] | None = None) -> Tensor:
        """The mean loss over the samples of a batch.

        Raises:
            Refusal: loss_fn returned something else than one number.
        """
        found = self.loss_fn(self.output(x, moved), y)
        if not isinstance(found, Tensor) or found.numel() != 1:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise Refusal(f"loss_fn returned {shape}: it must return one number, a mean over y")
        return found.reshape(())


def twin_of(model: nn.Module, loss_fn: Loss) -> Twin:
    """Copies of the model's parameters as they are now."""
    parameters = {
        name: p.detach().clone().requires_grad_(p.requires_grad)
        for name, p in model.named_parameters()
    }
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    return Twin(model, loss_fn, parameters, buffers)


def gradient(
    twin: Twin, loss: Tensor, *, graph: bool = False, keep: bool = False
) -> dict[str, Tensor]:
    """∇ of a loss by parameter; those that the loss does not use are left out.

    Args:
        graph: with a graph of its own, to be differentiated again.
        keep: the graph of the loss, for another pass through it.
    """
    trained = twin.trained
    if not trained or not loss.requires_grad:
        return {}
    values = list(trained.values())
    found = torch.autograd.grad(
        loss, values, retain_graph=graph or keep, create_graph=graph, allow_unused=True
    )
    return {
        name: g.to_dense() if g.is_sparse else g
        for name, g in zip(trained, found, strict=True)
        if g is not None
    }
