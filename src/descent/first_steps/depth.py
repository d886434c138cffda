"""In a random deep network the gradient changes by √(s² E φ′(z)²) from layer to layer on its way back.

Each layer multiplies the gradient by its weights and by the slopes of its units. In wide layers the weights are as good
as independent of the slopes, so the squared length changes by the variance of the weights times the mean
square slope, which depends on φ and on how large the pre-activations are.

    ‖δ_l‖² = s² E φ′(z_l)² ‖δ_{l+1}‖²,   z_l ~ N(0, q_l),   q_{l+1} = s² E φ(z_l)²;   ReLU: E φ′² = ½

The factor ‖δ_l‖/‖δ_{l+1}‖ is the ratio of root mean squares over a batch, and summed up by its geometric mean
over the middle half of the layers and over all networks.

See: left, the factors lie on the dashed predictions: ReLU crosses 1 at s² = 2, tanh stays near 1 for larger s²,
the sigmoid far below; right, the norms over the layers that follow from them.

Source: CS7180 problem set 2, question 1a; arXiv 1611.01232 (mean field); arXiv 1502.01852 (ReLU).
"""

import numpy as np
import xarray as xr

from descent.config import Refusal, experiment_config
from descent.first_steps import _deep
from descent.maths import sampling
from descent.maths.images import Images
from descent.maths.replicates import replicate
from descent.result import Check, Result, over_replicates, replicates

ACTIVATIONS = ("relu", "tanh", "sigmoid")


@experiment_config
class Config(_deep.DeepConfig):
    pass


def predict(config: Config, found: xr.Dataset, pixels: int) -> xr.Dataset:
    """Mean field for every network, given its batch and the norm at its output."""
    R = config.replicates
    each = [_deep.mean_field(found.isel(replicate=k), pixels, config.width) for k in range(R)]
    return xr.concat(each, "replicate").assign_coords(replicate=replicates(R))


def measure(config: Config, images: Images) -> xr.Dataset:
    """The norms of one network a replicate."""
    tasks = [(images, config, ACTIVATIONS)] * config.replicates
    return over_replicates(replicate(_deep.measure_one, config.seed, tasks))


def middle(values: xr.DataArray, config: Config) -> xr.DataArray:
    """Geometric mean over the middle layers and over the networks."""
    logarithm = np.log(values.isel(layer=config.middle)).mean(("replicate", "layer"))
    return np.exp(logarithm)


def run(config: Config, mnist: xr.Dataset) -> Result:
    images = _deep.chosen(mnist, config)
    _deep.require(config, images, ACTIVATIONS)
    found = measure(config, images)
    theory = predict(config, found, images.x.shape[1])
    metrics = {}
    for activation in ACTIVATIONS:
        of = {"activation": activation}
        norm = np.log(found["gradient_norm"].sel(of, drop=True)).mean("replicate")
        first, last = norm.isel(layer=0, drop=True), norm.isel(layer=-1, drop=True)
        metrics[f"{activation}_factor"] = middle(found["factor"].sel(of, drop=True), config)
        metrics[f"{activation}_factor_predicted"] = middle(
            theory["factor_predicted"].sel(of, drop=True), config
        )
        metrics[f"{activation}_first_norm"] = np.exp(first)
        metrics[f"{activation}_first_over_last"] = np.exp(first - last)
    return Result(
        data=found.merge(theory), metrics=metrics, checks=(compare(config, found, theory),)
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> Check:
    """Given ‖δ_{l+1}‖², a Gaussian W_{l+1} makes log ‖δ_l‖ fluctuate by √(v/N)/2 for one image, v = `spread`,
    and lowers its mean by v/(4N) (Jensen); averaging over a batch can only lessen both. Layers and replicates are
    independent. That q_l fluctuates too moves the factor less."""
    value = middle(found["factor"], config)
    expected = middle(theory["factor_predicted"], config)
    v = theory["spread"].isel(layer=config.middle).mean(("replicate", "layer"))
    samples = np.log(found["factor"].isel(layer=config.middle)).stack(draw=("replicate", "layer"))
    samples = samples.drop_vars(["draw", "replicate", "layer"]).rename(draw="replicate")
    chance = sampling.mean_of_known_spread(samples, np.sqrt(v / config.width) / 2)
    relative = chance.tol + v / (4 * config.width)
    if relative.max() > np.log(2):
        raise Refusal(
            f"width {config.width}, replicates {config.replicates}: chance may double a factor, "
            "so nothing can be told from it"
        )
    tol = expected * np.expm1(relative)
    why = f"{chance.why}, and Jensen's v/4N for width {config.width}"
    return Check("factor", value, "==", expected, tol, why)
