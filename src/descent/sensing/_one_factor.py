"""Matrix sensing with one factor and every measurement: f(u) = ½‖uuᵀ − u*u*ᵀ‖², u: (d,), and Newton's method on it."""

import numpy as np
from jaxtyping import Float


def loss(u: Float[np.ndarray, "n d"], target: Float[np.ndarray, " d"]) -> Float[np.ndarray, " n"]:
    error = u[..., :, None] * u[..., None, :] - np.outer(target, target)
    return np.square(error).sum((-2, -1)) / 2


def gradient(
    u: Float[np.ndarray, "*n d"], target: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "*n d"]:
    return 2 * (np.vecdot(u, u)[..., None] * u - (u @ target)[..., None] * target)


def hessian(
    u: Float[np.ndarray, "*n d"], target: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "*n d d"]:
    square = np.vecdot(u, u)[..., None, None] * np.eye(len(target))
    return 2 * square + 4 * u[..., :, None] * u[..., None, :] - 2 * np.outer(target, target)


def newton(
    u: Float[np.ndarray, "n d"], target: Float[np.ndarray, " d"], steps: int, flat: float
) -> Float[np.ndarray, "n d"]:
    """Newton's method for ∇f = 0 from every start, until ‖∇f‖ ≤ flat ‖u*‖³."""
    for _ in range(steps):
        slope = gradient(u, target)
        size = np.linalg.norm(slope, axis=-1)
        going = size > flat * np.linalg.norm(target) ** 3
        if not going.any():
            break
        step = np.linalg.solve(hessian(u[going], target), slope[going][..., None])[..., 0]
        u = u.copy()
        u[going] -= step
    return u
