"""A sharp well beside a flat one under a ripple of random phases: values, slopes, curvatures, all minima.

    f_i(x) = b(x) + a sin(ωx + φ_i) cos(m(x − c)),    f = (1/N) Σ f_i
    b(x) = κ(x − c)² for l ≤ x < r, else x²;    l, r = c√κ/(√κ ± 1), where the two parabolas meet

A sum of sines of one frequency is a sine: with A = mean cos φ_i, B = mean sin φ_i

    f(x) = b(x) + a cos(m(x − c)) [A sin ωx + B cos ωx],

two numbers in place of N terms. The slope of b only ever falls at l and r: no minimum sits on a kink.

Source: FRTN50 assignment 5.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "..."] | float

POINTS = 64  # of the grid in the shortest period of f'
HALVINGS = 60  # of its cells: to rounding


class Wells(NamedTuple):
    centre: float  # c
    sharpness: float  # κ
    amplitude: float  # a
    frequency: float  # ω
    envelope: float  # m
    left: float  # l
    right: float  # r


def wells(
    centre: float, sharpness: float, amplitude: float, frequency: float, envelope: float
) -> Wells:
    """The wells whose parabolas meet, so that f is continuous; c > 0, κ > 1."""
    root = np.sqrt(sharpness)
    ends = (float(centre * root / (root + sign)) for sign in (1, -1))
    return Wells(*map(float, (centre, sharpness, amplitude, frequency, envelope)), *ends)


def _inside(x, w: Wells):
    return (w.left <= x) & (x < w.right)


def value(x: Points, A: Points, B: Points, w: Wells) -> Points:
    """f(x); f_i(x) with A = cos φ_i, B = sin φ_i."""
    wave = A * np.sin(w.frequency * x) + B * np.cos(w.frequency * x)
    ripple = w.amplitude * np.cos(w.envelope * (x - w.centre)) * wave
    return np.where(_inside(x, w), w.sharpness * (x - w.centre) ** 2, x**2) + ripple


def slope(x: Points, A: float, B: float, w: Wells) -> Points:
    """f'(x)."""
    u, wx = w.envelope * (x - w.centre), w.frequency * x
    ripple = w.frequency * np.cos(u) * (A * np.cos(wx) - B * np.sin(wx))
    ripple = ripple - w.envelope * np.sin(u) * (A * np.sin(wx) + B * np.cos(wx))
    base = np.where(_inside(x, w), 2 * w.sharpness * (x - w.centre), 2 * x)
    return base + w.amplitude * ripple


def curvature(x: Points, A: float, B: float, w: Wells) -> Points:
    """f''(x) away from l and r."""
    u, wx = w.envelope * (x - w.centre), w.frequency * x
    wave, quadrature = A * np.sin(wx) + B * np.cos(wx), A * np.cos(wx) - B * np.sin(wx)
    ripple = (w.frequency**2 + w.envelope**2) * np.cos(u) * wave
    ripple = ripple + 2 * w.frequency * w.envelope * np.sin(u) * quadrature
    return np.where(_inside(x, w), 2 * w.sharpness, 2.0) - w.amplitude * ripple


def curvature_bound(x: Points, A: float, B: float, w: Wells) -> Points:
    """A bound on |f''| in the well that x is in: its parabola, and the ripple with all waves in phase."""
    ripple = w.amplitude * np.hypot(A, B) * (w.frequency + w.envelope) ** 2
    return np.where(_inside(x, w), 2 * w.sharpness, 2.0) + ripple


def search_range(A: float, B: float, w: Wells) -> float:
    """|x| beyond which f has no critical point: where f' = 0, |b'| is at most the steepest ripple."""
    steepest = w.amplitude * float(np.hypot(A, B)) * (w.frequency + w.envelope)
    return max(w.right, steepest / 2) + 1


def minima(A: float, B: float, w: Wells) -> Float[np.ndarray, " minima"]:
    """All local minimisers of f, increasing, to rounding."""
    reach = search_range(A, B, w)
    spacing = 2 * np.pi / (w.frequency + w.envelope) / POINTS
    spacing = min(spacing, (w.right - w.left) / POINTS)
    below, above = [], []
    for low, high in ((-reach, w.left), (w.left, w.right), (w.right, reach)):
        # The slope at a piece's right end is that of the piece: f' is right-continuous.
        x = np.linspace(low, np.nextafter(high, low), int((high - low) / spacing) + 2)
        df = slope(x, A, B, w)
        rising = (df[:-1] < 0) & (df[1:] >= 0)
        below.append(x[:-1][rising])
        above.append(x[1:][rising])
    a, b = np.concatenate(below), np.concatenate(above)
    for _ in range(HALVINGS):
        middle = (a + b) / 2
        falls = slope(middle, A, B, w) < 0
        a, b = np.where(falls, middle, a), np.where(falls, b, middle)
    return b
