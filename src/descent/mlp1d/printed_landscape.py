"""Along the document's direction ReLU's loss rises a thousandfold because it is so small where it starts.

The document compares f(θ* + Δ) with f(θ*) and calls ReLU's minimum sharper by orders. Its numbers can be had again.
But a factor is what is added over what was there, and training left ReLU a thousand times less: what is added differs
by much less, and over random directions of the same length the two overlap.

    Δ = 0.1 · (the numbers that numpy draws after seed 42), entry by entry from the first weight to the last bias
    plane: f(θ* + tΔ + sΔ′), Δ and Δ′ drawn layer by layer, each layer anew from seed 42 and from seed 44
    factor f(θ* + Δ)/f(θ*) = 1 + (what is added)/f(θ*),   E (what is added) ≈ ½ · 0.1² tr H for short directions

See: on a linear axis both curves reach across [−10, 10]; in the planes, cut off at 200, ReLU's is the higher one.

Source: FRTN50 assignment 3e. Its plots for t ∈ [−10, 10] are drawn over [−1, 1], its planes of 10 by 10 points leave
θ* out, and the 10³ that it reads off at t = 10 is a factor of a million.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Index, Positive, Seed, experiment_config
from descent.maths import rules
from descent.maths.initialise import from_torch
from descent.maths.network import Shape, losses
from descent.maths.training import train
from descent.mlp1d import _document, _problem
from descent.mlp1d._ends import Config as EndsConfig
from descent.mlp1d._ends import Ends, along, directions, ends, line_of, plane
from descent.mlp1d._filtered import filtered
from descent.mlp1d._networks import FORMULA
from descent.result import Check, Erratum, Result, bound, measured, predicted, replicates

WIDE = 10.0  # t at the ends of the wide plots


@experiment_config
class Config(EndsConfig):
    scale: Positive  # of the directions
    seeds: tuple[Seed, Seed]  # of the document's two
    half: Index  # points of a line or plane on each side of θ*
    grid: Index  # points of the document's planes, an even number
    printed_decades: Positive  # by which ReLU's loss rises within t = 1
    printed_factor: Positive  # by which that of 4·sigmoid rises less
    printed_ratio: Positive  # of the highest points of the planes on [−10, 10]

    def __post_init__(self):
        super().__post_init__()
        if len(self.torch_seeds) != 1:
            raise ValueError(f"torch_seeds {list(self.torch_seeds)}: one")
        if not 1 <= self.half <= 100 or not 2 <= self.grid <= 200:
            raise ValueError(f"half {self.half}, grid {self.grid}: up to 100 and from 2 to 200")
        if not 1e-6 <= self.scale <= 10:
            raise ValueError(f"scale {self.scale:g}: must be between 1e-6 and 10")

    @property
    def is_documents(self) -> bool:
        own = (_document.POINTS, _document.RATE, (_document.SEED,), 2000, 0.1, (42, 44), 10)
        settings = (self.points, self.rate, self.torch_seeds, self.epochs, self.scale, self.seeds)
        return (*settings, self.grid) == own and self.shape("relu").widths == _document.WIDTHS


def direction(config: Config) -> Float[np.ndarray, "1 P"]:
    """Δ of the lines: entry after entry, in the order of the parameters."""
    rng = np.random.RandomState(config.seeds[0])
    return config.scale * rng.normal(size=(1, config.shape("relu").parameters))


def of_the_planes(config: Config) -> Float[np.ndarray, "2 P"]:
    """Δ and Δ′ of the planes: every weight matrix and every bias from the seed again."""
    rows = []
    for seed in config.seeds:
        parts = config.shape("relu").layers(np.zeros((1, config.shape("relu").parameters)))
        sizes = [part.size for pair in parts for part in pair]
        drawn = [np.random.RandomState(seed).normal(size=size) for size in sizes]
        rows.append(config.scale * np.concatenate(drawn))
    return np.array(rows)


def predict(config: Config) -> xr.Dataset:
    """What the document reads off its plots."""
    return xr.Dataset(
        {
            "decades_predicted": predicted((), config.printed_decades + 0.5, "of that magnitude"),
            "factor_bound": bound((), config.printed_factor, "not even that factor"),
            "ratio_predicted": predicted((), config.printed_ratio, "ratio read off the planes"),
        }
    )


def measure(config: Config, both: dict[str, Ends]) -> xr.Dataset:
    """Lines along the document's direction and along others, and planes, of both networks."""
    near, delta, two = line_of(config.half), direction(config), of_the_planes(config)
    others, data, line = config.scale * directions(config), {}, ("kind", "t")
    sides, grid = np.array([-1.0, 1.0]), np.linspace(-WIDE, WIDE, config.grid)
    for name, (shape, theta, loss) in both.items():
        text, first = FORMULA[name], theta[:1]
        kinds = [delta, config.scale * filtered(delta, first, shape)]
        for span, t in (("near", near), ("far", WIDE * near)):
            found = [along(first, kind, t, config, shape)[:, 0] for kind in kinds]
            data[f"{name}_{span}"] = measured((line[0], span), found, f"f(θ* + tΔ), {text}")
        end = along(first, delta, sides, config, shape)[:, 0]
        far = along(first, delta, WIDE * sides, config, shape)[:, 0]
        added = along(first, others, sides[1:], config, shape)[0] - loss[0]
        pairs = (two, config.scale * filtered(two, first, shape))
        surface = [plane(first, pair, WIDE * near, config, shape) for pair in pairs]
        data |= {
            f"{name}_end": measured("side", end / loss[0], f"f(θ* ± Δ)/f(θ*), {text}"),
            f"{name}_wide_end": measured("side", far / loss[0], f"f(θ* ± 10Δ)/f(θ*), {text}"),
            f"{name}_added": measured("replicate", added, f"f(θ* + Δ) − f(θ*), {text}"),
            f"{name}_loss": measured((), loss[0], f"f(θ*), {text}"),
            f"{name}_plane": measured(("kind", "t2", "s2"), surface, f"f(θ* + tΔ + sΔ′), {text}"),
        }
        data[f"{name}_top"] = measured(
            (), plane(first, two, grid, config, shape).max(), f"highest point of {text}'s plane"
        )
    return xr.Dataset(
        data,
        coords={
            "near": ("near", near, {"long_name": "t"}),
            "far": ("far", WIDE * near, {"long_name": "t"}),
            "t2": ("t2", WIDE * near, {"long_name": "t"}),
            "s2": ("s2", WIDE * near, {"long_name": "s"}),
            "kind": ("kind", ["raw", "normalised"], {"long_name": "direction"}),
            "side": ("side", [-1, 1], {"long_name": "sign of t"}),
            "replicate": replicates(config.replicates),
        },
    )


def run(config: Config) -> Result:
    both = {name: ends(config, name, 2 * config.half + 1) for name in FORMULA}
    found, theory, own = measure(config, both), predict(config), config.is_documents
    relu, sigmoid = (found[f"{name}_added"] for name in FORMULA)
    metrics = {
        "relu_adds_more_share": np.mean(relu.values[:, None] > sigmoid.values),
        "added_ratio_median": relu.median() / sigmoid.median(),
        "loss_ratio": found["sigmoid_loss"] / found["relu_loss"],
    }
    for name in FORMULA:
        metrics[f"{name}_factor"] = found[f"{name}_end"]
        metrics[f"{name}_factor_median"] = (
            1 + (found[f"{name}_added"] / found[f"{name}_loss"]).median()
        )
        metrics[f"{name}_top"] = found[f"{name}_top"]
    reason = (
        "the document reads off its plots for 7 points, seed 42, rate 0.05 and its two directions"
    )
    return Result(
        data=found.merge(theory),
        metrics=metrics,
        checks=compare(found, theory) if own else (),
        errata=errata(config, found) if own else (),
        no_claim=() if own else (reason,),
    )


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    decades, factor = np.log10(found["relu_end"]), found["sigmoid_end"]
    ratio = found["relu_top"] / found["sigmoid_top"]
    why = "from 10³ up to 10⁴ it is of the magnitude 10³"
    return (
        Check("decades_of_relu", decades, "==", theory["decades_predicted"], 0.5, why),
        Check("factor_of_sigmoid", factor, "<=", theory["factor_bound"], 0, "as it says"),
        Check("ratio_of_the_planes", ratio, "==", theory["ratio_predicted"], 0.5, "a whole number"),
    )


def errata(config: Config, found: xr.Dataset) -> tuple[Erratum, ...]:
    """Of the wide plot, against the network that the document has: trained in float32."""
    where, shape = "FRTN50 assignment 3e", config.shape("relu")
    single = [float(np.log10(one)) for one in _single(config, shape)]
    near, wide = (float(np.log10(found[name].values[1])) for name in ("relu_end", "relu_wide_end"))
    return (
        Erratum("decades_of_relu_at_t_10", where, config.printed_decades, wide, single[1], 0.01),
        Erratum("decades_drawn_at_t_1_of_the_wide_plot", where, wide, near, single[0], 0.01),
    )


def _single(config: Config, shape: Shape) -> tuple[float, float]:
    """f(θ* + tΔ)/f(θ*) at t = 1 and 10 of the network trained in float32."""
    x, y = _problem.points(config.points)
    start = from_torch(config.torch_seeds[0], "uniform", shape)
    slope = _problem.slope(x.astype(np.float32), y.astype(np.float32), shape)
    end = train(start, slope, rules.descent(), config.rate, config.epochs).theta.astype(float)
    values = [
        losses(end + t * direction(config), x, y, shape, "square")[0] for t in (0.0, 1.0, WIDE)
    ]
    return float(values[1] / values[0]), float(values[2] / values[0])
