"""Points of a function on [−1, 1], and what models simpler than a deep network can reach on them.

    y_i = sin(5x_i) e^{|2x_i|}/10,   x_i evenly spaced;   loss(m) = (1/N) Σ (m(x_i) − y_i)²

Floors, each the least loss of its class: a constant, Var y; a line, linear least squares; one hinge c₀ + c₁ max(±(x − k), 0),
which is all that a ReLU network with one hidden unit can be.

Source: FRTN50 assignment, exercise 3.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from pydantic import Field

from descent.config import Count, Refusal, Seed, experiment_config
from descent.maths.curvature import hessians
from descent.maths.limits import CALL, require_time
from descent.maths.network import Shape, forward, value_and_gradient
from descent.maths.training import Slope

LARGEST = 10_000_000  # numbers in all networks that train side by side: 80 MB an array
LARGEST_LOSSES = 2**25  # losses of all epochs and networks: a quarter of a GiB
LARGEST_HESSIAN = 1000  # parameters: 8 MB
MOST_POINTS = 10_000
DRAWN = 200  # epochs that a figure shows, at the most, evenly spaced on a logarithmic axis

Hidden = Annotated[tuple[Count, ...], Field(min_length=1)]  # widths f₁, …, f_{D−1}


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # networks, each from a start of its own
    points: Count  # N
    epochs: Count  # steps over all points

    def __post_init__(self):
        require_points(self.points)


def require_points(points: int) -> None:
    """Refuse so few points that a line or a hinge goes through them all, or too many.

    Raises:
        ValueError: naming the number.
    """
    if points < 4:
        raise ValueError(
            f"points {points} < 4: one hinge goes through all of them, so its floor is 0"
        )
    if points > MOST_POINTS:
        raise ValueError(
            f"points {points} > {MOST_POINTS}: more than a step of many networks bears"
        )


def require_room(shape: Shape, networks: int, points: int, epochs: int = 0) -> None:
    """Refuse more networks, units or epochs than fit.

    Raises:
        Refusal: naming the numbers, in GiB.
    """
    largest = max(shape.parameters, points * max(shape.widths)) * networks
    if largest > LARGEST:
        raise Refusal(
            f"hidden {list(shape.widths[1:-1])}: {networks} networks of {shape.parameters} "
            f"parameters at {points} points take {8 * largest / 2**30:.2g} GiB an array, more than "
            f"{8 * LARGEST / 2**30:.2g}"
        )
    require_hour([shape], networks, points, epochs)
    if (epochs + 1) * networks > LARGEST_LOSSES:
        needed = 8 * (epochs + 1) * networks / 2**30
        raise Refusal(
            f"epochs {epochs}: the losses of {networks} networks take {needed:.2g} GiB, "
            "more than 0.25"
        )


def require_hour(shapes: list[Shape], networks: int, points: int, epochs: int) -> None:
    """Refuse training of so many networks of each shape, one shape after the other, that takes hours.

    Raises:
        Refusal: naming the numbers, and the first and the last shape.
    """
    hidden = [str(list(shape.widths[1:-1])) for shape in shapes]
    named = " … ".join(hidden if len(hidden) < 3 else (hidden[0], hidden[-1]))
    work = sum(6.0 * networks * points * shape.parameters + CALL for shape in shapes)
    rule = f"hidden {named}, epochs {epochs}, networks {networks}, points {points}"
    require_time(rule, epochs * work)


def require_hessian(shape: Shape) -> None:
    """Refuse a network whose Hessian is too large to be written out.

    Raises:
        Refusal: naming the number of parameters.
    """
    if shape.parameters > LARGEST_HESSIAN:
        raise Refusal(
            f"hidden {list(shape.widths[1:-1])}: {shape.parameters} parameters > {LARGEST_HESSIAN} "
            "for a Hessian"
        )


def decades(loss: xr.DataArray) -> xr.DataArray:
    """log₁₀ of losses, which may have come down to 0."""
    return np.log10(np.maximum(loss, 1e-30))


def target(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.sin(5 * x) * np.exp(np.abs(2 * x)) / 10


def points(N: int) -> tuple[Float[np.ndarray, "N 1"], Float[np.ndarray, "N 1"]]:
    x = np.linspace(-1, 1, N)[:, None]
    return x, target(x)


def slope(x: Float[np.ndarray, "N 1"], y: Float[np.ndarray, "N 1"], shape: Shape) -> Slope:
    """Losses and gradients on all points, for the training loop."""
    return lambda theta, active, t: value_and_gradient(theta, x, y, shape, "square")


def silent(
    theta: Float[np.ndarray, "R P"], x: Float[np.ndarray, "N 1"], shape: Shape
) -> Bool[np.ndarray, "R L"]:
    """Whether a hidden layer is 0 on all points."""
    layers = forward(theta, x, shape).inputs[1:]
    return np.array([(h == 0).all((1, 2)) for h in layers]).T


def sharpness(theta: Float[np.ndarray, "R P"], N: int, shape: Shape) -> Float[np.ndarray, " R"]:
    """λ_max(∇²f) of every network, one Hessian at a time for the memory."""
    x, y = points(N)
    H = (hessians(one[None], x, y, shape, "square")[0] for one in theta)
    return np.array([np.linalg.eigvalsh(one)[-1] for one in H], float)


def residual(features: Float[np.ndarray, "N f"], y: Float[np.ndarray, "N 1"]) -> float:
    """Mean square that is left of y by least squares."""
    left = y - features @ np.linalg.lstsq(features, y)[0]
    return float(np.mean(left**2))


def constant_floor(y: Float[np.ndarray, "N 1"]) -> float:
    return float(np.var(y))


def line(x: Float[np.ndarray, "N 1"]) -> Float[np.ndarray, "N 2"]:
    return np.hstack([np.ones_like(x), x])


def linear_floor(x: Float[np.ndarray, "N 1"], y: Float[np.ndarray, "N 1"]) -> float:
    return residual(line(x), y)


def hinge_floor(x: Float[np.ndarray, "N 1"], y: Float[np.ndarray, "N 1"]) -> float:
    """The least loss of one hinge, over its knot k too; x increasing.

    Between two neighbouring points the best hinge is a constant on one side and a free line a + bx on
    the other, if these meet there, at k = (c₀ − a)/b; else the best knot is at a point. With the knot
    at the first point it is a line.
    """
    best = np.inf
    for sign in (1, -1):  # which side rises
        u, v = sign * x[::sign, 0], y[::sign, 0]
        for j in range(len(u) - 1):
            hinge = np.maximum(u - u[j], 0)[:, None]
            best = min(best, residual(np.hstack([np.ones_like(hinge), hinge]), v[:, None]))
            if j < len(u) - 2:  # two points or more right of the knot
                b, a = np.polyfit(u[j + 1 :], v[j + 1 :], 1)
                c0 = v[: j + 1].mean()
                if b != 0 and u[j] <= (c0 - a) / b <= u[j + 1]:
                    left = np.concatenate([v[: j + 1] - c0, v[j + 1 :] - a - b * u[j + 1 :]])
                    best = min(best, float(np.mean(left**2)))
    return best
