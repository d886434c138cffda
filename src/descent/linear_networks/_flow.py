"""Gradient flow on log ℒ in the time s = log ℒ(0) − log ℒ, in which years of gradient descent are seconds.

    dθ/dt = −∇ℒ   ⇒   dθ/ds = g/‖g‖²,   g = −∇ log ℒ = (∂β/∂θ)ᵀ Zᵀp,   p = softmax(−Zβ)

The path is that of gradient flow. Only the clock differs: t is about eˢ, and −log ℒ(s) = −log ℒ(0) + s exactly.
Once s is large the direction follows the weights p slowly and p follows the direction at once, so the equation is
stiff; LSODA takes implicit steps then.
"""

import warnings
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import LSODA

from descent.linear_networks._architectures import Network

RTOL = 1e-9  # of a step
TINY = np.sqrt(np.finfo(float).eps)


class Flow(NamedTuple):
    theta: Float[np.ndarray, "t N"]  # nan at the times that were not reached
    finished: bool
    calls: int


class _Spent(Exception):
    """The calls of one run are used up."""


def flow(
    net: Network,
    Z: Float[np.ndarray, "n d"],
    start: Float[np.ndarray, " N"],
    times: Float[np.ndarray, " t"],
    calls: int,
) -> Flow:
    """θ at `times`, of which the first is 0; a run that fails or needs more calls ends early."""
    used = 0

    def velocity(theta):
        margins = net.predictor(theta) @ Z.T
        p = np.exp(margins.min(-1, keepdims=True) - margins)
        g = net.gradient(theta, (p @ Z) / p.sum(-1, keepdims=True))
        return g / np.square(g).sum(-1, keepdims=True)

    def slope(_, theta):
        nonlocal used
        used += 1
        if used > calls:
            raise _Spent
        return velocity(theta)

    def jacobian(_, theta):
        """By differences, of all weights at once."""
        h = TINY * np.maximum(np.abs(theta), 1e-3 * np.abs(theta).max())
        ahead = theta + np.diag(h)
        steps = ahead[np.arange(len(h)), np.arange(len(h))] - theta
        return ((velocity(ahead) - velocity(theta)) / steps[:, None]).T

    kept = np.full((len(times), len(start)), np.nan)
    kept[0] = start
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a step that fails is an end like any other
        with suppress(_Spent):
            _follow(slope, jacobian, start, times, kept)
    return Flow(kept, bool(np.isfinite(kept).all()), used)


def _follow(slope, jacobian, start, times, kept) -> None:
    """Fill `kept` row by row."""
    atol = 1e-3 * RTOL * np.abs(start).max()
    solver = LSODA(slope, 0.0, start, times[-1], rtol=RTOL, atol=atol, jac=jacobian)
    row = 1
    while solver.status == "running":
        solver.step()
        if solver.status == "failed" or not np.isfinite(solver.y).all():
            return
        if times[row] <= solver.t:
            between = solver.dense_output()
            while row < len(times) and times[row] <= solver.t:
                kept[row] = between(times[row])
                row += 1
