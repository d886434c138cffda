"""Numbers that count the products and sums they take part in."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Tally:
    products: int = 0
    sums: int = 0


@dataclass(frozen=True)
class Counted:
    """A number that enters every product and sum it takes part in."""

    value: float
    tally: Tally = field(repr=False)

    def __mul__(self, other: "Counted") -> "Counted":
        self.tally.products += 1
        return Counted(self.value * other.value, self.tally)

    def __add__(self, other: "Counted") -> "Counted":
        self.tally.sums += 1
        return Counted(self.value + other.value, self.tally)


def counted(function, v: np.ndarray, y: np.ndarray) -> tuple[Tally, np.ndarray]:
    """Products and sums that `function` takes, and its value."""
    tally = Tally()
    v_, y_ = (np.array([Counted(float(a), tally) for a in x], object) for x in (v, y))
    result = function(v_, y_)
    return tally, np.array([entry.value for entry in result])
