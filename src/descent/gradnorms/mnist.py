"""The flat curve of minibatch gradient norms is sampling noise; the norm over all images falls.

A minibatch gradient is the gradient over all images plus noise that shrinks like 1/B. Late in training the noise
is far larger than what it surrounds, so the norm of a minibatch gradient shows the noise and hides that
the gradient itself has become small.

    g = ∇ of the mean loss over all n images,   Σ = covariance of the per-image gradients
    E‖g_B‖² = ‖g‖² + (tr Σ/B) (n − B)/(n − 1)   for B different images, layer by layer
    noise scale tr Σ/‖g‖²: the batch size at which noise and gradient are of one size

See: left, the norms of minibatches (circles) lie on the dashed law and stay flat, while the norm over all images
falls below them; right, the noise scale grows with training.

Source: CS7180 problem set 2, question 1b, part 3, which asks what the curves of the norms show; arXiv 1812.06162 (noise
scale), Appendix A.
"""

import numpy as np
import xarray as xr

from descent.config import experiment_config
from descent.gradnorms import _noise
from descent.maths.images import Images, standardised
from descent.maths.replicates import replicate
from descent.result import Result, over_replicates


@experiment_config
class Config(_noise.Config):
    pass


def predict(found: xr.Dataset, n: int) -> xr.Dataset:
    """From ‖g‖² and tr Σ of each network."""
    return _noise.predict_law(found, n)


def measure(config: Config, images: Images, train: xr.Dataset) -> xr.Dataset:
    """Full and minibatch gradients of every network that training kept."""
    of = _noise.architecture(train)
    tasks = [(kept, images, of, config) for kept in train["parameters"].values]
    data = over_replicates(replicate(_noise.measure_one, config.seed, tasks))
    return _noise.on_checkpoints(data, train)


def run(config: Config, mnist: xr.Dataset, train: xr.Dataset) -> Result:
    images = standardised(mnist, "train")
    n = len(images.x)
    _noise.require_same(images, _noise.architecture(train))
    _noise.require_fewer(config, n, train)
    found = measure(config, images, train)
    theory = predict(found, n)
    data = found.merge(theory)
    rms = np.sqrt(data["trace"] + data["full_norm"] ** 2)
    data["per_sample_rms"] = rms.assign_attrs(long_name="root mean square of ‖g_i‖")
    names = ["full_norm", "trace", "noise_scale", "per_sample_rms"]
    squares = data[["minibatch_square", "predicted_square"]].mean("replicate", skipna=False)
    ratio = squares["minibatch_square"] / squares["predicted_square"]
    lost = _noise.lost(train)
    return Result(
        data=data,
        metrics={
            **data[names].mean("replicate", skipna=False).data_vars,
            "measured_over_predicted": ratio,
        },
        checks=() if lost else (_noise.law_holds(found, theory, config.draws),),
        no_claim=lost,
    )
