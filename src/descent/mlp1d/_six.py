"""Gradient descent, Adam after it, and what they make of the document's six networks of 3d.

Source: FRTN50 assignment 3d.
"""

import numpy as np
import xarray as xr

from descent.maths import rules
from descent.maths.network import outputs
from descent.maths.times import log_spaced
from descent.maths.training import Run, Slope, train
from descent.mlp1d import _document, _problem
from descent.mlp1d._left_over import starts
from descent.mlp1d._problem import DRAWN
from descent.result import measured, steps


def descended(config, theta: np.ndarray) -> Run:
    return train(theta, _slope(config, theta), rules.descent(), config.descent_rate, config.epochs)


def adapted(config, theta: np.ndarray, stop: float) -> Run:
    adam = rules.adam(config.beta1, config.beta2, config.epsilon)
    slope = _slope(config, theta)
    return train(theta, slope, adam, config.adam_rate, config.epochs, stop=stop)


def _slope(config, theta: np.ndarray) -> Slope:
    """In the precision of the networks."""
    x, y = (values.astype(theta.dtype) for values in _problem.points(config.points))
    return _problem.slope(x, y, config.shape)


def measure_six(config) -> xr.Dataset:
    """The document's networks of 3d in float32: gradient descent, then Adam with and without its stop."""
    six = starts()["3d"]
    first, double = descended(config, six), descended(config, six.astype(float))
    after, on = (adapted(config, first.theta, stop) for stop in (config.stop_loss, 0.0))
    kept = log_spaced(config.epochs, DRAWN)
    ends = [out.theta.astype(float) for out in (first, after)]
    before, later = (_problem.sharpness(end, config.points, config.shape) for end in ends)
    fits = [outputs(end, _document.NEAR, config.shape)[..., 0] for end in ends]
    escapes = [_escapes(one, config) for one in on.losses.T]
    off = abs(first.losses[-1] - double.losses[-1])
    return xr.Dataset(
        {
            "six_loss": measured(("epoch", "six"), on.losses[kept], "training loss of Adam"),
            "first": measured("six", after.losses[0], "first loss of Adam"),
            "least": measured((), float(first.losses[-1].min()), "least loss of descent"),
            "least_double": measured((), float(double.losses[-1].min()), "the same in float64"),
            "rounding": measured("six", off, "what float64 changes of it"),
            "six_before": measured("six", before, "λ_max, gradient descent"),
            "six_after": measured("six", later, "λ_max, Adam"),
            "six_final": measured("six", after.losses[-1], "loss at the end of Adam"),
            "stopped": measured("six", after.ended(config.epochs), "epoch at which Adam stops"),
            "escapes": measured("six", escapes, "minima that Adam leaves without its stop"),
            "fit": measured(("rule", "six", "near"), fits, "m(x)"),
        },
        coords={
            "epoch": steps(kept, "epoch", "epoch"),
            "six": ("six", np.arange(1, 7), {"long_name": "network of 3d"}),
            "near": ("near", _document.NEAR[:, 0], {"long_name": "x"}),
            "rule": ("rule", ["descent", "adam"], {"long_name": "method"}),
        },
    )


def _escapes(losses: np.ndarray, config) -> int:
    """How often a run below `stop_loss` comes back above `small_loss`."""
    inside, count = False, 0
    for loss in losses:
        if inside and loss > config.small_loss:
            inside, count = False, count + 1
        inside = inside or loss < config.stop_loss
    return count
