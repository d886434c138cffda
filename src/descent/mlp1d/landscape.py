"""How steep a loss landscape looks is a matter of scale: curvature is tr H, growth the depth, and rescaling weights changes both.

    f(θ* + tΔ), Δ ~ N(0, 1);   E ΔᵀHΔ = tr H,  Var ΔᵀHΔ = 2‖H‖²_F,  H = ∇²f(θ*)
    t → ±∞:  f ~ t^{2D} mean_i m₊(x_i; ±Δ)² for ReLU of D layers, m₊ without biases but the first: homogeneous;
             f ~ t² mean_i m₊(x_i; ±Δ)² for 4·sigmoid, m₊ with units 0 or 4: saturated
    W₁, b₁ → cW₁, cb₁ and W₂ → W₂/c, θ → Eθ, is the same ReLU network, but H → E⁻¹HE⁻¹
    filter-normalised: every row of Δ's weights and each of its biases gets the norm of θ*'s, so that E drops out

Source: FRTN50 assignment 3e; arXiv 1703.04933 (rescaling), 1712.09913 (filter normalisation). It draws Δ with standard
deviation 0.1 in place of 1, evaluates at an even number of points, so never at θ* itself, reseeds inside the loop over
layers, so that their directions share entries, and takes ends of training for minima.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Index, Positive, Refusal, Seed, experiment_config
from descent.maths.networks import Shape, activate, hessian_products, hessians, losses
from descent.maths.torch_stream import torch_start
from descent.mlp1d import problem
from descent.mlp1d.problem import Hidden, require_room
from descent.mlp1d.training import train
from descent.result import Check, Erratum, Result, replicates

LARGEST_HESSIAN = 1000  # parameters: 8 MB
SHAPES = {"relu": "relu", "sigmoid": "sigmoid4"}
FORMULA = {"relu": "ReLU", "sigmoid": "4·sigmoid"}
FAR = (1e4, 1e5)  # t between which growth is read off: what is left out is 1/t of it


@experiment_config
class Config:
    seed: Seed  # of the directions
    replicates: Count  # directions
    points: Count  # N
    epochs: Count
    hidden: Hidden
    rate: Positive
    torch_seeds: Annotated[
        tuple[Index, ...], Field(min_length=1)
    ]  # of the starts; the first is drawn
    half: Count  # points of a line or plane on each side of θ*
    rescale: Positive  # c
    difference: Positive  # h of second differences
    printed_grid: Index  # points on [−1, 1] in the document, an even number; or 0
    printed_scale: float = Field(ge=0)  # of its directions, or 0

    def __post_init__(self):
        if self.points < 3:
            raise ValueError(f"points {self.points}: must be at least 3")
        if self.replicates < 10:
            raise ValueError(
                f"replicates {self.replicates}: a mean over directions needs at least 10"
            )
        if self.difference > 0.1:
            raise ValueError(f"difference {self.difference:g} > 0.1: no longer a second derivative")
        if self.printed_grid % 2:
            raise ValueError(
                f"printed_grid {self.printed_grid}: an odd number of points contains θ*"
            )
        if self.rescale == 1:
            raise ValueError("rescale 1: leaves everything as it is")


def filtered(
    delta: Float[np.ndarray, "R P"], theta: Float[np.ndarray, "1 P"], shape: Shape
) -> Float[np.ndarray, "R P"]:
    """Δ with the norms of θ: every row of weights, and each bias."""
    scaled = delta.copy()
    for (dW, db), (W, b) in zip(shape.layers(scaled), shape.layers(theta), strict=True):
        dW *= np.linalg.norm(W, axis=2, keepdims=True) / np.linalg.norm(dW, axis=2, keepdims=True)
        db *= np.abs(b) / np.abs(db)
    return scaled


def along(
    theta: Float[np.ndarray, "1 P"],
    delta: Float[np.ndarray, "R P"],
    t: Float[np.ndarray, " T"],
    x: np.ndarray,
    y: np.ndarray,
    shape: Shape,
) -> Float[np.ndarray, "T R"]:
    """f(θ + tΔ)."""
    return np.array([losses(theta + step * delta, x, y, shape) for step in t])


def plane(theta, delta, t, x, y, shape: Shape) -> Float[np.ndarray, "T T"]:
    """f(θ + tΔ₁ + sΔ₂)."""
    return np.array(
        [losses(theta + u * delta[:1] + t[:, None] * delta[1:2], x, y, shape) for u in t]
    )


def leading(delta: Float[np.ndarray, "R P"], x: np.ndarray, shape: Shape) -> np.ndarray:
    """The coefficient of the highest power of t in f(θ + tΔ), from Δ alone."""
    layers, h = shape.layers(delta), x
    for l, (W, b) in enumerate(layers):
        z = h @ W.swapaxes(1, 2)
        if l == 0 or shape.activation != "relu":
            z = z + b
        if l == len(layers) - 1:
            break
        h = activate(z, "relu") if shape.activation == "relu" else 4.0 * (z > 0)
    return np.mean(z[..., 0] ** 2, 1)


def exponent(shape: Shape) -> int:
    """The highest power of t."""
    return 2 * (len(shape.widths) - 1) if shape.activation == "relu" else 2


def scales(shape: Shape, c: float) -> Float[np.ndarray, "1 P"]:
    """The diagonal of E."""
    E = np.ones((1, shape.parameters))
    (W1, b1), (W2, _) = shape.layers(E)[:2]
    W1 *= c
    b1 *= c
    W2 /= c
    return E


def correlation_of_layers() -> float:
    """Between the first entries of the directions of two layers when each is drawn from the same seed."""
    first, second = (np.random.RandomState(42).normal(size=10) for _ in range(2))  # as there
    return float(np.corrcoef(first, second)[0, 1])


def curvature_checks(name, theta, delta, x, y, shape: Shape, config: Config):
    """Traces, spectra and their checks for the networks θ (R, P)."""
    H = hessians(theta, x, y, shape)
    quadratic = np.array(
        [np.sum(delta * hessian_products(one[None], delta, x, y, shape), 1) for one in theta]
    )  # (network, direction)
    trace = np.trace(H, axis1=1, axis2=2)
    error = np.sqrt(2 / len(delta)) * np.linalg.norm(H, axis=(1, 2))
    z = np.abs(quadratic.mean(1) - trace) / error
    checks = [
        # The directions are shared, so one deviation shows in all networks; χ² is skewed.
        Check(f"trace_in_standard_errors/{name}", z.max(), "<=", 0.0, 4.0)
    ]
    if name == "sigmoid":  # smooth; ReLU has points on kinks
        h = config.difference
        rises = along(theta[:1], delta, np.array([-h, h]), x, y, shape).sum(0)
        second = (rises - 2 * losses(theta[:1], x, y, shape)) / h**2
        gap = np.median(np.abs(second / quadratic[0] - 1))
        # Fourth derivatives times h²/12, 2e-5 for h = 1e-3 (measured), and rounding 1e-16/h².
        checks.append(Check("second_differences", gap, "<=", 0.0, 1e3 * h**2 + 1e-16 / h**2))
    return np.linalg.eigvalsh(H), trace, quadratic, checks


def rescaling_checks(theta, delta, t, x, y, shape: Shape, config: Config):
    """What the scales c and 1/c leave as it is, and what not; θ: (1, P)."""
    E = scales(shape, config.rescale)
    there = theta * E
    H = hessians(theta, x, y, shape)[0]
    before, predicted, after = (
        float(np.linalg.eigvalsh(matrix)[-1])
        for matrix in (H, H / E / E.T, hessians(there, x, y, shape)[0])
    )
    raw, other = (along(at, delta, t, x, y, shape) for at in (theta, there))
    normal, same = (along(at, filtered(delta, at, shape), t, x, y, shape) for at in (theta, there))
    value = float(losses(theta, x, y, shape)[0])
    scale = np.abs(normal).max(0)
    checks = [
        Check("rescaled_loss", float(losses(there, x, y, shape)[0]), "==", value, 1e-13),
        Check("rescaled_sharpness_over_predicted", after / predicted, "==", 1.0, 1e-9),
        # Rounding of the scales, relative to the largest loss on the line.
        Check("filtered_landscape_rescaled", (np.abs(same - normal) / scale).max(), "<=", 0.0, 1e-10),
        # A factor of two at the ends of the median line at least, in log₁₀.
        Check("raw_landscape_rescaled", float(np.median(np.abs(np.log10(other / raw)[[0, -1]]))), ">=", np.log10(2), 0.0),
    ]  # fmt: skip
    return checks, {"sharpness_before": before, "sharpness_rescaled": after}, other


def run(config: Config) -> Result:
    x, y = problem.points(config.points)
    rng = np.random.default_rng(config.seed)
    P = Shape((1, *config.hidden, 1), "relu").parameters
    if P > LARGEST_HESSIAN:
        raise Refusal(
            f"hidden {list(config.hidden)}: {P} parameters > {LARGEST_HESSIAN} for a Hessian"
        )
    require_room(P, max(config.replicates, (2 * config.half + 1) ** 2))
    delta = rng.standard_normal((config.replicates, P))
    t = np.linspace(-1, 1, 2 * config.half + 1)
    far = np.geomspace(1e-2, FAR[1], 71)
    ends = np.array([-FAR[1], -FAR[0], FAR[0], FAR[1]])
    data, metrics, checks, errata = {}, {}, [], []
    for name, activation in SHAPES.items():
        shape = Shape((1, *config.hidden, 1), activation)
        start = np.concatenate([torch_start(seed, shape) for seed in config.torch_seeds]).astype(
            float
        )
        out = train(start, x, y, shape, config.rate, config.epochs)
        if out.diverged.any():
            raise Refusal(
                f"rate {config.rate:g}: {name} diverges, so there is no minimum to look at"
            )
        theta, formula = out.theta, FORMULA[name]
        one, value = theta[:1], float(out.losses[-1, 0])
        spectrum, trace, quadratic, found = curvature_checks(
            name, theta, delta, x, y, shape, config
        )
        checks += found
        normal = filtered(delta, one, shape)
        rise, rise_normal = (along(one, d, t, x, y, shape) for d in (delta, normal))
        D, wide = exponent(shape), along(one, delta, ends, x, y, shape)
        slopes = np.log(wide[[0, 3]] / wide[[1, 2]]) / np.log(FAR[1] / FAR[0])
        coefficient = np.array([leading(-delta, x, shape), leading(delta, x, shape)])
        alive = coefficient > 1e-6 * np.median(
            coefficient
        )  # else Δ is dead, and a lower power leads
        ratio = wide[[0, 3]][alive] / (coefficient[alive] * FAR[1] ** D)
        checks += [
            # Of order 1/t; larger for the few Δ whose leading coefficient is small.
            Check(f"growth_exponent/{name}", np.median(slopes[alive]) if alive.any() else np.nan, "==", D, 0.01),
            Check(f"leading_coefficient/{name}", np.median(ratio) if alive.any() else np.nan, "==", 1.0, 1e-3),
        ]  # fmt: skip
        grown = along(one, delta, far, x, y, shape)
        data |= {
            f"{name}_along": (("t", "replicate"), rise, {"long_name": f"f(θ* + tΔ), {formula}"}),
            f"{name}_filtered": (
                ("t", "replicate"),
                rise_normal,
                {"long_name": f"f(θ* + tΔ), {formula}, filter-normalised"},
            ),
            f"{name}_plane": (
                ("t", "s"),
                plane(one, delta, t, x, y, shape),
                {"long_name": f"f(θ* + tΔ₁ + sΔ₂), {formula}"},
            ),
            f"{name}_plane_filtered": (
                ("t", "s"),
                plane(one, normal, t, x, y, shape),
                {"long_name": f"the same, {formula}, filter-normalised"},
            ),
            f"{name}_far": (("far", "replicate"), grown, {"long_name": f"f(θ* + tΔ), {formula}"}),
            f"{name}_far_predicted": (
                "far",
                np.median(leading(delta, x, shape)) * far**D,
                {"long_name": f"t^{D}, from Δ alone", "role": "prediction"},
            ),
            f"{name}_trace": ("network", trace, {"long_name": f"tr H, {formula}"}),
            f"{name}_sharpness": ("network", spectrum[:, -1], {"long_name": f"λ_max, {formula}"}),
        }
        metrics |= {
            f"{name}_loss": value,
            f"{name}_trace": trace[0],
            f"{name}_trace_by_directions": quadratic[0].mean(),
            f"{name}_sharpness": spectrum[0, -1],
            f"{name}_lowest": spectrum[0, 0],
            f"{name}_exponent": np.median(slopes[alive]) if alive.any() else 0.0,
            f"{name}_alive_directions": alive.mean(),
            f"{name}_rise_median": np.median(rise[-1]) - value,
            f"{name}_rise_filtered_median": np.median(rise_normal[-1]) - value,
        }
        if name == "relu":
            more, numbers, rescaled = rescaling_checks(one, delta, t, x, y, shape, config)
            checks += more
            metrics |= numbers
            data["relu_rescaled"] = (
                ("t", "replicate"),
                rescaled,
                {"long_name": f"f, W₁ and b₁ times {config.rescale:g}, W₂ by it"},
            )
        elif spectrum[0, 0] < 0:
            v = np.linalg.eigh(hessians(one, x, y, shape)[0])[1][:, :1].T
            h = config.difference
            f = along(one, v, np.array([-h, 0, h]), x, y, shape)[:, 0]
            errata.append(
                Erratum(
                    "lowest_curvature_at_the_minimum_of_the_sigmoid",
                    "FRTN50 assignment 3e",
                    0.0,  # what a minimum has at the least
                    float((f[0] - 2 * f[1] + f[2]) / h**2),
                    spectrum[0, 0],
                    0.01 * abs(spectrum[0, 0]),
                )
            )
    metrics["relu_rises_more_fraction"] = np.mean(
        data["relu_along"][1][-1][:, None] > data["sigmoid_along"][1][-1]
    )
    dataset = xr.Dataset(
        data,
        coords={
            "t": ("t", t, {"long_name": "t"}),
            "s": ("s", t, {"long_name": "s"}),
            "far": ("far", far, {"long_name": "t"}),
            "network": ("network", list(config.torch_seeds), {"long_name": "torch seed of the start"}),
            "replicate": replicates(config.replicates),
        },
    )  # fmt: skip
    return Result(
        data=dataset,
        metrics=metrics,
        checks=tuple(checks),
        errata=(*errata, *flaws(config, delta)),
    )


def flaws(config: Config, delta: np.ndarray) -> tuple[Erratum, ...]:
    """Of how the document draws and evaluates directions."""
    found = []
    if config.printed_grid:
        grid = np.linspace(-1, 1, config.printed_grid)
        found.append(
            Erratum(
                "distance_of_the_grid_from_the_minimum",
                "FRTN50 assignment 3e",
                0.0,
                1 / (config.printed_grid - 1),
                float(np.abs(grid).min()),
                1e-12,
            )
        )
    if config.printed_scale:
        found += [
            Erratum(
                "standard_deviation_of_a_direction",
                "FRTN50 assignment 3e",
                config.printed_scale,
                1.0,
                float(delta.std()),
                4 / np.sqrt(2 * delta.size),  # four standard errors
            ),
            Erratum(
                "correlation_of_the_directions_of_two_layers",
                "FRTN50 assignment 3e",
                0.0,
                1.0,
                correlation_of_layers(),
                1e-12,
            ),
        ]
    return tuple(found)
