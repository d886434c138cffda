"""The flat curve of minibatch gradient norms is sampling noise: its square is ‖g‖² + tr Σ/B, and ‖g‖ falls.

    g = ∇ of the mean loss over all n images,   Σ = covariance of the per-image gradients g_i
    tr Σ = (1/n) Σ_i ‖g_i‖² − ‖g‖²,   ‖g_i‖² = ‖δ_i‖² ‖h_i‖² per layer (an outer product)
    E‖g_B‖² = ‖g‖² + (tr Σ/B) (n − B)/(n − 1)   for B different images
    noise scale tr Σ/‖g‖²: the batch size at which noise and gradient are of one size

and, in float64 along `law_steps` steps of SGD of a ReLU network, to rounding:

    ⟨W_l, G_l⟩ is the same for every layer l;   Δ(‖W_l‖² − ‖W_k‖²) = η² Σ_t (‖G_l‖² − ‖G_k‖²)

Source: CS7180 problem set 2, question 1c, whose discussion reads the flat curve as a property of the
optimisation; arXiv 1812.06162 (noise scale), Appendix A; arXiv 1806.00900, Theorem 2.1 (balancedness).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy import stats

from descent.config import Count, Refusal, Seed, experiment_config, require_increasing
from descent.maths import mlp
from descent.maths.images import Images, standardised
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, steps, sweep

CHUNK = 1000  # images in one pass over the whole set


@experiment_config
class Config:
    seed: Seed
    batches: tuple[Count, ...]  # minibatch sizes B
    draws: Count  # minibatches of each size
    law_steps: Count  # float64 steps for the two identities

    def __post_init__(self):
        require_increasing("batches", self.batches)
        if self.draws < 2:
            raise ValueError("draws 1: a spread needs at least 2")


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
    samples = np.empty((len(config.batches), config.draws, len(network.weights)))
    for row, batch in zip(samples, config.batches, strict=True):
        for sample in row:
            chosen = rng.choice(len(images.x), batch, replace=False, shuffle=False)
            passed = mlp.differentiate(network, images.x[chosen], images.labels[chosen], activation)
            sample[:] = mlp.squared_norms(mlp.gradients(network, passed).weights)
    return samples.mean(1), samples.var(1, ddof=1) / config.draws


def identities(
    rng, network: mlp.Network, images: Images, activation: mlp.Activation, batch, rate, count
) -> tuple[float, float]:
    """Largest violation of the two identities over `count` float64 steps, relative to their terms."""
    network = mlp.Network(*([p.astype(float) for p in part] for part in network))
    start, kicks, spread = mlp.squared_layer_norms(network), 0.0, 0.0
    for _ in range(count):
        chosen = rng.choice(len(images.x), batch, replace=False)
        x = images.x[chosen].astype(float)
        passed = mlp.differentiate(network, x, images.labels[chosen], activation)
        gradient = mlp.gradients(network, passed)
        scale = np.sqrt(mlp.squared_layer_norms(network) * mlp.squared_layer_norms(gradient)).max()
        if scale != 0:  # a silent network has no terms to compare
            spread = np.maximum(spread, np.ptp(mlp.homogeneity(network, gradient)) / scale)
        kicks = kicks + rate**2 * mlp.squared_layer_norms(gradient)
        for parameter, slope in zip(network.parameters(), gradient.parameters(), strict=True):
            parameter -= rate * slope
    end = mlp.squared_layer_norms(network)
    return spread, np.ptp(end - start - kicks) / (end.max() or 1.0)


def _run(rng, parameters, images: Images, attrs: dict, config: Config) -> tuple:
    """‖g‖² and tr Σ (checkpoint, layer); ‖g_B‖² and its variance (checkpoint, B, layer); the identities."""
    activation = attrs["activation"]
    networks = [mlp.unflattened(v, attrs["widths"], bool(attrs["bias"])) for v in parameters]
    with np.errstate(over="ignore", invalid="ignore"):
        full = [full_batch(network, images, activation) for network in networks]
        drawn = [minibatches(rng, network, images, activation, config) for network in networks]
        laws = identities(
            rng, networks[0], images, activation, attrs["batch"], attrs["rate"], config.law_steps
        )
    return *map(np.array, zip(*full, strict=True)), *map(np.array, zip(*drawn, strict=True)), laws


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


def run(config: Config, mnist: xr.Dataset, train: xr.Dataset) -> Result:
    images = standardised(mnist, "train")
    n = len(images.x)
    if config.batches[-1] >= n:
        raise Refusal(
            f"batches: {config.batches[-1]} ≥ {n} training images leaves nothing to chance"
        )
    attrs = train.attrs | {"widths": np.atleast_1d(train.attrs["widths"]).tolist()}
    runs = replicate(
        _run,
        config.seed,
        [(parameters, images, attrs, config) for parameters in train["parameters"].values],
    )
    squared, noise, measured, variance, laws = map(np.array, zip(*runs, strict=True))

    cell = ("replicate", "checkpoint", "layer")
    data = xr.Dataset(
        {
            "full_norm": (cell, np.sqrt(squared), {"long_name": "full-batch norm ‖g_l‖"}),
            "trace": (cell, noise, {"long_name": "tr Σ_l"}),
        },
        coords={
            "checkpoint": steps(train["checkpoint"].values, "checkpoint", "epoch"),
            "layer": train["layer"],
            "batch": sweep(config.batches, "batch", "minibatch size B"),
            "replicate": replicates(len(runs)),
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
    data["per_sample_rms"] = np.sqrt(data["trace"] + data["full_norm"] ** 2).assign_attrs(
        long_name="root mean square of ‖g_i‖"
    )
    checks = [
        largest_z(
            data["minibatch_square"],
            data["predicted_square"],
            xr.DataArray(variance, dims=predicted.dims),
            config.draws,
        )
    ]
    if attrs["activation"] == "relu":
        spread, drift = laws.max(0)
        # Rounding: some 10⁵ products a layer, a few 10² steps, at 1.1e-16 each.
        checks.append(Check("inner_products_equal_over_layers", spread, "<=", 0.0, 1e-11))
        checks.append(Check("balancedness_law", drift, "<=", 0.0, 1e-11))
    ratio = data["minibatch_square"].mean("replicate", skipna=False) / data[
        "predicted_square"
    ].mean("replicate", skipna=False)
    means = data[["full_norm", "trace", "noise_scale", "per_sample_rms"]].mean(
        "replicate", skipna=False
    )
    return Result(
        data=data,
        metrics={**means.data_vars, "measured_over_predicted": ratio},
        checks=tuple(checks),
    )
