"""How far a `dvc repro` is, and about how long the rest of it takes: what the stages took when they last ran.

That is in artifacts/cost, of this machine; for a first run it is in benchmarks/costs.json, of another one (`make
readme` writes it). No stage depends on either.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from descent.lab.files import update_text

COST = Path("artifacts/cost")
TABLE = Path("benchmarks/costs.json")
USUAL = 3.0  # seconds of a stage that nobody has timed
BESIDE = 1.5  # seconds that a stage takes beside its science


def costs() -> dict[str, float]:
    """Seconds by FAMILY@NAME, as far as they are known."""
    known = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.is_file() else {}
    return known | measured()


def measured() -> dict[str, float]:
    """Seconds by FAMILY@NAME that this machine took."""
    found = {}
    for path in sorted(COST.glob("*/*.json")):
        try:
            seconds = json.loads(path.read_text(encoding="utf-8"))["seconds"]
            found[f"{path.parent.name}@{path.stem}"] = float(seconds)
        except (OSError, ValueError, LookupError, TypeError):  # torn: it counts as never timed
            continue
    return found


def renew() -> bool:
    """Write the table for a first run, to two digits; whether it is another."""
    table = {name: float(f"{seconds:.2g}") for name, seconds in measured().items()}
    return update_text(TABLE, json.dumps(table, indent=0) + "\n")


def told(
    position: int, stages: int, left: Iterable[str], known: dict[str, float], most: int
) -> str:
    """`stage 3 of 12, about 6 min left`.

    Args:
        left: the stages that are still to be run, this one among them.
        known: seconds of the stages.
        most: how many run at once.
    """
    names = list(left)
    each = [known.get(name, USUAL) + BESIDE for name in names]
    rest = max(sum(each) / most, *each, 0.0)
    return f"stage {position} of {stages}, about {duration(rest)} left"


def duration(seconds: float) -> str:
    """`40 s`, `6 min` or `1 h 20 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
