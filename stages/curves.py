"""The main curves of every figure as tables for `dvc plots`: curves/XSCALE-YSCALE/FAMILY-NAME.csv.

The main panel of a figure is its first whose curves have names. A table has a row a point: the case (its
entry in the legend), its stroke (a prediction is dashed), x, y and the labels of the axes. Its folder says which
Vega template draws it, since no template can choose the scales of its axes by the data.
"""

import csv
import json
from pathlib import Path
from shutil import rmtree

from descent.lab.files import write

PLOTS, CURVES = Path("plots"), Path("curves")
COLUMNS = ("case", "stroke", "x", "y", "x_label", "y_label")
SCALES = {"log": "log"}  # what is not logarithmic is drawn on a linear axis


def main_panel(panels: list[dict]) -> dict | None:
    """The first panel with curves of which most have a name, else the first with named points."""
    for kind in ("line", "points"):
        for panel in panels:
            named = [bool(mark["label"]) for mark in panel["marks"] if mark["kind"] == kind]
            if 2 * sum(named) > len(named):
                return panel
    return None


def rows(panel: dict) -> list[tuple]:
    """Every point of its named curves; markers only where no line runs through them."""
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


def save(path: Path, table: list[tuple]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *table])


def main() -> None:
    written = set()
    for data in sorted(PLOTS.glob("*/*.json")):
        panel = main_panel(json.loads(data.read_text())["panels"])
        if panel is None or not (table := rows(panel)):
            continue
        scales = "-".join(SCALES.get(panel[axis]["scale"], "linear") for axis in "xy")
        path = CURVES / scales / f"{data.parent.name}-{data.stem}.csv"
        write(path, lambda p, t=table: save(p, t))
        written.add(path)
    for folder in CURVES.iterdir():
        for stale in set(folder.iterdir()) - written:
            stale.unlink()
        if not any(folder.iterdir()):
            rmtree(folder)


if __name__ == "__main__":
    main()
