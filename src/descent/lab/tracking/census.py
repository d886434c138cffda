"""Which run of a store stands for a result, and which are to go: one rule, by which all who look decide alike.

Every result shall have one finished run, with a finished nested run a point. Others come to be where a process is
killed between a run's beginning and its end, two processes track one result at once, an answer is lost and the
question repeated, or a run or its experiment is deleted in the UI and restored, with all that was deleted there
before. The rule knows only what the store says, and everybody looks after having finished a run, so that whoever
looks last leaves one.
"""

import os
import platform
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import psutil

FINGERPRINT = "descent.fingerprint"
PARENT = "mlflow.parentRunId"
POINTS = "descent.points"  # how many nested runs a whole result has
ATTEMPT = "descent.attempt"  # who made the run
TAGS = (FINGERPRINT, PARENT, POINTS, ATTEMPT)


class Seen(NamedTuple):
    """A run that is not deleted, nor its experiment."""

    run: str
    status: str
    start: int
    fingerprint: str
    parent: str | None
    points: str | None  # None in runs of older versions
    attempt: str | None


class Census(NamedTuple):
    there: dict[str, str]  # by fingerprint, the run that stands for the result
    junk: list[str]  # runs to delete
    busy: dict[str, frozenset]  # by fingerprint, the runs of somebody who may be at work on it


def census(seen: Iterable[Seen], alive: Callable[[str], bool]) -> Census:
    """Of every result: the oldest whole run stays, and what somebody works on."""
    found, results = Census({}, [], {}), defaultdict(list)
    for run in seen:
        results[run.fingerprint].append(run)
    for fingerprint, runs in results.items():
        tops = [run for run in runs if run.parent is None]
        finished = [top for top in tops if whole(top, runs)]
        working = {t.run for t in tops if t.status == "RUNNING" and alive(t.attempt or "")}
        kept = set()
        if finished:
            kept = {min(finished, key=lambda top: (top.start, top.run)).run}
            found.there[fingerprint] = next(iter(kept))
        if working:
            found.busy[fingerprint] = frozenset((run.run, run.status) for run in runs)
        for run in runs:
            point = run.parent in kept and run.status == "FINISHED"
            if not (run.run in kept | working or point or run.parent in working):
                found.junk.append(run.run)
    return found


def whole(top: Seen, runs: list[Seen]) -> bool:
    """Whether a run is finished, and has as many finished points as it must."""
    points = sum(run.parent == top.run and run.status == "FINISHED" for run in runs)
    return top.status == "FINISHED" and top.points in (None, str(points))


@cache
def machine() -> str:
    """This machine since it was started, or this container: where a process number means one process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        parts = boot + os.readlink("/proc/self/ns/pid")
    except OSError:
        parts = f"{platform.node()} {psutil.boot_time() // 60}"
    return sha256(parts.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def started(process: int) -> str:
    """When a process was started, by a clock that nobody sets where there is one.

    Raises:
        psutil.NoSuchProcess: it has ended.
    """
    other = psutil.Process(process)
    if other.status() == psutil.STATUS_ZOMBIE:
        raise psutil.NoSuchProcess(process)
    try:
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        return fields[19].decode()
    except (OSError, IndexError):
        return f"{other.create_time():.0f}"


@cache
def attempt() -> str:
    """This process, as a tag."""
    return f"{machine()} {os.getpid()} {started(os.getpid())}"


def alive(mark: str, elsewhere: bool = True) -> bool:
    """Whether another process that made a run may be at work; of another machine, `elsewhere` says."""
    place, _, process = mark.partition(" ")
    if not process or mark == attempt():
        return False  # an older version; our own, which looks only when it has nothing under way
    if place != machine():
        return elsewhere
    number, _, when = process.partition(" ")
    try:
        return started(int(number)) == when
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, ValueError):
        return True
