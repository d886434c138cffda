"""Gradient descent scaled by a diagonal H⁻¹, mode by mode, and what rounding adds to it.

z = H^{1/2}θ descends on XH^{-1/2} = UΣWᵀ:   θ_k − θ*_H = H^{-1/2}W diag(1 − 2γσ²/N)ᵏ c
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Refusal
from descent.maths.quadratic import Quadratic, excited, iterate, rate
from descent.polynomial._problem import Problem

EPS = float(np.finfo(float).eps)


class Scaled(NamedTuple):
    """The descent of z = H^{1/2}θ mode by mode, and the way back."""

    modes: Quadratic
    back: Float[np.ndarray, "p r"]  # H^{-1/2}W

    @property
    def beta(self) -> float:
        return float(self.modes.eigenvalues[0])

    @property
    def frobenius(self) -> float:
        """What the course's solution has for β_H."""
        return float(np.linalg.norm(self.modes.eigenvalues))

    @property
    def slowest(self) -> float:
        """The smallest eigenvalue of a mode that the start has a part in."""
        return float(self.modes.eigenvalues[excited(self.modes)].min())

    def squared_distance(self, gamma: float, k) -> Float[np.ndarray, " s"]:
        """‖θ_k − θ*_H‖²."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return ((iterate(self.modes, gamma, np.asarray(k, float)) @ self.back.T) ** 2).sum(1)

    def first_within(self, gamma: float, squared: float) -> float:
        """First k with ‖θ_k − θ*_H‖² ≤ squared, once the slowest mode rules; inf if there is none."""
        if rate(self.modes, gamma) >= 0:
            return np.inf
        low, high = -1, 1
        while self.squared_distance(gamma, [high])[0] > squared:
            if high > 2**52:  # further k are not integers of float64
                return np.inf
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            within = self.squared_distance(gamma, [middle])[0] <= squared
            low, high = (low, middle) if within else (middle, high)
        return float(high)

    def forgotten(self, rate: float, slowest: float) -> float:
        """What a step loses of the modes down to this eigenvalue; the fastest loses 2 − rate."""
        return min(rate / self.beta * slowest, 2 - rate)

    def left(self, rate: float, count: int) -> float:
        """How far from θ*_H step `count` may still be, of the modes that the start has a part in."""
        way = np.linalg.norm(self.back, 2) * np.linalg.norm(self.modes.start)
        return float(way * (1 - min(self.forgotten(rate, self.slowest), 1.0)) ** count)

    @property
    def step_error(self) -> float:
        """Each step rounds θ by up to ε‖θ‖/2."""
        return EPS / 2 * float(np.linalg.norm(self.back @ self.modes.start))

    def blur(self, rate: float) -> float:
        """How near rounding lets a run come, as the slowest mode of the start forgets it."""
        return self.step_error / self.forgotten(rate, self.slowest)

    def floor(self, rate: float, terms: int) -> float:
        """The same of all modes, which rounding reaches, and of the terms of the first sums."""
        forgotten = self.forgotten(rate, float(self.modes.eigenvalues[-1]))
        return 2 * self.step_error * (1 / forgotten + terms)


def scaled(problem: Problem, h_inverse: Float[np.ndarray, " p"]) -> Scaled:
    root = np.sqrt(h_inverse)
    U, sigma, Wt = np.linalg.svd(problem.X * root, full_matrices=False)
    if not sigma[-1] > max(problem.X.shape) * EPS * sigma[0]:
        raise Refusal(
            f"logspace: cond XH^(-1/2) = {sigma[0] / max(sigma[-1], 1e-300):.1e}, "
            "float64 cannot tell its smallest mode from 0"
        )
    modes = Quadratic(2 * sigma**2 / len(problem.y), -(U.T @ problem.y) / sigma)
    return Scaled(modes, root[:, None] * Wt.T)
