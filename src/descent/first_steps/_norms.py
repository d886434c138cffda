"""Gradient norms of networks from several starts, trained side by side by SGD on the same minibatches.

Source: CS182 homework 2, question 5a.
"""

import numpy as np
import xarray as xr

from descent.first_steps import _starts
from descent.first_steps._classifiers import evaluate, slope
from descent.first_steps._protocol import RAW, Task, Training
from descent.first_steps._starts import NAMES
from descent.maths import rules
from descent.maths.homogeneity import squared_norms
from descent.maths.initialise import rescaled
from descent.maths.training import HIGHEST, train
from descent.result import measured, steps, sweep


@np.errstate(over="ignore", invalid="ignore")  # to diverge is a result
def norms_along_a_run(rng: np.random.Generator, task: Task, config: Training) -> xr.Dataset:
    """From the same draws and on the same minibatches."""
    shape, T = task.shape(config.hidden), config.iterations
    v = np.array([_starts.variances(name, shape.widths, config.small) for name in NAMES])
    start = np.repeat(rescaled(rng, shape, v), len(config.ranges), axis=0).astype(np.float32)
    scale = (np.tile(config.ranges, len(NAMES)) / RAW).astype(np.float32)
    batches = rng.integers(config.images, size=(T, config.batch))
    norm, last_bias, others = np.zeros((3, T, len(start)))
    seen = np.zeros(len(start))

    def observe(step):
        norms = np.sqrt(squared_norms(step.gradient.astype(float), shape).together())
        norms = np.nan_to_num(norms, nan=HIGHEST, posinf=HIGHEST)
        norm[step.t, step.active] = norms.mean(1)
        last_bias[step.t, step.active] = norms[:, -1]
        others[step.t, step.active] = norms[:, :-1].max(1)

    slopes = slope(task.x, task.labels, batches, shape, scale, seen)
    run = train(start, slopes, rules.descent(), config.rate, T, evaluate_end=False, observe=observe)
    for r in np.flatnonzero(run.is_lost):  # keeps the last norm before
        t = run.lost[r]
        for curve in (norm, last_bias, others):
            curve[t:, r] = curve[t - 1, r] if t else HIGHEST
    accuracy = evaluate(run.theta, task.validation_x, task.validation_labels, shape, scale).accuracy
    return labelled(config, norm, last_bias, others.max(0), run.losses, accuracy, seen, run.is_lost)


def labelled(config: Training, norm, last_bias, others, loss, accuracy, seen, lost) -> xr.Dataset:
    """Arrays over (iteration, network) or over networks, by start and range."""
    by = (len(NAMES), len(config.ranges))
    network, curve = ("start", "range"), ("start", "range", "iteration")

    def curves(values):
        return values.T.reshape(*by, -1)

    return xr.Dataset(
        {
            "norm": measured(curve, curves(norm), "mean gradient norm of the arrays"),
            "last_bias": measured(curve, curves(last_bias), "gradient norm of the last bias"),
            "loss": measured(curve, curves(loss), "loss of the minibatch"),
            "others": measured(network, others.reshape(by), "largest norm of all other arrays"),
            "accuracy": measured(network, accuracy.reshape(by), "validation accuracy"),
            "through": measured(network, seen.reshape(by), "largest rms ‖z_L − b_L‖"),
            "lost": measured(network, lost.reshape(by), "diverged"),
        },
        coords={
            "start": ("start", list(NAMES), {"long_name": "start"}),
            "range": sweep(config.ranges, "range", "range of the pixels"),
            "iteration": steps(np.arange(config.iterations), "iteration", "iteration"),
        },
    )
