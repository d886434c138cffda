"""A layer's mean squared gradient is a product of width times weight variance over the other layers.

A neuron of symmetric weights is on half of the time, and its weights squared average to their variance: so every
layer in front and every layer behind multiplies the mean square by half of that product. Neither wide layers nor
Gaussian weights are needed, only symmetric and independent ones.

    G_l = ∂(u·f)/∂W_l = δ_l h_{l−1}ᵀ,   W_k: (n_k, n_{k−1}) with Var W_k = v_k = s_k²/n_{k−1}
    E‖G_l‖² = ‖x‖² ‖u‖² ∏_{k<l} (n_k v_k/2) ∏_{k>l} (n_{k−1} v_k/2)
    G_l(aW) = a^(L−1) G_l(W) for a > 0

In front of l: given h_{k−1} a pre-activation z is symmetric, so E max(z, 0)² = E z²/2 = v_k ‖h_{k−1}‖²/2. Behind l,
with tangents t: turning w → −w keeps (w·t)² and flips the gate, so that E 1[w·h > 0] (w·t)² = v_k ‖t‖²/2.

A mean of N networks is known to √((κ − 1)/N) of itself, κ = ∏ (1 + 5/n_k) for Gaussian weights and less for uniform.

See: the measured means of both laws lie on the predicted points at every layer.

Source: CS182 homework 2, question 5a, which compares gradient norms of initialisations; arXiv 1502.01852.
"""

import numpy as np
import xarray as xr

from descent.config import Positive, experiment_config
from descent.initialisation import _networks
from descent.initialisation._networks import direction, draw
from descent.maths.network import Pass, backward, forward, input_squares
from descent.maths.random_relu import second_moments
from descent.maths.replicates import replicate
from descent.maths.sampling import mean_of_known_spread
from descent.result import Check, Result, measured, predicted, replicates

LAWS = ["normal", "uniform"]
RESOLVED = 0.04  # relative standard error of a mean; with 5 of them a factor 2 is seen by far
FEW = 20  # networks whose weights are scaled


@experiment_config
class Config(_networks.Config):
    variances: tuple[Positive, ...]  # s_l² = n_{l−1} Var W_l, one a layer
    scale: Positive  # a of the homogeneity

    def __post_init__(self):
        super().__post_init__()
        if len(self.variances) != self.depth:
            raise ValueError(
                f"{len(self.variances)} variances, {self.depth} layers between "
                f"{len(self.widths)} widths"
            )
        if self.spread > RESOLVED:
            raise ValueError(
                f"networks {self.networks}: the mean of ‖G_l‖², of kurtosis ∏ (1 + 5/n_k), is "
                f"known to √((κ − 1)/N) = {self.spread:.2g} of itself; at most {RESOLVED:g}"
            )
        if abs(2 * self.depth * np.log10(self.scale)) >= 60:
            raise ValueError(
                f"scale {self.scale:g}: its power {2 * self.depth} leaves 1e-60 … 1e60"
            )
        with np.errstate(over="ignore", under="ignore"):
            square = second_moments(self.widths, self.of_weights)
        if not (square.min() > 1e-60 and square.max() < 1e60):
            raise ValueError(
                f"variances {list(self.variances)}: E‖G_l‖² = {square.min():.2g} … "
                f"{square.max():.2g} leaves 1e-60 … 1e60"
            )

    @property
    def of_weights(self) -> np.ndarray:
        """v_l."""
        return np.array(self.variances) / self.widths[:-1]

    @property
    def spread(self) -> float:
        """Standard error of the mean of ‖G_l‖² over the networks, relative."""
        return float(np.sqrt((self.kurtosis - 1) / self.networks))


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """The product over the other layers, and the power of the scale."""
    square = second_moments(config.widths, config.of_weights)
    power = config.scale ** (2 * (config.depth - 1))
    return xr.Dataset(
        {
            "gradient_predicted": predicted(
                "layer", square, "∏_{k<l} n_k v_k/2 ∏_{k>l} n_{k−1} v_k/2"
            ),
            "scaled_predicted": predicted(
                given["plain"].dims, power * given["plain"].values, "a^(2(L−1)) ‖G_l(W)‖²"
            ),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """‖G_l‖² of all networks with one x and u of length 1 a chunk; a few of them with scaled weights."""
    tasks = [(config, law, count) for law in LAWS for count in config.chunks]
    chunks = replicate(_measure_chunk, config.seed, tasks)
    each = len(config.chunks)
    gradient = [np.concatenate([c[0] for c in chunks[k * each : (k + 1) * each]]) for k in (0, 1)]
    plain, scaled = ([c[k] for c in (chunks[0], chunks[each])] for k in (1, 2))
    return xr.Dataset(
        {
            "gradient": measured(("law", "replicate", "layer"), gradient, "‖G_l‖²"),
            "plain": measured(("law", "network", "layer"), plain, "‖G_l(W)‖²"),
            "scaled": measured(("law", "network", "layer"), scaled, "‖G_l(aW)‖²"),
        },
        coords={
            "law": ("law", LAWS, {"long_name": "law of the weights"}),
            "replicate": replicates(config.networks),
            "network": ("network", range(plain[0].shape[0]), {"long_name": "network"}),
            "layer": ("layer", np.arange(config.depth) + 1, {"long_name": "layer l"}),
        },
        attrs={"networks": config.networks},
    )


def _measure_chunk(rng, config: Config, law: str, count: int) -> tuple:
    shape = config.shape
    theta = draw(rng, shape, config.of_weights, law, count)
    x, u = (direction(rng, config.widths[k])[None] for k in (0, -1))
    few = theta[:FEW]
    scaled = gradient_squares(forward(config.scale * few, x, shape), u)
    squares = gradient_squares(forward(theta, x, shape), u)
    return squares, squares[:FEW], scaled


def gradient_squares(passed: Pass, u: np.ndarray) -> np.ndarray:
    """‖∂(u·f)/∂W_l‖² of networks with one input, (N, L)."""
    deltas = backward(passed, np.broadcast_to(u, passed.outputs.shape))
    lengths = zip(deltas, input_squares(passed), strict=True)
    return np.stack([(np.vecdot(d, d) * square)[:, 0] for d, square in lengths], 1)


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    gradient = found["gradient"].mean("replicate")
    error = found["gradient"].std("replicate", ddof=1) / np.sqrt(config.networks)
    data = (
        found.drop_dims("replicate")
        .merge(theory)
        .assign(
            gradient=measured(gradient.dims, gradient.values, "mean of ‖G_l‖²"),
            error=measured(error.dims, error.values, "its standard error"),
        )
    )
    return Result(
        data=data,
        metrics={f"{law}_gradient": gradient.sel(law=law, drop=True) for law in LAWS}
        | {"gradient_predicted": theory["gradient_predicted"].assign_coords(layer=data["layer"])}
        | {
            f"{law}_relative_error": (error / theory["gradient_predicted"]).sel(law=law).max()
            for law in LAWS
        },
        checks=compare(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    # The tolerance is known beforehand: normal weights have the larger kurtosis.
    sd = np.sqrt(config.kurtosis - 1) * second_moments(config.widths, config.of_weights)
    mean = mean_of_known_spread(found["gradient"], xr.DataArray(sd, dims="layer"))
    # Beside the largest: what is much below it is what cancellation has left.
    rounding = 8 * config.depth * max(config.widths) * np.finfo(float).eps
    typical = found["scaled"].max("network")
    products = f"rounding of 2·{config.depth} products of sums"
    square, scaled = theory["gradient_predicted"], theory["scaled_predicted"]
    return (
        Check("mean_squared_gradient", mean.value, "==", square, mean.tol, mean.why),
        Check("scaled_weights", found["scaled"], "==", scaled, rounding * typical, products),
    )
