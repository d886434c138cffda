"""Of a deep ReLU network started at zero or at tiny weights only the last bias learns, and its gradient is the noise of the class counts; He's gradient starts high because of raw pixels and does not come down to that.

    the mean over the 2L arrays W_l, b_l of ‖∂ loss/∂·‖, at every step of SGD, θ ← θ − ηĝ

Zero: every h_l, W_l and δ_l with l < L is 0 and stays 0. What is left is a softmax of its biases alone,
p = softmax(b), with the gradient p − ĉ, where ĉ are the class fractions of the minibatch and c all of them:

    E ‖p − ĉ‖² = (1 − Σ c_k²)/B + E ‖p − c‖²,   p = 1/C at first, then as `floor` says

Small random weights: units differ and have gradients, but these vanish with depth, as `starts` says, so the
last bias sees the same floor. Symmetry and vanishing are two reasons for one curve.
The outputs of He's network are as large as its inputs, √(2 mean x²): on raw pixels it is certain and wrong.

Training is in float32, the first pass, for the formulas of `starts`, in float64 too.

Source: CS182 homework 2, question 5a. Its answer has He's norm drop "to around 0" and the other two "stay
stable at 0": a linear axis shows a floor as 0, and hides that He stays orders of magnitude above it.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Index, Positive, Refusal, experiment_config
from descent.initialisation import classifiers, protocol, starts
from descent.initialisation.classifiers import LOST
from descent.initialisation.floor import Floor, floor
from descent.initialisation.protocol import RAW, Task, surely
from descent.initialisation.relu import LogMoments
from descent.initialisation.starts import NAMES
from descent.maths.replicates import replicate
from descent.result import Check, Erratum, Result, replicates, steps, sweep

UNDECIDED = 0.1  # rms output below which p is 1/C but for a tenth, and u = p − e_y fixed
FLAT = 10.0  # a norm within this factor of the floor cannot be told from it on the document's axis


@experiment_config
class Config(protocol.Config):
    rate: Positive  # η
    small: Positive  # standard deviation of "random"
    early: tuple[Index, Index]  # iterations after the first few, from and up to
    late: Count  # iterations at the end that are averaged

    def __post_init__(self):
        super().__post_init__()
        if self.rate >= 4:
            raise ValueError(
                f"rate {self.rate:g} ≥ 4 = 2/max λ(J): a softmax of biases need not settle"
            )
        if not self.early[0] < self.early[1] <= self.iterations:
            raise ValueError(
                f"early {list(self.early)} must be an interval within {self.iterations} iterations"
            )
        if self.late > self.iterations:
            raise ValueError(f"late {self.late} > iterations {self.iterations}")


class Run(NamedTuple):
    """One replicate: S starts times Q ranges of pixels, T iterations, L layers."""

    norm: Float[np.ndarray, "S Q T"]  # mean over the arrays
    last_bias: Float[np.ndarray, "S Q T"]
    others: Float[np.ndarray, "S Q T"]  # largest norm of any array but the last bias
    loss: Float[np.ndarray, "S Q T"]  # of the minibatch
    accuracy: Float[np.ndarray, "S Q"]  # at the end, on the validation images
    weight_norm: Float[np.ndarray, "S Q L"]  # ‖∂W_l‖ of the first minibatch
    log_output: Float[np.ndarray, "S Q"]  # mean ln ‖z_L‖²/‖x‖² over its images
    log_gradient: Float[np.ndarray, "S Q L"]  # mean ln ‖∂ loss_i/∂W_l‖²/(‖x‖² ‖u‖²), u = p − e_y
    input_square: Float[np.ndarray, ""]  # mean ‖x‖² at range 255


def _run(rng: np.random.Generator, task: Task, config: Config) -> Run:
    """All starts at all ranges, from the same draws and on the same minibatches."""
    shape = task.shape(config.hidden)
    v = np.array([starts.variances(name, shape.widths, config.small) for name in NAMES])
    Q = len(config.ranges)
    start = np.repeat(starts.draw(rng, shape, v), Q, axis=0)  # (S Q, P)
    scale = np.tile(config.ranges, len(NAMES)) / RAW
    batches = rng.integers(config.images, size=(config.iterations, config.batch))

    x, labels = task.x[batches[0]].astype(float), task.labels[batches[0]]
    with np.errstate(over="ignore", invalid="ignore"):  # divergence is a result
        first = classifiers.differentiate(start, x, scale, labels, shape)
        log_output, log_gradient = classifiers.log_squares(first, scale)
        first_norms = classifiers.array_norms(classifiers.gradients(first, scale, shape), shape)

        theta, scale32 = start.astype(np.float32), scale.astype(np.float32)
        rate, records = np.float32(config.rate), []
        for batch in batches:
            y = task.labels[batch]
            passed = classifiers.differentiate(theta, task.x[batch], scale32, y, shape)
            g = classifiers.gradients(passed, scale32, shape)
            norms = classifiers.array_norms(g, shape)
            records.append((norms.mean(1), norms[:, -1], norms[:, :-1].max(1), passed.losses))
            g *= rate
            theta -= g
        _, accuracy = classifiers.evaluate(
            theta, task.validation_x, scale32, task.validation_labels, shape
        )
    by_start = (len(NAMES), Q)
    curves = np.moveaxis(np.array(records), 0, -1).reshape(4, *by_start, -1)
    return Run(
        *curves,
        accuracy=accuracy.reshape(by_start),
        weight_norm=first_norms[:, ::2].reshape(*by_start, -1),
        log_output=log_output.reshape(by_start),
        log_gradient=log_gradient.reshape(*by_start, -1),
        input_square=np.square(x).sum(1).mean(),
    )


def require_representable(config: Config, widths: tuple[int, ...]) -> None:
    """Refuse "random" weights whose gradients leave float64 by the prediction.

    Raises:
        Refusal: naming the standard deviation and the depth.
    """
    means, _ = starts.log_gradient_squares(widths, starts.variances("random", widths, config.small))
    if np.abs(means).max() > 140 * np.log(10):
        raise Refusal(
            f"small {config.small:g} with {len(config.hidden)} hidden layers: squared gradients "
            "are predicted to leave 1e-140 … 1e140"
        )


def labelled(
    runs: Run, predicted: Floor, v: Float[np.ndarray, "S L"], widths, config: Config
) -> xr.Dataset:
    """One variable a start and quantity; what is lost is recorded as LOST."""
    curve, network = ("replicate", "range", "iteration"), ("replicate", "range")
    quantities = {
        "norm": (curve, "mean gradient norm of the arrays"),
        "loss": (curve, "loss of the minibatch"),
        "accuracy": (network, "validation accuracy"),
        "weight_norm": ((*network, "layer"), "‖∂W_l‖ of the first minibatch"),
    }
    L = len(widths) - 1
    # From fixed u = 1/C − e_y, at the range of each.
    inputs = np.log(runs.input_square.mean()) + 2 * np.log(np.array(config.ranges) / RAW)
    outer = inputs[:, None] + np.log(1 - 1 / widths[-1])
    variables = {}
    for s, name in enumerate(NAMES):
        for what, (dims, label) in quantities.items():
            values = np.nan_to_num(getattr(runs, what)[:, s], nan=LOST, posinf=LOST)
            variables[f"{name}_{what}"] = (dims, values, {"long_name": f"{label}, {name}"})
        if v[s].all():
            typical = np.nan_to_num(np.exp((runs.log_gradient[:, s] + outer) / 2))
            means, _ = starts.log_gradient_squares(widths, v[s])
            label = {"long_name": f"‖∂W_l‖ of one image with fixed u, {name}"}
            variables[f"{name}_image_norm"] = ((*network, "layer"), typical, label)
            variables[f"{name}_image_norm_predicted"] = (
                ("range", "layer"),
                np.exp((means + outer) / 2),
                label | {"role": "prediction"},
            )
    attrs = {"long_name": "floor: the noise of the class counts (rms)", "role": "prediction"}
    variables["floor"] = ("iteration", np.sqrt(predicted.mean) / (2 * L), attrs)
    return xr.Dataset(
        variables,
        coords={
            "range": sweep(config.ranges, "range", "range of the pixels"),
            "iteration": steps(np.arange(config.iterations), "iteration", "iteration"),
            "layer": steps(np.arange(L) + 1, "layer", "layer l"),
            "replicate": replicates(config.replicates),
        },
    )


def weight_norms(v: Float[np.ndarray, " L"], widths: tuple[int, ...]) -> Float[np.ndarray, " L"]:
    """√E‖∂W_l‖² over ‖x‖ of one image at outputs ≈ 0, ‖u‖² = 1 − 1/C: what a minibatch's mean has at the most."""
    means, variance = starts.log_gradient_squares(widths, v)
    return np.exp((means + variance / 2 + np.log(1 - 1 / widths[-1])) / 2)


def start_checks(
    runs: Run, v: Float[np.ndarray, "S L"], widths: tuple[int, ...], config: Config
) -> list[Check]:
    """Outputs and gradients of the untrained networks against the exact means of their logarithms.

    Four standard errors, of networks that count as one however many images they see: these go through the
    same weights. Gradients only where all outputs are so small that u does not depend on the weights.
    """
    checks, raw = [], len(config.ranges) - 1

    def compared(name: str, measured: Float[np.ndarray, " R"], law: LogMoments, slack: float):
        alive = measured[~np.isnan(measured)]
        if alive.size:  # else every network is dead, and there is no logarithm
            tol = 4 * np.sqrt(law.variance / len(alive)) + slack
            checks.append(Check(name, alive.sum() / len(alive), "==", law.mean, tol))

    for s, name in enumerate(NAMES):
        if not v[s].any():
            continue
        law = starts.log_output_square(widths, v[s])
        compared(f"log_output_square/{name}", runs.log_output[:, s, raw], law, 0.0)
        means, variance = starts.log_gradient_squares(widths, v[s])
        for q, size in enumerate(config.ranges):
            square = (
                np.exp(law.mean + law.variance / 2) * runs.input_square.mean() * (size / RAW) ** 2
            )
            rms = np.sqrt(square / widths[-1])
            if rms < UNDECIDED:
                found = runs.log_gradient[:, s, q].mean(-1)
                law_here = LogMoments(float(means.mean()), variance)
                compared(f"log_gradient_square/{name}/range_{size:g}", found, law_here, rms)
    return checks


def run(config: Config, mnist: xr.Dataset) -> Result:
    task = protocol.task(mnist, config)
    widths = task.shape(config.hidden).widths
    require_representable(config, widths)
    found = replicate(_run, config.seed, [(task, config)] * config.replicates)
    runs = Run(*map(np.stack, zip(*found, strict=True)))
    predicted = floor(task.fractions, config.batch, config.rate, config.iterations)
    arrays, raw = 2 * (len(widths) - 1), len(config.ranges) - 1
    at = {name: i for i, name in enumerate(NAMES)}

    v = np.array([starts.variances(name, widths, config.small) for name in NAMES])
    data = labelled(runs, predicted, v, widths, config)

    level = np.sqrt(predicted.mean.mean()) / arrays
    # Of the mean square four standard errors, minibatches being independent, and what `floor` leaves out;
    # half the relative error of a mean square is that of its root.
    draws = config.iterations * config.replicates
    error = 4 * np.sqrt(predicted.variance.mean() / draws) + predicted.neglected.mean()
    tol = level * error / (2 * predicted.mean.mean())
    last_bias, rms = (
        np.nan_to_num(np.sqrt(np.square(norm).mean((0, 3))), nan=LOST, posinf=LOST)  # (S, Q)
        for norm in (runs.last_bias / arrays, runs.norm)
    )
    late = runs.norm[..., -config.late :].mean(-1)  # (R, S, Q)
    early = runs.norm[..., slice(*config.early)].mean(-1)
    first = runs.norm[..., 0]
    lost = ~np.isfinite(runs.norm).all(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        he, xavier, lecun = (np.log(late[:, at[name], raw]) for name in ("he", "xavier", "lecun"))
        left = late[:, at["he"]] / first[:, at["he"]]  # (R, Q)
    # The other biases of small weights see at most the last one's gradient times √(n_k v_{k+1}/2) a layer.
    halves = np.array(widths[1:-1]) * v[at["random"], 1:] / 2
    leak = np.sqrt(np.cumprod(halves[::-1])).sum()
    # And the weights at the start; the fewer the layers, the more raw pixels come through.
    through = (weight_norms(v[at["random"]], widths) * np.sqrt(runs.input_square.mean())).sum()

    checks = (
        Check("diverged_networks", int(lost.sum()), "==", 0, 0),
        Check("zero/gradient_of_all_but_the_last_bias", runs.others[:, at["zero"]].max(), "==", 0.0, 0.0),
        Check("zero/last_bias_at_the_floor", last_bias[at["zero"], raw], "==", level, tol),
        Check("random/last_bias_at_the_floor", last_bias[at["random"], raw], "==", level, tol),
        *start_checks(runs, v, widths, config),
        Check("late/log_he_over_xavier", surely(he - xavier), ">=", 0.0, 0.0),
        Check("late/log_xavier_over_lecun", surely(xavier - lecun), ">=", 0.0, 0.0),
        Check("late/log_lecun_over_floor", surely(lecun - np.log(level)), ">=", 0.0, 0.0),
        Check("he/share_of_the_first_norm_lost_by_the_end", surely(1 - left[:, raw]), ">=", 0.0, 0.0),
        Check("he/lost_more_on_larger_pixels", surely(left[:, 0] - left[:, raw]), ">=", 0.0, 0.0),
    )  # fmt: skip
    metrics = {"floor": float(level)}
    for name in ("zero", "random"):
        metrics[f"{name}_rms"] = rms[at[name], raw]
    coordinate = {"range": data["range"]}
    for name, i in at.items():
        for what, values in (
            ("first", first),
            ("early", early),
            ("late", late),
            ("first_loss", runs.loss[..., 0]),
            ("accuracy", runs.accuracy),
        ):
            median = np.median(np.nan_to_num(values[:, i], nan=LOST, posinf=LOST), axis=0)
            metrics[f"{name}_{what}"] = xr.DataArray(median, coordinate, ("range",))
        metrics[f"{name}_diverged_fraction"] = xr.DataArray(
            lost[:, i].mean(0), coordinate, ("range",)
        )
    metrics["random_weight_norm"] = np.median(runs.weight_norm[:, at["random"], raw])
    return Result(
        data=data,
        metrics=metrics,
        checks=checks,
        errata=errata(
            late[:, at["he"]], rms, float(level), float(tol), float(leak), through / arrays, config
        ),
    )


def errata(
    he: Float[np.ndarray, "R Q"],
    rms: Float[np.ndarray, "S Q"],
    level: float,
    error: float,
    leak: float,
    through: float,
    config: Config,
) -> tuple[Erratum, ...]:
    """What the document reads off its linear axis, on pixels as they are.

    The small random start is at the floor only where depth hides it: where the predicted gradients of its
    weights, `through`, add less than the floor is known to.
    """
    if RAW not in config.ranges:
        return ()
    raw = config.ranges.index(RAW)
    where = "CS182 homework 2, question 5a: "
    near = np.mean(~(he[:, raw] > FLAT * level))
    tol = error + leak * level
    random = (
        Erratum("norm of the small random start", f"{where}“the other two stay stable at 0”",
                0.0, level, rms[NAMES.index("random"), raw], tol),
    ) if through <= tol < level else ()  # fmt: skip
    return (
        Erratum("norm of the zero start", f"{where}“the other two stay stable at 0”",
                0.0, level, rms[NAMES.index("zero"), raw], error),
        *random,
        Erratum("share of He's networks that end near the other two", f"{where}He's norm “quickly drop to around 0”",
                1.0, 0.0, float(near), 0.0),
    )  # fmt: skip
