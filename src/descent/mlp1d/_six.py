"""Gradient descent, Adam after it, and what they make of the document's six networks of 3d.

Source: FRTN50 assignment 3d.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from descent.maths import rules
from descent.maths.network import outputs
from descent.maths.times import log_spaced
from descent.maths.training import Run, Slope, train
from descent.mlp1d import _document, _problem, _test_set
from descent.mlp1d._left_over import starts
from descent.mlp1d._problem import DRAWN
from descent.result import measured, steps


def descended(config, theta: np.ndarray, keep: Sequence[int] = ()) -> Run:
    slope = _slope(config, theta)
    return train(theta, slope, rules.descent(), config.descent_rate, config.epochs, keep=keep)


def adapted(config, theta: np.ndarray, stop: float, keep: Sequence[int] = ()) -> Run:
    adam = rules.adam(config.beta1, config.beta2, config.epsilon)
    slope = _slope(config, theta)
    return train(theta, slope, adam, config.adam_rate, config.epochs, stop=stop, keep=keep)


def _slope(config, theta: np.ndarray) -> Slope:
    """In the precision of the networks."""
    x, y = (values.astype(theta.dtype) for values in _problem.points(config.points))
    return _problem.slope(x, y, config.shape)


def measure_six(config) -> xr.Dataset:
    """The document's networks of 3d in float32: gradient descent, then Adam with and without its stop."""
    six = starts()["3d"]
    kept = log_spaced(config.epochs, DRAWN)
    first, double = descended(config, six, kept.tolist()), descended(config, six.astype(float))
    after = adapted(config, first.theta, config.stop_loss, kept.tolist())
    on = adapted(config, first.theta, 0.0)
    ends = [out.theta.astype(float) for out in (first, after)]
    before, later = (_problem.sharpness(end, config.points, config.shape) for end in ends)
    near, far = (
        [outputs(end, x, config.shape)[..., 0] for end in ends]
        for x in (_document.NEAR, _document.FAR)
    )
    test = [
        _test_set.losses_along(out.kept.astype(float), _test_set.documents()[2], config.shape)
        for out in (first, after)
    ]
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
            "fit": measured(("rule", "six", "near"), near, "m(x)"),
            "fit_far": measured(("rule", "six", "far"), far, "m(x)"),
            "test": measured(("rule", "epoch", "six"), test, "test loss, the document's set"),
        },
        coords={
            "epoch": steps(kept, "epoch", "epoch"),
            "six": ("six", np.arange(1, 7), {"long_name": "network of 3d"}),
            "near": ("near", _document.NEAR[:, 0], {"long_name": "x"}),
            "far": ("far", _document.FAR[:, 0], {"long_name": "x"}),
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
