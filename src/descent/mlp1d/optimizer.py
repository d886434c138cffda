"""Adam reaches 1e-13 where gradient descent does not; it is stuck more often only at a large rate.

    gradient descent:  θ ← θ − ηg;   Adam:  θ ← θ − η m̂/(√v̂ + ε), first step η g/(|g| + ε): η in every coordinate
    stop: the first epoch with f(θ) < stop;   stuck: f(θ_T) > stuck

Source: FRTN50 assignment 3d (stop written as 10e-14 = 1e-13); arXiv 1412.6980. The document says that both start
from the same points, but its Adam starts from what gradient descent has trained, at losses a million times smaller.
The loss it prints where a run stops is the mean over the run, and gradient descent is not held up at 10e-6: a
larger rate goes on.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.networks import Shape, draw, gradients, losses
from descent.mlp1d import problem
from descent.mlp1d.problem import Hidden, require_room, target
from descent.mlp1d.training import Adam, thinned, train
from descent.result import Check, Erratum, Result, replicates, steps, sweep

Decay = Annotated[float, Field(ge=0, lt=1)]
EPS = float(np.finfo(float).eps)


@experiment_config
class Config(problem.Config):
    hidden: Hidden
    rates: tuple[Positive, ...]  # η, of both
    beta1: Decay
    beta2: Decay
    epsilon: Positive
    stop: Positive  # loss
    stuck: Positive  # loss
    compared: Positive  # rate of Adam that is compared with gradient descent at its own
    trained: Positive  # rate of gradient descent; Adam starts from what it trained in the document
    test_points: Count
    printed_first: tuple[Positive, ...]  # first loss of gradient descent, and of Adam
    printed_stopped: tuple[Positive, ...]  # where Adam stopped
    printed_floor: tuple[Positive, ...]  # below which gradient descent is said not to go

    def __post_init__(self):
        super().__post_init__()
        require_increasing("rates", self.rates)
        if self.compared not in self.rates or self.trained not in self.rates:
            raise ValueError(
                f"compared {self.compared:g} and trained {self.trained:g} must be among the rates"
            )
        if not self.stop < self.stuck:
            raise ValueError(f"stop {self.stop:g} must be below stuck {self.stuck:g}")
        if len(self.printed_first) not in (0, 2):
            raise ValueError(f"printed_first: {len(self.printed_first)} values, must be 2 or none")


def first_step_gap(theta, x, y, shape: Shape, rate: float, adam: Adam) -> float:
    """Largest deviation of Adam's first step from η g/(|g| + ε), relative to η."""
    _, g = gradients(theta, x, y, shape)
    moved = train(theta, x, y, shape, rate, 1, adam).theta - theta
    return float(np.abs(moved / rate + g / (np.abs(g) + adam.epsilon)).max())


def excess(a: np.ndarray, b: np.ndarray) -> float:
    """Difference of two shares in standard errors; of equal ones 0."""
    p, q = a.mean(), b.mean()
    spread = np.sqrt((p * (1 - p) + q * (1 - q)) / len(a))
    return float((p - q) / spread) if spread else float(np.sign(p - q) * len(a))


def run(config: Config) -> Result:
    x, y = problem.points(config.points)
    shape = Shape((1, *config.hidden, 1), "relu")
    R, rates, kept = config.replicates, len(config.rates), thinned(config.epochs)
    require_room(shape.parameters, R * rates)
    adam = Adam(config.beta1, config.beta2, config.epsilon)
    theta = draw(np.random.default_rng(config.seed), shape, R)
    fine = np.linspace(-1, 1, config.test_points)[:, None]
    data, found = {}, {}
    for name, rule in (("descent", None), ("adam", adam)):
        formula = "Adam" if rule else "gradient descent"
        out = train(
            np.tile(theta, (rates, 1)),
            x,
            y,
            shape,
            np.repeat(config.rates, R),
            config.epochs,
            rule,
            config.stop,
        )
        end = np.where(out.diverged[:, None], 0.0, out.theta)
        found[name] = {
            "final": (out.losses[-1], "loss at the end"),
            "stopped": (out.stopped.astype(float), "reached the stop"),
            "ended": (out.ended.astype(float), "epoch of the stop, or the last"),
            "stuck": ((out.losses[-1] > config.stuck).astype(float), "stuck at the end"),
            "rmse": (np.sqrt(losses(end, fine, target(fine), shape)), "RMSE on [−1, 1]"),
            "diverged": (out.diverged.astype(float), "diverged"),
        }
        for what, (values, text) in found[name].items():
            data[f"{name}_{what}"] = (
                ("rate", "replicate"),
                values.reshape(rates, R),
                {"long_name": f"{text}, {formula}"},
            )
        loss = out.losses[kept].reshape(len(kept), rates, R).transpose(1, 0, 2)
        data[f"{name}_loss"] = (
            ("rate", "epoch", "replicate"),
            loss,
            {"long_name": f"training loss, {formula}"},
        )
        if name == "descent":
            trained = out.theta.reshape(rates, R, -1)[config.rates.index(config.trained)]
    after = train(trained, x, y, shape, config.compared, config.epochs, adam, config.stop)
    data |= {
        "carried_first": ("replicate", after.losses[0], {"long_name": "first loss of Adam, carried over"}),
        "carried_ended": ("replicate", after.ended.astype(float), {"long_name": "epoch of its stop, or the last"}),
        "carried_stopped": ("replicate", after.stopped.astype(float), {"long_name": "it reached the stop"}),
    }  # fmt: skip
    dataset = xr.Dataset(
        data,
        coords={
            "rate": sweep(config.rates, "rate", "rate η"),
            "epoch": steps(kept, "epoch", "epoch"),
            "replicate": replicates(R),
        },
        attrs={"stop": config.stop, "compared": config.compared, "stuck": config.stuck},
    )
    adams, descents = (
        {what: dataset[f"{name}_{what}"].sel(rate=rate).values for what in ("stopped", "stuck")}
        for name, rate in (("adam", config.compared), ("descent", config.trained))
    )
    checks = [
        # m̂ = g and v̂ = g² up to a rounding of each, the root of tiny ones included; θ₁ up to half a digit of θ.
        Check("adam_first_step", first_step_gap(theta, x, y, shape, config.compared, adam), "<=", 0.0,
              1e-12 + EPS * float(np.abs(theta).max()) / config.compared),
        Check("adam_stops_more_often_in_standard_errors", excess(adams["stopped"], descents["stopped"]), ">=", 2.0, 0.0),
        Check("adam_stuck_more_often_in_standard_errors", excess(adams["stuck"], descents["stuck"]), ">=", 2.0, 0.0),
    ]  # fmt: skip
    if config.trained < config.compared:
        slow = dataset["adam_stuck"].sel(rate=config.trained).values
        checks.append(
            Check("adam_stuck_as_often_at_the_rate_of_descent_in_standard_errors", excess(slow, descents["stuck"]), "<=", 3.0, 0.0)
        )  # fmt: skip
    stops = dataset["adam_stopped"].values.astype(bool)
    if stops.any():
        checks.append(
            Check("loss_where_adam_stopped", dataset["adam_final"].values[stops].max(), "<=", config.stop, 0.0)
        )  # fmt: skip
    metrics = {
        f"{name}_{what}_fraction": dataset[f"{name}_{what}"].mean("replicate")
        for name in found
        for what in ("stopped", "stuck", "diverged")
    }
    for name in found:
        reached = dataset[f"{name}_ended"].where(dataset[f"{name}_stopped"] == 1, config.epochs)
        metrics |= {
            f"{name}_final_median": dataset[f"{name}_final"].median("replicate"),
            f"{name}_ended_median": reached.median("replicate"),
            f"{name}_rmse_p95": dataset[f"{name}_rmse"].quantile(0.95, "replicate"),
            f"{name}_rmse_median": dataset[f"{name}_rmse"].median("replicate"),
        }
    return Result(
        data=dataset,
        metrics=metrics
        | {
            "carried_first_median": np.median(after.losses[0]),
            "carried_ended_median": np.median(after.ended),
            "carried_stopped_fraction": after.stopped.mean(),
        },
        checks=tuple(checks),
        errata=errata(config, dataset, stops),
    )


def errata(config: Config, data: xr.Dataset, stops: np.ndarray) -> tuple[Erratum, ...]:
    found = []
    if config.points != problem.DOCUMENT_POINTS:
        return ()
    if config.printed_first:
        descent, adam = config.printed_first
        first = [data[f"{name}_loss"].values[:, 0] for name in ("adam", "descent")]
        found.append(
            Erratum(
                "decades_between_first_losses_of_shared_starts",
                "FRTN50 assignment 3d",
                np.log10(adam / descent),
                0.0,
                float(np.abs(np.log10(first[0] / first[1])).max()),
                1e-12,
            )
        )
    if stops.any():
        found += [
            Erratum(
                f"loss_where_adam_stopped_{k}",
                "FRTN50 assignment 3d",
                printed,
                0.0,  # less than the stop
                data["adam_final"].values[stops].max(),
                config.stop,
            )
            for k, printed in enumerate(config.printed_stopped)
        ]
    found += [
        Erratum(
            "floor_of_gradient_descent",
            "FRTN50 assignment 3d",
            printed,
            0.0,
            float(np.median(data["descent_final"].values[-1])),
            printed / 10,
        )
        for printed in config.printed_floor
    ]
    return tuple(found)
