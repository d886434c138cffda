"""The saddle system of a kernel beside functions that are fitted freely.

K l + P β = values,   Pᵀ l = sums;   sums are 0 in an interpolation
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Saddle(NamedTuple):
    matrix: np.ndarray  # [[K/size, P], [Pᵀ, 0]], so that both blocks have the size of 1
    size: float
    points: int

    @classmethod
    def of(cls, K: Float[np.ndarray, "M M"], P: Float[np.ndarray, "M p"]) -> "Saddle":
        size, free = float(np.abs(K).max()), np.zeros((P.shape[1],) * 2)
        return cls(np.block([[K / size, P], [P.T, free]]), size, len(K))

    def solve(self, values: np.ndarray, sums: np.ndarray | None = None) -> tuple:
        """l (M, …) and β (p, …), for values (M, …) and sums (p, …)."""
        if sums is None:
            sums = np.zeros((len(self.matrix) - self.points, *values.shape[1:]))
        found = np.linalg.solve(self.matrix, np.concatenate([values / self.size, sums]))
        return found[: self.points], found[self.points :] * self.size
