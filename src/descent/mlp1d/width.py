"""A width-1 network ends dead, at Var y, or no lower than the best single hinge; enough parameters pass that floor.

    m(x) = W_D relu(… relu(W₁x + b₁) …) + b_D,   θ ← θ − η∇f(θ),   P = Σ f_l(f_{l−1} + 1) parameters
    width 1: loss ≥ min over c₀, c₁, k of (1/N) Σ (c₀ + c₁ max(±(x_i − k), 0) − y_i)²
    dead (a hidden layer is 0 on all points) is for ever: no gradient reaches what is below. Once the last one is,
    only b_D moves:  loss_t − Var y = (1 − 2η)²⁽ᵗ⁻ˢ⁾ (loss_s − Var y)
    dead at the start, one hidden layer of f units:  4⁻ᶠ, since a unit wx + b, (w, b) ~ U[−1, 1]², is 0 on [−1, 1] iff b ≤ −|w|

Source: FRTN50 assignment 3a. Its narrow network was dead, not inflexible: what it prints as the loss of an
epoch is the mean of the losses so far, whose differences give back the losses, and they are Var y.
"""

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.networks import Shape, draw, forward
from descent.mlp1d import problem
from descent.mlp1d.problem import Hidden, constant_floor, hinge_floor, linear_floor, require_room
from descent.mlp1d.training import thinned, train
from descent.result import Check, Erratum, Result, replicates, steps, sweep


@experiment_config
class Config(problem.Config):
    hidden: tuple[Hidden, ...]  # widths of the hidden layers, in the order of their parameters
    rate: Positive  # η
    draws: Count  # starts whose dead are counted
    printed_epochs: tuple[Count, ...]  # two at which the document prints a mean of losses
    printed_narrow: tuple[Positive, ...]
    printed_wide: tuple[Positive, ...]

    def __post_init__(self):
        super().__post_init__()
        require_increasing("hidden: numbers of parameters", self.parameters)
        if self.epochs < 2:
            raise ValueError("epochs 1: half of them must be a step")
        if self.printed_epochs:
            require_increasing("printed_epochs", self.printed_epochs)
        if {len(self.printed_narrow), len(self.printed_wide), len(self.printed_epochs)} not in (
            {0},
            {2},
        ):
            raise ValueError(
                "printed_epochs, printed_narrow, printed_wide: two values each, or none"
            )

    @property
    def shapes(self) -> list[Shape]:
        return [Shape((1, *widths, 1), "relu") for widths in self.hidden]

    @property
    def parameters(self) -> tuple[int, ...]:
        return tuple(shape.parameters for shape in self.shapes)


def silent(
    theta: Float[np.ndarray, "R P"], x: Float[np.ndarray, "N 1"], shape: Shape
) -> Bool[np.ndarray, "R L"]:
    """Whether a hidden layer is 0 on all points."""
    layers = forward(theta, x, shape)[1:-1]
    return np.array([(h == 0).all((1, 2)) for h in layers]).T


def recovered_loss(epochs: tuple, means: tuple) -> float:
    """Mean loss between two epochs from the means of all losses up to them."""
    counts = np.array(epochs) + 1
    return float(np.diff(counts * np.array(means))[0] / np.diff(counts)[0])


def run(config: Config) -> Result:
    x, y = problem.points(config.points)
    variance, hinge = constant_floor(y), hinge_floor(x, y)
    half, kept = config.epochs // 2, thinned(config.epochs)
    R, names = config.replicates, ["-".join(map(str, widths)) for widths in config.hidden]
    swing = (1 - 2 * config.rate) ** 2  # of b_D alone; above 1 even a dead network diverges
    decay = swing ** (config.epochs - half) if swing <= 1 else np.inf
    curves, final, diverged, dead, checks, starts = [], [], [], [], [], []
    for index, (shape, widths) in enumerate(zip(config.shapes, config.hidden, strict=True)):
        require_room(shape.parameters, max(R, config.draws))
        theta = draw(np.random.default_rng([config.seed, index]), shape, R)
        out = train(theta, x, y, shape, config.rate, config.epochs, snapshots=(half,))
        middle, end = (silent(at, x, shape) for at in (out.snapshots[0], out.theta))
        end &= ~out.diverged[:, None]
        curves.append(out.losses[kept])
        final.append(out.losses[-1])
        diverged.append(out.diverged)
        dead.append(end.any(1))
        P = shape.parameters
        if len(widths) == 1:
            many = draw(np.random.default_rng([config.seed, index, 1]), shape, config.draws)
            share, p = silent(many, x, shape).mean(), 0.25 ** widths[0]
            starts.append((P, share))
            # Four standard errors of a share; one case more where few are expected.
            tol = 4 * np.sqrt(p * (1 - p) / config.draws) + 1 / config.draws
            checks.append(Check(f"dead_at_start/{names[index]}", share, "==", p, tol))
        if widths == (1,):
            # A loss is a sum of N squares: rounding of it.
            checks.append(Check("width_1_above_hinge", final[-1].min(), ">=", hinge, 1e-14))
        gone = middle[:, -1] & ~out.diverged
        if gone.any() and swing <= 1:
            expected = variance + decay * (out.losses[half, gone] - variance)
            gap = np.abs(out.losses[-1, gone] - expected).max()
            checks.append(Check(f"dead_tail/{names[index]}", gap, "<=", 0.0, 1e-13))
        back = (middle & ~end).any(1) & ~out.diverged
        checks.append(Check(f"dead_for_ever/{names[index]}", back.mean(), "==", 0.0, 0.0))
        if config.points < P:
            median = np.median(np.where(out.diverged, np.inf, out.losses[-1]))
            checks.append(Check(f"median_below_hinge/{names[index]}", median, "<=", hinge, 0.0))
    data = xr.Dataset(
        {
            "loss": (("parameters", "epoch", "replicate"), np.array(curves)),
            "final": (("parameters", "replicate"), np.array(final)),
            "dead": (("parameters", "replicate"), np.array(dead, float)),
            "diverged": (("parameters", "replicate"), np.array(diverged, float)),
        },
        coords={
            "parameters": sweep(config.parameters, "parameters", "number of parameters P"),
            "epoch": steps(kept, "epoch", "epoch"),
            "replicate": replicates(R),
        },
        attrs={
            "hidden": ",".join(names),
            "constant": variance,
            "line": linear_floor(x, y),
            "hinge": hinge,
        },
    )
    for name, text in (
        ("loss", "training loss"),
        ("final", "loss at the end"),
        ("dead", "dead at the end"),
        ("diverged", "diverged"),
    ):
        data[name].attrs["long_name"] = text
    errata = ()
    if config.printed_epochs and config.points == problem.DOCUMENT_POINTS:
        last = config.printed_epochs[1]
        narrow = recovered_loss(config.printed_epochs, config.printed_narrow)
        wide = recovered_loss(config.printed_epochs, config.printed_wide)
        # The document sums up to 2000 losses in float32: 300 ± 1.5e-5 a step, over 100 epochs.
        errata = (
            Erratum(
                f"narrow_loss_at_epoch_{last}",
                "FRTN50 assignment 3a",
                config.printed_narrow[1],
                variance,
                narrow,
                3e-5,
            ),
            # Of one draw, so known by order of magnitude only: it interpolates.
            Erratum(
                f"wide_loss_at_epoch_{last}",
                "FRTN50 assignment 3a",
                config.printed_wide[1],
                0.0,
                wide,
                1e-4,
            ),
        )
    metrics = {
        "final_median": data["final"].median("replicate"),
        "final_p05": data["final"].quantile(0.05, "replicate"),
        "final_p95": data["final"].quantile(0.95, "replicate"),
        "dead_fraction": data["dead"].mean("replicate"),
        "diverged_fraction": data["diverged"].mean("replicate"),
        "constant_floor": variance,
        "linear_floor": data.attrs["line"],
        "hinge_floor": hinge,
    }
    if starts:
        which, shares = zip(*starts, strict=True)
        at = {"parameters": data["parameters"].sel(parameters=list(which))}
        metrics["dead_share_at_start"] = xr.DataArray(list(shares), at)
    return Result(data=data, metrics=metrics, checks=tuple(checks), errata=errata)
