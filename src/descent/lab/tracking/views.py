"""Saved views of the MLflow UI, so that it opens on the answer: they stand in its menu *Views*.

The UI keeps them as tags of the experiment, in a form of its own that is no interface; a version that
reads it otherwise shows no view, and all else as before.
"""

import json
import re
from typing import NamedTuple

from descent.lab.tracking.series import SPREAD, Logged, Series

PREFIX = "mlflow.sharedViewState."
CHARTS = 12  # of a view
COLUMNS = 8  # of metrics
MARKS = 20  # points of a curve that are marked one by one


class View(NamedTuple):
    key: str  # in the tag's name and in addresses
    name: str  # in the menu
    rank: int  # its time of creation, by which the menu sorts: the latest first
    state: dict

    @property
    def tag(self) -> tuple[str, str]:
        saved = {"name": self.name, "createdAt": self.rank, "updatedAt": self.rank}
        return PREFIX + self.key, json.dumps(saved | {"state": json.dumps(self.state)})


def state(search: str, order: str, ascending: bool, columns: list[str], **more) -> dict:
    """What the runs page shows: a search, an order, columns."""
    return {
        "searchFilter": search,
        "orderByKey": order,
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "runsHiddenMode": "SHOWALL",
        "hideEmptyCharts": True,
        **more,
    }


def checks_view() -> View:
    """All results of a family, those with failed checks first."""
    columns = ["metrics.`checks.failed`", "metrics.`checks.held`"]
    columns += [
        "metrics.`seconds`",
        "tags.`verdict`",
        "tags.`verdict.why`",
        "tags.`dvc.experiment`",
    ]
    shown = state("tags.level = 'result'", "metrics.`checks.failed`", False, columns)
    return View("descent-checks", "Which checks failed?", 0, shown)


def wide(values: list[int | float]) -> bool:
    """Whether a log scale shows them better: positive, over a decade or more."""
    return bool(values) and min(values) > 0 and max(values) >= 10 * min(values)


def line(key: str, curves: list[dict[int, int | float]]) -> dict:
    """A chart of one metric over the step, on log scales where they show more."""
    scale = {True: "log", False: "linear"}
    return {
        "uuid": re.sub(r"\W", "-", key),
        "type": "LINE",
        "metricSectionId": "first",
        "metricKey": key,
        "selectedMetricKeys": [key],
        # Steps of a run start at 0; those of a sweep may be its values.
        "xAxisScaleType": scale[wide([step for curve in curves for step in curve])],
        "scaleType": scale[wide([value for curve in curves for value in curve.values()])],
        "xAxisKey": "step",
        "yAxisKey": "metric",
        "selectedXAxisMetricKey": "",
        "yAxisExpressions": [],
        "range": {},
        "lineSmoothness": 0,
        "displayPoints": max(map(len, curves)) <= MARKS,
        "ignoreOutliers": False,
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": False,
        "runsCountToCompare": 100,
        "deleted": False,
        "isGenerated": False,
    }


def colour(place: float) -> str:
    """From dark to light along a sweep, 0 ≤ place ≤ 1: the UI's own colours are drawn at random."""
    dark, middle, light = (68, 1, 84), (33, 145, 140), (240, 200, 40)
    one, other, part = (dark, middle, 2 * place) if place < 0.5 else (middle, light, 2 * place - 1)
    mixed = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def charts(title: str, keys: list[str], of: list[Series]) -> dict:
    """A section of curves above those that the UI makes."""
    found = {key: [each.curves[key] for each in of if key in each.curves] for key in keys[:CHARTS]}
    section = {"uuid": "first", "name": title, "display": True, "isReordered": True}
    return {
        "compareRunCharts": [line(key, curves) for key, curves in found.items()],
        "compareRunSections": [section | {"deleted": False, "isGenerated": False}],
        "isAccordionReordered": True,  # so that it stays the first
    }


def sweep_views(block: str, logged: Logged, parent: str) -> list[View]:
    """The points of a block's latest result, and for one dimension every final value over it."""
    title = " and ".join(logged.sweep)
    points = list(logged.points.values())
    keys = [k for k in points[0].curves if not k.endswith(SPREAD) and not k.startswith("sweep/")]
    # Where a mean and the report tell of the same: all steps from one, the last from the other.
    curves = [key for key in keys if f"{key}/mean" not in keys]
    curves = [key for key in curves if any(len(each.curves.get(key, ())) > 1 for each in points)]
    finals = [k for k in keys if not k.endswith("/mean") or k.removesuffix("/mean") not in keys]
    columns = [f"metrics.`{key}`" for key in finals[:COLUMNS]]
    rank = -2 * int.from_bytes(block.encode()[:6].ljust(6))  # by name
    each = state(
        f"tags.mlflow.parentRunId = '{parent}'",
        f"metrics.`sweep/{logged.sweep[0]}`",  # sorted by time, the UI folds them into their parent
        True,
        [*(f"params.`{dim}`" for dim in logged.sweep), *columns],
        **charts(f"each {title}", curves, points),
    )
    views = [View(f"descent-{block}", f"{block}: each {title}", rank, each)]
    prefix = f"over_{title}"
    if over := [key for key in logged.whole.curves if key.startswith(f"{prefix}/")]:
        shown = state(
            f"tags.block = '{block}' and tags.level = 'result'",
            "attributes.start_time",
            False,
            ["metrics.`checks.failed`", "tags.`verdict`", "tags.`verdict.why`"],
            **charts(prefix, over[1:], [logged.whole]),
        )
        views.append(View(f"descent-{block}-over", f"{block}: over {title}", rank - 1, shown))
    return views
