"""Each layer of n neurons multiplies the kurtosis of a signal's squared length by 1 + 5/n.

How many neurons are on, and how long their weights are, is chance, and the chance of every layer multiplies that of
the layers before. So deep and narrow networks have a few very long signals, and means over networks are known badly.

    h_l = max(W_l h_{l−1}, 0),   W_l: (n_l, n_{l−1}) Gaussian,   Q_l = ‖h_l‖²/‖h_{l−1}‖²
    E‖h_l‖⁴/(E‖h_l‖²)² = ∏_{k≤l} E Q_k²/(E Q_k)² = ∏_{k≤l} (1 + 5/n_k),   as E max(z, 0)⁴ = 3 (E z²)²/2

The Q_l are independent, each with a light tail: N networks resolve the product of their kurtoses where ‖h_L‖⁴ itself
is beyond them.

See: the kurtosis grows with every layer, as predicted.

Source: CS182 homework 2, question 5a, which compares gradient norms of initialisations; arXiv 1801.03744.
"""

from itertools import pairwise

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import experiment_config
from descent.initialisation import _networks
from descent.initialisation._networks import REACHING, direction, draw
from descent.maths.network import forward, input_squares
from descent.maths.random_relu import kurtosis
from descent.maths.replicates import replicate
from descent.maths.sampling import Estimate, mean
from descent.result import Check, Result, measured, predicted, replicates

FEWEST = 400  # networks: below, the kurtosis of a sample is no mean of near normal numbers


@experiment_config
class Config(_networks.Config):
    def __post_init__(self):
        super().__post_init__()
        if self.networks < FEWEST:
            raise ValueError(f"networks {self.networks} < {FEWEST}: too few for a kurtosis")
        reaching = np.prod(1 - 0.5 ** np.array(self.hidden, float))
        if reaching < REACHING:
            raise ValueError(
                f"widths {list(self.widths)}: in a layer of n neurons all are off with probability "
                f"2^(−n), so that {reaching:.2g} of the networks are on to the end; at least "
                f"{REACHING:g}"
            )


def predict(config: Config) -> xr.Dataset:
    growth = np.cumprod([kurtosis(n) for n in config.hidden])
    return xr.Dataset({"fourth_predicted": predicted("hidden", growth, "∏ (1 + 5/n_k)")})


def measure(config: Config) -> xr.Dataset:
    """Q_l of every network; 0 where a layer goes off, and 0 behind it."""
    chunks = replicate(_measure_chunk, config.seed, [(config, count) for count in config.chunks])
    ratio = np.concatenate(chunks)
    return xr.Dataset(
        {"ratio": measured(("replicate", "hidden"), ratio, "Q_l = ‖h_l‖²/‖h_{l−1}‖²")},
        coords={
            "replicate": replicates(config.networks),
            "hidden": ("hidden", np.arange(ratio.shape[1]) + 1, {"long_name": "hidden layer l"}),
        },
    )


def _measure_chunk(rng, config: Config, count: int) -> Float[np.ndarray, "N H"]:
    theta = draw(rng, config.shape, 2 / np.array(config.widths[:-1]), "normal", count)
    x = direction(rng, config.widths[0])[None]
    squares = [
        np.broadcast_to(square, (count, 1))[:, 0]
        for square in input_squares(forward(theta, x, config.shape))
    ]
    return np.stack(
        [np.divide(b, a, out=np.zeros(count), where=a > 0) for a, b in pairwise(squares)], 1
    )


def kurtoses(ratio: xr.DataArray) -> Estimate:
    """∏_{k≤l} E Q_k²/(E Q_k)², each over the networks that reach layer k, as a mean over networks.

    To first order in its error an estimate is a mean: that of Q² − 2κQ around Q = 1 for κ = E Q²/(E Q)², and of
    the sum of these over κ for a product.
    """
    reaches = (ratio.shift(hidden=1, fill_value=1.0) > 0).astype(float)
    count = reaches.sum("replicate")
    Q = ratio * count / (ratio * reaches).sum("replicate")
    each = (Q * Q * reaches).sum("replicate") / count
    felt = (Q * Q - 2 * each * Q + each) * reaches * (ratio.sizes["replicate"] / count)
    return mean(each.cumprod("hidden") * (1 + (felt / each).cumsum("hidden")))


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    fourth = kurtoses(found["ratio"])
    labels = {"hidden": found["hidden"]}
    data = theory.assign_coords(labels).assign(
        fourth=measured("hidden", fourth.value.values, "E‖h_l‖⁴/(E‖h_l‖²)²"),
        fourth_error=measured("hidden", fourth.error.values, "its standard error"),
    )
    expected = theory["fourth_predicted"]
    return Result(
        data=data.assign_attrs(networks=config.networks),
        metrics={name: data[name] for name in ("fourth", "fourth_predicted")},
        checks=(Check("kurtosis", fourth.value, "==", expected, fourth.tol, fourth.why),),
    )
