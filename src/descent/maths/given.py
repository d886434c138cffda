"""A regression whose X and y stand in the block, or are drawn where it has none."""

import numpy as np
from jaxtyping import Float

from descent.config import Number
from descent.maths.limits import require_within

Rows = tuple[tuple[Number, ...], ...]  # X, row by row; none to draw it
Column = tuple[Number, ...]  # y; none to draw it


def require_given(inputs: Rows, targets: Column, rows: int, columns: int) -> None:
    """Refuse an X or y of another shape, or of 0 alone.

    Raises:
        ValueError: naming the field.
    """
    if inputs and (len(inputs) != rows or {len(row) for row in inputs} != {columns}):
        raise ValueError(f"inputs: must be {rows} rows of {columns} numbers, or none")
    if len(targets) not in (0, rows):
        raise ValueError(f"targets: {len(targets)} numbers, must be {rows} or none")
    for name, values in (("inputs", sum(inputs, ())), ("targets", targets)):
        sizes = tuple(abs(value) for value in values if value)
        require_within(name, sizes, 1e-25, 1e25, "their powers leave float64")
        if values and not sizes:
            raise ValueError(f"{name}: all are 0, so w = 0 is the solution")


def size_of(inputs: Rows, targets: Column) -> tuple[tuple[int, int], ...]:
    """The shape of an X that stands in the block beside others; empty where it has none.

    Raises:
        ValueError: naming the field.
    """
    if not inputs:
        if targets:
            raise ValueError(f"targets: {len(targets)} numbers without inputs to belong to")
        return ()
    require_given(inputs, targets, len(inputs), len(inputs[0]))
    if not inputs[0]:
        raise ValueError("inputs: rows without a number")
    return ((len(inputs), len(inputs[0])),)


def given_or_drawn(
    inputs: Rows, targets: Column, rng: np.random.Generator, rows: int, columns: int
) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, " m"]]:
    """X and y; what is not given is from N(0, 1)."""
    X, y = rng.standard_normal((rows, columns)), rng.standard_normal(rows)
    return np.array(inputs, float) if inputs else X, np.array(targets, float) if targets else y
