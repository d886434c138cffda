"""The last words of a `dvc repro` that ran something: what was run, what is claimed now, and what moved."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from descent.lab.files import read_text
from descent.lab.gate.compare import Judged, judged
from descent.lab.gate.reports import git, parse
from descent.lab.gate.shown import plural
from descent.lab.messages import Refused, refusals
from descent.lab.progress import duration

NAMED = 5  # claims that are named
RESULTS, LOCK = ("metrics", "plots", "curves"), "dvc.lock"
SOURCES = ("src", "stages", "params.yaml", "dvc.yaml", "examples")


def outcome(ran: list[str], seconds: float) -> Iterator[str]:
    """Three lines at the most.

    Args:
        ran: the stages that were run.
    """
    yield f"{plural(len(ran), 'stage')} run in {duration(seconds)}"
    yield from claims()
    with suppress(Refused), refusals():  # no commit yet, say
        found = judged("HEAD")
        if not found.base:  # a first run: there is nothing to compare with
            return
        yield f"gate: {judgement(found)}{changes(found)}"


def judgement(found: Judged) -> str:
    """What moved against the last commit."""
    if found.failures:
        return f"{plural(found.failures, 'failure')} against HEAD: `make gate` shows them"
    if not found.moves:
        return "no metric moved against HEAD"
    moved, share = plural(len(found.moves), "metric"), found.moves[0].share
    return f"{moved} moved against HEAD, all within tolerance, the largest by {share:.2g} of it"


def changes(found: Judged) -> str:
    """How many files of results are others than in the last commit, and why where no source is another."""
    count = len(changed(RESULTS))
    files = plural(count, "file")
    if found.failures:
        return ""
    if (
        not count
    ):  # of code that is committed, or of the page, which names its commit and its machine
        return f"; {LOCK} has new hashes, no file of results changed" if changed((LOCK,)) else ""
    if found.notes or changed(SOURCES):
        return f"; {files} of results changed"
    why = "rounding, or results of code that was committed without them"
    return f"; {files} of results changed, though no source is uncommitted: {why}"


def changed(paths: tuple[str, ...]) -> list[str]:
    there = [path for path in paths if Path(path).exists()]
    return git("status", "--porcelain", "--", *there).decode(errors="replace").splitlines()


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
