"""The gradient of a network over all images, the noise of minibatches around it, and the law between them.

    g = ∇ of the mean loss over all n images,   Σ = covariance of the per-image gradients g_i
    tr Σ = (1/n) Σ_i ‖g_i‖² − ‖g‖²,   ‖g_i‖² = ‖δ_i‖² ‖h_i‖² per layer (an outer product)
    E‖g_B‖² = ‖g‖² + (tr Σ/B) (n − B)/(n − 1)   for B different images, per layer

Source: arXiv 1812.06162, Appendix A (for n = ∞).
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Refusal, Seed, experiment_config, require_increasing
from descent.maths import network, sampling
from descent.maths.homogeneity import squared_norms
from descent.maths.images import Images
from descent.maths.limits import CALL, PRODUCT, require_cost
from descent.maths.network import Shape
from descent.result import Check, measured, predicted, steps, sweep

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
        if self.draws * self.batches[-1] > 10**9:
            raise ValueError(
                f"draws {self.draws} × batches {self.batches[-1]} > 1e9 images a network"
            )

    @property
    def counts(self) -> list[int]:
        """How many minibatches of each size are drawn."""
        return [self.draws] * len(self.batches)


class Architecture(NamedTuple):
    """What a training run says of its networks and of itself."""

    shape: Shape
    rate: float
    batch: int


def architecture(train: xr.Dataset) -> Architecture:
    widths = tuple(np.atleast_1d(train.attrs["widths"]).tolist())
    shape = Shape(widths, train.attrs["activation"], bool(train.attrs["bias"]))
    return Architecture(shape, float(train.attrs["rate"]), int(train.attrs["batch"]))


def require_same(images: Images, of: Architecture) -> None:
    """Refuse images of another kind than those that the networks were trained on.

    Raises:
        Refusal: with the sizes.
    """
    pixels, classes = images.x.shape[1], int(images.labels.max()) + 1
    if (pixels, classes) != (of.shape.widths[0], of.shape.widths[-1]):
        raise Refusal(
            f"data: images of {pixels} pixels and {classes} classes, but train.mnist kept networks "
            f"for {of.shape.widths[0]} pixels and {of.shape.widths[-1]} classes: run it first"
        )


def require_fewer(config: Config, n: int, train: xr.Dataset) -> None:
    """Refuse minibatches as large as the set of n images, and more of them than the networks take in an hour.

    Raises:
        Refusal: naming the numbers.
    """
    if config.batches[-1] >= n:
        raise Refusal(
            f"batches: {config.batches[-1]} ≥ {n} training images leaves nothing to chance"
        )
    parameters, networks = train["parameters"].size, train["parameters"][..., 0].size
    images = sum(np.multiply(config.counts, config.batches))
    work = 6 * PRODUCT * parameters * images + CALL * networks * sum(config.counts)
    require_cost(config, "draws, batches", operations=float(work))


def lost(train: xr.Dataset) -> tuple[str, ...]:
    """Why nothing is claimed about networks of which some were lost in training."""
    count = int((train["lost"] >= 0).sum())
    return (f"{count} of {train.sizes['replicate']} training runs left float32",) if count else ()


def _differentiated(theta: Float[np.ndarray, " P"], shape: Shape, images: Images, chosen):
    passed = network.forward(theta, images.x[chosen], shape)
    return network.differentiate(passed, images.labels[chosen], "softmax", each=True)


def measure_full_batch(
    theta: Float[np.ndarray, " P"], shape: Shape, images: Images
) -> tuple[Float[np.ndarray, " L"], Float[np.ndarray, " L"]]:
    """‖g‖² and tr Σ per layer over all images."""
    n, total, per_sample = len(images.x), 0.0, 0.0
    for first in range(0, n, CHUNK):
        back = _differentiated(theta, shape, images, slice(first, first + CHUNK))
        count = back.fit.shape[-2]
        total = total + network.gradient(back).astype(float) * (count / n)
        per_sample = per_sample + network.sample_squared_norms(back).astype(float).sum(-1) / n
    squared = squared_norms(total, shape).weights
    return squared, per_sample - squared


def measure_minibatches(
    rng, theta: Float[np.ndarray, " P"], shape: Shape, images: Images, config: Config
) -> tuple[Float[np.ndarray, "B L"], Float[np.ndarray, "B L"]]:
    """Mean of ‖g_B‖² over random minibatches of every size, and the variance of that mean."""
    moments = []
    for batch, count in zip(config.batches, config.counts, strict=True):
        samples = np.empty((count, len(shape.widths) - 1))
        for sample in samples:
            chosen = rng.choice(len(images.x), batch, replace=False, shuffle=False)
            g = network.gradient(_differentiated(theta, shape, images, chosen))
            sample[:] = squared_norms(g, shape).weights
        moments.append((samples.mean(0), samples.var(0, ddof=1) / count))
    mean, variance = map(np.array, zip(*moments, strict=True))
    return mean, variance


def measure_one(
    rng, parameters: Float[np.ndarray, "C P"], images: Images, train: Architecture, config: Config
) -> xr.Dataset:
    """Of one training run's networks, over (checkpoint, batch, layer)."""
    with np.errstate(over="ignore", invalid="ignore"):
        full = [measure_full_batch(theta, train.shape, images) for theta in parameters]
        drawn = [
            measure_minibatches(rng, theta, train.shape, images, config) for theta in parameters
        ]
    squared, trace = map(np.array, zip(*full, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):  # networks without a gradient
        scale = trace / squared
    mean, variance = map(np.array, zip(*drawn, strict=True))
    cell = ("checkpoint", "batch", "layer")
    return xr.Dataset(
        {
            "full_norm": measured(
                ("checkpoint", "layer"), np.sqrt(squared), "full-batch norm ‖g_l‖"
            ),
            "noise_scale": measured(("checkpoint", "layer"), scale, "noise scale tr Σ/‖g‖²"),
            "trace": measured(("checkpoint", "layer"), trace, "tr Σ_l"),
            "minibatch_square": measured(cell, mean, "mean of ‖g_B‖²"),
            "variance": measured(cell, variance, "variance of the mean of ‖g_B‖²"),
        },
        coords={"batch": sweep(config.batches, "batch", "minibatch size B")},
    )


def on_checkpoints(data: xr.Dataset, train: xr.Dataset) -> xr.Dataset:
    """With the coordinates of the training run."""
    epochs = steps(train["checkpoint"].values, "checkpoint", "epoch")
    return data.assign_coords(checkpoint=epochs, layer=train["layer"])


def predict_law(found: xr.Dataset, n: int) -> xr.Dataset:
    """E‖g_B‖², from ‖g‖² and tr Σ of each network."""
    B, square = found["batch"], found["full_norm"] ** 2
    law = square + found["trace"] / B * (n - B) / (n - 1)
    law = law.transpose(*found["minibatch_square"].dims)
    return xr.Dataset({"predicted_square": predicted(law.dims, law.values, "‖g‖² + tr Σ/B")})


def law_holds(found: xr.Dataset, theory: xr.Dataset, draws: int) -> Check:
    """The mean of ‖g_B‖² over the networks, against the mean of what the law gives for each."""
    replicates = found.sizes["replicate"]
    error = np.sqrt(found["variance"].sum("replicate", skipna=False)) / replicates
    mean = found["minibatch_square"].mean("replicate", skipna=False)
    expected = theory["predicted_square"].mean("replicate", skipna=False)
    estimate = sampling.of_error(mean, error, replicates * (draws - 1))
    return Check(
        "minibatch_law",
        estimate.value,
        "==",
        expected,
        estimate.tol + 1e-6 * expected,  # float32, where chance leaves less
        estimate.why,
    )
