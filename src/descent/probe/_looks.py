"""The looks of a probe: at one minibatch while the model trains, and at the whole set."""

import numpy as np
from torch import nn

from descent.config import Refusal
from descent.probe import _noise, _samples
from descent.probe._curvature import sharpness
from descent.probe._homogeneity import growing, homogeneous, products
from descent.probe._hooks import has_formula
from descent.probe._layers import Layer, layers_of, norm, unseen
from descent.probe._memory import Before, Memory, Of
from descent.probe._record import Row
from descent.probe._rows import leaves, pick
from descent.probe._spectra import is_affordable, spectrum
from descent.probe._untouched import Batch, Twin, device_of, twin_of, untouched


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


def at_a_minibatch(of: Of, batch: tuple[Batch, Batch], row: Row, *, deep: bool = False) -> Before:
    """Fill the row; the parameters, and the gradient of the minibatch at them.

    What the model cannot do in a pass of ours is noted as unseen; the training goes on.

    Raises:
        Refusal: loss_fn returned no number.
    """
    memory, every = of.memory, of.setting.deep
    twin, found = twin_of(of.model, of.loss_fn), {}
    device, n = device_of(of.model), len(leaves(batch[0])[0])
    x, y = (pick(part, slice(None), device) for part in batch)
    memory.last, memory.batch, memory.full_batch = batch, n, row.is_full_batch
    layers = layers_of(of.model)
    deep = deep or (every > 0 and memory.looks % every == 0)
    memory.looks += 1
    if deep:
        spectra(layers, twin, row, memory)
    try:
        with untouched(of.model):
            seen = _samples.look(twin, layers, x, y)
            found = seen.gradient
            _minibatch(twin, layers, seen, x, y, row, memory)
            if deep:
                memory.unseen |= unseen(of.model, set(found))
            if deep and found and np.isfinite(seen.loss):
                _alike(twin, layers, seen, x, row, memory)
                take_sharpness(of, twin, x, y, row)
    except Refusal:
        raise
    except Exception as error:
        memory.unseen["passes of the probe"] = first_line(error)
    return Before(layers, twin.parameters, found)


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or ['?'])[0]}"


def spectra(layers: list[Layer], twin: Twin, row: Row, memory: Memory) -> None:
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
    whole = sum(norm(g) ** 2 for g in seen.gradient.values())
    row.scalars |= {"loss": seen.loss, "batch_size": n, "whole_norm": whole**0.5}
    row.layers["minibatch_norm"] = {name: value**0.5 for name, value in squares.items()}
    row.layers["dead"] = {name: float(d.double().mean()) for name, d in seen.dead.items()}
    verify(twin, there, seen, x, y, memory)
    if not memory.coupled:
        rows = memory.rng.choice(n, min(n, _samples.FEW), replace=False)
        means = _noise.means_of_squares(twin, there, seen, memory.good, x, y, rows)
        noise = _noise.of_minibatch(squares, means, n)
        row.layers |= {
            "trace": noise.trace,
            "gradient_square": noise.square,
            "noise_scale": noise.scale,
        }


def _alike(
    twin: Twin, layers: list[Layer], seen: _samples.Pass, x: Batch, row: Row, memory: Memory
) -> None:
    parts = growing(layers, seen.order)
    if not memory.apart:
        row.alike = homogeneous(twin, parts, x)
        memory.apart = row.alike.reason
        row.parts = {name: parts[name] for name in row.alike.layers}
        found = {name: products(twin, seen.gradient, one) for name, one in row.parts.items()}
        row.layers["product"] = {name: one.product for name, one in found.items()}
        row.layers["product_size"] = {name: one.size for name, one in found.items()}


def verify(
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


def take_sharpness(of: Of, twin: Twin, x: Batch, y: Batch, row: Row) -> None:
    memory = of.memory
    again = memory.vector is not None  # the vector of the last time is nearly the one sought
    products = max(3, of.setting.products // 2) if again else of.setting.products
    chunk = max(64, memory.batch // 4)  # the second derivative takes the memory of three passes
    found = sharpness(twin, x, y, products, memory.rng, memory.vector, chunk, memory.method)
    memory.vector, memory.method = found.vector, found.method
    row.scalars |= {
        "sharpness": found.value,
        "sharpness_residual": found.residual,
        "sharpness_products": found.products,
        "sharpness_samples": found.samples,
    }
