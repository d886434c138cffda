"""How far the gradient of a minibatch is from that of the whole set, layer by layer.

    g_i the gradient of sample i,  ∇L its mean over n samples,  tr Σ = (1/n) Σ_i ‖g_i‖² − ‖∇L‖²
    E‖g_B‖² = ‖∇L‖² + (tr Σ/B)(n − B)/(n − 1)   for B different samples                          (the law)

From one minibatch of B samples, q the mean of its ‖g_i‖², both without bias (for n = ∞):

    tr Σ ≈ S = B/(B − 1) · (q − ‖g_B‖²),   ‖∇L‖² ≈ ‖g_B‖² − S/B

Their ratio is the noise scale; where the second is not positive the minibatch is too small to give one.

The law is tested on minibatches that part the whole set at random, so that every sample is in one of them: Σ_b ‖Bg_b‖²
is then Σ_i ‖g_i‖², which is known, plus the inner products of pairs within a minibatch, and only these are left to
chance. A few samples with large gradients, which a sample of minibatches would miss, therefore raise no alarm. The
largest that one pair can be, by Cauchy and Schwarz, counts as a standard error beside that of all pairs, because the
two may or may not meet in a minibatch.

Source: arXiv 1812.06162, Appendix A (for n = ∞).
"""

from typing import NamedTuple

import numpy as np
import torch

from descent.probe import _samples
from descent.probe._layers import Layer
from descent.probe._rows import leaves, pick
from descent.probe._samples import FEW
from descent.probe._untouched import Batch, Twin, device_of

FEWEST = 32  # minibatches that part the set
Numbers = dict[str, float]  # by layer


class Noise(NamedTuple):
    """From one minibatch, by layer; nan where it cannot be had."""

    trace: Numbers
    square: Numbers  # of the gradient over the set
    scale: Numbers


def of_minibatch(squares: Numbers, means: Numbers, batch: int) -> Noise:
    """From ‖g_B‖² and the mean of ‖g_i‖², by layer."""
    trace, square, scale = {}, {}, {}
    for name, q in means.items():
        if batch > 1:
            trace[name] = batch / (batch - 1) * (q - squares[name])
            square[name] = squares[name] - trace[name] / batch
            positive = square[name] > 0
            scale[name] = trace[name] / square[name] if positive else float("nan")
    return Noise(trace, square, scale)


def means_of_squares(
    twin: Twin, layers: list[Layer], seen: _samples.Pass, good: set[str], x: Batch, y: Batch, rows
) -> Numbers:
    """Mean of ‖g_i‖² by layer: over the batch where the formula is good, else over the few samples in `rows`."""
    found = {
        name: float(values.double().mean()) for name, values in seen.squares.items() if name in good
    }
    rest = [one for one in layers if one.name not in found and any_in(one, seen.gradient)]
    if rest:
        device = device_of(twin.model)
        one = [pick(b, torch.as_tensor(rows), device) for b in (x, y)]
        each = _samples.direct(twin, rest, *one)
        found |= {name: float(values.mean()) for name, values in each.items()}
    return found


def any_in(layer: Layer, gradient: dict) -> bool:
    return any(name in gradient for name in layer.parameters)


class OverSet(NamedTuple):
    """Of the whole set, by layer, and the test of the law."""

    loss: float
    square: Numbers  # ‖∇L‖²
    whole: float  # of all parameters as one vector
    trace: Numbers  # tr Σ
    batch: int  # B of the law; 0 if the set is too small to be parted
    drawn: Numbers  # Σ ‖Bg_b‖² / Σ B²
    law: Numbers  # what it is by the law
    error: Numbers  # standard error of their difference
    freedom: int


class Part(NamedTuple):
    """One minibatch of the partition."""

    size: int
    square: Numbers
    each: dict[str, np.ndarray]  # ‖g_i‖² of its samples


def parted(n: int, batch: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Random minibatches of about B of n samples, at least `FEWEST` if n allows it; every sample is in one."""
    size = max(1, min(batch, n // FEWEST))
    return np.array_split(rng.permutation(n), max(1, n // size))


def over_set(
    twin: Twin,
    layers: list[Layer],
    data: tuple[Batch, Batch],
    batch: int,
    good: set[str],
    rng: np.random.Generator,
    *,
    coupled: bool = False,
) -> OverSet:
    """One pass over all samples, in minibatches that part them at random.

    Args:
        good: the layers whose samples have their gradients' norms from a formula.
        coupled: samples have no gradients of their own, so what is said of them is without meaning.
    """
    n, device = len(leaves(data[0])[0]), device_of(twin.model)
    loss, total, parts = 0.0, {}, []
    for chosen in parted(n, batch, rng):
        x, y = (pick(b, torch.as_tensor(chosen), device) for b in data)
        seen, size = _samples.look(twin, layers, x, y, units=False), len(chosen)
        loss += seen.loss * size / n
        for name, g in seen.gradient.items():
            if name not in total:
                total[name] = torch.zeros_like(g, dtype=torch.float64)
            total[name].add_(g, alpha=size / n)
        there = [layer for layer in layers if any_in(layer, seen.gradient)]
        square = {layer.name: _samples.square(seen.gradient, layer) for layer in there}
        each = {name: v.double().cpu().numpy() for name, v in seen.squares.items() if name in good}
        parts.append(Part(size, square, each))
    squares = {one.name: _samples.square(total, one) for one in layers if any_in(one, total)}
    whole = sum(float(g.square().sum()) for g in total.values())
    few = rng.choice(n, min(n, 8 * FEW), replace=False)
    rest = [one for one in layers if one.name in squares and one.name not in good]
    apart = _few(twin, rest, data, few) if rest and not coupled else {}
    return _held_against_the_law(n, loss, squares, whole, parts, apart)


def _few(twin: Twin, layers: list[Layer], data, rows: np.ndarray) -> dict[str, np.ndarray]:
    """‖g_i‖² of a few samples."""
    x, y = (pick(b, torch.as_tensor(rows), device_of(twin.model)) for b in data)
    return {name: v.cpu().numpy() for name, v in _samples.direct(twin, layers, x, y).items()}


def _held_against_the_law(
    n, loss, squares: Numbers, whole: float, parts: list[Part], rest
) -> OverSet:
    sizes = np.array([part.size for part in parts], float)
    weight, freedom = np.sum(sizes**2), len(parts) - 1
    found: tuple[Numbers, ...] = ({}, {}, {}, {})
    for name, square in squares.items():
        drawn = sizes**2 * np.array([part.square.get(name, 0.0) for part in parts])
        if name in rest:
            q, known, pair = float(rest[name].mean()), np.zeros(len(parts)), 0.0
            unsure = float(rest[name].std(ddof=1)) / np.sqrt(len(rest[name])) if n > 1 else 0.0
        else:
            each = [part.each.get(name, np.zeros(part.size)) for part in parts]
            known = np.array([one.sum() for one in each])
            q, unsure = known.sum() / n, 0.0
            pair = 2 * np.sqrt(np.prod(np.sort(np.concatenate(each))[-2:])) if n > 1 else 0.0
        trace = q - square
        by_law = _law(square, trace, sizes, n) * sizes**2
        pairs = drawn - known - (by_law - q * sizes * (name not in rest))
        spread = pairs.std(ddof=1) * np.sqrt(len(pairs)) if len(pairs) > 1 else np.nan
        error = np.sqrt(spread**2 + pair**2 + (unsure * n) ** 2) / weight
        values = (trace, drawn.sum() / weight, by_law.sum() / weight, error)
        for into, value in zip(found, values, strict=True):
            into[name] = float(value)
    batch = int(sizes.max()) if len(parts) >= FEWEST and sizes.max() > 1 else 0
    if rest:
        freedom = min([freedom, *(len(values) - 1 for values in rest.values())])
    return OverSet(loss, squares, whole, found[0], batch, *found[1:], freedom)


def _law(square: float, trace: float, B: np.ndarray, n: int) -> np.ndarray:
    """E‖g_B‖² of B different samples out of n."""
    return square + trace / B * (n - B) / max(n - 1, 1)
