"""Potentials φ of mirror descent, and the solution of Xw = y with the least Bregman divergence from a start.

entropy      Σ w log w − w                     ∇φ = log w              w = e^z              w > 0
hypentropy   Σ w asinh(w/β) − √(w² + β²)       ∇φ = asinh(w/β)         w = β sinh z
power        Σ |w|^p/p                         ∇φ = sign(w)|w|^{p−1}   w = sign(z)|z|^{1/(p−1)}
quadratic    ½ wᵀKw                            ∇φ = Kw                 w = K⁻¹z
euclidean    the same, K = 1

min D_φ(w, w₀) over Xw = y:   ∇φ(w) = ∇φ(w₀) + Xᵀν,  Xw = y,  the minimum over ν of the convex function
Σ φ*(z₀ + Xᵀν) − yᵀν with gradient Xw − y and Hessian XH⁻¹Xᵀ,  H = ∇²φ(w):  Newton's method, damped
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import qr, solve_triangular

Vector = Float[np.ndarray, "*k d"]
ITERATIONS, IDLE = 200, 60  # of Newton's method at the most; without halving the residual


class Potential(NamedTuple):
    name: str
    parameter: float | int = 0  # β or p
    K: np.ndarray | None = None  # (d, d)

    def gradient(self, w: Vector) -> Vector:
        """∇φ(w)."""
        if self.name == "entropy":
            return np.log(w)
        if self.name == "hypentropy":
            return np.arcsinh(w / self.parameter)
        if self.name == "power":
            return np.sign(w) * np.abs(w) ** (self.parameter - 1)
        return w @ self.K if self.name == "quadratic" else w

    def weights(self, z: Vector) -> Vector:
        """The w with ∇φ(w) = z."""
        if self.name == "entropy":
            return np.exp(z)
        if self.name == "hypentropy":
            return self.parameter * np.sinh(z)
        if self.name == "power":
            return np.sign(z) * np.abs(z) ** (1 / (self.parameter - 1))
        return np.linalg.solve(self.K, z) if self.name == "quadratic" else z

    def divergence(self, w: Vector, start: Vector) -> Float[np.ndarray, "*k"] | float:
        """D_φ(w, start) = φ(w) − φ(start) − ⟨∇φ(start), w − start⟩."""
        gap = (self.gradient(start) * (w - start)).sum(-1)
        return self._value(w) - self._value(start) - gap

    def _value(self, w: Vector) -> Float[np.ndarray, "*k"] | float:
        if self.name == "entropy":
            return (w * np.log(np.where(w > 0, w, 1)) - w).sum(-1)
        if self.name == "hypentropy":
            beta = self.parameter
            return (w * np.arcsinh(w / beta) - np.hypot(w, beta)).sum(-1)
        if self.name == "power":
            return (np.abs(w) ** self.parameter).sum(-1) / self.parameter
        return (w * self.gradient(w)).sum(-1) / 2

    def root(
        self, z: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, "d d"] | Float[np.ndarray, " d"]:
        """R with RRᵀ = H⁻¹ at the w of z; its diagonal where it is one."""
        if self.name == "entropy":
            return np.exp(z / 2)
        if self.name == "hypentropy":
            return np.sqrt(self.parameter * np.cosh(z))
        if self.name == "power":
            q = 1 / (self.parameter - 1)
            return np.sqrt(q * np.abs(z) ** (q - 1))
        if self.name == "quadratic":
            return np.linalg.inv(np.linalg.cholesky(self.K)).T
        return np.ones_like(z)

    def factor(self, X: Float[np.ndarray, "n d"], z: Float[np.ndarray, " d"]):
        """A = RᵀXᵀ: (d, n), so that XH⁻¹Xᵀ = AᵀA."""
        root = self.root(z)
        return root.T @ X.T if root.ndim == 2 else root[:, None] * X.T

    def response(self, X, z, residual: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
        """By how much w changes, to first order, where Xw changes by the residual: H⁻¹Xᵀ(XH⁻¹Xᵀ)⁻¹r."""
        moved = X.T @ _solved(self.factor(X, z), residual)
        root = self.root(z)
        return root @ (root.T @ moved) if root.ndim == 2 else root**2 * moved

    def softness(self, z: Float[np.ndarray, " d"]) -> float:
        """The largest eigenvalue of H⁻¹."""
        root = self.root(z)
        return float(np.linalg.norm(root, 2) ** 2 if root.ndim == 2 else np.max(root) ** 2)


class Nearest(NamedTuple):
    """The solution of least divergence."""

    weights: Float[np.ndarray, " d"]
    dual: Float[np.ndarray, " d"]  # z₀ + Xᵀν
    multipliers: Float[np.ndarray, " n"]  # ν
    residual: float  # max|Xw − y|


def nearest(
    potential: Potential,
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    z0: Float[np.ndarray, " d"],
    guess: Float[np.ndarray, " n"] | None = None,
) -> Nearest:
    """Newton's method from ν = `guess`, each step halved until the objective's slope along it falls."""
    return newton(potential.weights, lambda z: potential.factor(X, z), X, y, z0, guess)


def newton(weights, factor, X, y, z0, guess=None) -> Nearest:
    """Xw(z₀ + Xᵀν) = y for an increasing map w; `factor` as in Potential.factor, inf outside the domain."""
    nu = np.zeros(len(y)) if guess is None else guess
    best, answer, idle = np.inf, nu, 0
    close = 1e-12 * float(np.abs(y).max() or 1)
    with np.errstate(all="ignore"):
        for _ in range(ITERATIONS):
            residual = X @ weights(z0 + X.T @ nu) - y
            off = float(np.abs(residual).max())
            idle = 0 if off < best / 2 else idle + 1
            if off < best:
                best, answer = off, nu
            if not np.isfinite(off) or idle > (4 if best <= close else IDLE):
                break  # rounding, or no solution
            step = _solved(factor(z0 + X.T @ nu), -residual)
            size = _size(lambda nu: X @ weights(z0 + X.T @ nu) - y, nu, step, residual @ step)
            if not size:
                break
            nu = nu + size * step
        z = z0 + X.T @ answer
        w = weights(z)
    return Nearest(w, z, answer, float(np.abs(X @ w - y).max()))


def _size(gradient, nu, step, slope: float) -> float:
    """1, ½, ¼, … until the objective no longer rises steeply along the step; 0 if it never does so."""
    size = 1.0
    while size and not gradient(nu + size * step) @ step <= -0.9 * slope:  # NaN is not
        size /= 2
    return size


def _solved(A: Float[np.ndarray, "d n"], b: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """(AᵀA)⁻¹b by QR with rows sorted and columns pivoted, so that rows of any scale keep their digits."""
    if not np.isfinite(A).all():
        return np.full(len(b), np.nan)
    order = np.argsort(-np.abs(A).max(1), kind="stable")
    _, R, pivots = qr(A[order], mode="economic", pivoting=True)
    if not np.all(np.diag(R)):
        return np.full(len(b), np.nan)
    x = np.empty_like(b)
    x[pivots] = solve_triangular(R, solve_triangular(R, b[pivots], trans="T"))
    return x


def spread(potential: Potential, X, z) -> Float[np.ndarray, " n"]:
    """The eigenvalues of XH⁻¹Xᵀ, decreasing."""
    return np.linalg.svd(potential.factor(X, z), compute_uv=False) ** 2


def start_of(potential: Potential, X, y) -> Float[np.ndarray, " n"] | None:
    """Where Newton's method starts from: at ν = 0 but for the power."""
    return power_guess(potential, X, y) if potential.name == "power" else None


def power_guess(potential: Potential, X, y) -> Float[np.ndarray, " n"]:
    """A ν to start from for the power at z₀ = 0, where H is 0 or ∞: (XXᵀ)⁻¹y to the scale of y."""
    nu = np.linalg.solve(X @ X.T, y)
    reached = X @ potential.weights(X.T @ nu)
    return nu * np.abs((reached @ y) / (reached @ reached)) ** (potential.parameter - 1)
