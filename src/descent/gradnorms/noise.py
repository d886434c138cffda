"""The gradient of a network over all images, the noise of minibatches around it, and the law between them.

g = ∇ of the mean loss over all n images,   Σ = covariance of the per-image gradients g_i
E‖g_B‖² = ‖g‖² + (tr Σ/B) (n − B)/(n − 1)   for B different images, per layer
"""

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy import stats

from descent.config import Count, Refusal, Seed, experiment_config, require_increasing
from descent.maths import mlp
from descent.maths.images import Images
from descent.result import Check, replicates, steps, sweep

CHUNK = 1000  # images in one pass over the whole set


@experiment_config
class Config:
    seed: Seed
    batches: tuple[Count, ...]  # minibatch sizes B
    draws: Count  # minibatches of each size

    def __post_init__(self):
        require_increasing("batches", self.batches)
        if self.draws < 2:
            raise ValueError("draws 1: a spread needs at least 2")

    @property
    def counts(self) -> list[int]:
        """How many minibatches of each size are drawn."""
        return [self.draws] * len(self.batches)


def architecture(train: xr.Dataset) -> dict:
    """The attributes of a training run as they were before a file took them: lists of one are lists."""
    return train.attrs | {"widths": np.atleast_1d(train.attrs["widths"]).tolist()}


def require_fewer(config: Config, n: int) -> None:
    """Refuse minibatches as large as the set of n images.

    Raises:
        Refusal: naming both numbers.
    """
    if config.batches[-1] >= n:
        raise Refusal(
            f"batches: {config.batches[-1]} ≥ {n} training images leaves nothing to chance"
        )


def full_batch(
    network: mlp.Network, images: Images, activation: mlp.Activation
) -> tuple[Float[np.ndarray, " L"], Float[np.ndarray, " L"]]:
    """‖g‖² and tr Σ per layer over all images."""
    n = len(images.x)
    total, per_sample = None, 0.0
    for first in range(0, n, CHUNK):
        chunk = slice(first, first + CHUNK)
        passed = mlp.differentiate(network, images.x[chunk], images.labels[chunk], activation)
        weights = mlp.gradients(network, passed).weights
        share = len(passed.losses) / n
        parts = [share * w.astype(float) for w in weights]
        total = parts if total is None else [t + p for t, p in zip(total, parts, strict=True)]
        per_sample = per_sample + mlp.per_sample_squared_norms(passed).astype(float).sum(1) / n
    squared = mlp.squared_norms(total)
    return squared, per_sample - squared


def minibatches(
    rng, network: mlp.Network, images: Images, activation: mlp.Activation, config: Config
) -> tuple[Float[np.ndarray, "B L"], Float[np.ndarray, "B L"]]:
    """Mean of ‖g_B‖² over random minibatches of every size, and the variance of that mean."""
    moments = []
    for batch, count in zip(config.batches, config.counts, strict=True):
        samples = np.empty((count, len(network.weights)))
        for sample in samples:
            chosen = rng.choice(len(images.x), batch, replace=False, shuffle=False)
            passed = mlp.differentiate(network, images.x[chosen], images.labels[chosen], activation)
            sample[:] = mlp.squared_norms(mlp.gradients(network, passed).weights)
        moments.append((samples.mean(0), samples.var(0, ddof=1) / count))
    mean, variance = map(np.array, zip(*moments, strict=True))
    return mean, variance


def largest_z(
    measured: xr.DataArray, predicted: xr.DataArray, variance: xr.DataArray, draws: int
) -> Check:
    """The largest deviation of a mean over replicates from its prediction, in standard errors.

    Of k cells with R·draws minibatches each, one in 10⁴ seeds has a Student t beyond the tolerance.
    """
    replicates = measured.sizes["replicate"]
    gap = np.abs((measured - predicted).values.mean(0))
    error = np.sqrt(variance.values.sum(0)) / replicates
    z = np.divide(gap, error, out=np.where(gap == 0, 0.0, np.inf), where=error != 0)
    tol = stats.t.isf(1e-4 / (2 * z.size), replicates * (draws - 1))
    return Check("minibatch_law_in_standard_errors", z.max(), "<=", 0.0, float(tol))


def labelled(
    squared: Float[np.ndarray, "R C L"],
    noise: Float[np.ndarray, "R C L"],
    measured: Float[np.ndarray, "R C B L"],
    checkpoints: xr.DataArray,
    layers: xr.DataArray,
    config: Config,
    n: int,
) -> xr.Dataset:
    """‖g‖, tr Σ, the mean of ‖g_B‖² and its prediction over (replicate, checkpoint, batch, layer)."""
    cell = ("replicate", "checkpoint", "layer")
    data = xr.Dataset(
        {
            "full_norm": (cell, np.sqrt(squared), {"long_name": "full-batch norm ‖g_l‖"}),
            "trace": (cell, noise, {"long_name": "tr Σ_l"}),
        },
        coords={
            "checkpoint": steps(checkpoints.values, "checkpoint", "epoch"),
            "layer": layers,
            "batch": sweep(config.batches, "batch", "minibatch size B"),
            "replicate": replicates(len(squared)),
        },
    )
    batch = data["batch"]
    predicted = data["full_norm"] ** 2 + data["trace"] / batch * (n - batch) / (n - 1)
    predicted = predicted.transpose("replicate", "checkpoint", "batch", "layer")
    data["minibatch_square"] = (predicted.dims, measured, {"long_name": "mean of ‖g_B‖²"})
    data["predicted_square"] = predicted.assign_attrs(long_name="‖g‖² + tr Σ/B", role="prediction")
    data["noise_scale"] = (data["trace"] / data["full_norm"] ** 2).assign_attrs(
        long_name="noise scale tr Σ/‖g‖²"
    )
    return data
