"""One of the document's networks of 3b, trained at one rate after the other.

Source: FRTN50 assignment 3b.
"""

import numpy as np
import xarray as xr

from descent.config import Refusal
from descent.maths import rules
from descent.maths.network import Shape, outputs
from descent.maths.times import log_spaced
from descent.maths.training import Run, train
from descent.mlp1d import _document, _problem, _test_set
from descent.mlp1d._left_over import means_so_far, starts
from descent.result import measured

KEPT = 30  # epochs of a rate that are drawn


def chained(config, index: int, shape: Shape, x: np.ndarray) -> tuple[xr.Dataset, np.ndarray]:
    """One network at every rate in turn: itself, and it an ulp up and down, and in float64."""
    first = starts(config.torch_seed)["3b"][index : index + 1]
    ulp = np.spacing(np.abs(first))
    single, double = np.concatenate([first, first + ulp, first - ulp]), first.astype(float)
    kept, rows, ends = log_spaced(config.epochs, KEPT), [], []
    own = _test_set.documents()[:1]
    for rate in config.rates:
        runs = [_at(config, theta, shape, rate, kept) for theta in (single, double)]
        single, double = (run.theta for run in runs)
        if runs[0].is_lost.any() or runs[1].is_lost.any():
            raise Refusal(f"rate {rate:g}: the network is lost, and the next rate has no start")
        said = [means_so_far(run.losses, run.theta.dtype.type) for run in runs]
        said = np.column_stack(said)[list(config.printed_epochs)]
        path = runs[0].kept[:, 0].astype(float)
        ends.append(path[-1])
        test = _test_set.losses_on(path, x, shape)
        fits = [outputs(path[-1:], at, shape)[0, :, 0] for at in (_document.NEAR, _document.FAR)]
        rounding = abs(said[:, 1:] - said[:, :1]).max(1)
        away = _test_set.error_outside(path[-1:], x, shape)
        last = _test_set.losses_on(path[-1:], x, shape, _test_set.REACH)[0]
        loss, of_own = runs[0].losses[kept, 0], _test_set.losses_on(path, own, shape)[:, 0]
        rows.append((said[:, 0], rounding, loss, test, last, *fits, away, of_own))
    columns = (np.array(one) for one in zip(*rows, strict=True))
    said, rounding, loss, test, last, near, far, away, of_own = columns
    found = {
        "said": (("rate", "printed"), said, "mean loss so far at a rate"),
        "rounding": (("rate", "printed"), rounding, "what rounding changes of it"),
        "loss": (("rate", "epoch"), loss, "training loss"),
        "test": (("rate", "epoch"), test.mean(-1), "test loss, mean over test sets"),
        "test_own": (("rate", "epoch"), of_own, "test loss, the document's set"),
        "test_end": (("rate", "replicate"), last, "test loss at the end of a rate, |x| ≤ 1.5"),
        "error_outside": ("rate", away, "share of the test error from outside of [−1, 1]"),
        "fit_near": (("rate", "near"), near, "m(x)"),
        "fit_far": (("rate", "far"), far, "m(x)"),
    }
    return xr.Dataset({name: measured(*one) for name, one in found.items()}), np.array(ends)


def _at(config, theta: np.ndarray, shape: Shape, rate: float, kept: np.ndarray) -> Run:
    x, y = (values.astype(theta.dtype) for values in _problem.points(config.points))
    slope = _problem.slope(x, y, shape)
    return train(theta, slope, rules.descent(), rate, config.epochs, keep=kept.tolist())
