"""The function of least weighted curvature through points, or near them, to machine precision.

    minimise ∫ g''²/ζ over [x₁, x_M]   given g(x_j) = y_j,    or   Σ (g(x_j) − y_j)² + λ ∫ g''²/ζ

The optimality conditions say g'' = ζq with q piecewise linear, kinks at the x_j only, and q(x₁) = q(x_M) = 0. So g is
known from its values at the x_j and from m = (q(x_2), …, q(x_{M−1})), which solve a banded system:

    h_j = x_{j+1} − x_j,   Λ_j the hat function of x_j,   Qᵀy: (M − 2) slopes y_{j+1} − y_j over h_j, differences of them
    T_jk = ∫ ζ Λ_j Λ_k,    (T + λ QᵀQ) m = Qᵀy,    g(x_j) = (y − λQm)_j,    ∫ g''²/ζ = mᵀTm

For constant ζ this is the natural cubic spline, and the system is Reinsch's. Integrals are sums over panels of
`NODES` Gauss points; a panel ends at every x_j and wherever ζ says (`Zeta.edges`), so that no panel holds a kink.

Source: Reinsch, Numerische Mathematik 10 (1967), for constant ζ; arXiv 2006.07356 for the problem.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import solveh_banded

NODES = 16  # a panel; of 1/(1 + x²)² over [0, 1] they leave 5⁻³²
AT, WEIGHT = np.polynomial.legendre.leggauss(NODES)


class Zeta(NamedTuple):
    """A reciprocal penalty, with where it has kinks or jumps and where its scale has doubled."""

    value: Callable[[np.ndarray], np.ndarray]
    edges: np.ndarray

    def times(self, factor: float | int) -> "Zeta":
        return Zeta(lambda x: factor * self.value(x), self.edges)


def constant(value: float | int = 1) -> Zeta:
    return Zeta(lambda x: np.full(np.shape(x), float(value)), np.zeros(0))


class Nodes(NamedTuple):
    """Gauss points of panels, and their weights: both (panels, NODES)."""

    c: np.ndarray
    weight: np.ndarray


def nodes(edges: Float[np.ndarray, " e"]) -> Nodes:
    """Of the panels between neighbours in `edges`, which increase."""
    half = np.diff(edges)[:, None] / 2
    return Nodes(edges[:-1, None] + half * (1 + AT), half * WEIGHT)


def panels(low: float | int, high: float | int, *breaks: np.ndarray) -> np.ndarray:
    """The ends of the panels between `low` and `high` that end at every one of the breaks too."""
    inner = np.concatenate([np.ravel(one) for one in breaks])
    return np.unique(np.r_[low, inner[(inner > low) & (inner < high)], high])


class Spline(NamedTuple):
    """g by its values and q(x_j) at the knots; several functions are columns (M, k). Beyond the knots it is straight."""

    x: np.ndarray  # (M,), increasing
    values: np.ndarray  # g(x_j): (M,) or (M, k)
    q: np.ndarray  # g''/ζ at the knots, 0 at both ends
    zeta: Zeta

    def __call__(self, at: Float[np.ndarray, " p"]) -> np.ndarray:
        """g: (p,) or (p, k)."""
        return self._local(at)[0]

    def slope(self, at: Float[np.ndarray, " p"]) -> np.ndarray:
        """g'."""
        return self._local(at)[1]

    def second(self, at: Float[np.ndarray, " p"]) -> np.ndarray:
        """g''."""
        return _column(self.zeta.value(at), self.q) * _linear(at, self.x, self.q)

    @property
    def energy(self) -> np.ndarray | np.floating:
        """∫ g''²/ζ = ∫ ζq²."""
        c, weight = nodes(panels(self.x[0], self.x[-1], self.x, self.zeta.edges))
        q = _linear(c.ravel(), self.x, self.q)
        return (weight * self.zeta.value(c)).ravel() @ q**2

    def _local(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """g and g': what g'' adds to the straight line from the knot to the left."""
        x, g, M = self.x, self.values, len(self.x)
        edges = panels(x[0], x[-1], x, self.zeta.edges, np.asarray(at))
        c, weight = nodes(edges)
        knot = np.clip(np.searchsorted(x, edges[:-1], "right") - 1, 0, M - 2)
        bend = weight * self.zeta.value(c)
        q = _linear(c.ravel(), x, self.q).reshape(*c.shape, *self.q.shape[1:])
        area = np.einsum("pn,pn...->p...", bend, q)
        moment = np.einsum("pn,pn...->p...", bend * (c - x[knot, None]), q)
        first = np.searchsorted(knot, np.arange(M - 1))  # panel of each interval
        A, B = (_since(one, knot, first) for one in (area, moment))
        last = np.r_[first[1:], len(knot)] - 1
        h = _column(np.diff(x), g)
        start = (g[1:] - g[:-1] - h * A[last] + B[last]) / h  # g' at the left end of each interval
        j = np.clip(np.searchsorted(x, at, "right") - 1, 0, M - 2)
        inside = np.clip(at, x[0], x[-1])
        place = np.searchsorted(edges, inside) - 1  # the panel that ends there
        done = _column(place >= first[j], g)
        A, B = (np.where(done, one[np.maximum(place, 0)], 0.0) for one in (A, B))
        slope = start[j] + A
        u, beyond = (_column(one, g) for one in (inside - x[j], at - inside))
        return g[j] + start[j] * u + (u * A - B) + slope * beyond, slope


def _since(values: np.ndarray, knot: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Sums over the panels of one interval up to each of them."""
    total = np.cumsum(values, 0)
    before = np.concatenate([np.zeros_like(total[:1]), total])[first]
    return total - before[knot]


def _column(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """`values` (p,) with as many dimensions as `like`."""
    values = np.asarray(values)
    return values[:, None] if np.ndim(like) == 2 else values


def _linear(at: np.ndarray, x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """q between the knots, 0 beyond: (p,) or (p, k)."""
    at = np.asarray(at)
    j = np.clip(np.searchsorted(x, at, "right") - 1, 0, len(x) - 2)
    share = _column((at - x[j]) / (x[j + 1] - x[j]), q)
    inside = _column((at >= x[0]) & (at <= x[-1]), q)
    return np.where(inside, q[j] + share * (q[j + 1] - q[j]), 0.0)


class System(NamedTuple):
    """T and QᵀQ as upper bands, and Qᵀ's three entries a row."""

    T: np.ndarray  # (2, M − 2)
    QQ: np.ndarray  # (3, M − 2)
    Q: np.ndarray  # (3, M − 2)


def system(x: Float[np.ndarray, " M"], zeta: Zeta) -> System:
    """Raises ValueError where ζ vanishes around a knot, so that nothing may bend there."""
    h, M = np.diff(x), len(x)
    edges = panels(x[0], x[-1], x, zeta.edges)
    c, weight = nodes(edges)
    j = np.clip(np.searchsorted(x, edges[:-1], "right") - 1, 0, M - 2)
    up = (c - x[j, None]) / h[j, None]
    bend = weight * zeta.value(c)
    falling, rising, both = (
        np.bincount(j, (bend * one).sum(1), M - 1) for one in ((1 - up) ** 2, up**2, up * (1 - up))
    )
    diagonal = rising[:-1] + falling[1:]
    if not (diagonal > 0).all():
        knot = x[1:-1][~(diagonal > 0)][0]
        raise ValueError(f"ζ is 0 on both sides of the point {knot:g}: nothing can bend there")
    T = np.array([np.r_[0.0, both[1:-1]], diagonal]) if M > 2 else np.zeros((2, 0))
    left, right = 1 / h[:-1], 1 / h[1:]
    Q = np.array([left, -left - right, right])
    QQ = np.zeros((3, M - 2))
    QQ[2] = (Q**2).sum(0)
    QQ[1, 1:] = Q[1, :-1] * Q[0, 1:] + Q[2, :-1] * Q[1, 1:]
    QQ[0, 2:] = Q[2, :-2] * Q[0, 2:]
    return System(T, QQ, Q)


def interpolate(x: Float[np.ndarray, " M"], y: np.ndarray, zeta: Zeta) -> Spline:
    """The function of least ∫ g''²/ζ through all points; y: (M,) or (M, k)."""
    return smooth(x, y, zeta, 0)


def smooth(x: Float[np.ndarray, " M"], y: np.ndarray, zeta: Zeta, lam: float | int) -> Spline:
    """The function of least Σ (g(x_j) − y_j)² + λ ∫ g''²/ζ."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    q = np.zeros_like(y)
    if len(x) < 3:
        return Spline(x, y, q, zeta)
    T, QQ, Q = system(x, zeta)
    left, middle, right = (_column(one, y) for one in Q)
    bent = left * y[:-2] + middle * y[1:-1] + right * y[2:]
    band = T if lam == 0 else lam * QQ + np.vstack([np.zeros(len(x) - 2), T])
    # LAPACK's routine for two bands takes no single equation
    q[1:-1] = solveh_banded(band, bent) if len(x) > 3 else bent / band[-1]
    pull = np.zeros_like(y)
    pull[:-2] += left * q[1:-1]
    pull[1:-1] += middle * q[1:-1]
    pull[2:] += right * q[1:-1]
    return Spline(x, y - lam * pull, q, zeta)
