"""The looks of a probe: at one minibatch while the model trains, and at the whole set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from descent.config import Refusal
from descent.probe import _noise, _samples
from descent.probe._curvature import sharpness
from descent.probe._homogeneity import growing, homogeneous, products
from descent.probe._hooks import has_formula
from descent.probe._layers import Layer, layers_of, unseen
from descent.probe._record import Row
from descent.probe._rows import leaves, pick
from descent.probe._spectra import is_affordable, spectrum
from descent.probe._untouched import Batch, Twin, device_of, twin_of, untouched

CHUNK = 128  # samples of a pass, where no minibatch says how many fit


class Setting(NamedTuple):
    """See `Probe`."""

    samples: int
    products: int
    sharpness_every: int


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


class Of(NamedTuple):
    """Whose looks they are."""

    model: nn.Module
    loss_fn: Callable
    setting: Setting
    memory: Memory


def kinds(model: nn.Module) -> dict[str, str]:
    """Layer → its module's class."""
    return {layer.name: layer.kind for layer in layers_of(model)}


def same_set(batch: tuple[Batch, Batch], data: tuple[Batch, Batch]) -> bool:
    """Whether a minibatch holds all samples, in any order."""
    pairs = list(zip(leaves(batch[0]), leaves(data[0]), strict=False))
    if any(a.shape != b.shape for a, b in pairs):
        return False
    sums = [(float(a.double().sum()), float(b.double().sum())) for a, b in pairs]
    return all(np.isclose(a, b, rtol=1e-9) for a, b in sums)


def at_a_minibatch(
    of: Of, batch: tuple[Batch, Batch], row: Row, *, sharp: bool = False
) -> tuple[Twin, dict[str, Tensor]]:
    """Fill the row; the copies of the parameters, and the gradient of the minibatch at them.

    What the model cannot do in a pass of ours is noted as unseen; the training goes on.

    Raises:
        Refusal: loss_fn returned no number.
    """
    memory, every = of.memory, of.setting.sharpness_every
    twin, found = twin_of(of.model, of.loss_fn), {}
    device, n = device_of(of.model), len(leaves(batch[0])[0])
    x, y = (pick(part, slice(None), device) for part in batch)
    memory.last, memory.batch, memory.full_batch = batch, n, row.is_full_batch
    layers = layers_of(of.model)
    sharp = sharp or (every > 0 and memory.looks % every == 0)
    memory.looks += 1
    _spectra(layers, twin, row, memory)
    try:
        with untouched(of.model):
            seen = _samples.look(twin, layers, x, y)
            found = seen.gradient
            _minibatch(twin, layers, seen, x, y, row, memory)
            if sharp and found and np.isfinite(seen.loss):
                _sharpness(of, twin, x, y, row)
    except Refusal:
        raise
    except Exception as error:
        memory.unseen["passes of the probe"] = _first_line(error)
    return twin, found


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or ['?'])[0]}"


def _spectra(layers: list[Layer], twin: Twin, row: Row, memory: Memory) -> None:
    """Of the first weight of every layer that is a matrix, or one with a kernel."""
    for layer in layers:
        for name in layer.weights:
            W = twin.parameters[name]
            if W.ndim < 2 or not W.numel() or not W.is_floating_point():
                continue
            if is_affordable(W):
                found = spectrum(W)
                row.spectra[layer.name] = found.values[:10].tolist()
                row.layers.setdefault("effective_rank", {})[layer.name] = found.effective_rank
                row.layers.setdefault("stable_rank", {})[layer.name] = found.stable_rank
            else:
                shape = " × ".join(map(str, W.shape))
                memory.unseen[f"{layer.name}, singular values"] = f"{shape} is too large"
            break


def _minibatch(
    twin: Twin,
    layers: list[Layer],
    seen: _samples.Pass,
    x: Batch,
    y: Batch,
    row: Row,
    memory: Memory,
) -> None:
    n = len(leaves(x)[0])
    there = [layer for layer in layers if _noise.any_in(layer, seen.gradient)]
    squares = {layer.name: _samples.square(seen.gradient, layer) for layer in there}
    whole = sum(float(g.double().square().sum()) for g in seen.gradient.values())
    row.scalars |= {"loss": seen.loss, "batch_size": n, "whole_norm": whole**0.5}
    row.layers["minibatch_norm"] = {name: value**0.5 for name, value in squares.items()}
    row.layers["dead"] = {name: float(d.double().mean()) for name, d in seen.dead.items()}
    memory.unseen |= unseen(twin.model, set(seen.gradient))
    _verify(twin, there, seen, x, y, memory)
    if not memory.coupled:
        rows = memory.rng.choice(n, min(n, _samples.FEW), replace=False)
        means = _noise.means_of_squares(twin, there, seen, memory.good, x, y, rows)
        noise = _noise.of_minibatch(squares, means, n)
        row.layers |= {
            "trace": noise.trace,
            "gradient_square": noise.square,
            "noise_scale": noise.scale,
        }
    parts = growing(layers, seen.order)
    if not memory.apart:
        row.alike = homogeneous(twin, parts, x)
        memory.apart = row.alike.reason
        row.parts = {name: parts[name] for name in row.alike.layers}
        found = {name: products(twin, seen.gradient, one) for name, one in row.parts.items()}
        row.layers["product"] = {name: one.product for name, one in found.items()}
        row.layers["product_size"] = {name: one.size for name, one in found.items()}


def _verify(
    twin: Twin, layers: list[Layer], seen: _samples.Pass, x: Batch, y: Batch, memory: Memory
) -> None:
    """Once: whether the loss is a mean over samples, and which layers' formulas hold in this model."""
    if memory.good is not None or not np.isfinite(seen.loss):
        memory.good = memory.good or set()
        return
    memory.coupled, memory.good = not _samples.is_mean(twin, x, y, seen.loss), set()
    if memory.coupled:
        return
    verified = _samples.verified(twin, layers, x, y, seen)
    memory.good = {name for name, holds in verified.items() if holds}
    few = "tr Σ is from a few, differentiated one by one"
    for layer in layers:
        if layer.name not in memory.good:
            how = "its use in this model" if has_formula(layer) else layer.kind
            memory.unseen[f"{layer.name}, all samples"] = f"no formula for {how}: {few}"


def _sharpness(of: Of, twin: Twin, x: Batch, y: Batch, row: Row) -> None:
    memory = of.memory
    chunk = max(32, memory.batch // 4)
    found = sharpness(twin, x, y, of.setting.products, memory.rng, memory.vector, chunk)
    memory.vector, memory.method = found.vector, found.method
    row.scalars |= {
        "sharpness": found.value,
        "sharpness_residual": found.residual,
        "sharpness_products": found.products,
        "sharpness_samples": found.samples,
    }


def at_the_set(of: Of, data: tuple[Batch, Batch] | None, row: Row) -> None:
    """Fill the row with what takes a pass over all samples."""
    memory = of.memory
    if data is None:
        at_a_minibatch(of, memory.last, row, sharp=True)
        return
    twin, layers, device = twin_of(of.model, of.loss_fn), layers_of(of.model), device_of(of.model)
    n = len(leaves(data[0])[0])
    _spectra(layers, twin, row, memory)
    try:
        with untouched(of.model):
            few = torch.as_tensor(memory.rng.choice(n, min(n, memory.batch), replace=False))
            x, y = (pick(part, few, device) for part in data)
            seen = _samples.look(twin, layers, x, y)
            memory.unseen |= unseen(of.model, set(seen.gradient))
            there = [layer for layer in layers if _noise.any_in(layer, seen.gradient)]
            memory.good = None
            _verify(twin, there, seen, x, y, memory)
            found = _noise.over_set(
                twin, layers, data, memory.batch, memory.good, memory.rng, coupled=memory.coupled
            )
            _whole_set(found, row, memory)
            most = n if memory.full_batch else max(of.setting.samples, 1)
            some = torch.as_tensor(memory.rng.choice(n, min(n, most), replace=False))
            if seen.gradient and np.isfinite(found.loss):
                _sharpness(of, twin, *(pick(part, some, device) for part in data), row)
                row.is_full_batch = row.is_full_batch or (memory.full_batch and len(some) == n)
    except Refusal:
        raise
    except Exception as error:
        memory.unseen["passes over the whole set"] = _first_line(error)


def _whole_set(found: _noise.OverSet, row: Row, memory: Memory) -> None:
    row.scalars |= {"full_loss": found.loss, "full_whole_norm": found.whole**0.5}
    row.layers["full_norm"] = {name: value**0.5 for name, value in found.square.items()}
    if memory.coupled:
        return
    row.layers["full_trace"] = found.trace
    row.layers["full_noise_scale"] = {
        name: value / found.square[name] if found.square[name] > 0 else float("nan")
        for name, value in found.trace.items()
    }
    if found.batch:
        row.scalars["law_batch"], row.freedom = found.batch, found.freedom
        row.layers["minibatch_square"] = found.drawn
        row.layers["minibatch_square_predicted"] = found.law
        row.layers["minibatch_square_error"] = found.error
