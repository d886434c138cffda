"""What is recorded of gradient descent and of Adam, and what is counted."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from descent.maths.network import Shape, losses
from descent.maths.sampling import level
from descent.maths.times import log_spaced
from descent.maths.training import Run
from descent.mlp1d._problem import DRAWN, target
from descent.result import measured

FORMULA = {"descent": "gradient descent", "adam": "Adam"}


def described(
    name: str, out: Run, shape: Shape, epochs: int, fine: np.ndarray, stuck_loss: float, rates: int
) -> dict[str, xr.Variable]:
    """Of R networks at every rate; `fine` are the points of the test."""
    kept, text = log_spaced(epochs, DRAWN), FORMULA[name]
    end = np.where(out.is_lost[:, None], 0.0, out.theta)
    rmse = np.sqrt(losses(end, fine, target(fine), shape, "square"))
    final = out.losses[-1]
    found = {
        "final": (final, "loss at the end"),
        "stopped": (out.has_stopped, "reached the loss"),
        "ended": (out.ended(epochs), "epoch of the stop, or the last"),
        "stuck": (final > stuck_loss, "stuck at the end"),
        "rmse": (rmse, "RMSE on [−1, 1]"),
        "diverged": (out.is_lost, "diverged"),
    }
    data = {
        f"{name}_{what}": measured(
            ("rate", "replicate"), values.astype(float).reshape(rates, -1), f"{words}, {text}"
        )
        for what, (values, words) in found.items()
    }
    loss = out.losses[kept].reshape(len(kept), rates, -1).transpose(1, 0, 2)
    dims = ("rate", "epoch", "replicate")
    return data | {f"{name}_loss": measured(dims, loss, f"training loss, {text}")}


def summary(found: xr.Dataset) -> dict[str, xr.DataArray]:
    """Shares, medians and quantiles over the replicates."""
    metrics = {
        f"{name}_{what}_fraction": found[f"{name}_{what}"].mean("replicate")
        for name in FORMULA
        for what in ("stopped", "stuck", "diverged")
    }
    last = found["epoch"].values[-1]
    for name in FORMULA:
        ended = found[f"{name}_ended"].where(found[f"{name}_stopped"] == 1, last)
        metrics |= {
            f"{name}_final_median": found[f"{name}_final"].median("replicate"),
            f"{name}_ended_median": ended.median("replicate"),
            f"{name}_rmse_p95": found[f"{name}_rmse"].quantile(0.95, "replicate"),
            f"{name}_rmse_median": found[f"{name}_rmse"].median("replicate"),
        }
    return metrics | {
        "carried_first_median": found["carried_first"].median(),
        "carried_ended_median": found["carried_ended"].median(),
        "carried_stopped_fraction": found["carried_stopped"].mean(),
    }


class Lead(NamedTuple):
    """Of Adam over gradient descent from the same starts."""

    ahead: float  # share of the starts from which it gets there, less that of gradient descent
    chance: float  # how much of this chance may make if the two are alike
    alone: int  # starts from which only one of them gets there


def lead(found: xr.Dataset, adam_rate: float, descent_rate: float) -> Lead:
    """By a sign test: of the starts that tell the two apart each is Adam's with chance ½."""
    adam = found["adam_stopped"].sel(rate=adam_rate).values
    ahead = adam - found["descent_stopped"].sel(rate=descent_rate).values
    alone = int(np.count_nonzero(ahead))
    least = stats.binom.ppf(level(1) / 2, alone, 0.5) if alone else 0.0
    return Lead(float(ahead.mean()), float(alone - 2 * least) / len(ahead), alone)
