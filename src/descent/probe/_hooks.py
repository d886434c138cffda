"""Squared norms of per-sample gradients from one ordinary backward pass, for linear and convolutional layers.

With h the input of a layer and δ the derivative of the summed loss by its output, the gradient of sample i is

    linear:        G_i = Σ_t δ_it h_itᵀ     t the positions, if the layer is applied at several
    convolution:   the same, with h_it the patch of the input under output pixel t
    bias:          Σ_t δ_it

so for one position ‖G_i‖² = ‖δ_i‖² ‖h_i‖², and for T of them it is Σ_tu ⟨δ_t, δ_u⟩⟨h_t, h_u⟩ or ‖G_i‖² itself,
whichever is cheaper. A layer that a pass uses several times has the positions of all its uses.

Source: Goodfellow, Efficient per-example gradient computations (2015), for one position.
"""

from math import prod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from descent.probe._layers import Layer

AT_ONCE = 2**22  # numbers of the largest intermediate array: 16 MiB


class Use(NamedTuple):
    """One application of a layer: its input, and the gradient by its output once the backward pass was there."""

    input: Tensor
    delta: list[Tensor]


class Watch:
    """Hooks on the modules of some layers for as long as the context lasts.

    Attributes:
        uses: by layer; only of those for which a formula stands above.
        order: layers, in the order of their first use.
    """

    def __init__(self, layers: list[Layer]):
        self.layers, self.uses, self.order = layers, {}, []
        self._handles = []

    def __enter__(self):
        for layer in self.layers:
            hook = layer.module.register_forward_hook(self._hook(layer))
            self._handles.append(hook)
        return self

    def __exit__(self, *_):
        for handle in self._handles:
            handle.remove()

    def _hook(self, layer: Layer):
        def hook(module: nn.Module, args: tuple, output) -> None:
            if layer.name not in self.order:
                self.order.append(layer.name)
            plain = isinstance(output, Tensor) and output.requires_grad and args
            if plain and has_formula(layer) and isinstance(args[0], Tensor):
                use = Use(args[0].detach(), [])
                self.uses.setdefault(layer.name, []).append(use)
                output.register_hook(lambda delta: use.delta.append(delta.detach()))

        return hook


def has_formula(layer: Layer) -> bool:
    """Whether the gradients of all parameters of the layer are outer products."""
    module, own = layer.module, {name.rpartition(".")[2] for name in layer.parameters}
    if isinstance(module, nn.Conv1d | nn.Conv2d) and module.padding_mode != "zeros":
        return False
    known = isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d)
    return (
        known
        and own <= {"weight", "bias"}
        and not isinstance(module, nn.modules.lazy.LazyModuleMixin)
    )


def outer_squares(h: Tensor, delta: Tensor) -> Tensor:
    """‖Σ_t δ_it h_itᵀ‖² for every i; h: (B, T, p), δ: (B, T, q)."""
    T, p, q = *h.shape[1:], delta.shape[2]
    if T == 1:
        return h.square().sum((1, 2)) * delta.square().sum((1, 2))
    gram = T * (p + q) < p * q
    rows = max(1, AT_ONCE // (2 * T * T if gram else p * q))
    found = []
    for a, b in zip(h.split(rows), delta.split(rows), strict=True):
        both = (a @ a.mT) * (b @ b.mT) if gram else (b.mT @ a).square()
        found.append(both.sum((1, 2)))
    return torch.cat(found).clamp_min(0)


def _patches(module: nn.Conv1d | nn.Conv2d, h: Tensor) -> Tensor:
    """(B, groups, T, channels of a group × kernel)."""
    if isinstance(module.padding, str):
        spare = [
            d * (k - 1)
            for d, k in zip(module.dilation, module.kernel_size, strict=True)
            if module.padding == "same"
        ]
        sides = [side for total in reversed(spare) for side in (total // 2, total - total // 2)]
        h, padding = F.pad(h, sides), 0
    else:
        padding = (0, *module.padding) if h.ndim == 3 else module.padding
    flat = h.ndim == 3

    def wide(pair: tuple, fill: int) -> tuple:
        return (fill, *pair) if flat else pair

    columns = F.unfold(
        h[:, :, None] if flat else h,
        wide(module.kernel_size, 1),
        wide(module.dilation, 1),
        padding,
        wide(module.stride, 1),
    )
    B, rows, T = columns.shape
    return columns.reshape(B, module.groups, rows // module.groups, T).mT


def _convolution_squares(module: nn.Conv1d | nn.Conv2d, h: Tensor, delta: Tensor) -> Tensor:
    B, groups = len(h), module.groups
    d = delta.reshape(B, groups, delta.shape[1] // groups, -1).mT
    patch = prod(module.weight.shape[1:])
    rows, found = max(1, AT_ONCE // (groups * patch * max(d.shape[2:]))), []
    for part, back in zip(h.split(rows), d.split(rows), strict=True):
        columns = _patches(module, part)
        both = outer_squares(columns.flatten(0, 1), back.flatten(0, 1))
        found.append(both.reshape(len(part), groups).sum(1))
    return torch.cat(found)


def sample_squares(layer: Layer, uses: list[Use], batch: int, trained: set[str]) -> Tensor | None:
    """‖∂ℓ_i/∂(layer)‖² of every sample, ℓ_i its own loss, of the parameters that are trained; shape (batch,).

    None where the uses do not allow it: samples that are not in the first dimension, or a convolution that is used
    twice.
    """
    whole = [(use.input, use.delta[0]) for use in uses if len(use.delta) == 1]
    if len(whole) < len(uses) or not whole:
        return None
    if any(h.ndim < 2 or len(h) != batch or len(d) != batch for h, d in whole):
        return None
    module, total = layer.module, 0.0
    weight = any(name in trained for name in layer.weights)
    if isinstance(module, nn.Linear):
        h = torch.cat([_wide(h).reshape(batch, -1, h.shape[-1]) for h, _ in whole], 1)
        d = torch.cat([_wide(d).reshape(batch, -1, d.shape[-1]) for _, d in whole], 1)
        total = outer_squares(h, d) if weight else 0.0
    else:
        (h, d), *more = whole
        if more or h.ndim != 2 + len(module.kernel_size):
            return None
        h, d = _wide(h), _wide(d)
        total = _convolution_squares(module, h, d) if weight else 0.0
        d = d.flatten(2).mT
    if any(name in trained for name in layer.biases):
        total = total + d.sum(1).square().sum(1)
    return total * batch**2 if isinstance(total, Tensor) else None


def _wide(values: Tensor) -> Tensor:
    """At least float32."""
    return values.float() if values.dtype.itemsize < 4 else values


def dead_units(layer: Layer, uses: list[Use]) -> Tensor | None:
    """Which units of a layer no sample sends a gradient through; shape (units,)."""
    deltas = [use.delta[0] for use in uses if use.delta]
    if not deltas:
        return None
    unit = -1 if isinstance(layer.module, nn.Linear) else 1
    still = [(d.movedim(unit, 0).flatten(1) == 0).all(1) for d in deltas]
    return torch.stack(still).all(0)
