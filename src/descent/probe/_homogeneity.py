"""Layers that scale the output alike, found by scaling them; theory then says what their gradients have in common.

Let s_l(c) be the output when the weights of layer l and every bias from l on are multiplied by c. For a chain of ReLU
layers it is the same function for every l. Wherever two layers have the same s(c), the loss changes along both at one
rate, dL/dc at c = 1:

    ⟨W_l, ∂W_l⟩ + Σ_{k ≥ l} ⟨b_k, ∂b_k⟩   is one number for all such l
    a step of SGD at rate η then changes every ‖W_l‖² + Σ_{k ≥ l} ‖b_k‖² by −2η(that number) + η²‖G_l‖²,
    ‖G_l‖² with the same biases

"From l on" goes by the order in which a pass uses the layers. Nothing is believed about the network: layers belong
together if their outputs agree, at c = 5/4 and on all samples of the minibatch that the numbers are of.

Source: arXiv 1806.00900, Theorem 2.1.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from descent.probe._layers import Layer, inner
from descent.probe._rows import leaves
from descent.probe._untouched import Batch, Twin

GROWN = 1.25  # c, a power of two's quarters, so that it multiplies without rounding much
ALIKE = 1e-4  # of what scaling does to the output, from where on two layers differ
COARSE = 1e-6  # machine epsilon above which rounding could pass for a difference


class Homogeneous(NamedTuple):
    """Layers with one s(c), first to last; and why there are none."""

    layers: tuple[str, ...]
    reason: str


class Growing(NamedTuple):
    """The parameters that s_l(c) multiplies."""

    weights: tuple[str, ...]
    biases: tuple[str, ...]  # from l on

    @property
    def parameters(self) -> tuple[str, ...]:
        return self.weights + self.biases


def growing(layers: list[Layer], order: list[str]) -> dict[str, Growing]:
    """Of every layer that was used and has weights, in the order of use."""
    by_name = {layer.name: layer for layer in layers}
    used = [by_name[name] for name in order]
    found = {}
    for place, layer in enumerate(used):
        if layer.weights:
            biases = tuple(name for later in used[place:] for name in later.biases)
            found[layer.name] = Growing(layer.weights, biases)
    return found


def _outputs(twin: Twin, x: Batch, grown: tuple[str, ...]) -> Tensor | None:
    """All floating-point numbers of the output in one vector; None if there are none."""
    with torch.no_grad():
        moved = {name: twin.parameters[name] * GROWN for name in grown}
        parts = [part for part in leaves(twin.output(x, moved)) if part.is_floating_point()]
    return torch.cat([part.flatten() for part in parts]) if parts else None


def homogeneous(twin: Twin, parts: dict[str, Growing], x: Batch) -> Homogeneous:
    """The largest set of these layers that scale the output alike."""
    if max(torch.finfo(p.dtype).eps for p in twin.trained.values()) > COARSE:
        return Homogeneous((), "half precision cannot tell layers that scale alike from others")
    trained = twin.trained
    able = {name: one for name, one in parts.items() if all(p in trained for p in one.parameters)}
    base = _outputs(twin, x, ())
    if base is None or len(able) < 2:
        return Homogeneous((), "fewer than two layers are trained with all biases after them")
    found = {name: _outputs(twin, x, one.parameters) for name, one in able.items()}
    effect = max(float((out - base).abs().max()) for out in found.values())
    if not 0 < effect < float("inf"):
        return Homogeneous((), "scaling the layers does nothing to the output, or too much")
    groups: list[list[str]] = []
    for name, out in found.items():
        for group in groups:
            if float((found[group[0]] - out).abs().max()) <= ALIKE * effect:
                group.append(name)
                break
        else:
            groups.append([name])
    largest = max(groups, key=len)
    if len(largest) < 2:
        return Homogeneous((), "no two layers scale the output alike: it is not homogeneous")
    return Homogeneous(tuple(largest), "")


class Products(NamedTuple):
    """Of one layer with the biases after it."""

    product: float  # ⟨W, ∂W⟩ + Σ ⟨b, ∂b⟩
    size: float  # √(‖W‖²‖G‖²), what the product is rounded against


def products(twin: Twin, gradient: dict[str, Tensor], one: Growing) -> Products:
    """From the gradients of a pass."""
    names = [name for name in one.parameters if name in gradient]
    values = {name: twin.parameters[name] for name in names}
    total = sum(inner(values[name], gradient[name]) for name in names)
    weights = sum(inner(values[name], values[name]) for name in names)
    gradients = sum(inner(gradient[name], gradient[name]) for name in names)
    return Products(total, (weights * gradients) ** 0.5)
