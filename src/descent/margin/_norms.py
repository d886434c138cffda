"""Norms, their duals, and the largest margin in each by a linear or a convex programme.

    ‖g‖_* = max {gᵀv: ‖v‖ = 1},   the v that attains it is the direction of steepest descent for −g
    ℓ₂: g/‖g‖₂      ℓ₁: sign(g_j) e_j of the largest |g_j|      ℓ_∞: sign(g)
    ‖w‖_K = √(wᵀKw): K⁻¹g/‖g‖_*      ℓ_p: sign(g)(|g|/‖g‖_q)^{q−1},  1/p + 1/q = 1

    γ = max {min_n z_nᵀw: ‖w‖ ≤ 1} = min {‖Zᵀp‖_*: p ≥ 0, Σ p_n = 1}

so any w and any p enclose γ: min_n z_nᵀw/‖w‖ ≤ γ ≤ ‖Zᵀp‖_*/Σ p_n.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog, minimize, nnls

from descent.margin import _machine
from descent.margin._problem import refuse
from descent.margin._unique import stiffness

CERTAIN = 1e-6  # relative width of the enclosure of γ that a programme has to reach


class Norm(NamedTuple):
    """A norm by its name: "l2", "l1", "linf", "K", or "l3" and any other p > 1."""

    name: str
    p: float  # 2 for K
    root: Float[np.ndarray, "d d"]  # R with RᵀR = K; the identity but for K

    def of(self, w: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "..."]:
        return np.asarray(np.linalg.norm(w @ self.root.T, self.p, axis=-1))

    def dual(self, g: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "..."]:
        q = {1.0: np.inf, np.inf: 1.0}.get(self.p) or self.p / (self.p - 1)
        free = np.linalg.solve(self.root.T, g[..., None])[..., 0]
        return np.asarray(np.linalg.norm(free, q, axis=-1))

    @property
    def strict(self) -> bool:
        """Whether its ball is strictly convex, so that the maximum-margin direction is unique."""
        return 1 < self.p < np.inf

    def radius(self, short: float | np.ndarray) -> float | np.ndarray:
        """How far apart two vectors of length 1 are at most whose mean is at least 1 − short/2 long.

        Clarkson's inequality for p ≥ 2, and the 2-uniform convexity of ℓ_p for p < 2 (Ball, Carlen and Lieb).
        """
        half = 1 - np.minimum(np.maximum(short, 0), 2) / 2
        if self.p >= 2:
            return 2 * (1 - half**self.p) ** (1 / self.p)
        return 2 * np.sqrt((1 - half**2) / (self.p - 1)) if self.strict else np.inf + 0 * half


def norm(name: str, d: int, metric_seed: int) -> Norm:
    """A norm on d coordinates; K = AAᵀ/d + I/10 with a Gaussian A.

    Raises:
        ValueError: of a name that means no norm.
    """
    root = np.eye(d)
    if name == "K":
        A = np.random.default_rng(metric_seed).standard_normal((d, d))
        return Norm(name, 2.0, np.linalg.cholesky(A @ A.T / d + np.eye(d) / 10).T)
    try:
        p = float(name.removeprefix("l"))
    except ValueError:
        p = np.nan
    if not name.startswith("l") or not (p in (1, np.inf) or 1.1 <= p <= 20):
        raise ValueError(f"norms: {name!r} is not K, l1, linf or lp with p between 1.1 and 20")
    return Norm(name, p, root)


class Best(NamedTuple):
    """A direction of length 1 in its norm with the largest margin, and what encloses that margin."""

    w: Float[np.ndarray, " d"]
    low: float
    high: float
    stiff: float = np.inf  # C of _unique, in ℓ₁ and ℓ_∞ only

    def only(self, which: Norm) -> bool:
        """Whether w is the only direction with the largest margin, as far as is shown."""
        return which.strict or bool(np.isfinite(self.stiff))

    def reach(self, which: Norm, short: float) -> float:
        """How far in its norm a direction is at most from w whose margin falls short of γ by a share of it."""
        if which.strict:
            return float(which.radius(short))
        return self.stiff * (short * self.high + self.high - self.low)

    @property
    def gamma(self) -> float:
        return (self.low + self.high) / 2


def best(Z: Float[np.ndarray, "n d"], which: Norm) -> Best:
    """By non-negative least squares (ℓ₂, K), a linear programme (ℓ₁, ℓ_∞) or sequential least squares (ℓ_p).

    Raises:
        Refusal: the classes are not separated, or the programme does not enclose γ closely.
    """
    first = _machine.machine(Z)  # refuses what is not separated
    X = np.linalg.solve(which.root.T, Z.T).T  # margins of Rw
    unit = np.abs(X).max()
    X = X / unit
    if which.p == 2:
        v = _machine.machine(X).direction
    elif which.strict:
        v = _smooth(X, first.direction, which.p)
    else:
        v = _linear(X, which.p)
    w = np.linalg.solve(which.root, v)
    w = w / which.of(w)
    low, stiff = float((Z @ w).min()), np.inf
    if which.strict:
        high = _enclosure(X, v, which.p) * unit
    else:
        weights = _dual_programme(X, which.p)
        high = float(which.dual(Z.T @ weights))
        stiff = stiffness(X, weights, which.p) / unit
    if not high - low <= CERTAIN * high:
        raise refuse(
            f"the programme of {which.name} leaves {high / low - 1:.1e} of the margin open"
        )
    return Best(w, low, high, stiff)


def _linear(X: Float[np.ndarray, "n d"], p: float) -> Float[np.ndarray, " d"]:
    """The vertex that maximises the margin; ℓ₁ by the parts w₊ − w₋."""
    n, d = X.shape
    A = np.hstack([-X, X] if p == 1 else [-X])
    A, k = np.column_stack([A, np.ones(n)]), A.shape[1]
    b, most = np.zeros(n), [(0, None)] * k if p == 1 else [(-1, 1)] * k
    if p == 1:
        A, b = np.vstack([A, np.append(np.ones(k), 0)]), np.append(b, 1.0)
    cost = np.append(np.zeros(k), -1.0)
    found = linprog(cost, A, b, bounds=[*most, (None, None)], method="highs-ds")
    if found.status != 0:
        raise refuse(f"the linear programme ended with: {found.message}")
    return found.x[:d] - found.x[d : 2 * d] if p == 1 else found.x[:d]


def _smooth(X: Float[np.ndarray, "n d"], start, p: float) -> Float[np.ndarray, " d"]:
    """argmin Σ|w|^p/p s.t. Xw ≥ 1, up to its length."""
    w0 = start / (X @ start).min()
    length = np.linalg.norm(w0, p)
    found = minimize(
        lambda w: (np.abs(w / length) ** p).sum() / p,
        w0,
        jac=lambda w: np.sign(w) * np.abs(w / length) ** (p - 1) / length,
        constraints={"type": "ineq", "fun": lambda w: X @ w - 1, "jac": lambda w: X},
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-15},
    )
    return found.x


def _enclosure(X: Float[np.ndarray, "n d"], v: Float[np.ndarray, " d"], p: float) -> float:
    """An upper bound on γ by the weights of the samples that v's own dual direction asks for."""
    unit = v / np.linalg.norm(v, p)
    near = X @ unit <= (X @ unit).min() * (1 + 1e-5)
    target = np.sign(unit) * np.abs(unit) ** (p - 1)  # of dual length 1
    a, _ = nnls(X[near].T, target, maxiter=100 * X.shape[1])
    return float(np.linalg.norm(X[near].T @ a, p / (p - 1)) / a.sum())


def _dual_programme(X: Float[np.ndarray, "n d"], p: float) -> Float[np.ndarray, " n"]:
    """argmin ‖Xᵀp‖_* over the simplex; NaN if it is not found."""
    n, d = X.shape
    k = 1 if p == 1 else d  # one bound on every |g_j|, or one on each
    rows = np.ones((d, 1)) if p == 1 else np.eye(d)
    A = np.vstack([np.hstack([X.T, -rows]), np.hstack([-X.T, -rows])])
    sums = np.append(np.ones(n), np.zeros(k))[None]
    cost = np.append(np.zeros(n), np.ones(k))
    found = linprog(cost, A, np.zeros(2 * d), sums, [1.0], (0, None), method="highs-ds")
    weights = np.maximum(found.x[:n], 0) if found.status == 0 else np.full(n, np.nan)
    return weights / weights.sum()
