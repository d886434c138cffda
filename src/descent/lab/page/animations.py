"""Dots that move over a figure with time: descent/lab/guide/animations.yaml.

What moves is in the artifacts already; an animation names the experiment, its panel, the dimension of time and the
variables. A figure whose artifacts have no such run keeps its panel without them.
"""

from pathlib import Path

import numpy as np
import xarray as xr
from pydantic import Field

from descent.lab.files import dataset, whole
from descent.lab.page.guide import FOLDER
from descent.lab.page.reading import Form, Stage, Words, read
from descent.lab.vega import numbers

FRAMES = 120  # at the most


class Value(Form):
    """A variable or a coordinate at places of its dimensions; with `over`, a function of the figure at a variable."""

    variable: Words
    where: dict[str, int] = Field(default_factory=dict)  # counted from 0, or from the end
    over: Words | None = None


class Dots(Form):
    """What moves, one dot or several."""

    label: Words
    x: Value
    y: Value


class Animation(Form):
    """One panel; `source` is the experiment that the run is of, where it is another with the same parameters."""

    experiment: Stage
    source: Stage | None = None
    panel: int
    attempt: Words = Field(alias="try")
    time: Words
    symbol: Words
    dots: tuple[Dots, ...] = Field(min_length=1, max_length=2)


def animations(folder: Path = FOLDER) -> list[Animation]:
    """Raises Damaged where the file is not of this form."""
    return read(folder / "animations.yaml", list[Animation])


def artifact(stage: str) -> Path:
    return Path(f"artifacts/{stage.replace('@', '/')}.nc")


def block(params: dict, stage: str) -> dict | None:
    family, _, name = stage.partition("@")
    return params.get(family, {}).get(name)


def alike(params: dict, one: Animation) -> bool:
    """Whether the run is of the problem that the figure shows: the numbers that both blocks have are equal."""
    ours, theirs = (block(params, stage) for stage in (one.experiment, one.source))
    return bool(theirs) and all(theirs[key] == ours[key] for key in ours.keys() & theirs.keys())


def values(one: Value, time: str, run: xr.Dataset, figure: xr.Dataset) -> np.ndarray:
    """(time, dot)"""
    found = run[one.over or one.variable].isel(one.where)
    table = found.transpose(time, ...).values.astype(float).reshape(run.sizes[time], -1)
    if one.over is None:
        return table
    function = figure[one.variable]
    return np.interp(table, function[function.dims[0]].values, function.values)


def played(one: Animation, run: xr.Dataset, figure: xr.Dataset) -> dict:
    """An animation as chart.js reads it: the times of its frames, and x and y of every frame."""
    kept = np.unique(np.linspace(0, run.sizes[one.time] - 1, FRAMES).round().astype(int))
    dots = []
    for each in one.dots:
        x, y = (values(v, one.time, run, figure)[kept] for v in (each.x, each.y))
        x, y = np.broadcast_arrays(x, y)
        found = {"x": [numbers(line) for line in x], "y": [numbers(line) for line in y]}
        dots.append({"label": each.label} | found)
    return {
        "panel": one.panel,
        "attempt": one.attempt,
        "symbol": one.symbol,
        "times": numbers(run[one.time].values[kept].astype(float)),
        "dots": dots,
    }


def playable(known: list[Animation], stage: str, params: dict, panels: int) -> list[dict]:
    """The animations of an experiment; without those whose panel or run is not there.

    Raises:
        Damaged: an artifact cannot be read, or lacks a variable.
    """
    found = []
    for one in known:
        source = one.source or one.experiment
        if one.experiment != stage or one.panel >= panels or not artifact(source).exists():
            continue
        if one.source and not alike(params, one):
            continue
        run, figure = dataset(artifact(source)), dataset(artifact(stage))
        with whole(artifact(source)):
            found.append(played(one, run, figure))
    return found
