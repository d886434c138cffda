"""The norm of a minibatch gradient falls like B^(−1/2) to the noise scale, then stays at the full gradient's.

A minibatch gradient is the full gradient g plus sampling noise whose mean square is tr Σ/B. In small minibatches the
noise is much larger than g, and in large ones much smaller. The two are equally large at B = tr Σ/‖g‖², the noise scale.

    E‖g_B‖² = ‖g‖² + (tr Σ/B) (n − B)/(n − 1),   d log ‖g_B‖ / d log B → −½ for B far below tr Σ/‖g‖²
    E‖g_B‖² = 2‖g‖² at B* = n b/(n − 1 + b),   b = tr Σ/‖g‖² the noise scale

The weights are those that a training run kept after one of its epochs, and every layer is looked at separately. A
layer counts if the sizes B reach from far below its noise scale to beyond it.

See: on the left the root mean square norms fall along the dashed law as B grows; on the right they are divided by ‖g‖,
and B by B*, and all layers lie on one curve that levels off at 1.

Source: CS7180 problem set 2, question 1b, part 3; arXiv 1812.06162, Appendix A (for n = ∞, where B* is the noise
scale itself).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float, Integer

from descent.config import Index, Positive, Refusal, experiment_config
from descent.gradnorms import _noise
from descent.maths import sampling
from descent.maths.images import Images, standardised
from descent.maths.replicates import replicate
from descent.result import Check, Result, measured, over_replicates, predicted

BEYOND = 1.25  # noise scales that the largest minibatch has to reach


@experiment_config
class Config(_noise.Config):
    epoch: Index  # after which training kept the networks looked at
    small: Positive  # up to this part of the noise scale the slope is read off

    @property
    def counts(self) -> list[int]:
        """`draws` for the largest size and more for the smaller ones, which are cheaper and noisier."""
        return [round(self.draws * np.sqrt(self.batches[-1] / B)) for B in self.batches]


def predict(found: xr.Dataset, n: int) -> xr.Dataset:
    """The law of each network."""
    return _noise.predict_law(found, n)


def predict_shape(config: Config, found: xr.Dataset, theory: xr.Dataset, n: int) -> xr.Dataset:
    """Slope and crossover of every layer, from the means of ‖g‖² and tr Σ over the networks."""
    scale, B = mean_scale(found), np.array(config.batches, float)
    law = theory["predicted_square"].mean("replicate", skipna=False).values
    slopes = [
        slope(B[small], law[small, k], law[small, k])[0]
        for k, small in enumerate(config.small * scale[:, None] >= B)
    ]
    return xr.Dataset(
        {
            "slope_predicted": predicted("layer", slopes, "slope of the law"),
            "crossover": predicted("layer", n / ((n - 1) / scale + 1), "B*"),
        }
    )


def measure(config: Config, images: Images, train: xr.Dataset) -> xr.Dataset:
    """Full and minibatch gradients of the networks after the epoch."""
    chosen = train.sel(checkpoint=[config.epoch])
    of = _noise.architecture(train)
    tasks = [(kept, images, of, config) for kept in chosen["parameters"].values]
    found = over_replicates(replicate(_noise.measure_one, config.seed, tasks))
    return _noise.on_checkpoints(found, chosen).isel(checkpoint=0, drop=True)


def measure_shape(config: Config, found: xr.Dataset) -> xr.Dataset:
    """Slope and crossover of every layer's mean of ‖g_B‖², and their standard errors."""
    B, scale = np.array(config.batches, float), mean_scale(found)
    square = found["minibatch_square"].mean("replicate", skipna=False).values
    error = (
        np.sqrt(found["variance"].sum("replicate", skipna=False)).values / found.sizes["replicate"]
    )
    height = 2 * (found["full_norm"] ** 2).mean("replicate", skipna=False).values
    slopes, stars = [], []
    for k, small in enumerate(config.small * scale[:, None] >= B):
        slopes.append(slope(B[small], square[small, k], error[small, k]))
        stars.append(crossing(B, square[:, k], error[:, k], height[k]))
    (fitted, unsure), (star, spread) = np.transpose(slopes), np.transpose(stars)
    return xr.Dataset(
        {
            "slope": measured("layer", fitted, "d log ‖g_B‖ / d log B"),
            "slope_error": measured("layer", unsure, "standard error of the slope"),
            "crossover_measured": measured("layer", star, "B at which ‖g_B‖² = 2‖g‖²"),
            "crossover_error": measured("layer", spread, "its standard error"),
        }
    )


def mean_scale(found: xr.Dataset) -> Float[np.ndarray, " L"]:
    """tr Σ/‖g‖² of the means over the networks; inf for networks without a gradient."""
    square = (found["full_norm"] ** 2).mean("replicate", skipna=False).values
    trace = found["trace"].mean("replicate", skipna=False).values
    return np.divide(trace, square, out=np.full(len(square), np.inf), where=square > 0)


def slope(
    B: Float[np.ndarray, " B"], square: Float[np.ndarray, " B"], error: Float[np.ndarray, " B"]
) -> tuple[float, float]:
    """d log √square / d log B of the least-squares line, and its standard error; nan for fewer than two."""
    if len(B) < 2 or not (square > 0).all():
        return np.nan, np.nan
    x = np.log(B) - np.log(B).mean()
    weight = x / (x @ x)
    return weight @ np.log(square) / 2, np.sqrt(np.sum((weight * error / square) ** 2)) / 2


def crossing(
    B: Float[np.ndarray, " B"],
    square: Float[np.ndarray, " B"],
    error: Float[np.ndarray, " B"],
    height: float,
) -> tuple[float, float]:
    """The first B at which the square falls to `height`, and its standard error; nan if there is none.

    Between two sizes the square is taken as linear in 1/B, which by the law it is.
    """
    (below,) = np.nonzero(square <= height)
    if not len(below) or below[0] == 0 or not height > 0:
        return np.nan, np.nan
    ends = slice(below[0] - 1, below[0] + 1)
    (x0, x1), (y0, y1), (e0, e1) = 1 / B[ends], square[ends], error[ends]
    share = (y0 - height) / (y0 - y1)
    x, steepness = x0 + share * (x1 - x0), (y0 - y1) / (x0 - x1)
    return 1 / x, np.hypot((1 - share) * e0, share * e1) / steepness / x**2


def seen(config: Config, found: xr.Dataset) -> Integer[np.ndarray, " s"]:
    """The layers whose fall and whose level are both in the sweep, going by their noise scale."""
    B, scale = np.array(config.batches, float), mean_scale(found)
    fall = (config.small * scale[:, None] >= B).sum(1) >= 2
    return np.flatnonzero(fall & (B[0] < scale / BEYOND) & (B[-1] >= BEYOND * scale))


def run(config: Config, mnist: xr.Dataset, train: xr.Dataset) -> Result:
    kept = train["checkpoint"].values
    if config.epoch not in kept:
        listed = ", ".join(map(str, kept))
        raise Refusal(f"epoch {config.epoch}: training kept the networks of epochs {listed} only")
    images = standardised(mnist, "train")
    n = len(images.x)
    _noise.require_same(images, _noise.architecture(train))
    _noise.require_fewer(config, n, train)
    found = measure(config, images, train)
    theory = predict(found, n)
    shape = measure_shape(config, found)
    expected = predict_shape(config, found, theory, n)
    layers, lost = seen(config, found), _noise.lost(train)
    if not len(layers):
        scales = ", ".join(f"{one:.3g}" for one in mean_scale(found))
        lost += (f"no layer's noise scale ({scales}) has both sides in batches",)
    data = xr.merge([found, theory, shape, expected], join="exact")
    means = data[["full_norm", "trace"]].mean("replicate", skipna=False)
    names = ["slope", "slope_predicted", "crossover_measured"]
    return Result(
        data=data,
        metrics={
            **means.data_vars,
            "crossover": data["crossover"],
            **data[names].isel(layer=layers).data_vars,
        },
        checks=() if lost else compare(config, found, theory, data.isel(layer=layers)),
        no_claim=lost,
    )


def compare(config: Config, found, theory, data: xr.Dataset) -> tuple[Check, ...]:
    freedom = data.sizes["replicate"] * (config.draws - 1)
    fall = sampling.of_error(data["slope"], data["slope_error"], freedom)
    star = sampling.of_error(data["crossover_measured"], data["crossover_error"], freedom)
    return (
        _noise.law_holds(found, theory, config.draws),
        Check("slope", fall.value, "==", data["slope_predicted"], fall.tol, fall.why),
        Check("crossover", star.value, "==", data["crossover"], star.tol, star.why),
    )
