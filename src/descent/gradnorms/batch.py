"""The norm of a minibatch gradient falls like B^(−1/2) up to the noise scale and levels off at the norm of the gradient.

    E‖g_B‖² = ‖g‖² + (tr Σ/B) (n − B)/(n − 1),   d log ‖g_B‖ / d log B → −½ for B far below tr Σ/‖g‖²
    E‖g_B‖² = 2‖g‖² at B* = n b/(n − 1 + b),   b = tr Σ/‖g‖² the noise scale

All at the networks that a training run kept after one of its epochs, per layer.

Source: CS7180 problem set 2, question 1c; arXiv 1812.06162, Appendix A (for n = ∞, where B*
is the noise scale itself).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy import stats

from descent.config import Index, Positive, Refusal, experiment_config
from descent.gradnorms import noise
from descent.gradnorms.noise import (
    architecture,
    full_batch,
    labelled,
    largest_z,
    minibatches,
)
from descent.maths import mlp
from descent.maths.images import Images, standardised
from descent.maths.replicates import replicate
from descent.result import Check, Result


@experiment_config
class Config(noise.Config):
    epoch: Index  # after which training kept the networks looked at
    small: Positive  # up to this part of the noise scale the slope is read off

    @property
    def counts(self) -> list[int]:
        """`draws` for the largest size and more for the smaller ones, which are cheaper and noisier."""
        return [round(self.draws * np.sqrt(self.batches[-1] / B)) for B in self.batches]


def _run(rng, parameters, images: Images, attrs: dict, config: Config) -> tuple:
    """‖g‖², tr Σ (layer); the mean of ‖g_B‖² and the variance of that mean (B, layer)."""
    network = mlp.unflattened(parameters, attrs["widths"], bool(attrs["bias"]))
    with np.errstate(over="ignore", invalid="ignore"):
        full = full_batch(network, images, attrs["activation"])
        return *full, *minibatches(rng, network, images, attrs["activation"], config)


def slope(
    B: Float[np.ndarray, " B"], square: Float[np.ndarray, " B"], error: Float[np.ndarray, " B"]
) -> tuple[float, float]:
    """d log √square / d log B of the least-squares line, and its standard error."""
    x = np.log(B) - np.log(B).mean()
    weight = x / (x @ x)
    return weight @ np.log(square) / 2, np.sqrt(np.sum((weight * error / square) ** 2)) / 2


def crossing(
    B: Float[np.ndarray, " B"],
    square: Float[np.ndarray, " B"],
    error: Float[np.ndarray, " B"],
    height: float,
) -> tuple[float, float]:
    """The first B at which the square falls to `height`, and its standard error; nan if there is none.

    Between two sizes the square is taken as linear in 1/B, which by the law it is.
    """
    (below,) = np.nonzero(square <= height)
    if not len(below) or below[0] == 0:
        return np.nan, np.nan
    ends = slice(below[0] - 1, below[0] + 1)
    (x0, x1), (y0, y1), (e0, e1) = 1 / B[ends], square[ends], error[ends]
    share = (y0 - height) / (y0 - y1)
    x, steepness = x0 + share * (x1 - x0), (y0 - y1) / (x0 - x1)
    return 1 / x, np.hypot((1 - share) * e0, share * e1) / steepness / x**2


def run(config: Config, mnist: xr.Dataset, train: xr.Dataset) -> Result:
    kept = train["checkpoint"].values
    if config.epoch not in kept:
        listed = ", ".join(map(str, kept))
        raise Refusal(f"epoch {config.epoch}: training kept the networks of epochs {listed} only")
    images = standardised(mnist, "train")
    n = len(images.x)
    noise.require_fewer(config, n)
    chosen = train.sel(checkpoint=[config.epoch])
    attrs = architecture(train)
    runs = replicate(
        _run,
        config.seed,
        [(vector, images, attrs, config) for vector in chosen["parameters"].values[:, 0]],
    )
    squared, trace, measured, variance = (
        np.array(part)[:, None] for part in zip(*runs, strict=True)
    )
    data = labelled(squared, trace, measured, chosen["checkpoint"], train["layer"], config, n).isel(
        checkpoint=0, drop=True
    )
    variances = data["minibatch_square"].copy(data=variance[:, 0])
    law = largest_z(data["minibatch_square"], data["predicted_square"], variances, config.draws)

    # The mean over the replicates obeys the law of the means of ‖g‖² and tr Σ.
    B, R = np.array(config.batches, float), len(runs)
    deviations = stats.t.isf(1e-4 / 2, R * (config.draws - 1))
    with np.errstate(divide="ignore", invalid="ignore"):  # networks without a gradient
        scale = (trace.mean(0) / squared.mean(0))[0]
    data["crossover"] = ("layer", n * scale / (n - 1 + scale), {"long_name": "B*"})
    found, checks = {}, []
    for k, layer in enumerate(data["layer"].values):
        square, expected = (
            data[name].isel(layer=k).mean("replicate", skipna=False).values
            for name in ("minibatch_square", "predicted_square")
        )
        error = np.sqrt(variance[:, 0, :, k].sum(0)) / R
        small = config.small * scale[k] >= B
        star, spread = crossing(B, square, error, 2 * squared.mean(0)[0, k])
        if small.sum() < 2 or np.isnan(star):
            continue
        fitted, uncertainty = slope(B[small], square[small], error[small])
        predicted, _ = slope(B[small], expected[small], error[small])
        found[int(layer)] = fitted, predicted, star
        checks += [
            Check(f"slope/layer_{layer}", fitted, "==", predicted, deviations * uncertainty),
            Check(
                f"crossover/layer_{layer}",
                star,
                "==",
                float(data["crossover"][k]),
                deviations * spread,
            ),
        ]
    seen = {"layer": ("layer", list(found), {"long_name": "layer"})}
    columns = np.array(list(found.values())).reshape(-1, 3).T
    names = ("slope", "slope_predicted", "crossover_measured")
    means = data[["full_norm", "trace", "crossover"]]
    return Result(
        data=data,
        metrics={
            **means.mean("replicate", skipna=False).data_vars,
            **{
                name: xr.DataArray(column, dims="layer", coords=seen)
                for name, column in zip(names, columns, strict=True)
            },
        },
        checks=(
            law,
            # A sweep that does not reach from well below the noise scale to beyond it shows no law.
            Check("layers_with_fall_and_level_in_the_sweep", len(found), ">=", 1, 0),
            *checks,
        ),
    )
