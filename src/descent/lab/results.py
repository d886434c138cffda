"""What an experiment reports, metrics/FAMILY/NAME.json: strict JSON with a version of its layout.

    {"schema": 2,
     "verdict": "holds" | "does not hold" | "no claim", "no_claim": [reason, …], "unchecked": {name: reason},
     "metrics": {name: number or {"dim=value": …}},
     "checks": {name: {"name", "relation", "holds", "why", "at": {dim: value}, "measured", "predicted", "tol", "points"}},
     "errata": {name: {"name", "where", "printed", "correct", "measured", "tol", "stands"}}}

A check is shown at its worst point. JSON has no word for what is no finite number: it is "NaN", "Infinity" or
"-Infinity", a string.
"""

import json
import math
from pathlib import Path
from typing import get_args

import numpy as np
import xarray as xr

from descent.config import Refusal
from descent.lab.files import read_text, whole
from descent.result import Check, Result, Verdict

SCHEMA = 2
NUMBER = int | float  # true and false are numbers too
LAYOUT = {"verdict": str, "no_claim": list} | dict.fromkeys(
    ("unchecked", "metrics", "checks", "errata"), dict
)
CHECK = {"name": str, "relation": str, "holds": bool, "why": str, "at": dict, "points": int}
CHECK |= dict.fromkeys(("measured", "predicted", "tol"), NUMBER)
ERRATUM = {"name": str, "where": str, "stands": bool}
ERRATUM |= dict.fromkeys(("printed", "correct", "measured", "tol"), NUMBER)
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def label(value) -> str:
    """A coordinate's value as text."""
    return str(value) if isinstance(value, str | bytes) else f"{value:g}"


def tree(value):
    """A number as it is; an array as nested mappings keyed `coordinate=value`.

    Raises:
        Refusal: two points of a coordinate are the same in six significant digits.
    """
    if not isinstance(value, xr.DataArray) or not value.dims:
        return plain(value.item() if isinstance(value, xr.DataArray) else value)
    dim = value.dims[0]
    places = value[dim].values if dim in value.coords else np.arange(value.sizes[dim])
    keys = [f"{dim}={label(place)}" for place in places]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Refusal(f"two points of a sweep are both {twice}: they must differ in six digits")
    return {key: tree(value[{dim: k}]) for k, key in enumerate(keys)}


def plain(value):
    """A number, a text or a truth value as JSON has it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool | int | str):
        return value
    value = float(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def as_check(check: Check) -> dict:
    """A check at its worst point."""
    worst = check.worst
    return {
        "name": check.name,
        "relation": check.relation,
        "holds": check.holds,
        "why": check.why,
        "at": {dim: plain(value) for dim, value in worst.at.items()},
        "measured": plain(worst.measured),
        "predicted": plain(worst.predicted),
        "tol": plain(worst.tol),
        "points": worst.points,
    }


def as_report(result: Result) -> dict:
    """Every metric, check and erratum by name; verdicts spelled out; nothing that JSON lacks."""
    errata = {
        one.name: {key: plain(value) for key, value in one._asdict().items()}
        | {"stands": one.stands}
        for one in result.errata
    }
    return {
        "schema": SCHEMA,
        "verdict": result.verdict,
        "no_claim": list(result.no_claim),
        "unchecked": dict(result.unchecked),
        "metrics": {name: tree(value) for name, value in result.metrics.items()},
        "checks": {check.name: as_check(check) for check in result.checks},
        "errata": errata,
    }


def dumps(report: dict) -> str:
    return json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def restored(value):
    """The report with "NaN", "Infinity" and "-Infinity" as numbers again."""
    if isinstance(value, dict):
        return {key: restored(one) for key, one in value.items()}
    if isinstance(value, list):
        return [restored(one) for one in value]
    return WORDS.get(value, value) if isinstance(value, str) else value


def load_report(path: Path) -> dict:
    """A report as Python has its numbers.

    Raises:
        Damaged: it is missing, cut off, or of another layout.
    """
    with whole(path):
        report = restored(json.loads(read_text(path)))
        if not isinstance(report, dict) or report.get("schema") != SCHEMA:
            raise ValueError(f"not of schema {SCHEMA}")
        require_layout(report, LAYOUT, "")
        if report["verdict"] not in get_args(Verdict):
            raise ValueError(f"verdict {report['verdict']!r}")
        for kind, layout in (("checks", CHECK), ("errata", ERRATUM)):
            for name, one in report[kind].items():
                require_layout(one, layout, f"{kind}.{name}.")
        return report


def require_layout(tree: object, layout: dict[str, type], prefix: str) -> None:
    """Refuse a mapping that lacks a key, or has something else there.

    Raises:
        ValueError: naming the key.
    """
    for key, kind in layout.items():
        if not isinstance(tree, dict) or not isinstance(tree.get(key), kind):
            raise ValueError(f"{prefix}{key} is no {getattr(kind, '__name__', 'number')}")
