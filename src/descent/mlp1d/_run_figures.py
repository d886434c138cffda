"""Figures of the document's own runs."""

from collections.abc import Sequence

import xarray as xr

from descent.figure import Axis, Figure, Mark, Panel, curve, line, moment, panel, points
from descent.mlp1d._drawing import EPOCH, LOSS, ROUNDING, late
from descent.mlp1d._networks import FORMULA

MEAN = Axis("mean loss so far", "log")
X = Axis("x")


def unseeded_runs(data: xr.Dataset) -> Figure:
    first: list[Mark] = []
    for k, name in enumerate(("3", "3a narrow", "3a wide")):
        drawn = data["loss" if name == "3" else "mean"].sel(run=name)
        table = data["said_3_predicted"] if name == "3" else data["said_3a_predicted"]
        printed = table[0 if name != "3a wide" else 1]
        words = "loss" if name == "3" else "mean so far"
        first += curve(late(drawn), f"{name}, {words}", k)
        first.append(points(printed["printed"], printed, "printed", "ink", "printed", size=3))
    twelve = []
    for k, name in enumerate(data["run"].values[3:]):
        cell, place = name.split()
        twelve += curve(late(data["mean"].sel(run=name)), f"six starts of {cell}", 3 + k // 6)
        printed = data[f"said_{cell}_predicted"][int(place) - 1]
        twelve.append(points(printed["late"], printed, "printed", "ink", "printed", size=3))
    return Figure(
        (
            panel("3 and 3a: the printed numbers", EPOCH, LOSS, first),
            panel("3c and 3d: the printed means", EPOCH, MEAN, twelve),
            _tests("3c: test losses, the document's set", data["test_3c"], "network_3c"),
            _near(data),
            _far(data),
        )
    )


def _tests(title: str, losses: xr.DataArray, network: str, other: Sequence[Mark] = ()) -> Panel:
    """Of every network along training."""
    marks = [
        mark
        for k in range(losses.sizes[network])
        for mark in curve(late(losses.isel({network: k})), f"network {k + 1}", k)
    ]
    return panel(title, EPOCH, Axis("test loss", "log"), other, marks)


def _fits(data: xr.Dataset, which: str) -> list[Mark]:
    names = enumerate(("3", "3a narrow", "3a wide"))
    return [mark for k, n in names for mark in curve(data[which].sel(run=n), f"network of {n}", k)]


def _near(data: xr.Dataset) -> Panel:
    fits = _fits(data, "fit_near")
    polynomials = [
        line(data["near"], data["polynomial"].sel(degree=d), f"degree {d}", k, width=1)
        for k, d in enumerate((3, 9), 5)
    ]
    return panel(
        "what they fit",
        X,
        Axis("m(x)", limits=(-1.5, 1.5)),
        fits,
        polynomials,
        line(data["near"], data["polynomial_printed"], "degree 9 as printed", role="printed"),
        points(data["point"], data["y"], "y_i", "ink"),
    )


def _far(data: xr.Dataset) -> Panel:
    fits = _fits(data, "fit_far")
    six = [
        line(data["far"], data["fit_far"].sel(run=f"3c {k}"), "networks of 3c", "grey", width=0.8)
        for k in range(1, 7)
    ]
    drawn = points(data["point"], data["y"], "y_i", "ink", size=3)
    return panel("far from the points", X, Axis("m(x)", limits=(-11, 11)), six, fits, drawn)


def adam_minima(data: xr.Dataset) -> Figure:
    pairs = data.where(data["small"] == 1)
    ends = [points(pairs["descent_sharpness"], pairs["adam_sharpness"], "fresh starts", 0, size=4)]
    largest = float(data["edge"])
    if "six" in data.dims:
        found = (data["six_before"], data["six_after"])
        ends.append(points(*found, "3d: Adam after descent", 1, marker="star", size=8))
    right = panel(
        "sharpness where they end",
        Axis("λ_max, gradient descent"),
        Axis("λ_max, Adam"),
        ends,
        line([0, largest], [0, largest], "equally sharp", "grey"),
        moment(data["edge"], "2/η of descent", role="bound"),
        square=True,
    )
    return Figure((*_six(data), right) if "six" in data.dims else (right,))


def _six(data: xr.Dataset) -> list[Panel]:
    losses, where = [], Axis("training loss", "log", limits=(1e-15, 10))
    for k in range(6):
        losses += curve(late(data["six_loss"].isel(six=k)), f"network {k + 1}", k)
    test = late(data["test"])
    before = [
        line(test["epoch"], one, "gradient descent", "grey", width=0.8)
        for one in test.sel(rule="descent").transpose("six", "epoch")
    ]
    return [
        panel("3d: Adam without its stop leaves minima again", EPOCH, where, losses),
        _tests("3d: test losses, the document's set", data["test"].sel(rule="adam"), "six", before),
        _by_both(data["fit"], "3d: fits by Adam, and before", 1.5),
        _by_both(data["fit_far"], "3d: the same far from the points", 11),
    ]


def _by_both(fits: xr.DataArray, title: str, top: float) -> Panel:
    """The six networks after gradient descent, and after Adam."""
    x = fits[fits.dims[-1]]
    before = [
        line(x, one, "gradient descent", "grey", width=0.8) for one in fits.sel(rule="descent")
    ]
    after = [line(x, one, f"network {k + 1}", k) for k, one in enumerate(fits.sel(rule="adam"))]
    return panel(title, X, Axis("m(x)", limits=(-top, top)), before, after)


def carried_rates(data: xr.Dataset) -> Figure:
    panels = []
    for index, text in enumerate(FORMULA.values()):
        one, marks = data.isel(network=index), []
        for k in range(one.sizes["rate"]):
            at, there = one["total"].values[k], one.isel(rate=k)
            marks.append(line(at, there["loss"].clip(ROUNDING), "training", 0))
            marks.append(line(at, there["test"], "test, mean of the sets", 1))
            marks.append(line(at, there["test_own"], "test, the document's set", 2))
            marks.append(moment(at[0], "a new rate", "grey", "bound"))
        panels.append(panel(f"{text}, rate after rate", Axis("epoch"), Axis("loss", "log"), marks))
    far = []
    for index, text in enumerate(FORMULA.values()):
        fits = [
            line(data["near"], data["fit_near"].isel(network=index, rate=k), f"η = {rate:g}", k)
            for k, rate in enumerate(data["rate"].values)
        ]
        panels.append(panel(f"{text} after every rate", X, Axis("m(x)", limits=(-1.5, 1.5)), fits))
        far += [
            line(data["far"], data["fit_far"].isel(network=index, rate=k), text, index, width=0.8)
            for k in range(data.sizes["rate"])
        ]
    panels.append(panel("far from the points", X, Axis("m(x)", limits=(-11, 11)), far))
    return Figure(tuple(panels))
