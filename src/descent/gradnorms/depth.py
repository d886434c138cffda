"""In a random deep network the gradient changes by √(s² E φ′(z)²) a layer on its way back; in a ReLU network all layers vanish together, so that no ratio of norms shows it.

    h₀ = x,   z_l = W_l h_{l−1},   h_l = φ(z_l) for l ≤ L,   softmax of z_{L+1};   W_l ~ N(0, s²/fan_in)
    δ_l = ∂loss/∂z_l = φ′(z_l) ⊙ W_{l+1}ᵀ δ_{l+1},   G_l = mean over the batch of δ_l h_{l−1}ᵀ

Mean field (wide layers, W_{l+1} as good as independent of φ′(z_l)), for every image by itself:

    z_l ~ N(0, q_l),   q_1 = s² ‖x‖²/fan_in,   q_{l+1} = s² E φ(z_l)²,   ‖δ_l‖² = s² E φ′(z_l)² ‖δ_{l+1}‖²
    ReLU: E φ′² = ½ and E φ² = q/2 exactly, so ‖δ_1‖ ‖h₀‖ = √(pixels/width) ‖δ_L‖ ‖h_{L−1}‖ for every s²

The factor is measured per layer as ‖δ_l‖/‖δ_{l+1}‖, root mean squares over the batch, and summed up by
its geometric mean over the middle half of the layers and over all networks. In a ReLU network
⟨W_l, G_l⟩ is the same for every l, exactly.

Source: CS7180 problem set 2, question 1c, which compares norms between layers; arXiv 1611.01232 (mean
field, forward and backward); arXiv 1502.01852 (ReLU).
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.special import softmax

from descent.config import Count, Positive, Refusal, Seed, experiment_config, require_increasing
from descent.maths.images import Images, standardised
from descent.maths.mean_field import LARGEST, activate, moments
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, steps, sweep

ACTIVATIONS = ("relu", "tanh", "sigmoid")


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # networks, each with a batch of its own
    depth: Count  # L hidden layers
    width: Count  # of each
    batch: Count
    variances: tuple[Positive, ...]  # s² = fan_in Var W

    @property
    def middle(self) -> slice:
        """The middle half of the layers, as positions; it ends before the last hidden one."""
        return slice(self.depth // 4, 3 * self.depth // 4)

    def __post_init__(self):
        require_increasing("variances", self.variances)
        if self.depth < 2:
            raise ValueError("depth 1: a factor per layer needs two hidden layers")
        if len({f"{variance:g}" for variance in self.variances}) < len(self.variances):
            raise ValueError(f"variances {list(self.variances)}: two agree in all six digits shown")
        if self.variances[-1] > LARGEST:
            raise ValueError(
                f"variances: s² {self.variances[-1]:g} > {LARGEST:g}, too wide to integrate"
            )


class Norms(NamedTuple):
    """Over (activation, s², layer 1 … L), root mean squares over the batch where it says ‖·‖."""

    factor: Float[np.ndarray, "A S L"]  # ‖δ_l‖/‖δ_{l+1}‖
    sample_norm: Float[np.ndarray, "A S L"]  # ‖δ_l h_{l−1}ᵀ‖ of the images one by one
    gradient_norm: Float[np.ndarray, "A S L"]  # ‖G_l‖ of the whole batch


class Prediction(NamedTuple):
    """The same in mean field, and the variance of ‖δ_l‖²/E‖δ_l‖² given δ_{l+1}, times the width."""

    factor: Float[np.ndarray, "A S L"]
    sample_norm: Float[np.ndarray, "A S L"]
    spread: Float[np.ndarray, "A S L"]  # 3 E φ′⁴/(E φ′²)² − 1


def mean_field(
    squares: Float[np.ndarray, " b"],
    outgoing: Float[np.ndarray, "A S"],
    config: Config,
    pixels: int,
) -> Prediction:
    """For images of mean square pixel `squares`, given ‖δ_{L+1}‖ = `outgoing`."""
    found = Prediction(*np.empty((3, len(ACTIVATIONS), len(config.variances), config.depth)))
    fan_in = np.r_[pixels, np.full(config.depth - 1, config.width)]
    for a, activation in enumerate(ACTIVATIONS):
        for s, variance in enumerate(config.variances):
            h, chi = [squares], []  # mean squares of h_{l−1}, and ‖δ_l‖²/‖δ_{l+1}‖²
            for layer in range(config.depth):
                value, slope, slope4 = moments(variance * h[-1], activation)
                h.append(value)
                chi.append(variance * slope)
                found.spread[a, s, layer] = (3 * slope4 / slope**2 - 1).mean()
            back = np.cumprod(chi[::-1], 0)[::-1]  # ‖δ_l‖²/‖δ_{L+1}‖²: (L, b)
            delta = np.append(back.mean(1), 1.0)
            found.factor[a, s] = np.sqrt(delta[:-1] / delta[1:])
            found.sample_norm[a, s] = outgoing[a, s] * np.sqrt((back * h[:-1]).mean(1) * fan_in)
    return found


def rms(squares: Float[np.ndarray, "A S B"]) -> Float[np.ndarray, "A S"]:
    """Root of the mean over the batch."""
    return np.sqrt(squares.mean(-1))


def _run(rng, images: Images, config: Config) -> tuple[Norms, Prediction, float]:
    """One Gaussian network, rescaled to every s² and with every φ, on one batch.

    The last number is the largest deviation between the layers' ⟨W_l, G_l⟩ of the ReLU networks, in
    units of the largest ‖W_l‖ ‖G_l‖.
    """
    pixels, classes = images.x.shape[1], int(images.labels.max()) + 1
    widths = [pixels, *[config.width] * config.depth, classes]
    chosen = rng.choice(len(images.x), config.batch, replace=False)
    x, labels = images.x[chosen].astype(float), images.labels[chosen]
    Z = [rng.standard_normal((out, fan_in)) for fan_in, out in pairwise(widths)]
    scale = np.sqrt(config.variances)[:, None, None] / np.sqrt(widths[:-1])  # (S, 1, L + 1)
    scale = np.moveaxis(scale[..., None], 2, 0)  # W_l = scale[l − 1] Z_l: (L + 1, S, 1, 1)

    shape = (len(ACTIVATIONS), len(config.variances), config.batch)
    h, slopes = [np.broadcast_to(x, (*shape, pixels))], []
    for layer in range(config.depth):
        z = (h[-1] if layer else x) @ Z[layer].T * scale[layer]
        z = np.broadcast_to(z, (*shape, config.width))
        pairs = [activate(z[a], activation) for a, activation in enumerate(ACTIVATIONS)]
        value, slope = map(np.array, zip(*pairs, strict=True))
        h.append(value)
        slopes.append(slope)
    delta = softmax(h[-1] @ Z[-1].T * scale[-1], axis=-1)
    delta[..., np.arange(config.batch), labels] -= 1

    outgoing = above = rms(np.vecdot(delta, delta))  # 0 if every image is classified to rounding
    norms = Norms(*np.empty((3, *shape[:2], config.depth)))
    inner, size = np.empty((2, config.depth + 1, len(config.variances)))  # of the ReLU networks
    for k in range(config.depth, -1, -1):  # layer k + 1, with the inputs h_k
        G = delta.mT @ h[k] / config.batch  # (A, S, out, in)
        length = np.linalg.norm(G, axis=(-2, -1))
        W_size = scale[k, :, 0, 0] * np.linalg.norm(Z[k])
        inner[k] = scale[k, :, 0, 0] * np.tensordot(G[0], Z[k])
        size[k] = W_size * length[0]
        if k < config.depth:
            squares = np.vecdot(delta, delta)
            norms.factor[..., k] = rms(squares) / above
            norms.sample_norm[..., k] = rms(squares * np.vecdot(h[k], h[k]))
            norms.gradient_norm[..., k] = length
            above = rms(squares)
        if k:
            delta = (delta @ Z[k] * scale[k]) * slopes[k - 1]
    predicted = mean_field(np.square(x).mean(1), outgoing, config, pixels)
    return norms, predicted, float((np.ptp(inner, axis=0) / size.max(0)).max())


def require_representable(config: Config, pixels: int) -> None:
    """Refuse networks whose squared norms leave float64 by the prediction.

    Raises:
        Refusal: naming depth, activation and s².
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        outgoing = np.ones((len(ACTIVATIONS), len(config.variances)))
        norm = mean_field(np.ones(1), outgoing, config, pixels).sample_norm
    for activation, by_variance in zip(ACTIVATIONS, norm, strict=True):
        for variance, values in zip(config.variances, by_variance, strict=True):
            if not (values.min() > 1e-140 and values.max() < 1e140):
                raise Refusal(
                    f"depth {config.depth}: with {activation} and s² = {variance:g} the gradient "
                    "of one image is predicted to leave 1e-140 … 1e140, and its square float64"
                )


def labelled(found: Norms, predicted: Prediction, config: Config) -> xr.Dataset:
    """Norms and predictions with a leading replicate axis, one variable an activation."""
    variables = {}
    for a, activation in enumerate(ACTIVATIONS):
        for name, values, label, role in (
            ("factor", found.factor, "‖δ_l‖/‖δ_{l+1}‖", "measurement"),
            ("factor_predicted", predicted.factor, "√(s² E φ′²)", "prediction"),
            ("sample_norm", found.sample_norm, "‖∇_l‖ of one image (rms)", "measurement"),
            (
                "sample_norm_predicted",
                predicted.sample_norm,
                "‖∇_l‖ of one image in mean field (rms)",
                "prediction",
            ),
            ("gradient_norm", found.gradient_norm, "‖G_l‖ of the batch", "measurement"),
        ):
            attrs = {"long_name": f"{label}, {activation}", "role": role}
            dims = ("replicate", "variance", "layer")
            variables[f"{activation}_{name}"] = (dims, values[:, a], attrs)
    return xr.Dataset(
        variables,
        coords={
            "variance": sweep(config.variances, "variance", "s² = fan_in Var W"),
            "layer": steps(np.arange(config.depth) + 1, "layer", "layer l"),
            "replicate": replicates(config.replicates),
        },
    )


def factor_checks(
    data: xr.Dataset, spread: Float[np.ndarray, "A S"], config: Config
) -> list[Check]:
    """The geometric mean over the middle layers and replicates against that of the prediction.

    Given ‖δ_{l+1}‖², a Gaussian W_{l+1} makes log ‖δ_l‖ fluctuate by √(v/N)/2 for one image, v = `spread`,
    and lowers its mean by v/(4N) (Jensen); averaging over a batch can only lessen both. Layers and
    replicates are independent. That q_l fluctuates too moves the factor less.
    """
    checks, N = [], config.width
    draws = (config.middle.stop - config.middle.start) * config.replicates
    for activation, by_variance in zip(ACTIVATIONS, spread, strict=True):
        for variance, v in zip(config.variances, by_variance, strict=True):
            at = {"layer": config.middle, "variance": config.variances.index(variance)}
            measured, predicted = (
                np.exp(np.log(data[f"{activation}_{name}"].isel(at).values).mean())
                for name in ("factor", "factor_predicted")
            )
            tol = predicted * np.expm1(2 * np.sqrt(v / (N * draws)) + v / (4 * N))
            name = f"factor/{activation}/s2_{variance:g}"
            checks.append(Check(name, measured, "==", predicted, tol))
    return checks


def relu_ratio_check(data: xr.Dataset, pixels: int, config: Config) -> Check:
    """log of the first over the last layer's per-image norm, mean over replicates and s².

    Forward and backward each fluctuate by √(5/N)/2 a layer and lose 5/(4N) of their mean, the two
    losses against each other; the networks of one replicate are one network rescaled.
    """
    norm = data["relu_sample_norm"]
    ratio = np.log(norm.isel(layer=0) / norm.isel(layer=-1)).values.mean()
    N, layers = config.width, config.depth - 1
    tol = 2 * np.sqrt(2 * 5 * layers / (N * config.replicates)) + 5 * layers / (4 * N)
    return Check("relu_log_first_over_last", ratio, "==", np.log(pixels / N) / 2, tol)


def run(config: Config, mnist: xr.Dataset) -> Result:
    images = standardised(mnist, "train")
    n, pixels = images.x.shape
    if config.batch > n:
        raise Refusal(f"batch {config.batch} > {n} training images")
    require_representable(config, pixels)
    runs = replicate(_run, config.seed, [(images, config)] * config.replicates)
    measured, predicted, deviations = zip(*runs, strict=True)
    found = Norms(*map(np.stack, zip(*measured, strict=True)))
    theory = Prediction(*map(np.stack, zip(*predicted, strict=True)))
    data = labelled(found, theory, config)

    metrics = {}
    for activation in ACTIVATIONS:
        norm = data[f"{activation}_gradient_norm"]
        for name in ("factor", "factor_predicted"):
            inner = np.log(data[f"{activation}_{name}"].isel(layer=config.middle))
            metrics[f"{activation}_{name}"] = np.exp(inner.mean(("replicate", "layer")))
        ends = {"first": norm.isel(layer=0), "last": norm.isel(layer=-1)}
        ends = {end: np.log(values).mean("replicate") for end, values in ends.items()}
        metrics[f"{activation}_first_norm"] = np.exp(ends["first"])
        metrics[f"{activation}_first_over_last"] = np.exp(ends["first"] - ends["last"])
    return Result(
        data=data,
        metrics={
            name: value.drop_vars("layer", errors="ignore") for name, value in metrics.items()
        },
        checks=(
            *factor_checks(data, theory.spread[..., config.middle].mean((0, -1)), config),
            relu_ratio_check(data, pixels, config),
            # Rounding: some 10⁴ products a layer and a chain of L layers, at 1.1e-16 each.
            Check("relu_inner_products_equal_over_layers", max(deviations), "<=", 0.0, 1e-11),
        ),
    )
