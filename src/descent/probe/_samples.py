"""One pass over a batch: its gradient, and the squared norms of the gradients of its samples, layer by layer.

Linear and convolutional layers have them from hooks (`_hooks.py`). Whether the formula is right for a layer as this
model uses it is not taken on trust: `verified` differentiates single samples and compares. What is left is
differentiated sample by sample, a few of them, by vmap(grad), or one after another where vmap cannot.
"""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vmap

from descent.probe._hooks import AT_ONCE, Watch, dead_units, has_formula, sample_squares
from descent.probe._layers import Layer, norm
from descent.probe._rows import leaves, pick
from descent.probe._untouched import Batch, Twin, gradient

AGREE = 1e-3  # relative: rounding in float32 makes less of a difference, wrong formulas more
FEW = 32  # samples that are differentiated one by one
TRIED = 3  # of them, to verify a formula


class Pass(NamedTuple):
    """What a pass over B samples shows."""

    loss: float
    gradient: dict[str, Tensor]  # of the mean loss, by parameter
    squares: dict[str, Tensor]  # ‖g_i‖² by layer, (B,)
    dead: dict[str, Tensor]  # whether a unit is dead, by layer
    order: list[str]  # layers, in the order of their use


def look(twin: Twin, layers: list[Layer], x: Batch, y: Batch, *, units: bool = True) -> Pass:
    """One forward and one backward pass; `units`: with a look for dead ones."""
    trained, batch = set(twin.trained), len(leaves(x)[0])
    with Watch(layers) as watch:
        loss = twin.loss(x, y)
        found = gradient(twin, loss)
    squares, dead = {}, {}
    for layer in layers:
        uses = watch.uses.get(layer.name)
        if uses and any(name in found for name in layer.parameters):
            values = sample_squares(layer, uses, batch, trained)
            if values is not None:
                squares[layer.name] = values
        if units and uses and (still := dead_units(layer, uses)) is not None:
            dead[layer.name] = still
    return Pass(float(loss.detach()), found, squares, dead, watch.order)


def square(found: dict[str, Tensor], layer: Layer) -> float:
    """‖g_l‖² in float64; nan where the layer has no gradient."""
    parts = [norm(found[name]) ** 2 for name in layer.parameters if name in found]
    return sum(parts) if parts else float("nan")


def direct(twin: Twin, layers: list[Layer], x: Batch, y: Batch) -> dict[str, Tensor]:
    """‖g_i‖² of these samples and layers, differentiated one by one; (samples,) in float64."""
    names = [name for layer in layers for name in layer.parameters if name in twin.trained]
    part = {name: twin.parameters[name].detach() for name in names}
    device, n = next(iter(part.values())).device, len(leaves(x)[0])
    rows = AT_ONCE // sum(p.numel() for p in part.values())

    def loss(values: dict, one: Batch, label: Batch) -> Tensor:
        return twin.loss(pick_one(one), pick_one(label), values)

    def several(first: int) -> dict[str, Tensor]:
        some = [pick(b, slice(first, first + rows), device) for b in (x, y)]
        return vmap(grad(loss), (None, 0, 0), randomness="different")(part, *some)

    def one(i: int) -> dict[str, Tensor]:
        found = gradient(twin, twin.loss(*(pick(b, slice(i, i + 1), device) for b in (x, y))))
        return {name: found[name][None] for name in names if name in found}

    def squares(each: dict[str, Tensor], count: int) -> dict[str, Tensor]:
        zero = torch.zeros(count, dtype=torch.float64, device=device)
        parts = {name: g.detach().double().flatten(1).square().sum(1) for name, g in each.items()}
        return {
            layer.name: sum((parts[name] for name in layer.parameters if name in parts), zero)
            for layer in layers
        }

    try:
        if rows < 2:  # their gradients side by side would take too much memory
            raise NotImplementedError
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vmap's, that some operation is slow
            firsts = range(0, n, rows)
            found = [squares(several(first), min(rows, n - first)) for first in firsts]
    except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
        found = [squares(one(i), 1) for i in range(n)]
    return {layer.name: torch.cat([part[layer.name] for part in found]) for layer in layers}


def pick_one(batch: Batch) -> Batch:
    """A batch of the one sample that vmap passes."""
    if isinstance(batch, dict):
        return {name: pick_one(part) for name, part in batch.items()}
    if isinstance(batch, list | tuple):
        return [pick_one(part) for part in batch]
    return batch[None]


def verified(twin: Twin, layers: list[Layer], x: Batch, y: Batch, seen: Pass) -> dict[str, bool]:
    """By layer, whether the formula of its kind gives the squared norms of single samples."""
    batch, device = len(leaves(x)[0]), next(iter(twin.parameters.values())).device
    tried = sorted({0, batch // 2, batch - 1})[:TRIED]
    found = {layer.name: layer.name in seen.squares for layer in layers if has_formula(layer)}
    for i in tried:
        one = [pick(b, slice(i, i + 1), device) for b in (x, y)]
        alone = gradient(twin, twin.loss(*one))
        for layer in layers:
            if found.get(layer.name):
                exact, ours = square(alone, layer), float(seen.squares[layer.name][i])
                slack = AGREE * max(exact, float(seen.squares[layer.name].double().mean()))
                found[layer.name] = abs(ours - exact) <= slack
    return found


def is_mean(twin: Twin, x: Batch, y: Batch, loss: float) -> bool:
    """Whether the loss of a batch is the mean of those of its parts, as for a mean over independent samples."""
    batch, device = len(leaves(x)[0]), next(iter(twin.parameters.values())).device
    if batch < 2:
        return True
    cut = max(1, batch // 3)
    try:
        with torch.no_grad():
            parts = [
                (rows.stop - rows.start)
                * float(twin.loss(pick(x, rows, device), pick(y, rows, device)))
                for rows in (slice(0, cut), slice(cut, batch))
            ]
    except (RuntimeError, ValueError):  # a part is too small for statistics of the batch
        return False
    return abs(sum(parts) / batch - loss) <= AGREE * max(abs(loss), max(map(abs, parts)) / batch)
