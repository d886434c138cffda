"""The mean squared gradient of every layer of a random ReLU network is a product of n_k v_k/2 before it and n_{k−1} v_k/2 behind it, at any width.

    G_l = ∂(u·f)/∂W_l = δ_l h_{l−1}ᵀ,   W_k: (n_k, n_{k−1}) with Var W_k = v_k = s_k²/n_{k−1}
    E‖G_l‖² = ‖x‖² ‖u‖² ∏_{k<l} (n_k v_k/2) ∏_{k>l} (n_{k−1} v_k/2)
    E‖h_l‖⁴/(E‖h_l‖²)² = ∏_{k≤l} (1 + 5/n_k) for Gaussian weights
    G_l(aW) = a^(L−1) G_l(W) for a > 0

Forward, h: given h_{k−1}, a pre-activation z is symmetric, so E max(z, 0)² = E z²/2 = v_k‖h_{k−1}‖²/2. Behind
l, tangents t: given h_{k−1} and t_{k−1}, turning w → −w keeps (w·t)² and flips the gate, so that
E 1[w·h > 0] (w·t)² = v_k‖t‖²/2. Neither wants wide layers or Gaussian weights: uniform ones will do. The
fourth moment does want them: E max(z, 0)⁴ = 3(E z²)²/2.

Norms are nearly lognormal, so a mean of N networks is known to √((κ − 1)/N) of itself, κ the kurtosis. The
ratios ‖h_k‖²/‖h_{k−1}‖² of the layers are independent, each with a light tail: the law of the fourth moment is
tested on the product of their kurtoses, which N networks resolve where ‖h_L‖⁴ itself is beyond them.

Source: CS182 homework 2, question 5a, which compares gradient norms of initialisations; arXiv 1502.01852;
arXiv 1801.03744 (the fourth moment).
"""

from itertools import pairwise
from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config
from descent.initialisation.relu import backward, forward, kurtosis
from descent.maths.replicates import replicate
from descent.result import Check, Result

LAWS = ("normal", "uniform")
CHUNK = 500  # networks drawn at once
RESOLVED = 0.1  # predicted standard error of a mean, relative, at the most


@experiment_config
class Config:
    seed: Seed
    networks: Count  # of each law, in chunks of CHUNK
    widths: Annotated[tuple[Count, ...], Field(min_length=3)]  # n_0, n_1 … n_L
    variances: tuple[Positive, ...]  # s_l² = n_{l−1} Var W_l, one a layer
    scale: Positive  # a of the homogeneity

    def __post_init__(self):
        if len(self.variances) != self.depth:
            raise ValueError(
                f"{len(self.variances)} variances, {self.depth} layers between {len(self.widths)} widths"
            )
        if self.networks < 2:
            raise ValueError("networks 1: a standard error needs at least 2")
        reaching = self.networks * np.prod(1 - 0.5 ** np.array(self.widths[1:-1]))
        if reaching < 10:
            raise ValueError(
                f"widths {list(self.widths)}: in a layer of n neurons all are off with probability 2^(−n), so "
                f"that about {reaching:.1g} of {self.networks} networks are on to the end; at least 10"
            )
        spread = np.sqrt((np.prod([kurtosis(n) for n in self.widths[1:-1]]) - 1) / self.networks)
        if spread > RESOLVED:
            raise ValueError(
                f"networks {self.networks}: the mean of ‖G_l‖², of kurtosis ∏ (1 + 5/n_k), is known to "
                f"√((κ − 1)/N) = {spread:.2g} of itself; at most {RESOLVED:g}"
            )
        if abs(2 * self.depth * np.log10(self.scale)) >= 60:
            raise ValueError(
                f"scale {self.scale:g}: its power {2 * self.depth} leaves 1e-60 … 1e60"
            )
        with np.errstate(over="ignore", under="ignore"):
            square = second_moments(self.widths, self.variances)
        if not (square.min() > 1e-60 and square.max() < 1e60):
            raise ValueError(
                f"variances {list(self.variances)}: E‖G_l‖² = {square.min():.2g} … {square.max():.2g} "
                "leaves 1e-60 … 1e60"
            )

    @property
    def depth(self) -> int:
        """L, with the output layer."""
        return len(self.widths) - 1


def second_moments(
    widths: tuple[int, ...], variances: tuple[float, ...]
) -> Float[np.ndarray, " L"]:
    """E‖G_l‖²/(‖x‖²‖u‖²) for l = 1 … L."""
    n, s2 = np.array(widths), np.array(variances)
    before = s2[:-1] * n[1:-1] / n[:-2] / 2  # n_k v_k/2 for k < L
    behind = s2[1:] / 2  # n_{k−1} v_k/2 for k > 1
    return np.append(1.0, np.cumprod(before)) * np.append(np.cumprod(behind[::-1])[::-1], 1.0)


class Norms(NamedTuple):
    """Of N networks with one x and u of length 1, and the largest errors of the homogeneity."""

    gradient: Float[np.ndarray, "N L"]  # ‖G_l‖²
    ratio: Float[np.ndarray, "N H"]  # ‖h_l‖²/‖h_{l−1}‖² of the hidden layers; nan once all is off
    scaled: float  # over the typical norm, for `scale`
    doubled: float  # for 2, which is exact in binary


def _run(rng, config: Config, law: str, count: int) -> Norms:
    n = config.widths
    weights = []
    for fan_in, out, s2 in zip(n[:-1], n[1:], config.variances, strict=True):
        shape, sd = (count, out, fan_in), np.sqrt(s2 / fan_in)
        bound = np.sqrt(3) * sd
        weights.append(
            sd * rng.standard_normal(shape)
            if law == "normal"
            else rng.uniform(-bound, bound, shape)
        )
    x, u = (v / np.linalg.norm(v) for v in (rng.standard_normal(n[0]), rng.standard_normal(n[-1])))

    def norms(weights):
        h = forward(weights, x)
        delta = backward(weights, h, u)
        squares = [np.vecdot(a, a) for a in h]
        product = [np.vecdot(d, d) * s for d, s in zip(delta, squares, strict=True)]
        return np.stack(product, 1), squares

    gradient, squares = norms(weights)
    ratio = np.stack(
        [np.divide(b, a, out=np.full(count, np.nan), where=a > 0) for a, b in pairwise(squares)], 1
    )
    few = [W[:20] for W in weights]
    errors = []
    for a in (config.scale, 2.0):
        found = np.sqrt(norms([a * W for W in few])[0])
        expected = a ** (config.depth - 1) * np.sqrt(gradient[:20])
        # Over the typical norm of the layer: a norm much below it is what cancellation has left.
        size = np.sqrt(np.mean(expected**2, 0))
        errors.append(float((np.abs(found - expected) / np.maximum(size, 1e-300)).max()))
    return Norms(gradient, ratio, *errors)


def product_of_kurtoses(ratio: Float[np.ndarray, "N H"]) -> tuple[np.ndarray, np.ndarray]:
    """E Q²/(E Q)² of every layer over the networks that it reaches, and its standard error."""
    N = np.isfinite(ratio).sum(0)
    Q = ratio / np.nanmean(ratio, 0)
    value = np.nanmean(Q * Q, 0)
    # Delta method: of mean(Q²)/mean(Q)² around mean Q = 1.
    return value, np.nanstd(Q * Q - 2 * value * Q, 0, ddof=1) / np.sqrt(N)


def run(config: Config) -> Result:
    sizes = np.diff(np.append(np.arange(0, config.networks, CHUNK), config.networks))
    tasks = [(config, law, int(size)) for law in LAWS for size in sizes]
    chunks = replicate(_run, config.seed, tasks)
    found = {}
    for k, law in enumerate(LAWS):
        own = chunks[k * len(sizes) : (k + 1) * len(sizes)]
        found[law] = Norms(
            np.concatenate([c.gradient for c in own]), np.concatenate([c.ratio for c in own]),
            max(c.scaled for c in own), max(c.doubled for c in own),
        )  # fmt: skip
    exact = second_moments(config.widths, config.variances)
    hidden = config.widths[1:-1]
    mean = {law: one.gradient.mean(0) for law, one in found.items()}
    error = {
        law: one.gradient.std(0, ddof=1) / np.sqrt(config.networks) for law, one in found.items()
    }
    layered, layered_error = product_of_kurtoses(found["normal"].ratio)
    fourth, fourth_error = np.cumprod(layered), np.sqrt(np.cumsum((layered_error / layered) ** 2))
    law4 = np.cumprod([kurtosis(n) for n in hidden])
    checks = [
        # |z| ≤ 4 of nearly normal means; Config refuses an N that does not resolve them.
        Check(
            f"{law}_gradient_in_standard_errors",
            np.abs((mean[law] - exact) / error[law]).max(),
            "<=",
            0.0,
            4.0,
        )
        for law in LAWS
    ]
    checks += [
        Check(
            "fourth_moment_in_standard_errors",
            np.abs((fourth - law4) / (fourth * fourth_error)).max(),
            "<=",
            0.0,
            4.0,
        ),
        # Rounding of 2L products of sums, each of the largest width at the most.
        Check(
            "homogeneity",
            max(one.scaled for one in found.values()),
            "<=",
            0.0,
            4 * config.depth * max(config.widths) * np.finfo(float).eps,
        ),
        Check(
            "homogeneity_under_doubling", max(one.doubled for one in found.values()), "<=", 0.0, 0.0
        ),
    ]
    layers = ("layer", np.arange(config.depth) + 1, {"long_name": "layer l"})
    data = xr.Dataset(
        {
            f"{law}_gradient": ("layer", mean[law], {"long_name": f"mean of ‖G_l‖², {law} weights"})
            for law in LAWS
        }
        | {
            f"{law}_error": (
                "layer",
                error[law],
                {"long_name": f"standard error of the mean of ‖G_l‖², {law} weights"},
            )
            for law in LAWS
        }
        | {
            "gradient_predicted": (
                "layer",
                exact,
                {"long_name": "∏_{k<l} n_k v_k/2 ∏_{k>l} n_{k−1} v_k/2", "role": "prediction"},
            ),
            "fourth": (
                "hidden",
                fourth,
                {"long_name": "E‖h_l‖⁴/(E‖h_l‖²)²"},
            ),
            "fourth_error": ("hidden", fourth * fourth_error, {"long_name": "its standard error"}),
            "fourth_predicted": (
                "hidden",
                law4,
                {"long_name": "∏ (1 + 5/n_k)", "role": "prediction"},
            ),
        },
        coords={
            "layer": layers,
            "hidden": ("hidden", np.arange(len(hidden)) + 1, {"long_name": "hidden layer l"}),
        },
        attrs={"networks": config.networks},
    )
    return Result(
        data=data,
        metrics={
            name: data[name]
            for name in (
                "normal_gradient",
                "uniform_gradient",
                "gradient_predicted",
                "fourth",
                "fourth_predicted",
            )
        }
        | {f"{law}_relative_error": float((error[law] / exact).max()) for law in LAWS},
        checks=tuple(checks),
    )
