"""Mirror descent on L(w) = Σ_i ℓ(x_iᵀw − y_i), one compiled loop; with the Euclidean potential, gradient descent.

    z_{k+1} = z_k − η_k Xᵀℓ'(r_k),   w = (∇φ)⁻¹(z),   r = Xw − y                      (a sum, ½ in the square loss)

The step is constant, or searched: twice the last one, halved until the new gradient does not point back,
Σ ℓ'(r⁺)(r⁺ − r) ≤ 0. So L falls at every step whatever the loss and the potential, by convexity:
L(w⁺) ≤ L(w) + ⟨∇L(w⁺), w⁺ − w⟩. No theorem here depends on which steps are taken.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Integer
from numba import njit

from descent.maths.compiled import assign

LOSSES = ("square", "huber", "log_cosh", "exponential", "quartic")
POTENTIALS = ("euclidean", "entropy", "hypentropy", "power", "quadratic")
HALVINGS = 200  # of one step; the search ends there in rounding
NONE = np.zeros((1, 1))


class Run(NamedTuple):
    weights: Float[np.ndarray, "kept d"]  # w_k at the steps asked for; where it ended after its end
    dual: Float[np.ndarray, " d"]  # z at the end
    residual: Float[np.ndarray, " n"]  # Xw − y at the end
    steps: int  # taken


def mirror(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    z: Float[np.ndarray, " d"],
    kept: Integer[np.ndarray, " kept"],
    loss: str = "square",
    potential: str = "euclidean",
    parameter: float | int = 0.0,
    inverse: Float[np.ndarray, "a b"] = NONE,
    eta: float = 1.0,
    search: bool = True,
    close: float = 0.0,
) -> Run:
    """From the dual point z, up to kept[-1] steps or until max|r| ≤ close.

    Args:
        parameter: β of the hypentropy, p of the power.
        inverse: K⁻¹ of the quadratic potential.
    """
    codes = LOSSES.index(loss), POTENTIALS.index(potential)
    run = _mirror(X, y, z.copy(), kept, *codes, float(parameter), inverse, eta, search, close)
    return Run(*run)


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True, error_model="numpy")
def _slope(loss, r):
    if loss == 0:
        return r
    if loss == 1:
        return min(max(r, -1.0), 1.0)
    if loss == 2:
        return np.tanh(r)
    if loss == 3:
        return np.expm1(r)
    return r**3


@no_type_check
@njit(cache=True, error_model="numpy")
def _weights(potential, parameter, inverse, z, w):
    for j in range(len(z)):
        if potential == 0:
            w[j] = z[j]
        elif potential == 1:
            w[j] = np.exp(z[j])
        elif potential == 2:
            w[j] = parameter * np.sinh(z[j])
        elif potential == 3:
            w[j] = np.sign(z[j]) * np.abs(z[j]) ** (1.0 / (parameter - 1.0))
        else:
            w[j] = 0.0
            for i in range(len(z)):
                w[j] += inverse[j, i] * z[i]


@no_type_check
@njit(cache=True, error_model="numpy")
def _residuals(X, y, w, r):
    for i in range(len(y)):
        r[i] = -y[i]
        for j in range(len(w)):
            r[i] += X[i, j] * w[j]


@no_type_check
@njit(cache=True, error_model="numpy")
def _mirror(X, y, z, kept, loss, potential, parameter, inverse, eta, search, close):
    n, d = X.shape
    w, r, g = np.empty(d), np.empty(n), np.empty(d)
    z_new, w_new, r_new = np.empty(d), np.empty(d), np.empty(n)
    path, place, taken = np.empty((len(kept), d)), 0, kept[-1]
    _weights(potential, parameter, inverse, z, w)
    _residuals(X, y, w, r)
    for k in range(kept[-1] + 1):
        if k == kept[place]:
            assign(path[place], w)
            place += 1
        if k == kept[-1] or np.abs(r).max() <= close:
            taken = k
            break
        g[:] = 0.0
        for i in range(n):
            s = _slope(loss, r[i])
            for j in range(d):
                g[j] += s * X[i, j]
        found = False
        for _ in range(HALVINGS):
            for j in range(d):
                z_new[j] = z[j] - eta * g[j]
            _weights(potential, parameter, inverse, z_new, w_new)
            _residuals(X, y, w_new, r_new)
            back = 0.0
            for i in range(n):
                back += _slope(loss, r_new[i]) * (r_new[i] - r[i])
            if not search or back <= 0.0:
                found = True
                break
            eta *= 0.5
        if not found:
            taken = k
            break
        assign(z, z_new)
        assign(w, w_new)
        assign(r, r_new)
        if search:
            eta *= 2.0
    for rest in range(place, len(kept)):
        assign(path[rest], w)
    return path, z, r, taken
