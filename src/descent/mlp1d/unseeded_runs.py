"""The document's unseeded networks can be had again: they go on from the generator of its seeded exercise.

It was run more than once in one process, so what it calls lost is drawn a known number of draws after the seed 42 of
its last exercise on networks. Trained from these starts in float32, our networks have its printed digits. Its words
are not about these runs: none of the six networks of 3c is stuck.

    position of a network = numbers drawn since manual_seed(42):   one a weight, two a pass of a data loader
    printed in 3:  f_t;      printed in 3a, 3c and 3d:  (f_0 + … + f_t)/(t + 1), added in float32

See: all printed numbers lie on our curves. The test losses of 3c rise again, for its set
reaches beyond the points. On the right, far from the points the networks are straight lines.

Source: FRTN50 assignment 3, 3a, 3c, 3d, where gradient descent is trained from unseeded starts. Its polynomial of degree
9 lacks the coefficient of x⁹, 3a calls a tenth in its printed means several orders, and 3c says that a run is lost.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Index, Number, Positive, Seed, experiment_config
from descent.maths.network import Shape, outputs
from descent.maths.times import log_spaced
from descent.mlp1d import _document, _problem, _test_set
from descent.mlp1d._left_over import EPOCHS, means_so_far, trained
from descent.mlp1d._polynomials import polynomials
from descent.mlp1d._problem import DRAWN
from descent.mlp1d._run_errata import errata, reach_of
from descent.result import Check, Result, measured, predicted, steps

EPS = float(np.finfo(np.float32).eps)
NAMES = (
    "3",
    "3a narrow",
    "3a wide",
    *(f"{cell} {k}" for cell in ("3c", "3d") for k in range(1, 7)),
)
PLACES = {"3": slice(1), "3a": slice(1, 3), "3c": slice(3, 9), "3d": slice(9, 15)}  # among NAMES
WHY = "twice what float64 changes, and rounding of the printed number"
Row = tuple[Positive, ...]


@experiment_config
class Config:
    points: Count  # N
    torch_seed: Seed
    rate: Positive  # η
    epochs: Annotated[int, Field(ge=1, le=EPOCHS)]
    printed_epochs: tuple[Index, ...]  # of 3 and 3a
    printed_example: Row
    printed_narrow: Row
    printed_wide: Row
    printed_end: Positive  # loss of the network of 3 after 2000 epochs
    late_epochs: tuple[Index, ...]  # of 3c and 3d
    printed_starts: tuple[Row, ...]  # six networks of 3c, then six of 3d
    printed_stuck: Positive  # loss at which 3c says that a network is stuck
    printed_polynomial: Annotated[tuple[Number, ...], Field(min_length=1)]  # of degree 9

    def __post_init__(self):
        _problem.require_points(self.points)
        shape = Shape(_document.WIDTHS, "relu")
        _problem.require_room(shape, 13, self.points, 2 * self.epochs)
        if len(self.printed_starts) != 12:
            raise ValueError(f"printed_starts: {len(self.printed_starts)} rows, must be 12")
        for name in ("example", "narrow", "wide"):
            row = getattr(self, f"printed_{name}")
            _document.require_table("printed_epochs", self.printed_epochs, self.epochs, row)
        for row in self.printed_starts:
            _document.require_table("late_epochs", self.late_epochs, self.epochs, row)

    @property
    def is_documents(self) -> bool:
        """Whether the runs are those of the document."""
        own = (_document.POINTS, _document.SEED, _document.RATE)
        return (self.points, self.torch_seed, self.rate) == own


def said(config: Config, losses: np.ndarray, means: np.ndarray) -> dict[str, np.ndarray]:
    """What every exercise prints: (networks, epochs); only the first one prints losses."""
    at = {
        name: config.late_epochs if name in ("3c", "3d") else config.printed_epochs
        for name in PLACES
    }
    return {
        name: (losses if name == "3" else means)[list(at[name]), place].T
        for name, place in PLACES.items()
    }


def _cells(name: str) -> tuple[str, str]:
    return f"network_{name}", "late" if name in ("3c", "3d") else "printed"


def predict(config: Config) -> xr.Dataset:
    """What the document prints."""
    tables = {
        "3": [config.printed_example],
        "3a": [config.printed_narrow, config.printed_wide],
        "3c": config.printed_starts[:6],
        "3d": config.printed_starts[6:],
    }
    numbers = {
        f"said_{name}_predicted": predicted(_cells(name), np.array(table), f"printed in {name}")
        for name, table in tables.items()
    }
    if config.epochs < EPOCHS:
        return xr.Dataset(numbers)
    end = predicted((), config.printed_end, "loss printed for the end of 3")
    return xr.Dataset(numbers | {"end_predicted": end})


def measure(config: Config) -> xr.Dataset:
    """All fifteen runs in float32 and in float64, what they print, and what they have become."""
    settings = (config.torch_seed, config.points, config.rate, config.epochs)
    kept, (x, y) = log_spaced(config.epochs, DRAWN), _problem.points(config.points)
    losses, networks, along = trained(*settings, np.float32, kept.tolist())
    double, exact_ends, _ = trained(*settings, float)
    near, far = _document.NEAR, _document.FAR
    fits = [
        np.concatenate([outputs(theta, x, shape)[..., 0] for theta, shape in networks])
        for x in (near, far)
    ]
    means = means_so_far(losses, np.float32)
    single, exact = said(config, losses, means), said(config, double, means_so_far(double, float))
    test = _test_set.losses_along(along[:, 1:7], _test_set.documents()[1], networks[-1][1])
    data = {}
    for name in PLACES:
        data[f"said_{name}"] = measured(_cells(name), single[name], f"what {name} prints")
        rounding = abs(single[name] - exact[name])
        data[f"rounding_{name}"] = measured(_cells(name), rounding, "what float64 changes of it")
    return xr.Dataset(
        data
        | {
            "loss": measured(("epoch", "run"), losses[kept], "training loss"),
            "mean": measured(("epoch", "run"), means[kept], "mean loss so far"),
            "final": measured("run", losses[-1], "loss at the end"),
            "final_double": measured("run", double[-1], "loss at the end, in float64"),
            "fit_near": measured(("run", "near"), fits[0], "m(x)"),
            "fit_far": measured(("run", "far"), fits[1], "m(x)"),
            "reach_double": measured(
                (), reach_of(exact_ends[-1]), "largest |m| of 3c on ±11, in float64"
            ),
            "test_3c": measured(("epoch", "network_3c"), test, "test loss, the document's set"),
            "y": measured("point", y[:, 0], "y_i"),
        },
        coords={
            "epoch": steps(kept, "epoch", "epoch"),
            "run": ("run", list(NAMES), {"long_name": "exercise, and which of its networks"}),
            "printed": ("printed", list(config.printed_epochs), {"long_name": "epoch"}),
            "late": ("late", list(config.late_epochs), {"long_name": "epoch"}),
            "point": ("point", x[:, 0], {"long_name": "x_i"}),
            "near": ("near", near[:, 0], {"long_name": "x"}),
            "far": ("far", far[:, 0], {"long_name": "x"}),
        },
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    own, fits = config.is_documents, polynomials(config.points, config.printed_polynomial)
    reason = (
        f"points {config.points}, torch_seed {config.torch_seed}, rate {config.rate:g}: the "
        f"document prints for {_document.POINTS}, {_document.SEED} and {_document.RATE:g}"
    )
    return Result(
        data=found.merge(theory).merge(fits),
        metrics={
            "final": found["final"],
            "degree_9_at_1": fits["degree_9_at_1"],
            "test_3c": found["test_3c"][-1].drop_vars("epoch"),
        },
        checks=compare(config, found, theory) if own else (),
        errata=errata(config, found, fits, PLACES) if own and config.epochs == EPOCHS else (),
        no_claim=() if own else (reason,),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    checks = []
    for name in PLACES:
        value = found[f"said_{name}"]
        tol = 2 * found[f"rounding_{name}"] + 16 * EPS  # all are of order 1 or less
        expected = theory[f"said_{name}_predicted"]
        checks.append(Check(f"printed_in_{name}", value, "==", expected, tol, WHY))
    if "end_predicted" in theory:
        end, printed = found["final"][0].drop_vars("run"), theory["end_predicted"]
        checks.append(Check("end_of_3", end, "==", printed, 5.001e-6, "five decimals are printed"))
    return tuple(checks)
