"""What the document prints as gradient norms are weight norms; gradients are 1e-6 at its small start, 1e5 at its large one.

    starts: W_l ~ U(±c) for small and large c, U(±√(2/fan_in)) for what it calls He; biases zero
    true norms: ‖∇_{W_l} f‖, f(θ) = (1/N) Σ_i (m(x_i) − y_i)², over all N points
    small starts, m ≈ 0:  E‖∇_{W_l} f‖² = C_l (a₊² + a₋² + 2a₊a₋ r_l),   a_± = −(2/N) Σ_{±x_i>0} y_i|x_i|
      C_l = ∏_{k<l} (n_k v_k/2) ∏_{k>l} (n_{k−1} v_k/2),   v_k the variance of W_k, n_k its rows: exact
      r_l = ρ_{l−1} ∏_{l≤k<D} κ₀(ρ_{k−1}),   ρ₀ = −1, ρ_k = κ₁(ρ_{k−1}):  what x = 1 and x = −1 share
      κ₀(ρ) = (π − θ)/π,   κ₁(ρ) = (sin θ + (π − θ) cos θ)/π,   ρ = cos θ:  arc-cosine kernels
    r_1 = r_2 = 0 exactly, since no unit of the first layer sees both; the others are limits of wide layers.

Source: CS182 homework 2, question 6a, d, f; arc-cosine kernels: Cho and Saul (2009). A start of He's needs variance
2/fan_in, but a uniform law of half-width √(2/fan_in) has a third of that.
"""

from itertools import pairwise

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config
from descent.features import halves, problem
from descent.features.problem import (
    FORMULA,
    Hidden,
    Start,
    limit,
    require_room,
    require_scale,
    starts,
    torch_starts,
    variance,
)
from descent.maths.networks import Shape, gradients
from descent.result import Check, Erratum, Result, replicates, sweep

PRINTED_AT = {"small": (200, 0.03), "large": (300, 3), "student": (600, "student")}  # seed, start
SHOWN = 1000  # networks whose norms are kept
CHUNK = 500  # networks at once


@experiment_config
class Config(problem.Data):
    seed: Seed
    replicates: Count  # networks of each start
    hidden: Hidden
    small: Positive  # c
    large: Positive
    small_seed: Seed  # of torch
    large_seed: Seed
    he_seed: Seed
    printed_small: tuple[Positive, ...]  # norms of W₁, …, W_D, or none
    printed_large: tuple[Positive, ...]
    printed_he: tuple[Positive, ...]

    def __post_init__(self):
        if self.replicates < 100:
            raise ValueError(f"replicates {self.replicates}: a root mean square needs at least 100")
        if not self.small < self.large:
            raise ValueError(f"small {self.small:g} must be below large {self.large:g}")
        require_scale("small", self.small, self.hidden)
        require_scale("large", self.large, self.hidden)
        for name in ("small", "large", "he"):
            given = len(getattr(self, f"printed_{name}"))
            if given not in (0, len(self.hidden) + 1):
                raise ValueError(f"printed_{name}: {given} values, must be one a layer or none")


def kappa0(rho: float) -> float:
    return 1 - np.arccos(rho) / np.pi


def kappa1(rho: float) -> float:
    theta = np.arccos(rho)
    return (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi


def scale(widths: tuple[int, ...], v: list[float]) -> np.ndarray:
    """C_l: (D,)."""
    D = len(v)
    forward = [widths[k + 1] * v[k] / 2 for k in range(D)]
    backward = [widths[k] * v[k] / 2 for k in range(D)]
    return np.array([np.prod(forward[:l]) * np.prod(backward[l + 1 :]) for l in range(D)])


def shared(D: int) -> np.ndarray:
    """r_l: (D,)."""
    rho = [-1.0]
    for _ in range(D - 1):
        rho.append(kappa1(rho[-1]))
    return np.array([rho[l] * np.prod([kappa0(r) for r in rho[l : D - 1]]) for l in range(D)])


def layer_norms(theta: np.ndarray, shape: Shape) -> np.ndarray:
    """Norms of the matrices of one network, in float64."""
    return np.array([np.linalg.norm(W.astype(float)) for W, _ in shape.layers(theta)])


def run(config: Config) -> Result:
    x, y = config.sample()
    shape = Shape((1, *config.hidden, 1), "relu")
    D, R = len(shape.widths) - 1, config.replicates
    require_room(min(CHUNK, R) * 2 * shape.parameters, f"hidden {list(config.hidden)}")
    rng = np.random.default_rng(config.seed)
    kinds: dict[str, Start] = {"small": config.small, "large": config.large}
    kinds |= {name: name for name in FORMULA}
    seeds = {"small": config.small_seed, "large": config.large_seed}
    printed = {
        "small": config.printed_small,
        "large": config.printed_large,
        "student": config.printed_he,
    }
    where = {
        "small": "CS182 homework 2, question 6a: norms of gradients at the small start",
        "large": "CS182 homework 2, question 6d: norms of gradients at the large start",
        "student": "CS182 homework 2, question 6f: norms of gradients at the start called He",
    }

    data, metrics, checks, errata, gaps = {}, {}, [], [], []
    for name, kind in kinds.items():
        many = np.concatenate(
            [
                halves.gradient_norms(starts(rng, kind, shape, min(CHUNK, R - first)), x, y, shape)
                for first in range(0, R, CHUNK)
            ]
        )
        one = torch_starts(seeds.get(name, config.he_seed), kind, shape)
        weights = layer_norms(one, shape)
        true = layer_norms(gradients(one.astype(float), x, y, shape)[1], shape)
        halved = halves.gradient_norms(one.astype(float), x, y, shape)[0]
        gaps.append(np.abs(halved - true).max() / max(true.max(), 1e-300))
        text = FORMULA.get(name, f"U(±{limit(kind, 1, 1):g})")
        data |= {
            f"{name}_gradient": (("layer", "replicate"), many[:SHOWN].T, {"long_name": f"gradient, {text}"}),
            f"{name}_true": ("layer", true, {"long_name": f"gradient at the document's seed, {text}"}),
            f"{name}_weight": ("layer", weights, {"long_name": f"weights at the document's seed, {text}"}),
        }  # fmt: skip
        metrics |= {
            f"{name}_gradient_median": xr.DataArray(np.median(many, axis=0), dims="layer"),
            f"{name}_gradient_rms": xr.DataArray(np.sqrt(np.mean(many**2, axis=0)), dims="layer"),
            f"{name}_gradient": xr.DataArray(true, dims="layer"),
            f"{name}_weights": xr.DataArray(weights, dims="layer"),
        }
        if name == "small":
            square = many**2
        # What is printed is of the document's stream and start alone.
        as_printed = (seeds.get(name, config.he_seed), kind) == PRINTED_AT.get(name)
        if printed.get(name) and as_printed:
            given = np.array(printed[name])
            # Eight decimals of sums in float32.
            gap = np.abs(weights / given - 1).max()
            checks.append(Check(f"{name}_printed_are_weights", gap, "<=", 0.0, 1e-6))
            errata += [
                Erratum(f"{name}_gradient_norm_{l + 1}", where[name], p, halved[l], true[l], 1e-9 * halved[l])
                for l, p in enumerate(printed[name])
            ]  # fmt: skip
        if name == "student" and config.printed_he and as_printed:
            # (1/n) Σ w² of all n weights, over 2/fan_in each; a square of U has standard deviation 0.9 of its mean.
            sizes = np.array([a * b for a, b in pairwise(shape.widths)])
            found = np.sum(given**2 * shape.widths[:-1]) / 2 / sizes.sum()
            share = variance(kind, 1, 1) / 2
            errata.append(
                Erratum("he_variance_times_half_the_fan_in", "CS182 homework 2, question 6f: the start called He",
                        1.0, share, found, 4 * np.sqrt(0.8 / sizes.sum()) * share)
            )  # fmt: skip

    v = [variance(config.small, *pair) for pair in pairwise(shape.widths)]
    (plus, minus), _ = halves.moments(x, y)
    C, r = scale(shape.widths, v), shared(D)
    predicted = C * (plus**2 + minus**2 + 2 * plus * minus * r)
    # Four standard errors; and each of the D − 1 layers moves r by about 1/width of itself.
    spread = 4 * square.std(axis=0) / np.sqrt(R)
    finite = C * np.abs(2 * plus * minus * r) * sum(1 / n for n in config.hidden)
    rms = np.sqrt(square.mean(axis=0))
    checks += [
        Check(f"small_mean_square_over_theory/layer_{l + 1}", square[:, l].mean() / predicted[l], "==", 1.0,
              (spread + finite)[l] / predicted[l])
        for l in range(D)
    ]  # fmt: skip
    checks.append(Check("norms_from_two_points", max(gaps), "<=", 0.0, 1e-12))
    ends = np.abs(halves.moments(x, y)[1]).max() * np.sqrt(np.prod([n * u for n, u in zip(shape.widths, v, strict=False)]) / 2 ** (D - 1))  # fmt: skip
    metrics |= {
        "small_gradient_rms_predicted": xr.DataArray(np.sqrt(predicted), dims="layer"),
        "a_plus": plus,
        "a_minus": minus,
        "small_output_over_targets": ends / np.hypot(plus, minus),
    }
    data |= {
        "small_rms": ("layer", rms, {"long_name": "root mean square over networks"}),
        "small_predicted": ("layer", np.sqrt(predicted), {"long_name": "predicted", "role": "prediction"}),
    }  # fmt: skip
    layer = sweep(range(1, D + 1), "layer", "layer")
    return Result(
        data=xr.Dataset(data, coords={"layer": layer, "replicate": replicates(min(SHOWN, R))}),
        metrics={
            key: value.assign_coords(layer=layer) if isinstance(value, xr.DataArray) else value
            for key, value in metrics.items()
        },
        checks=tuple(checks),
        errata=tuple(errata),
    )
