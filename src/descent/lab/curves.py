"""The main panel of every figure as a table for `dvc plots`: curves/XSCALE-YSCALE/FAMILY-NAME.csv.

A table has a row a point: the case (its entry in the legend), its stroke (a prediction is dashed), x, y and
the labels of the axes. Its folder says which Vega template draws it, since no template can choose the scales
of its axes by the data.
"""

import csv
import json
from io import StringIO
from pathlib import Path
from shutil import rmtree

from descent.lab.files import kept, read_text, whole, write_text

PLOTS, CURVES = Path("plots"), Path("curves")
COLUMNS = ("case", "stroke", "x", "y", "x_label", "y_label")
SCALES = {"log": "log"}  # what is not logarithmic is drawn on a linear axis


def curves() -> None:
    """Make curves/ what plots/ says; needs the root of the project as working folder."""
    with kept():
        tables = dict(filter(None, map(table, sorted(PLOTS.glob("*/*.json")))))
        for path, text in tables.items():
            write_text(path, text)
        for folder in CURVES.glob("*/"):
            for stale in set(folder.iterdir()) - tables.keys():
                stale.unlink()
            if not any(folder.iterdir()):
                rmtree(folder)


def table(data: Path) -> tuple[Path, str] | None:
    """Where the table of a figure belongs and what it says; nothing for a figure without curves.

    Raises:
        Damaged: the figure's file cannot be read.
    """
    with whole(data):
        figure = json.loads(read_text(data))
        if figure["main"] is None:
            return None
        panel = figure["panels"][figure["main"]]
        found = rows(panel)
        scales = "-".join(SCALES.get(panel[axis]["scale"], "linear") for axis in "xy")
        path = CURVES / scales / f"{data.parent.name}-{data.stem}.csv"
        return (path, as_csv(found)) if found else None


def rows(panel: dict) -> list[tuple]:
    """Every point of its named curves; markers only where no line of that name runs through them."""
    lines = {mark["label"] for mark in panel["marks"] if mark["kind"] == "line"}
    table = []
    for mark in panel["marks"]:
        case = mark["label"]
        if case and (mark["kind"] == "line" or (mark["kind"] == "points" and case not in lines)):
            table += [
                (case, mark["stroke"], x, y, panel["x"]["label"], panel["y"]["label"])
                for x, y in zip(mark["x"], mark["y"], strict=True)
                if None not in (x, y)
            ]
    return table


def as_csv(table: list[tuple]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *table])
    return text.getvalue()
