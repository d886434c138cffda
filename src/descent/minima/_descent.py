"""Gradient descent on the rippled wells: where it ends, and how it moves beside a minimiser."""

import numpy as np
from jaxtyping import Float

from descent.minima._chain import descend
from descent.minima._wells import Wells, curvature, curvature_bound, search_range, slope

STARTS = 8  # of gradient descent in the shortest period of f'
REST = 1e-9  # distance to a minimiser at which a run has ended
NUDGE = 1e-6  # off the minimiser, to see whether it attracts
FOLD = 100.0  # how far it then comes nearer or goes off


def downhill(x: float, found: Float[np.ndarray, " minima"], slope_there: float) -> float:
    """The minimiser next to x on the side to which the slope falls; the nearest where there is none."""
    side = found[(found - x) * slope_there <= 0]
    side = side if len(side) else found
    return float(side[np.argmin(np.abs(side - x))])


def _settle(x: np.ndarray, A: float, B: float, w: Wells) -> np.ndarray:
    """Steps of 1/L, which jump over no minimiser, then Newton's last digits, where a shallow minimum is slow."""
    for _ in range(1000):
        x = x - slope(x, A, B, w) / curvature_bound(x, A, B, w)
    for _ in range(4):
        bend = curvature(x, A, B, w)
        x = x - np.where(bend > 0, slope(x, A, B, w) / np.where(bend > 0, bend, 1.0), 0.0)
    return x


def settled(x: float, A: float, B: float, w: Wells) -> float:
    return float(_settle(np.array([x]), A, B, w)[0])


def ends(A: float, B: float, w: Wells) -> Float[np.ndarray, " ends"]:
    """Where runs from a grid of starts end, each place once.

    Without the starts that are still on their way: where f' is only just not 0 the way takes long.
    """
    far = search_range(A, B, w)
    x = np.linspace(-far, far, int(STARTS * far * (w.frequency + w.envelope) / np.pi))
    x = _settle(x, A, B, w)
    x = np.sort(x[np.abs(slope(x, A, B, w)) <= REST * curvature(x, A, B, w)])
    return x[np.diff(x, prepend=-np.inf) > 4 * REST]


def growth(x: float, A: float, B: float, w: Wells, gamma: float, about: float) -> float:
    """The factor a step, of `about` this size, by which gradient descent from next to x moves off, or nearer."""
    count = max(1, int(np.log(FOLD) / abs(np.log(about))))
    path = descend(x + NUDGE, A, B, w, gamma, count)
    return float(np.abs((path[-1] - x) / NUDGE) ** (1 / count))


def third_bound(A: float, B: float, w: Wells) -> float:
    """A bound on |f'''| inside a well."""
    return float(w.amplitude * np.hypot(A, B) * (w.frequency + w.envelope) ** 3)
