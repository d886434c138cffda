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

from descent.config import Count, experiment_config
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
    law_steps: Count  # float64 steps for the two identities


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


def run(config: Config, mnist: xr.Dataset, train: xr.Dataset) -> Result:
    images = standardised(mnist, "train")
    n = len(images.x)
    noise.require_fewer(config, n)
    attrs = architecture(train)
    runs = replicate(
        _run,
        config.seed,
        [(parameters, images, attrs, config) for parameters in train["parameters"].values],
    )
    squared, trace, measured, variance, laws = map(np.array, zip(*runs, strict=True))

    data = labelled(squared, trace, measured, train["checkpoint"], train["layer"], config, n)
    data["per_sample_rms"] = np.sqrt(data["trace"] + data["full_norm"] ** 2).assign_attrs(
        long_name="root mean square of ‖g_i‖"
    )
    checks = [
        largest_z(
            data["minibatch_square"],
            data["predicted_square"],
            xr.DataArray(variance, dims=data["minibatch_square"].dims),
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
