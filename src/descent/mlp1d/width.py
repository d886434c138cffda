"""A network with one hidden unit never beats the best hinge, and one that is dead can only fit a constant.

With one unit the network is a constant plus one hinge, so no training gets below the best of these. A layer whose units
are 0 on all points passes no gradient down: it stays dead, and from then on only the last bias moves.

    m(x) = W_D relu(… relu(W₁x + b₁) …) + b_D,   θ ← θ − η∇f(θ),   P = Σ f_l(f_{l−1} + 1) parameters
    one unit:   loss ≥ min over c₀, c₁, k of (1/N) Σ (c₀ + c₁ max(±(x_i − k), 0) − y_i)²
    last layer dead at the start:   loss_t − Var y = (1 − 2η)²ᵗ (loss_0 − Var y)
    only layer dead at the start: 4⁻ᶠ, since a unit wx + b, (w, b) ~ U[−1, 1]², is 0 on [−1, 1] iff b ≤ −|w|

See: on the right, the smallest network ends on two steps: dead at Var y, or on one hinge. None is below the dotted
line, which the larger networks pass.

Source: FRTN50 assignment 3a. It takes its narrow network for inflexible, but that one was dead: see mlp1d@running_mean.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths import rules
from descent.maths.initialise import initialise
from descent.maths.network import Shape
from descent.maths.sampling import share
from descent.maths.times import log_spaced
from descent.maths.training import train
from descent.mlp1d import _problem
from descent.mlp1d._problem import DRAWN, Hidden, constant_floor, hinge_floor, linear_floor, silent
from descent.result import Check, Result, bound, measured, predicted, replicates, steps, sweep

EPS = float(np.finfo(float).eps)


@experiment_config
class Config(_problem.Config):
    hidden: tuple[Hidden, ...]  # widths of the hidden layers, in the order of their parameters
    rate: Positive  # η
    draws: Count  # starts whose dead are counted

    def __post_init__(self):
        super().__post_init__()
        require_increasing("hidden: numbers of parameters", self.parameters)
        if self.epochs < 2:
            raise ValueError("epochs 1: half of them must be a step")
        if self.draws < 100:
            raise ValueError(
                f"draws {self.draws} < 100: too few to tell a share of 1/4 from chance"
            )

    @property
    def shapes(self) -> list[Shape]:
        return [Shape((1, *widths, 1), "relu") for widths in self.hidden]

    @property
    def parameters(self) -> tuple[int, ...]:
        return tuple(shape.parameters for shape in self.shapes)

    @property
    def single(self) -> list[int]:
        """Places of the networks with one hidden layer."""
        return [k for k, widths in enumerate(self.hidden) if len(widths) == 1]

    @property
    def dying(self) -> float:
        """Factor a step of what the last bias is off."""
        return 1 - 2 * self.rate


def predict(config: Config, found: xr.Dataset) -> xr.Dataset:
    """The hinge, the share of dead starts, and the losses of the dead from their first one."""
    x, y = _problem.points(config.points)
    variance, first = constant_floor(y), found["dead_loss"].isel(epoch=0, drop=True)
    with np.errstate(over="ignore", under="ignore"):
        decay = abs(config.dying) ** (2.0 * found["epoch"])
        curve = (variance + decay * (first - variance)).transpose("case", "epoch")
    shares = [0.25 ** config.hidden[k][0] for k in config.single]
    return xr.Dataset(
        {
            "hinge_bound": bound((), hinge_floor(x, y), "best single hinge"),
            "dead_share_predicted": predicted("units", shares, "4⁻ᶠ"),
            "dead_loss_predicted": predicted(
                ("case", "epoch"), curve.values, "Var y + (1 − 2η)²ᵗ(loss₀ − Var y)"
            ),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Training of every network, and many more starts."""
    x, _ = _problem.points(config.points)
    runs, shares = [], []
    for shape in config.shapes:
        _problem.require_room(shape, config.replicates, config.points, config.epochs)
        _problem.require_room(shape, config.draws, config.points)
    _problem.require_hour(config.shapes, config.replicates, config.points, config.epochs)
    for index, shape in enumerate(config.shapes):
        runs.append(_train(config, index, shape))
        if index in config.single:
            rng = np.random.default_rng([config.seed, index, 1])
            many = initialise(rng, "uniform", shape, config.draws)
            shares.append(silent(many, x, shape).mean())
    kinds = sweep(config.parameters, "parameters", "number of parameters P")
    data = xr.concat([run.drop_vars("dead_loss") for run in runs], kinds)
    dead = xr.concat([run["dead_loss"] for run in runs], "case")
    counts = [config.hidden[k][0] for k in config.single]
    return data.assign(
        dead_loss=dead.transpose("case", "epoch"),
        dead_share=measured("units", np.array(shares, float), "share of starts that are dead"),
    ).assign_coords(
        case=("case", np.arange(dead.sizes["case"]), {"long_name": "network dead at its start"}),
        units=sweep(np.array(counts, int), "units", "units f of the only hidden layer"),
    )


def _train(config: Config, index: int, shape: Shape) -> xr.Dataset:
    x, y = _problem.points(config.points)
    kept, half, R = log_spaced(config.epochs, DRAWN), config.epochs // 2, config.replicates
    theta = initialise(np.random.default_rng([config.seed, index]), "uniform", shape, R)
    slope = _problem.slope(x, y, shape)
    out = train(theta, slope, rules.descent(), config.rate, config.epochs, keep=(half,))
    middle, end = (silent(at, x, shape) for at in (out.kept[0], out.theta))
    revived = (middle & ~end).any(1) & ~out.is_lost
    loss = out.losses[kept]
    each = "replicate"
    return xr.Dataset(
        {
            "loss": measured(("epoch", each), loss, "training loss"),
            "final": measured(each, out.losses[-1], "loss at the end"),
            "dead": measured(each, (end.any(1) & ~out.is_lost).astype(float), "dead at the end"),
            "diverged": measured(each, out.is_lost.astype(float), "diverged"),
            "revived": measured(each, revived.astype(float), "dead halfway, not at the end"),
            "dead_loss": measured(
                ("epoch", "case"), loss[:, silent(theta, x, shape)[:, -1]], "loss of the dead"
            ),
        },
        coords={"epoch": steps(kept, "epoch", "epoch"), each: replicates(R)},
    )


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    x, y = _problem.points(config.points)
    hinge = float(theory["hinge_bound"])
    at = sweep([config.parameters[k] for k in config.single], "parameters", "parameters P")
    names = ",".join("-".join(map(str, widths)) for widths in config.hidden)
    final, unchecked = found["final"], {}
    if abs(config.dying) >= 1:
        unchecked["dead_loss"] = f"rate {config.rate:g} ≥ 1: the last bias leaves for infinity"
    elif not found.sizes["case"]:
        unchecked["dead_loss"] = f"no network of {config.replicates} is dead at its start"
    return Result(
        data=found.merge(theory).assign_attrs(hidden=names, constant=constant_floor(y)),
        metrics={
            "final_median": final.median("replicate"),
            "final_p05": final.quantile(0.05, "replicate"),
            "final_p95": final.quantile(0.95, "replicate"),
            "dead_fraction": found["dead"].mean("replicate"),
            "diverged_fraction": found["diverged"].mean("replicate"),
            "below_hinge_fraction": (final < hinge).mean("replicate"),
            "constant_floor": constant_floor(y),
            "linear_floor": linear_floor(x, y),
            "hinge_floor": hinge,
        }
        | (
            {"dead_share_at_start": xr.DataArray(found["dead_share"].values, {"parameters": at})}
            if config.single
            else {}
        ),
        checks=compare(config, found, theory, tuple(unchecked)),
        no_claim=("hidden: no network with one hidden unit, [1]",)
        if (1,) not in config.hidden
        else (),
        unchecked=unchecked,
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, left: tuple[str, ...]
) -> tuple[Check, ...]:
    checks = [
        Check("revived_networks", found["revived"], "==", 0, 0, "no gradient passes a dead layer")
    ]
    if config.single:
        expected = theory["dead_share_predicted"]
        with np.errstate(invalid="ignore"):  # what is no probability holds nowhere
            part = share(found["dead_share"] * config.draws, config.draws, expected)
        checks.append(Check("dead_share", part.value, "==", expected, part.tol, part.why))
    if (1,) in config.hidden:
        least, why = found["final"].sel(parameters=4), "rounding of a mean of squares"
        checks.append(Check("one_unit", least, ">=", theory["hinge_bound"], 1e-14, why))
    if "dead_loss" not in left:
        curve, why = found["dead_loss"], "a rounding of b_D a step, which the next steps shrink"
        tol = 8 * EPS * min(config.epochs, 1 / (1 - abs(config.dying))) * (1 + curve[:, 0])
        checks.append(Check("dead_loss", curve, "==", theory["dead_loss_predicted"], tol, why))
    return tuple(checks)
