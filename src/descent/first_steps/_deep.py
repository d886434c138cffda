"""Random deep networks at their start: the norms of their gradients, and mean field's for wide layers.

    h₀ = x,   z_l = W_l h_{l−1},   h_l = φ(z_l) for l ≤ L,   softmax of z_{L+1};   W_l ~ N(0, s²/fan_in)
    δ_l = ∂loss/∂z_l = φ′(z_l) ⊙ W_{l+1}ᵀ δ_{l+1},   G_l = mean over the batch of δ_l h_{l−1}ᵀ

Mean field (wide layers, W_{l+1} as good as independent of φ′(z_l)), for every image by itself:

    z_l ~ N(0, q_l),   q_1 = s² ‖x‖²/fan_in,   q_{l+1} = s² E φ(z_l)²,   ‖δ_l‖² = s² E φ′(z_l)² ‖δ_{l+1}‖²

Source: arXiv 1611.01232 (mean field, forward and backward).
"""

import numpy as np
import xarray as xr

from descent.config import (
    Count,
    Data,
    Index,
    Positive,
    Refusal,
    Seed,
    experiment_config,
    require_increasing,
)
from descent.maths import network
from descent.maths.homogeneity import squared_norms
from descent.maths.images import Images, standardised
from descent.maths.initialise import rescaled
from descent.maths.limits import CALL, PRODUCT, require_cost
from descent.maths.mean_field import LARGEST, moments
from descent.maths.network import Shape
from descent.result import measured, predicted, steps, sweep

NARROWEST = 8  # units a layer: below that mean field is no description and ReLU layers die


@experiment_config
class DeepConfig:
    data: Data
    seed: Seed
    replicates: Count  # networks, each with a batch of its own
    depth: Count  # L hidden layers
    width: Count  # of each
    batch: Count
    first: Index  # of the training images that batches are drawn from
    images: Count  # of these images
    variances: tuple[Positive, ...]  # s² = fan_in Var W

    def __post_init__(self):
        require_increasing("variances", self.variances)
        if self.batch > self.images:
            raise ValueError(f"batch {self.batch} > images {self.images}, from which it is drawn")
        if self.depth < 2:
            raise ValueError("depth 1: a factor per layer needs two hidden layers")
        if self.width < NARROWEST:
            raise ValueError(f"width {self.width} < {NARROWEST}: mean field is about wide layers")
        if self.variances[-1] > LARGEST:
            raise ValueError(
                f"variances: s² {self.variances[-1]:g} > {LARGEST:g}, too wide to integrate"
            )
        work = len(self.variances) * self.depth * self.width * max(self.width, 784, self.batch)
        if work > 10**9:
            raise ValueError(
                f"depth {self.depth}, width {self.width}, batch {self.batch}: {work:.1e} numbers "
                f"for {len(self.variances)} variances, over 8 GB"
            )
        work = self.replicates * (20 * PRODUCT * work * min(self.batch, self.width) + 10 * CALL)
        require_cost(self, "replicates, variances, depth, width, batch", operations=work)

    @property
    def middle(self) -> slice:
        """The middle half of the layers, as positions; it ends before the last hidden one."""
        return slice(self.depth // 4, 3 * self.depth // 4)

    def shape(self, images: Images, activation: str) -> Shape:
        pixels, classes = images.x.shape[1], int(images.labels.max()) + 1
        widths = (pixels, *[self.width] * self.depth, classes)
        return Shape(widths, activation, biases=False)


def measure_one(
    rng: np.random.Generator, images: Images, config: DeepConfig, activations: tuple[str, ...]
) -> xr.Dataset:
    """One Gaussian network, rescaled to every s² and with every φ, on one batch.

    Norms are root mean squares over the batch, but for ‖G_l‖.
    """
    chosen = rng.choice(len(images.x), config.batch, replace=False)
    x, labels = images.x[chosen].astype(float), images.labels[chosen]
    fan_in = np.array(config.shape(images, "relu").widths[:-1])
    theta = rescaled(rng, config.shape(images, "relu"), np.outer(config.variances, 1 / fan_in))
    parts = []
    for activation in activations:
        shape = config.shape(images, activation)
        back = network.differentiate(network.forward(theta, x, shape), labels, "softmax", each=True)
        squares = np.array([np.vecdot(d, d).mean(-1) for d in back.deltas])  # (L + 1, S)
        singles = network.sample_squared_norms(back).mean(-1)[:-1]
        norm = np.sqrt(squared_norms(network.gradient(back), shape).weights[:, :-1])
        parts.append([np.sqrt(squares[:-1] / squares[1:]).T, np.sqrt(singles).T, norm])
        parts[-1].append(np.sqrt(squares[-1]))
    factor, sample_norm, norm, outgoing = map(np.array, zip(*parts, strict=True))
    cell = ("activation", "variance", "layer")
    return xr.Dataset(
        {
            "factor": measured(cell, factor, "‖δ_l‖/‖δ_{l+1}‖"),
            "sample_norm": measured(cell, sample_norm, "‖∇_l‖ of one image (rms)"),
            "gradient_norm": measured(cell, norm, "‖G_l‖ of the batch"),
            "outgoing": measured(cell[:2], outgoing, "‖δ_{L+1}‖ (rms)"),
            "square": measured("image", np.square(x).mean(1), "mean square of a pixel"),
        },
        coords={
            "activation": ("activation", list(activations), {"long_name": "activation φ"}),
            "variance": sweep(config.variances, "variance", "s² = fan_in Var W"),
            "layer": steps(np.arange(config.depth) + 1, "layer", "layer l"),
            "image": ("image", np.arange(config.batch), {"long_name": "image of the batch"}),
        },
    )


def mean_field(found: xr.Dataset, pixels: int, width: int) -> xr.Dataset:
    """Of one network, from ‖δ_{L+1}‖ and the images: factors, norms of one image, and the spread of a factor.

    `spread` is the variance of ‖δ_l‖²/E‖δ_l‖² given δ_{l+1}, times the width: 3 E φ′⁴/(E φ′²)² − 1.
    """
    depth, outgoing = found.sizes["layer"], found["outgoing"].values
    factor, sample_norm, spread = np.empty((3, *outgoing.shape, depth))
    fan_in = np.r_[pixels, np.full(depth - 1, width)]
    for a, activation in enumerate(found["activation"].values):
        for s, variance in enumerate(found["variance"].values):
            h, chi = [found["square"].values], []  # mean squares of h_{l−1}; ‖δ_l‖²/‖δ_{l+1}‖²
            for layer in range(depth):
                value, slope, slope4 = moments(variance * h[-1], str(activation))
                h.append(value)
                chi.append(variance * slope)
                spread[a, s, layer] = (3 * slope4 / slope**2 - 1).mean()
            back = np.cumprod(chi[::-1], 0)[::-1]  # ‖δ_l‖²/‖δ_{L+1}‖²: (L, b)
            delta = np.append(back.mean(1), 1.0)
            factor[a, s] = np.sqrt(delta[:-1] / delta[1:])
            sample_norm[a, s] = outgoing[a, s] * np.sqrt((back * h[:-1]).mean(1) * fan_in)
    cell = ("activation", "variance", "layer")
    return xr.Dataset(
        {
            "factor_predicted": predicted(cell, factor, "√(s² E φ′²)"),
            "sample_norm_predicted": predicted(cell, sample_norm, "‖∇_l‖ of one image, mean field"),
            "spread": predicted(cell, spread, "variance of ‖δ_l‖² over its mean², times the width"),
        },
        coords={dim: found[dim] for dim in cell},
    )


def chosen(mnist: xr.Dataset, config: DeepConfig) -> Images:
    """The images that batches are drawn from, standardised as the training images are.

    Raises:
        Refusal: there are fewer.
    """
    all_of_them = standardised(mnist, "train")
    n, end = len(all_of_them.labels), config.first + config.images
    if end > n:
        raise Refusal(f"first {config.first} + images {config.images} = {end} > {n} images")
    return Images(*(part[config.first : end] for part in all_of_them))


def require(config: DeepConfig, images: Images, activations: tuple[str, ...]) -> None:
    """Refuse networks whose squared norms leave float64 by mean field, and labels that say nothing.

    Raises:
        Refusal: naming the numbers.
    """
    pixels = images.x.shape[1]
    if images.labels.max() < 1:
        raise Refusal("one class of labels: every gradient is 0")
    unit = xr.Dataset(
        {
            "outgoing": (
                ("activation", "variance"),
                np.ones((len(activations), len(config.variances))),
            ),
            "square": ("image", np.ones(1)),
        },
        coords={
            "activation": list(activations),
            "variance": list(config.variances),
            "layer": np.arange(config.depth),
        },
    )
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        norm = mean_field(unit, pixels, config.width)["sample_norm_predicted"]
    for activation in activations:
        for variance in config.variances:
            values = norm.sel(activation=activation, variance=variance)
            if not (values.min() > 1e-140 and values.max() < 1e140):
                raise Refusal(
                    f"depth {config.depth}: with {activation} and s² = {variance:g} the gradient "
                    "of one image is predicted to leave 1e-140 … 1e140, and its square float64"
                )
