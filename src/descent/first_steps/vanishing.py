"""In a ReLU network all layers' gradients vanish together, so that the ratio of their norms does not show it.

Forward and backward a ReLU layer changes squared lengths by the same factor s²/2. A gradient is the product of a signal
from each side, so what one loses on the way the other one has gained, whatever s² is.

    ReLU: E φ′² = ½ and E φ² = q/2 exactly, so  ‖δ_1‖ ‖h₀‖ = √(pixels/width) ‖δ_L‖ ‖h_{L−1}‖  for every s²

The ratio is that of the norms of one image's gradient (root mean square over the batch), first layer over last
hidden one, as a geometric mean over the networks.

See: left, the ratio of first to last layer is the same at every s²; right, the norms themselves run over decades
with s², all layers at once.

Source: CS7180 problem set 2, questions 1a and 1b (part 3 compares the norms of layers); arXiv 1502.01852 (ReLU).
"""

import numpy as np
import xarray as xr

from descent.config import experiment_config
from descent.first_steps import _deep
from descent.maths import sampling
from descent.maths.images import Images
from descent.maths.replicates import replicate
from descent.result import Check, Result, measured, over_replicates, predicted


@experiment_config
class Config(_deep.DeepConfig):
    pass


def predict(config: Config, pixels: int) -> xr.Dataset:
    """The ratio, alike for every s²."""
    ratio = np.full(len(config.variances), np.sqrt(pixels / config.width))
    return xr.Dataset({"ratio_predicted": predicted("variance", ratio, "√(pixels/width)")})


def measure(config: Config, images: Images) -> xr.Dataset:
    """The norms of one network a replicate, and of each the ratio."""
    tasks = [(images, config, ("relu",))] * config.replicates
    found = over_replicates(replicate(_deep.measure_one, config.seed, tasks))
    found = found.isel(activation=0, drop=True)
    norm = found["sample_norm"]
    ratio = (norm.isel(layer=0) / norm.isel(layer=-1)).values
    name = "‖∇_1‖/‖∇_L‖ of one image"
    kept = found[["sample_norm", "gradient_norm"]]
    return kept.assign(ratio=measured(("replicate", "variance"), ratio, name))


def run(config: Config, mnist: xr.Dataset) -> Result:
    images = _deep.chosen(mnist, config)
    _deep.require(config, images, ("relu",))
    found = measure(config, images)
    theory = predict(config, images.x.shape[1])
    logarithm = np.log(found["ratio"])
    # Forward and backward each fluctuate by √(5/N)/2 a layer and lose 5/(4N) of their mean, the two
    # losses
    # against each other. The networks of one replicate are one network rescaled: so one point.
    N, layers = config.width, config.depth - 1
    sd = np.sqrt(2 * 5 * layers / N) / 2
    chance = sampling.mean_of_known_spread(logarithm, float(sd), points=1)
    expected = theory["ratio_predicted"]
    tol = float(chance.tol) + 5 * layers / (4 * N)
    why = f"{chance.why}, and Jensen's 5(L − 1)/4N for width {N}"
    check = Check("log_first_over_last", chance.value, "==", np.log(expected), tol, why)
    ratio = np.exp(chance.value)
    return Result(
        data=found.merge(theory),
        metrics={"first_over_last": ratio, "first_over_last_predicted": expected},
        checks=(check,),
    )
