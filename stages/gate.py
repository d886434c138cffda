"""Have the metrics moved? `python stages/gate.py [--base REV]` compares metrics/ with a git revision.

Prints Markdown. Exit code 1 if a metric moved beyond its tolerance (tolerances.yaml beside this
file), vanished or is not finite, if a check or an erratum was lost, or if a file vanished or is
corrupt; 2 and one line if the input cannot be used.
"""

import json
import math
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, TypeAdapter, ValidationError

from blocks import load, refuse

NOISE = 1e-12  # relative; less is no move unless it fails
SHOWN = 50  # moves in the table
WAS = {True: "held", False: "did not hold", None: "new"}
IS = {True: "holds", False: "does not hold", None: "vanished"}


class Tolerance(BaseModel):
    """|now − base| ≤ absolute + relative·|base| for the metrics that no earlier pattern matches."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        str_min_length=1,
        str_strip_whitespace=True,
    )
    pattern: str  # of fnmatch, on family/experiment:dotted.path
    relative: NonNegativeFloat
    absolute: NonNegativeFloat
    reason: str


class Report(NamedTuple):
    metrics: dict[str, object]  # by dotted path
    verdicts: dict[str, bool]  # by "check NAME" or "erratum NAME"


class Move(NamedTuple):
    metric: str
    base: float
    now: float
    allowed: float

    @property
    def fails(self) -> bool:
        return abs(self.now - self.base) > self.allowed

    @property
    def rank(self) -> tuple[float, str]:
        """The largest first, in units of the tolerance."""
        size = abs(self.now - self.base)
        return -size / self.allowed if self.allowed else -math.inf, self.metric


class Note(NamedTuple):
    text: str
    fails: bool = True


def git(*arguments: str) -> bytes:
    """What git prints, or one line and exit code 2."""
    done = subprocess.run(["git", *arguments], capture_output=True)
    if done.returncode:
        refuse(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def tolerances(path: Path) -> list[Tolerance]:
    """The rules in order, the last one for every metric; or one line and exit code 2."""
    try:
        rules = TypeAdapter(list[Tolerance]).validate_python(load(path))
    except ValidationError as error:
        first = error.errors()[0]
        refuse(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    except (OSError, ValueError) as error:
        refuse(f"{path}: {error}")
    if not rules or rules[-1].pattern != "*":
        refuse(f"{path}: the last pattern must be *")
    return rules


def leaves(tree: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    """(dotted path, value) of a nested mapping."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def parse(text: bytes) -> Report:
    """A metrics file; every number as a float.

    Raises:
        ValueError: it is none.
    """
    try:
        tree = json.loads(text, parse_int=float)
        verdicts = {f"check {name}": check["holds"] for name, check in tree["checks"].items()}
        verdicts |= {f"erratum {name}": e["stands"] for name, e in tree["errata"].items()}
        if not all(isinstance(verdict, bool) for verdict in verdicts.values()):
            raise TypeError("a verdict is neither true nor false")
        return Report(dict(leaves(tree["metrics"])), verdicts)
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"wrong layout ({type(error).__name__}: {error})") from error


def reports(texts: dict[str, bytes]) -> dict[str, Report | Note]:
    """The experiments by family/name; in place of a corrupt one, what is wrong."""
    found = {}
    for path, text in texts.items():
        name = path.removeprefix("metrics/").removesuffix(".json")
        try:
            found[name] = parse(text)
        except ValueError as error:
            found[name] = Note(f"{name}: corrupt: {error}")
    return found


def committed(sha: str) -> dict[str, bytes]:
    """metrics/FAMILY/EXPERIMENT.json of a commit."""
    listed = git("ls-tree", "-r", "--name-only", "-z", sha, "metrics/").decode().split("\0")
    wanted = [path for path in listed if path.count("/") == 2 and path.endswith(".json")]
    return {path: git("show", f"{sha}:./{path}") for path in wanted}


def workspace() -> dict[str, bytes]:
    """metrics/FAMILY/EXPERIMENT.json as they are now."""
    if not Path("metrics").is_dir():
        refuse("metrics: no such folder; run this from the root of the repository")
    files = filter(Path.is_file, Path("metrics").glob("*/*.json"))
    return {path.as_posix(): path.read_bytes() for path in files}


def finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def differences(name: str, base: Report, now: Report, rules: list) -> Iterator[Move | Note]:
    """What differs between two reports of one experiment."""
    for path in base.metrics | now.metrics:
        metric, was, value = f"{name}:{path}", base.metrics.get(path), now.metrics.get(path)
        rule = next(rule for rule in rules if fnmatchcase(metric, rule.pattern))
        if path not in now.metrics:
            yield Note(f"{metric}: vanished")
        elif not finite(value):
            yield Note(f"{metric}: not finite ({value!r})")
        elif not finite(was):
            yield Note(f"{metric}: new" + f", was {was!r}" * (path in base.metrics), fails=False)
        else:
            move = Move(metric, was, value, rule.absolute + rule.relative * abs(was))
            if move.fails or abs(value - was) > NOISE * abs(was):
                yield move
    for claim in base.verdicts | now.verdicts:
        held, holds = base.verdicts.get(claim), now.verdicts.get(claim)
        if held is not holds:
            yield Note(f"{name}: {claim}: {WAS[held]}, {IS[holds]}", fails=held is True)


def compare(base: dict, now: dict, rules: list[Tolerance]) -> Iterator[Move | Note]:
    """What differs between the experiments of two times, and what is corrupt now."""
    yield from (Note(f"{name}: vanished") for name in base.keys() - now.keys())
    for name, report in now.items():
        if isinstance(report, Note):
            yield report
            continue
        if name not in base:
            yield Note(f"{name}: new experiment", fails=False)
        yield from differences(name, base.get(name, Report({}, {})), report, rules)


def escaped(text: str) -> str:
    """One line that ends no cell of a table."""
    return " ".join(text.split()).replace("\\", r"\\").replace("|", r"\|")


def markdown(moves: list[Move], notes: list[Note]) -> Iterator[str]:
    if moves:
        yield "\n| metric | base | now | change | tolerance | verdict |"
        yield "|---|--:|--:|--:|--:|---|"
    for move in moves[:SHOWN]:
        numbers = f"{move.base:.9g} | {move.now:.9g} | {move.now - move.base:+.2e}"
        verdict = f"{move.allowed:.2e} | {'FAIL' if move.fails else 'ok'}"
        yield f"| {escaped(move.metric)} | {numbers} | {verdict} |"
    if moves[SHOWN:]:
        yield f"\n… and {len(moves) - SHOWN} more"
    for title, fails in (("Failures", True), ("Remarks", False)):
        lines = sorted(f"- {escaped(note.text)}" for note in notes if note.fails is fails)
        yield from (f"\n{title}:\n", *lines) if lines else ()


def main(*arguments: str) -> int:
    parser = ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--base", default="HEAD", metavar="REV")
    parser.add_argument("--tolerances", default=Path(__file__).with_name("tolerances.yaml"))
    parser.error = refuse
    options = parser.parse_args(arguments)

    rules, now = tolerances(Path(options.tolerances)), reports(workspace())
    sha = git("rev-parse", "--verify", f"{options.base}^{{commit}}").decode().strip()
    base = reports(committed(sha))
    if corrupt := [report.text for report in base.values() if isinstance(report, Note)]:
        refuse(f"{options.base} ({sha[:7]}): {corrupt[0]}")
    found = list(compare(base, now, rules))
    moves = sorted((f for f in found if isinstance(f, Move)), key=lambda move: move.rank)
    notes = [f for f in found if isinstance(f, Note)]
    count = sum(len(report.metrics) for report in now.values() if isinstance(report, Report))
    failures = sum(f.fails for f in found)
    print(
        f"gate: {count} metrics in {len(now)} experiments against {options.base} ({sha[:7]}): "
        f"{len(moves)} moved, {failures} failures"
    )
    print(*markdown(moves, notes), sep="\n", end="\n" * bool(found))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
