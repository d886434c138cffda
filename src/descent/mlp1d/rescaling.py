"""Scaling one layer of a ReLU network up and the next one down keeps its function and changes its sharpness.

ReLU passes positive factors, so what the first layer gains the second can take back: the same function, the same loss,
but a Hessian that is scaled from both sides. A loss along a random direction changes with it, unless the direction is
given the norms of the network, row by row: then the scales drop out.

    W₁, b₁ → cW₁, cb₁ and W₂ → W₂/c, θ → Eθ:   f(Eθ) = f(θ),   H → E⁻¹HE⁻¹
    filter-normalised: every row of Δ's weights and each of its biases gets the norm of θ*'s

See: along the same directions the rescaled network is another landscape; the filter-normalised curves of both lie on
each other.

Source: FRTN50 assignment 3e, which compares landscapes along directions as drawn; arXiv 1703.04933 (rescaling),
1712.09913 (filter normalisation).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Index, Positive, experiment_config
from descent.maths.curvature import hessians
from descent.maths.network import Shape
from descent.mlp1d import _problem
from descent.mlp1d._ends import Config as EndsConfig
from descent.mlp1d._ends import Ends, along, directions, ends, line_of
from descent.mlp1d._filtered import filtered
from descent.result import Check, Result, measured, predicted, replicates

EPS = float(np.finfo(float).eps)


@experiment_config
class Config(EndsConfig):
    half: Index  # points of a line on each side of θ*
    rescale: Positive  # c

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.half <= 500:
            raise ValueError(f"half {self.half}: between 1 and 500")
        if not 1e-3 <= self.rescale <= 1e3 or 0.5 < self.rescale < 2:
            raise ValueError(
                f"rescale {self.rescale:g}: a factor 2 to 1000, either way; less hardly changes "
                "anything, more leaves no digits"
            )


def scales(shape: Shape, c: float) -> Float[np.ndarray, "1 P"]:
    """The diagonal of E."""
    E = np.ones((1, shape.parameters))
    (W1, b1), (W2, _) = shape.layers(E)[:2]
    W1 *= c
    b1 *= c
    W2 /= c
    return E


def predict(config: Config, end: Ends) -> xr.Dataset:
    """Loss, sharpness and filter-normalised lines of the rescaled network, from the one before."""
    (x, y), (shape, theta, _) = _problem.points(config.points), end
    E, t, delta = scales(shape, config.rescale), line_of(config.half), directions(config)
    H = hessians(theta, x, y, shape, "square")
    after = np.linalg.eigvalsh(H / E[:, :, None] / E[:, None, :])[:, -1]
    first = theta[:1]
    normal = along(first, filtered(delta, first, shape), t, config, shape)
    line = ("t", "replicate")
    return xr.Dataset(
        {
            "loss_predicted": predicted("network", end.losses, "f(θ*)"),
            "sharpness_predicted": predicted("network", after, "λ_max of E⁻¹HE⁻¹"),
            "filtered_predicted": predicted(line, normal, "f(θ* + tΔ), filter-normalised"),
        }
    )


def measure(config: Config, end: Ends) -> xr.Dataset:
    """The rescaled networks, and lines through the first one before and after."""
    (x, y), (shape, theta, _) = _problem.points(config.points), end
    there, t, delta = (
        theta * scales(shape, config.rescale),
        line_of(config.half),
        directions(config),
    )
    before, after = (
        np.linalg.eigvalsh(hessians(at, x, y, shape, "square"))[:, -1] for at in (theta, there)
    )
    first, moved = theta[:1], there[:1]
    raw, other = (along(at, delta, t, config, shape) for at in (first, moved))
    normal = along(moved, filtered(delta, moved, shape), t, config, shape)
    which, line = "network", ("t", "replicate")
    loss = np.array(
        [along(one[None], delta[:1], np.zeros(1), config, shape)[0, 0] for one in there]
    )
    return xr.Dataset(
        {
            "loss": measured(which, loss, "loss, rescaled"),
            "sharpness_before": measured(which, before, "λ_max at the end of training"),
            "sharpness": measured(which, after, "λ_max, rescaled"),
            "along": measured(line, raw, "f(θ* + tΔ)"),
            "rescaled": measured(line, other, "f(θ* + tΔ), rescaled"),
            "filtered": measured(line, normal, "f(θ* + tΔ), rescaled, filter-normalised"),
        },
        coords={
            "t": ("t", t, {"long_name": "t"}),
            which: (which, list(config.torch_seeds), {"long_name": "torch seed of the start"}),
            "replicate": replicates(config.replicates),
        },
        attrs={"rescale": config.rescale},
    )


def run(config: Config) -> Result:
    end = ends(config, "relu", 2 * config.half + 1)
    found, theory = measure(config, end), predict(config, end)
    ratio = found["rescaled"] / found["along"]
    apart = np.abs(np.log10(ratio.where(ratio > 0)))[[0, -1]]
    return Result(
        data=found.merge(theory),
        metrics={
            "sharpness_before": found["sharpness_before"].isel(network=0, drop=True),
            "sharpness_rescaled": found["sharpness"].isel(network=0, drop=True),
            "decades_between_the_landscapes": apart.median(),
        },
        checks=compare(found, theory),
    )


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    loss, sharpness = theory["loss_predicted"], theory["sharpness_predicted"]
    line, c = theory["filtered_predicted"], found.attrs["rescale"]
    largest = found["filtered"].max("t")
    scaled = 1e3 * EPS * max(c, 1 / c) ** 2
    why, units = "rounding of the scales", "rounding of the residuals, which are of order 1"
    return (
        Check("loss", found["loss"], "==", loss, 1e-13, units),
        Check(
            "sharpness", found["sharpness"], "==", sharpness, scaled * abs(found["sharpness"]), why
        ),
        Check("filtered_line", found["filtered"], "==", line, 1e5 * EPS * largest, why),
    )
