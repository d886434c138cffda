"""The largest eigenvalue of the Hessian of the loss, by Lanczos on Hessian–vector products.

    Hv = ∂⟨∇L(θ), v⟩/∂θ                                   by differentiating twice
    Hv ≈ (∇L(θ + εv) − ∇L(θ − εv))/2ε,  ε = (machine ε)^⅓ max(1, ‖θ‖)   where some operation has no second derivative

An operation that is marked as differentiable once is a constant to torch's second pass, which says nothing. The matrix
is then not symmetric, which the first sharpness of a model tests.

The Ritz value never passes the largest eigenvalue by more than rounding, and an eigenvalue is within the residual of
it. For ReLU the Hessian is that of the piece that θ lies in.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from descent.maths.curvature import largest_eigenvalue
from descent.probe._rows import leaves, pick
from descent.probe._untouched import Batch, Twin, device_of, gradient

BASIS = 2**28  # bytes that the vectors of Lanczos may take
KEPT = 2**26  # bytes up to which the graphs of gradients are kept from one product to the next
PASSES = 3  # the graph of a gradient keeps as much as so many forward passes
SYMMETRIC = 1e-2  # of ‖Hu‖ + ‖Hv‖, for normal u and v; rounding in float32 makes 1e-4 of it
TWICE, DIFFERENCES = "double backward", "finite differences"


class Sharpness(NamedTuple):
    """λ_max and how it was found."""

    value: float
    residual: float  # ‖Hv − λv‖
    products: int
    method: str
    samples: int
    vector: np.ndarray  # to begin from the next time


def _flat(values: dict[str, Tensor], like: dict[str, Tensor]) -> Tensor:
    """One vector in float64; zeros where a parameter has no gradient."""
    parts = [
        values[name].detach().double().flatten()
        if name in values
        else like[name].new_zeros(like[name].numel(), dtype=torch.float64)
        for name in like
    ]
    return torch.cat(parts)


def _unflat(v: Tensor, like: dict[str, Tensor]) -> dict[str, Tensor]:
    parts = v.split([p.numel() for p in like.values()])
    return {
        name: part.reshape(p.shape).to(p.dtype)
        for part, (name, p) in zip(parts, like.items(), strict=True)
    }


def _chunks(x: Batch, y: Batch, chunk: int, device: torch.device):
    """(share of the samples, their x, their y)."""
    n = len(leaves(x)[0])
    for first in range(0, n, chunk):
        rows = slice(first, min(first + chunk, n))
        yield (rows.stop - first) / n, pick(x, rows, device), pick(y, rows, device)


class Slope(NamedTuple):
    """The gradient of a chunk of the samples, with the graph that makes it."""

    share: float  # of the samples
    gradient: dict[str, Tensor]


def slopes(twin: Twin, x: Batch, y: Batch, chunk: int) -> Iterator[Slope]:
    """Chunk by chunk; the graph of one is gone when the next is made, unless somebody keeps it."""
    for share, xs, ys in _chunks(x, y, chunk, device_of(twin.model)):
        yield Slope(share, gradient(twin, twin.loss(xs, ys), graph=True))


def graph_bytes(twin: Twin, x: Batch, y: Batch, chunk: int) -> float:
    """About what the graphs of all chunks take, from what a forward pass of the first keeps."""
    share, xs, ys = next(_chunks(x, y, chunk, device_of(twin.model)))
    sizes: list[int] = []

    def count(kept: Tensor) -> Tensor:
        sizes.append(kept.numel() * kept.element_size())
        return kept.detach()

    with torch.autograd.graph.saved_tensors_hooks(count, lambda kept: kept):
        twin.loss(xs, ys)
    return PASSES * sum(sizes) / share


def product(twin: Twin, chunks: Iterable[Slope], v: Tensor) -> Tensor:
    """Hv by differentiating twice; v: (P,)."""
    trained, total = twin.trained, torch.zeros_like(v)
    along = _unflat(v, trained)
    for share, g in chunks:
        slope = sum((g[name] * along[name]).sum() for name in g)
        if isinstance(slope, Tensor) and slope.requires_grad:
            along_slope = gradient(twin, slope, keep=True)
            if not along_slope:
                raise RuntimeError("the gradient ends in an operation without a derivative")
            total += share * _flat(along_slope, trained)
    return total


def is_symmetric(times: Callable, size: int, rng: np.random.Generator) -> bool:
    """Whether ⟨u, Hv⟩ = ⟨v, Hu⟩ for two random vectors."""
    u, v = rng.standard_normal((2, size))
    Hu, Hv = times(u), times(v)
    scale = np.linalg.norm(Hu) + np.linalg.norm(Hv)
    return not abs(u @ Hv - v @ Hu) > SYMMETRIC * scale


def difference(twin: Twin, x: Batch, y: Batch, v: Tensor, chunk: int) -> Tensor:
    """Hv by a central difference of gradients."""
    trained = twin.trained
    theta = _flat(trained, trained)
    eps = max(torch.finfo(p.dtype).eps for p in trained.values())
    h = eps ** (1 / 3) * max(1.0, float(theta.norm()))
    ends = []
    for sign in (1, -1):
        values = _unflat(theta + sign * h * v, trained)
        moved = twin._replace(
            parameters=twin.parameters | {n: p.requires_grad_() for n, p in values.items()}
        )
        total = torch.zeros_like(v)
        for share, xs, ys in _chunks(x, y, chunk, v.device):
            total += share * _flat(gradient(moved, moved.loss(xs, ys)), trained)
        ends.append(total)
    return (ends[0] - ends[1]) / (2 * h)


def sharpness(
    twin: Twin,
    x: Batch,
    y: Batch,
    products: int,
    rng: np.random.Generator,
    start: np.ndarray | None,
    chunk: int,
    known: str = "",
) -> Sharpness:
    """λ_max of the mean loss over these samples, from `start` or from a random vector.

    `known` is the method that an earlier one found to work.
    """
    trained, device = twin.trained, device_of(twin.model)
    size = sum(p.numel() for p in trained.values())
    products = max(3, min(products, size, BASIS // (8 * size)))
    noise = rng.standard_normal(size)
    if start is not None and len(start) == size and np.isfinite(start).all():
        # A little of every direction, for an eigenvector that is new on top.
        noise = start / np.linalg.norm(start) + 0.1 * noise / np.linalg.norm(noise)
    method, made = (known or TWICE), 0
    kept: list[Slope] = []
    samples = len(leaves(x)[0])
    keep = method == TWICE and graph_bytes(twin, x, y, chunk) <= KEPT
    if keep:  # all graphs are there together, so one of all samples takes no more
        chunk = samples

    def times(v: np.ndarray) -> np.ndarray:
        nonlocal method, made, kept
        made += 1
        along = torch.as_tensor(v, device=device)
        if method == TWICE:
            try:
                chunks = slopes(twin, x, y, chunk)
                if keep:
                    kept = kept or list(chunks)
                    chunks = kept
                return product(twin, chunks, along).cpu().numpy()
            except (RuntimeError, NotImplementedError):
                method = DIFFERENCES
        return difference(twin, x, y, along, chunk).cpu().numpy()

    if not known and not is_symmetric(times, size, rng):
        method = DIFFERENCES
    found = largest_eigenvalue(times, noise, products)
    return Sharpness(found.value, found.residual, made, method, samples, found.vector)
