"""The last words of a `dvc repro` that ran something: what was run, what is claimed now, and what moved."""

from collections.abc import Iterator
from pathlib import Path

from descent.lab.files import read_text
from descent.lab.gate.compare import judged
from descent.lab.gate.reports import parse
from descent.lab.gate.shown import plural
from descent.lab.messages import Refused, refusals
from descent.lab.progress import duration

NAMED = 5  # claims that are named


def outcome(ran: list[str], seconds: float) -> Iterator[str]:
    """Three lines at the most.

    Args:
        ran: the stages that were run.
    """
    yield f"{plural(len(ran), 'stage')} run in {duration(seconds)}"
    yield from claims()
    try:
        with refusals():
            found = judged("HEAD")
    except Refused:  # no commit yet, say
        return
    if found.failures:
        yield f"gate: {plural(found.failures, 'failure')} against HEAD: `make gate` shows them"
    elif found.moves:
        moved = plural(len(found.moves), "metric")
        what = "rounding, if you changed nothing"
        yield f"gate: {moved} moved against HEAD, all within tolerance: {what}"


def claims() -> Iterator[str]:
    """How many claims hold; those that do not are named."""
    verdicts: dict[str, list[str]] = {}
    for path in sorted(Path("metrics").glob("*/*.json")):
        try:
            verdict = parse(read_text(path).encode()).claim
        except (OSError, ValueError):
            verdict = "cannot be read"
        verdicts.setdefault(f"{verdict}", []).append(f"{path.parent.name}@{path.stem}")
    total = sum(map(len, verdicts.values()))
    if not total:
        return
    parts = [f"{len(verdicts.pop('holds', []))} hold"]
    for verdict, names in sorted(verdicts.items()):
        shown = ", ".join(names[:NAMED]) + " …" * (len(names) > NAMED)
        parts.append(f"{len(names)} {verdict} ({shown})")
    yield f"{plural(total, 'claim')}: {', '.join(parts)}"
