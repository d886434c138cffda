"""Paths in function space: gradient descent of infinite and of finite networks, beside a line that is fitted freely.

z_{t+1} = z_t − 2η̄(Az_t − Nᵀy),   A = NᵀKN,   l = Nz,   f_t = K(·, X)l + Pβ,  β the best
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from descent.wide_relu import _data, _network
from descent.wide_relu._data import Points
from descent.wide_relu._initial import Neurons
from descent.wide_relu._spline import Zeta

MARKS = 12  # of a path, where networks are compared with it


class Paths(NamedTuple):
    fitted: np.ndarray  # f_t(x_j): (times, M)
    curves: np.ndarray  # f_t on a grid: (times, p)


class Kernel(NamedTuple):
    """A = NᵀKN = UκUᵀ, κ increasing."""

    A: np.ndarray
    kappa: np.ndarray
    U: np.ndarray
    target: np.ndarray  # UᵀNᵀy
    N: np.ndarray
    zeta: Zeta
    step: float | int  # 2η̄κ of the largest

    @classmethod
    def of(cls, data: Points, zeta: Zeta, step: float | int) -> "Kernel":
        N = _network.free(_network.polynomials(data.x))
        A = N.T @ _data.kernel(data.x, data.x, zeta) @ N
        kappa, U = np.linalg.eigh((A + A.T) / 2)
        if not kappa[0] > 1e-13 * kappa[-1]:
            raise ValueError(
                f"points: the kernel's eigenvalues span {kappa[-1]:.2g} … {kappa[0]:.2g}"
            )
        return cls(A, kappa, U, U.T @ N.T @ data.y, N, zeta, step)

    def lam(self, t: np.ndarray) -> np.ndarray:
        """λ = 1/(2η̄t)."""
        return self.kappa[-1] / (self.step * t)

    def functions(
        self, data: Points, coefficients: Float[np.ndarray, "t r"], at: Float[np.ndarray, " p"]
    ) -> np.ndarray:
        """On the grid, with these coefficients of the modes at the points: (t, p)."""
        K_at = _data.kernel(at, data.x, self.zeta)
        ell = (coefficients / self.kappa) @ (self.N @ self.U).T
        return _with_line(self, data, ell, K_at, at)


def _with_line(
    kernel: Kernel, data: Points, ell: np.ndarray, K_at: np.ndarray, at: np.ndarray
) -> np.ndarray:
    P, P_at = _network.polynomials(data.x), _network.polynomials(at, 1, data.x)
    rest = data.y - ell @ _data.kernel(data.x, data.x, kernel.zeta)
    beta = np.linalg.lstsq(P, rest.T)[0]
    return ell @ K_at.T + (P_at @ beta).T


def steps_of(kernel: Kernel, times: int) -> np.ndarray:
    """Whole numbers of steps, from the start of the fastest mode to the end of the slowest."""
    last = 20 / kernel.step * kernel.kappa[-1] / kernel.kappa[0]
    return np.unique(np.round(np.geomspace(5, max(last, 10 * times), times)))


def infinite(kernel: Kernel, data: Points, t: np.ndarray, at: np.ndarray) -> Paths:
    """Gradient descent by powers of the matrix of a step, which goes through no eigenvector."""
    A, right = kernel.A, kernel.N.T @ data.y
    r, eta = len(A), kernel.step / kernel.kappa[-1]
    one = np.block(
        [[np.eye(r) - eta * A, eta * right[:, None]], [np.zeros((1, r)), np.ones((1, 1))]]
    )
    z = np.array([np.linalg.matrix_power(one, int(k))[:r, r] for k in t])
    ell = z @ kernel.N.T
    K_at = _data.kernel(at, data.x, kernel.zeta)
    return Paths(
        _with_line(kernel, data, ell, _data.kernel(data.x, data.x, kernel.zeta), data.x),
        _with_line(kernel, data, ell, K_at, at),
    )


def networks(
    data: Points, drawn: Neurons, kernel: Kernel, t: np.ndarray, at: np.ndarray, goal: np.ndarray
) -> list[float]:
    """The largest rms distance over time of each network from the path `goal` (times, p), at the same steps."""
    chosen = np.unique(np.linspace(0, len(t) - 1, MARKS).round().astype(int))
    P, P_at, found = _network.polynomials(data.x), _network.polynomials(at, 1, data.x), []
    for w, b in zip(*drawn, strict=True):
        Phi = _network.features(data.x, w, b)
        modes = _network.modes(Phi, data.y, P)
        eta = kernel.step / kernel.kappa[-1] / len(w) / 2
        shares = np.array([_network.discrete(modes, eta, t[k]) for k in chosen])
        a = np.where(modes.full, shares * modes.target / modes.S, 0.0) @ modes.V  # (marks, n)
        beta = np.linalg.lstsq(P, data.y[:, None] - Phi @ a.T)[0]
        f = (_network.features(at, w, b) @ a.T + P_at @ beta).T
        found.append(np.sqrt(((f - goal[chosen]) ** 2).mean(-1)).max().item())
    return found


def principal(curves: Float[np.ndarray, "k p"]) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the first two principal components, and the curves in their plane (k, 2)."""
    centred = curves - curves.mean(0)
    U, S, _ = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(U[np.abs(U[:, :2]).argmax(0), [0, 1]])
    return S[:2] ** 2 / (S**2).sum(), (U * S)[:, :2] * signs


def furthest() -> float:
    """max over s of 1 − e^(−s) − s/(1 + s), 0.203632: it has one maximum."""
    found = minimize_scalar(
        lambda s: np.exp(-s) - 1 / (1 + s),
        bounds=(1, 5),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(-found.fun)
