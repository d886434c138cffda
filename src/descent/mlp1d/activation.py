"""A 4·sigmoid network that has not yet bent waits at the loss of the best straight line.

Gradient descent fits a constant and a slope first, because these change the outputs at all points alike, and bends
the network so slowly that it seems to have stopped. That is a question of time and of the method, not of the
activation: Adam goes on in the same number of epochs. ReLU bends at once.

    φ(z) = max(z, 0) or 4/(1 + e^{−z}),   θ ← θ − η∇f(θ), at each rate η from the same fresh starts
    m = line + rest, the rest orthogonal to all lines on the points, of size b² = mean rest²
    f = mean (line − best line)² + mean (rest − r)²,   r = y − best line,   mean r² = f_line
    lines settle as (1 − ηλ)ᵗ, λ from the network's kernel K on lines; so for a settled one |f − f_line| ≤ 2b√f_line + b²,
    and what the slow rest pulls the line along: mean (K_ll⁻¹ K_lr r)²

See: in the middle, the smallest rate waits on the dashed line. On the right, weights that are carried from rate to
rate, as in the document, make the largest rate look worst for ReLU, and fresh ones make it look best.

Source: FRTN50 assignment 3b. It never draws new weights, so that each rate starts where the one before ended: at a
minimum too sharp for a larger rate, which then throws it out.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Positive, experiment_config, require_increasing
from descent.maths import rules
from descent.maths.initialise import initialise
from descent.maths.network import Shape
from descent.maths.times import log_spaced
from descent.maths.training import Run, train
from descent.mlp1d import _problem
from descent.mlp1d._line import described, straight
from descent.mlp1d._networks import FORMULA, SHAPES
from descent.mlp1d._problem import DRAWN, Hidden, constant_floor, linear_floor
from descent.result import Check, Erratum, Result, measured, predicted, replicates, steps, sweep

DOCUMENT = {"hidden": (10, 10), "rates": (0.02, 0.05, 0.1, 0.3), "points": 7}


@experiment_config
class Config(_problem.Config):
    hidden: Hidden
    rates: tuple[Positive, ...]  # η
    claim_bend: Positive  # share of a network's variance up to which it counts as a line
    stuck_loss: Positive  # loss above which a network is counted as stuck; nothing is claimed of it
    adam_rate: Positive
    printed_chained: tuple[Positive, ...]  # ReLU at the last two rates of 3b

    def __post_init__(self):
        super().__post_init__()
        require_increasing("rates", self.rates)
        if self.claim_bend > 0.1:
            raise ValueError(f"claim_bend {self.claim_bend:g} > 0.1: no longer a line")
        if len(self.printed_chained) not in (0, 2):
            count = len(self.printed_chained)
            raise ValueError(f"printed_chained: {count} values, must be 2 or none")

    def shape(self, name: str) -> Shape:
        return Shape((1, *self.hidden, 1), SHAPES[name])


def predict(config: Config) -> xr.Dataset:
    """The loss of the best line."""
    floor = linear_floor(*_problem.points(config.points))
    return xr.Dataset({"line_predicted": predicted((), floor, "loss of the best line")})


def measure(config: Config) -> xr.Dataset:
    """Training of both kinds of network at every rate, and of 4·sigmoid with Adam."""
    (x, y), R = _problem.points(config.points), config.replicates
    networks, shapes = R * len(config.rates), [config.shape(name) for name in SHAPES]
    for shape in shapes:
        _problem.require_room(shape, networks, config.points, config.epochs)
    _problem.require_hour(shapes, networks, config.points, config.epochs)
    rng, kept = np.random.default_rng(config.seed), log_spaced(config.epochs, DRAWN)
    theta = initialise(rng, "uniform", config.shape("relu"), R)  # both from the same weights
    data = {}
    for name in SHAPES:
        out = _at_every_rate(theta, x, y, config.shape(name), config)
        data |= _described(name, out, _chained(theta, x, y, config.shape(name), config), config)
    slope = _problem.slope(x, y, config.shape("sigmoid"))
    patient = train(theta, slope, rules.adam(0.9, 0.999, 1e-8), config.adam_rate, config.epochs)
    lines = straight(out, x, y, config.shape("sigmoid"), np.repeat(config.rates, R), config.epochs)
    return xr.Dataset(
        data
        | {"patient": measured("replicate", patient.losses[-1], "loss of 4·sigmoid with Adam")}
        | described(lines, len(config.rates)),
        coords={
            "rate": sweep(config.rates, "rate", "rate η"),
            "epoch": steps(kept, "epoch", "epoch"),
            "replicate": replicates(R),
        },
    )


def _at_every_rate(theta, x, y, shape: Shape, config: Config) -> Run:
    """The same starts at every rate, rate by rate, as one batch."""
    together = np.tile(theta, (len(config.rates), 1))
    rates, slope = np.repeat(config.rates, len(theta)), _problem.slope(x, y, shape)
    middle = sorted({config.epochs // 2, config.epochs * 3 // 4})
    return train(together, slope, rules.descent(), rates, config.epochs, keep=middle)


def _chained(theta, x, y, shape: Shape, config: Config) -> Float[np.ndarray, "rate R"]:
    """Losses at the end where each rate starts from what the one before left."""
    final = []
    for rate in config.rates:
        run = train(theta, _problem.slope(x, y, shape), rules.descent(), rate, config.epochs)
        theta = run.theta
        final.append(run.losses[-1])
    return np.array(final)


def _described(name: str, out: Run, chained: np.ndarray, config: Config) -> dict[str, xr.Variable]:
    kept, rates = log_spaced(config.epochs, DRAWN), len(config.rates)
    loss = out.losses[kept].reshape(len(kept), rates, -1).transpose(1, 0, 2)
    text, lost = FORMULA[name], out.is_lost.reshape(rates, -1).astype(float)
    dims, carried = ("rate", "replicate"), "from what the last rate left"
    return {
        f"{name}_loss": measured(("rate", "epoch", "replicate"), loss, f"training loss, {text}"),
        f"{name}_final": measured(dims, loss[:, -1], f"loss at the end, {text}"),
        f"{name}_chained": measured(dims, chained, f"loss at the end, {text}, {carried}"),
        f"{name}_diverged": measured(dims, lost, f"diverged, {text}"),
    }


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    _, y = _problem.points(config.points)
    constant = constant_floor(y)
    lines = settled_lines(config, found)
    bend = found["bend"].median("replicate")
    most = float(lines.mean("replicate").max())
    reason = f"at most {most:.0%} of the 4·sigmoid networks are settled lines at any rate"
    flat = (abs(found["sigmoid_final"] - constant) < 1e-9) & (found["sigmoid_diverged"] == 0)
    metrics = {}
    for name in SHAPES:
        metrics[f"{name}_final_median"] = found[f"{name}_final"].median("replicate")
        chained = found[f"{name}_chained"].median("replicate")
        metrics[f"{name}_chained_median_log10"] = _problem.decades(chained)
        for kind, text in (("final", ""), ("chained", "_chained")):
            stuck = found[f"{name}_{kind}"] > config.stuck_loss
            metrics[f"{name}{text}_stuck_fraction"] = stuck.mean("replicate")
        metrics[f"{name}_diverged_fraction"] = found[f"{name}_diverged"].mean("replicate")
    return Result(
        data=found.merge(theory).assign_attrs(constant=constant, adam_rate=config.adam_rate),
        metrics=metrics
        | {
            "bend_median": bend,
            "settled_line_fraction": lines.mean("replicate"),
            "sigmoid_constant_fraction": flat.mean("replicate"),
            "patient_median_log10": _problem.decades(found["patient"].median()),
            "linear_floor": theory["line_predicted"],
            "constant_floor": constant,
        },
        checks=compare(config, found, theory, lines),
        errata=errata(config, found),
        no_claim=() if most > 0.5 else (reason,),
    )


def settled_lines(config: Config, found: xr.Dataset) -> xr.DataArray:
    """Which networks are lines that have had ten time constants of their own."""
    there = (found["settled"] >= 10) & (found["sigmoid_diverged"] == 0)
    return there & (found["bend"] <= config.claim_bend)


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, lines: xr.DataArray
) -> tuple[Check, ...]:
    """At the rates at which most networks are settled lines."""
    most = lines.mean("replicate") > 0.5
    if not bool(most.any()):
        return ()
    floor = linear_floor(*_problem.points(config.points))
    off = 2 * np.sqrt(found["rest"] * floor) + found["rest"] + 2 * found["pulled"]
    loss, tol = (
        array.where(lines).median("replicate")[most] for array in (found["sigmoid_final"], off)
    )
    why = "the part that has bent, and what it pulls the line along"
    return (Check("loss_of_a_line", loss, "==", theory["line_predicted"], tol, why),)


def errata(config: Config, found: xr.Dataset) -> tuple[Erratum, ...]:
    """What a larger rate adds to ReLU, on the document's settings."""
    own = all(getattr(config, key) == value for key, value in DOCUMENT.items())
    if not (own and config.printed_chained) or found["relu_diverged"][-2:].sum():
        return ()
    medians = found["relu_final"].median("replicate").values
    printed = np.log10(config.printed_chained[1] / config.printed_chained[0])
    moved = np.log10(medians[-1] / medians[-2])
    return (
        Erratum(
            "sign_of_what_the_largest_rate_adds_to_relu",
            "FRTN50 assignment 3b",
            np.sign(printed),
            -1.0,  # a larger stable rate descends further
            np.sign(moved),
            0.0,
        ),
    )
