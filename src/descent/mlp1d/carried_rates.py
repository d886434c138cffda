"""The printed losses of 3b are those of two networks trained at four rates in turn, never started anew.

Both networks go on at every rate from where the one before left them, and their first weights are what the seeded
exercise had left in the generator. So the printed means can be had again, up to where training becomes chaotic: there
a rounding decides, and nothing is compared. So can the test set be had again; over all sets the mean is known.

    printed at rate k, epoch t:  (f_0 + … + f_t)/(t + 1), counted from the first epoch at that rate
    a number is compared if starts an ulp apart and float64 change it by less than `claim_known` of itself
    E test loss = (1/N) Σ ∫ (m(x_i + σz) − y(x_i + σz))² φ(z) dz, compared over |x_i + σz| ≤ 1.5, where it is bounded
    a share P(outside) of the points leaves [−1, 1]

See: on the left each rate goes on from the last; the largest throws ReLU out of its minimum. The test loss stays high,
for most of it arises outside of the points.

Source: FRTN50 assignment 3b. It draws the test curve of 4·sigmoid in ReLU's panel, and expects overtraining in a test
loss that measures extrapolation.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import (
    Count,
    Index,
    Positive,
    Seed,
    experiment_config,
    require_increasing,
)
from descent.maths import sampling
from descent.maths.network import Shape
from descent.maths.times import log_spaced
from descent.mlp1d import _document, _problem, _test_set
from descent.mlp1d._carried import KEPT, chained
from descent.mlp1d._left_over import EPOCHS, starts
from descent.mlp1d._networks import FORMULA, SHAPES
from descent.result import Check, Erratum, Result, measured, predicted, replicates, steps, sweep

EPS = float(np.finfo(np.float32).eps)
Row = tuple[Positive, ...]


@experiment_config
class Config:
    seed: Seed  # of the test sets
    replicates: Count  # test sets
    points: Count  # N
    torch_seed: Seed
    rates: tuple[Positive, ...]  # η, one after the other
    epochs: Annotated[int, Field(ge=1, le=100_000)]  # at every rate
    noise: Positive  # σ of the test points
    claim_known: Annotated[float, Field(gt=0, le=0.1)]  # share of a number that rounding may change
    printed_epochs: tuple[Index, ...]
    printed_relu: tuple[Row, ...]  # a row a rate
    printed_sigmoid: tuple[Row, ...]

    def __post_init__(self):
        _problem.require_points(self.points)
        require_increasing("rates", self.rates)
        sampling.require_fewest("mean", self.replicates, 2 * len(self.rates))
        shape = Shape(_document.WIDTHS, "relu")
        _problem.require_room(shape, 4, self.points, 2 * len(self.rates) * self.epochs)
        _problem.require_room(shape, KEPT, self.replicates * self.points)
        for name in ("printed_relu", "printed_sigmoid"):
            table = getattr(self, name)
            if len(table) != len(self.rates):
                raise ValueError(f"{name}: {len(table)} rows, {len(self.rates)} rates")
            for row in table:
                _document.require_table("printed_epochs", self.printed_epochs, self.epochs, row)
        if self.noise > 3:
            raise ValueError(f"noise {self.noise:g} > 3: the function grows like e^|2x|")

    @property
    def is_documents(self) -> bool:
        first = (0.02, 0.05, 0.1, 0.3)[: len(self.rates)]
        own = (_document.POINTS, _document.SEED, first, EPOCHS, 0.3)
        return (self.points, self.torch_seed, self.rates, self.epochs, self.noise) == own


def predict(config: Config, ends: dict[str, np.ndarray]) -> xr.Dataset:
    """What the document prints, and the mean test loss of the networks that were trained."""
    printed = np.array([config.printed_relu, config.printed_sigmoid])
    found = [
        _test_set.expected_loss(
            ends[name], config.points, config.noise, Shape(_document.WIDTHS, kind)
        )
        for name, kind in SHAPES.items()
    ]
    away = _test_set.share_outside(config.points, config.noise)
    cell = ("network", "rate")
    return xr.Dataset(
        {
            "said_predicted": predicted((*cell, "printed"), printed, "printed"),
            "test_predicted": predicted(cell, found, "E test loss, |x| ≤ 1.5"),
            "outside_predicted": predicted((), away, "P(outside of [−1, 1])"),
        }
    )


def measure(config: Config) -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """Both networks in float32, what rounding changes, test sets, and the networks at the end of every rate."""
    data, ends = [], {}
    x = _test_set.sets(
        np.random.default_rng(config.seed), config.points, config.noise, config.replicates
    )
    for index, (name, kind) in enumerate(SHAPES.items()):
        one, ends[name] = chained(config, index, Shape(_document.WIDTHS, kind), x)
        data.append(one)
    kept = np.arange(len(config.rates))[:, None] * config.epochs + log_spaced(config.epochs, KEPT)
    outside = float((np.abs(x) > 1).mean())
    found = xr.concat(data, xr.Variable("network", list(FORMULA), {"long_name": "network"}))
    return found.assign(
        outside=measured((), outside, "share of test points outside")
    ).assign_coords(
        rate=sweep(config.rates, "rate", "rate η"),
        total=(("rate", "epoch"), kept, {"long_name": "epoch, all rates"}),
        epoch=steps(log_spaced(config.epochs, KEPT), "epoch", "epoch"),
        printed=("printed", list(config.printed_epochs), {"long_name": "epoch"}),
        near=("near", _document.NEAR[:, 0], {"long_name": "x"}),
        far=("far", _document.FAR[:, 0], {"long_name": "x"}),
        replicate=replicates(config.replicates),
    ), ends


def run(config: Config) -> Result:
    found, ends = measure(config)
    theory, own = predict(config, ends), config.is_documents
    known = compared(config, found)
    first = found.isel(rate=0)  # rounding decides much of what comes after
    rise = first["test"].isel(epoch=-1) / first["test"].min("epoch")
    many = f"rounding decides {int((~known).sum())} of {known.size} printed numbers"
    lost = {"the_other_printed_means": f"{many}: they follow chaotic training"}
    reason = "the document prints for 7 points, seed 42, and the rates 0.02, 0.05, 0.1 and 0.3"
    return Result(
        data=found.merge(theory),
        metrics={
            "known": known.sum().astype(float),
            "final_at_the_first_rate": first["loss"].isel(epoch=-1),
            "test_rise_at_the_first_rate": rise,
            "error_outside_at_the_first_rate": first["error_outside"],
        },
        checks=compare(found, theory, known if own else known & False),
        errata=errata(config, found) if own else (),
        no_claim=() if own else (reason,),
        unchecked=lost if own and not bool(known.all()) else {},
    )


def compared(config: Config, found: xr.Dataset) -> xr.DataArray:
    """The printed numbers up to the first that rounding changes; it decides all that come after."""
    known = found["rounding"] <= config.claim_known * found["said"]
    flat = known.values.reshape(len(known), -1)
    return known.copy(data=np.logical_and.accumulate(flat, 1).reshape(known.shape))


def compare(found: xr.Dataset, theory: xr.Dataset, known: xr.DataArray) -> tuple[Check, ...]:
    if not bool(known.any()):
        return ()
    table = (found["said"], theory["said_predicted"], found["rounding"])
    value, expected, rounding = (_numbers(known, one) for one in table)
    test = sampling.mean(found["test_end"])
    trials = found.sizes["replicate"] * _document.POINTS
    count, share = found["outside"] * trials, theory["outside_predicted"]
    away = sampling.share(count, trials, share)
    why = "twice what rounding changes, and rounding of the printed number"
    return (
        Check("printed_means", value, "==", expected, 2 * rounding + 16 * EPS, why),
        Check("test_loss", test.value, "==", theory["test_predicted"], test.tol, test.why),
        Check("share_outside", away.value, "==", share, away.tol, away.why),
    )


def _numbers(known: xr.DataArray, table: xr.DataArray) -> xr.DataArray:
    """Those that are known, in one row."""
    flat = table.transpose(*known.dims).values[known.values]
    return xr.DataArray(flat, dims="number")


def errata(config: Config, found: xr.Dataset) -> tuple[Erratum, ...]:
    """ReLU's test curve, in decades at its start, is that of the other network."""
    drawn, shown = (float(np.log10(found["test"].values[k, 0, 0])) for k in (0, 1))
    first = starts(config.torch_seed)["3b"][:1].astype(float)
    shape = Shape(_document.WIDTHS, "relu")
    expected = _test_set.expected_loss(first, config.points, config.noise, shape, np.inf)
    name, where = "log10_of_relus_test_loss", "FRTN50 assignment 3b"
    return (Erratum(name, where, shown, float(np.log10(expected[0])), drawn, 0.3),)
