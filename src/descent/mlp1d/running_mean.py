"""The loss that the document prints for an epoch is the mean over all epochs so far.

It prints sum(losses)/len(losses), which falls like 1/t long after the training has ended. From the same weights we
get its digits, and the differences of what it prints give back the losses: those of its narrow network are the
variance of the data, so it was dead, and those of its wide one are nearly 0.

    mean_t = (f_0 + … + f_t)/(t + 1),   (f_{s+1} + … + f_t)/(t − s) = ((t + 1) mean_t − (s + 1) mean_s)/(t − s)

See: the document's numbers lie on the mean so far, not on the loss.

Source: FRTN50 assignment, exercises 3a and 3e: seed 42, widths 10 and 10, seven points, rate 0.05.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Index, Positive, Seed, experiment_config, require_increasing
from descent.maths.network import Shape
from descent.maths.times import log_spaced
from descent.mlp1d import _document, _problem
from descent.mlp1d._document import losses_from, recovered_loss, running_means
from descent.mlp1d._networks import FORMULA, SHAPES
from descent.mlp1d._problem import DRAWN, constant_floor
from descent.result import Check, Erratum, Result, measured, predicted, steps


@experiment_config
class Config:
    points: Count  # N
    torch_seed: Seed
    rate: Positive  # η
    printed_epochs: tuple[Index, ...]
    printed_relu: tuple[Positive, ...]
    printed_sigmoid: tuple[Positive, ...]
    late_epochs: tuple[
        Count, ...
    ]  # two at which the means of a narrow and a wide network are printed
    printed_narrow: tuple[Positive, ...]
    printed_wide: tuple[Positive, ...]

    def __post_init__(self):
        _problem.require_points(self.points)
        require_increasing("printed_epochs", self.printed_epochs)
        require_increasing("late_epochs", self.late_epochs)
        if self.printed_epochs[-1] > 100_000:
            raise ValueError(
                f"printed_epochs {self.printed_epochs[-1]} > 100000: minutes of training"
            )
        if len(self.late_epochs) != 2:
            raise ValueError(f"late_epochs: {len(self.late_epochs)} values, must be 2")
        for name, epochs in (
            ("printed_relu", self.printed_epochs),
            ("printed_sigmoid", self.printed_epochs),
            ("printed_narrow", self.late_epochs),
            ("printed_wide", self.late_epochs),
        ):
            if len(getattr(self, name)) != len(epochs):
                raise ValueError(f"{name}: as many as its epochs, {len(epochs)}")

    @property
    def is_documents(self) -> bool:
        """Whether the runs are those of the document."""
        own = (_document.POINTS, _document.SEED, _document.RATE)
        return (self.points, self.torch_seed, self.rate) == own


def predict(config: Config) -> xr.Dataset:
    """What the document prints is the mean so far."""
    means = np.array([config.printed_relu, config.printed_sigmoid])
    return xr.Dataset(
        {"mean_predicted": predicted(("network", "printed"), means, "printed by the document")}
    )


def measure(config: Config) -> xr.Dataset:
    """Both runs in float32, and in float64, from the start that torch draws."""
    at, last = list(config.printed_epochs), config.printed_epochs[-1]
    kept = log_spaced(max(last, 1), DRAWN)
    kept = kept[kept <= last]
    single, double = (
        np.array([_losses(config, kind, last, precision) for kind in SHAPES.values()])
        for precision in (np.float32, np.float64)
    )
    means = np.array([running_means(losses) for losses in single])
    along, printed = ("network", "epoch"), ("network", "printed")
    return xr.Dataset(
        {
            "loss": measured(along, single[:, kept], "training loss"),
            "running_mean": measured(along, means[:, kept], "mean so far"),
            "mean": measured(printed, means[:, at], "mean so far"),
            "single": measured(printed, single[:, at], "training loss in float32"),
            "double": measured(printed, double[:, at], "training loss in float64"),
        },
        coords={
            "network": ("network", list(FORMULA), {"long_name": "network"}),
            "epoch": steps(kept, "epoch", "epoch"),
            "printed": ("printed", at, {"long_name": "epoch"}),
        },
    )


def _losses(config: Config, kind: str, last: int, precision: type) -> np.ndarray:
    shape = Shape(_document.WIDTHS, kind)
    return losses_from(config.torch_seed, shape, config.points, config.rate, last, precision)


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    own = config.is_documents
    reason = (
        f"points {config.points}, torch_seed {config.torch_seed}, rate {config.rate:g}: the "
        f"document prints for {_document.POINTS}, {_document.SEED} and {_document.RATE:g}"
    )
    mean, loss = (found[name].isel(printed=-1, drop=True) for name in ("mean", "single"))
    return Result(
        data=found.merge(theory),
        metrics={"mean": mean, "loss": loss},
        checks=compare(config, found, theory) if own else (),
        errata=(*losses(config, found), *late(config)) if own else (),
        no_claim=() if own else (reason,),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    why = "the document adds its losses in float32: a rounding an epoch, in random directions"
    size = np.finfo(np.float32).eps / 2 * np.sqrt(np.maximum(config.printed_epochs, 1))
    # Its float32 gradients round differently from ours, which the training carries along.
    tol = (size + 1e-6) * found["mean"]
    return (Check("mean_so_far", found["mean"], "==", theory["mean_predicted"], tol, why),)


def losses(config: Config, found: xr.Dataset) -> list[Erratum]:
    """The losses that the printed means are not; at epoch 0 they are the same."""
    stands = []
    for kind in FORMULA:
        printed = dict(zip(config.printed_epochs, getattr(config, f"printed_{kind}"), strict=True))
        for epoch, value in printed.items():
            if epoch:
                there = found.sel(network=kind, printed=epoch)
                correct, loss = float(there["double"]), float(there["single"])
                title = f"{kind}_loss_at_epoch_{epoch}"
                # float32 and float64 drift apart by 1.5e-5 of the loss over 1500 epochs.
                where = "FRTN50 assignment 3e"
                stands.append(Erratum(title, where, value, correct, loss, 1e-3 * correct))
    return stands


def late(config: Config) -> list[Erratum]:
    """The losses behind two late means: of a dead network Var y, of one that interpolates nearly 0."""
    _, y = _problem.points(config.points)
    narrow, wide = (
        float(recovered_loss(config.late_epochs, means)[0])
        for means in (config.printed_narrow, config.printed_wide)
    )
    last, where = config.late_epochs[1], "FRTN50 assignment 3a"
    names = [f"{kind}_loss_at_epoch_{last}" for kind in ("narrow", "wide")]
    variance = constant_floor(y)
    # Sums up to 300 in float32, 1.5e-5 a step, over 100 epochs; the wide one is one draw.
    return [
        Erratum(names[0], where, config.printed_narrow[1], variance, narrow, 3e-5),
        Erratum(names[1], where, config.printed_wide[1], 0.0, wide, 1e-4),
    ]
