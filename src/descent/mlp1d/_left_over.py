"""The starts of the document's unseeded networks: what its seeded exercise had left in the generator.

The document was run from its first cell to its last more than once in one process. So the networks of a pass begin
where torch's generator stood at the end of the pass before, at a known number of draws after manual_seed(42) in 3e:

    a weight or a bias          one 32-bit number
    a pass of a loader          two: it draws a 64-bit seed for workers, though it has none

Source: FRTN50 assignment, exercise 3: its cells in their order, and how often each passes over a loader.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from descent.maths import rules
from descent.maths.network import Shape
from descent.maths.torch_stream import Stream, torch_network
from descent.maths.training import train
from descent.mlp1d import _document, _problem

EPOCHS = 2000  # of every training in the document
PASS = 2  # numbers that a pass of a loader draws
SEEDED = 141 + PASS * (
    2 * 2 * EPOCHS + 8 * 100
)  # 3e after its last manual_seed: training, landscapes


class Cell(NamedTuple):
    """Networks that are created one after another, and what is drawn until the next are."""

    hidden: tuple[int, ...]
    networks: int
    passes: int  # of loaders


CELLS = {
    "3": Cell((10,), 1, EPOCHS),
    "3a narrow": Cell((1,), 1, 0),
    "3a wide": Cell((10, 10), 1, 2 * EPOCHS),
    "3b": Cell((10, 10), 2, 2 * 4 * 2 * EPOCHS),  # two networks, four rates, a test set
    "3c": Cell((10, 10), 6, 6 * 2 * EPOCHS),
    "3d": Cell((10, 10), 6, 0),
}


def starts(seed: int = _document.SEED) -> dict[str, Float32[np.ndarray, "R P"]]:
    """The networks of every cell, one below the other."""
    stream, found = Stream(seed), {}
    _skip(stream, SEEDED)
    for name, (hidden, networks, passes) in CELLS.items():
        shape = Shape((1, *hidden, 1), "relu")
        found[name] = np.stack([torch_network(stream, shape) for _ in range(networks)])
        _skip(stream, PASS * passes)
    return found


def _skip(stream: Stream, numbers: int) -> None:
    stream.uniform(numbers, 0.0, 1.0)


class Trained(NamedTuple):
    """The networks of 3, 3a, 3c and 3d: 1, 1 and 13 of three shapes."""

    losses: Float[np.ndarray, "T 15"]
    ends: list[tuple[np.ndarray, Shape]]  # shape by shape
    kept: Float[np.ndarray, "K 13 P"]  # those with two layers, at the epochs asked for


def trained(
    seed: int, N: int, rate: float, epochs: int, precision: type, keep: Sequence[int] = ()
) -> Trained:
    """All by gradient descent; `keep` are epochs, increasing."""
    cells = starts(seed)
    x, y = (values.astype(precision) for values in _problem.points(N))
    wide = np.concatenate([cells[name] for name in ("3a wide", "3c", "3d")])
    losses, networks = [], []
    for theta, hidden in ((cells["3"], (10,)), (cells["3a narrow"], (1,)), (wide, (10, 10))):
        shape = Shape((1, *hidden, 1), "relu")
        slope = _problem.slope(x, y, shape)
        out = train(theta.astype(precision), slope, rules.descent(), rate, epochs, keep=keep)
        losses.append(out.losses)
        networks.append((out.theta.astype(float), shape))
    return Trained(np.concatenate(losses, axis=1), networks, out.kept.astype(float))


def means_so_far(losses: Float[np.ndarray, "T R"], precision: type) -> Float[np.ndarray, "T R"]:
    """sum(losses)/len(losses) as torch adds them up, one by one; in float32 that shows."""
    count = np.arange(1, len(losses) + 1, dtype=precision)[:, None]
    small = np.minimum(losses, 1e30)  # of a run that is lost; their sum stays a float32
    return np.cumsum(small.astype(precision), axis=0, dtype=precision) / count
