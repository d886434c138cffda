"""Laws of a neuron [wx + b]₊ at the start: draws, density of its breakpoint c = −b/w, and ζ in closed form.

    ζ_k(x) = ∫ |w|^{2k+1} p(w, −wx) dw = p_C(x) E[w^{2k} | c = x];    k = 1 for ReLU, k for its k-th power, 0 for p_C

    binary_uniform   w = ±s,  b ~ U(−β, β)       s^{2k+1}/(2β) up to |x| = β/s, then 0
    uniform          w ~ U(−s, s),  b ~ U(−β, β)   r^{2k+2}/(4(k + 1)sβ),  r = min(s, β/|x|)
    gaussian         w ~ N(0, s²),  b ~ N(0, β²)   2ᵏ k! (sβ)^{2k+1}/(π (β² + s²x²)^{k+1})

All are even in (w, b), so a neuron looks to either side of its breakpoint equally often. β² = 0.1 is the sharp
Gaussian of the slides. Beyond β/s the uniform law has a tail x^{−2k−2}, which the slides omit.

Source: Theorem 6 of the slides on implicit biases; arXiv 2006.07356.
"""

from math import factorial, pi
from typing import Literal, NamedTuple

import numpy as np

from descent.wide_relu._spline import Zeta

Law = Literal["binary_uniform", "uniform", "gaussian"]
DOUBLINGS = 60  # of the scale β/s: further out there is nothing left of a tail x⁻⁴


class Neurons(NamedTuple):
    """Inner weights and biases, both (..., n)."""

    w: np.ndarray
    b: np.ndarray

    @property
    def breakpoints(self) -> np.ndarray:
        return -self.b / self.w


class Initial(NamedTuple):
    law: Law
    weight: float | int  # s
    bias: float | int  # β

    @property
    def label(self) -> str:
        shown = {"binary_uniform": "±", "uniform": "uniform ", "gaussian": "Gaussian "}[self.law]
        return f"{shown}{self.weight:.3g}, {self.bias:.3g}"

    @property
    def scale(self) -> float:
        """β/s, where ζ ends or falls."""
        return self.bias / self.weight

    @property
    def support(self) -> tuple[float, float]:
        """Where breakpoints are."""
        end = self.scale if self.law == "binary_uniform" else np.inf
        return -end, end

    def draw(self, rng: np.random.Generator, *shape: int) -> Neurons:
        if self.law == "gaussian":
            return Neurons(*(rng.normal(0, sd, shape) for sd in self[1:]))
        if self.law == "uniform":
            return Neurons(*(rng.uniform(-end, end, shape) for end in self[1:]))
        w = self.weight * rng.choice([-1.0, 1.0], shape)
        return Neurons(w, rng.uniform(-self.bias, self.bias, shape))

    def zeta(self, power: int = 1) -> Zeta:
        """ζ_k for the k-th power of ReLU; k = 0: the density of breakpoints."""
        out = self.scale * 2.0 ** np.arange(DOUBLINGS if self.law != "binary_uniform" else 1)
        edges = np.r_[-out[::-1], out] if self.law != "gaussian" else np.r_[-out[::-1], 0.0, out]
        return Zeta(lambda x: _closed(self, power, np.asarray(x, float)), edges)


def _closed(initial: Initial, k: int, x: np.ndarray) -> np.ndarray:
    law, s = initial.law, initial.weight
    if law == "gaussian":
        # in parts of the scale, so that no power leaves float64
        u = x / initial.scale
        return 2**k * factorial(k) * s ** (2 * k) / (pi * initial.scale * (1 + u**2) ** (k + 1))
    if law == "uniform":
        with np.errstate(divide="ignore"):
            r = np.minimum(1, initial.scale / np.abs(x))  # in parts of s
        return r ** (2 * k + 2) * s ** (2 * k) / (4 * (k + 1) * initial.scale)
    return np.where(np.abs(x) <= initial.scale, s ** (2 * k) / (2 * initial.scale), 0.0)


def initials(config) -> list[Initial]:
    """Of the fields `laws`, `weights` and `biases` of a Config."""
    return [Initial(*one) for one in zip(config.laws, config.weights, config.biases, strict=True)]


def require_initials(config) -> None:
    """Refuse lists of different lengths, two alike, and scales out of proportion.

    Raises:
        ValueError: naming the fields.
    """
    counts = [len(config.laws), len(config.weights), len(config.biases)]
    if len(set(counts)) > 1 or not counts[0]:
        raise ValueError(f"laws, weights and biases: {counts} values; one each a law is needed")
    rows = [one.label for one in initials(config)]
    if len(set(rows)) < len(rows):
        raise ValueError(f"laws, weights and biases: two of {rows} are the same in three digits")
    for name in ("weights", "biases"):
        for value in getattr(config, name):
            if not 1e-8 <= value <= 1e8:
                raise ValueError(f"{name} {value:g} must lie in 1e-8 … 1e8")


def require_range(config) -> None:
    """Refuse laws whose breakpoints leave out all that is around an inner point, and scales far from the points'.

    Raises:
        ValueError: naming the law and the rule.
    """
    x = np.array(config.points)
    for one in initials(config):
        reach, most = one.scale, np.abs(x).max()
        if not 1e-4 <= reach / most <= 1e4:
            raise ValueError(
                f"biases/weights {reach:.3g} must be within 1e4 of the points' {most:.3g}"
            )
        low, high = one.support
        if ((x[2:] <= low) | (x[:-2] >= high)).any():
            raise ValueError(f"law {one.label}: no breakpoint is near some of the points")
