"""The two sides of the gate: reports in the workspace and in a git revision."""

import json
import math
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from descent.lab.environment import without_git
from descent.lab.messages import Refused, refusals, refuse

VERDICTS = ("holds", "does not hold", "no claim")


class Report(NamedTuple):
    metrics: dict[str, object]  # by dotted path
    verdicts: dict[str, bool]  # by "check NAME" or "erratum NAME"
    claim: str | None = None  # the verdict of the whole; none of what is not there
    reasons: tuple[str, ...] = ()  # to claim nothing


class Note(NamedTuple):
    """Something to say of an experiment; `new` is what was not there: an experiment, a verdict or a metric."""

    text: str
    fails: bool = True
    new: str = ""


class Move(NamedTuple):
    """A metric that is another number now."""

    metric: str
    base: float
    now: float
    allowed: float

    @property
    def fails(self) -> bool:
        return abs(self.now - self.base) > self.allowed

    @property
    def share(self) -> float:
        """How far it moved, in units of its tolerance."""
        return abs(self.now - self.base) / self.allowed if self.allowed else math.inf

    @property
    def rank(self) -> tuple[float, str]:
        """The largest first."""
        return -self.share, self.metric


def git(*arguments: str, given: bytes = b"") -> bytes:
    """What git prints, or one line and exit code 2."""
    command, env = ["git", *arguments], without_git()
    try:
        done = subprocess.run(command, input=given, capture_output=True, env=env)
    except OSError as error:
        refuse(f"git cannot be called ({error.strerror}): the gate compares with a git revision")
    if done.returncode:
        refuse(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def commit(revision: str) -> str:
    """The full name of the commit that a revision is, or one line and exit code 2."""
    if not revision.strip():
        refuse("no revision is named: REV=HEAD~1 or REV=main, say")
    shallow = git("rev-parse", "--is-shallow-repository").strip() == b"true"
    try:
        with refusals():
            named = git("rev-parse", "--verify", f"{revision}^{{commit}}")
    except Refused as said:
        hint = "; this clone is shallow: `git fetch --unshallow` brings the rest" if shallow else ""
        refuse(f"{revision}: no revision of this repository ({str(said).strip()}){hint}")
    return named.decode().strip()


def leaves(tree: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    """(dotted path, value) of a nested mapping."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def parse(text: bytes) -> Report:
    """A metrics file of this schema or of the one before, which had no verdict; every number as a float.

    Raises:
        ValueError: it is none.
    """
    try:
        tree = json.loads(text, parse_int=float)
        verdicts = {f"check {name}": check["holds"] for name, check in tree["checks"].items()}
        held = all(verdicts.values()) if verdicts else None
        verdicts |= {f"erratum {name}": e["stands"] for name, e in tree["errata"].items()}
        if not all(isinstance(verdict, bool) for verdict in verdicts.values()):
            raise TypeError("a verdict is neither true nor false")
        derived = {True: "holds", False: "does not hold", None: "no claim"}[held]
        claim = tree["verdict"] if "schema" in tree else derived
        if claim not in VERDICTS:
            raise TypeError(f"the verdict {claim!r} is none of {', '.join(VERDICTS)}")
        reasons = tuple(map(str, tree.get("no_claim", ())))
        return Report(dict(leaves(tree["metrics"])), verdicts, claim, reasons)
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
    return dict(zip(wanted, contents(sha, wanted), strict=True))


def contents(sha: str, paths: list[str]) -> Iterator[bytes]:
    """The files of a commit that have these paths from here; one that is not there is empty."""
    asked = "".join(f"{sha}:./{path}\n" for path in paths).encode()
    told = BytesIO(git("cat-file", "--batch", given=asked))
    for _ in paths:
        *_, size = told.readline().split()
        yield told.read(int(size) + 1)[:-1] if size.isdigit() else b""


def workspace() -> dict[str, bytes]:
    """metrics/FAMILY/EXPERIMENT.json as they are now."""
    if not Path("metrics").is_dir():
        refuse("metrics: no such folder; run this from the root of the repository")
    files = filter(Path.is_file, Path("metrics").glob("*/*.json"))
    return {path.as_posix(): path.read_bytes() for path in files}
