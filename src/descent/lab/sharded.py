"""sensing@overparam over several processes: what `torchrun … -m descent.sensing.sharded` does.

The measurements are split over the ranks; nothing is written unless all of them come to the end, and then by rank 0,
whole or not at all. Whatever ends the job is one line of one rank, and an exit code that is not 0: 2 if it is refused, 1
if a rank is lost, 130 or 143 after a signal. (torchrun adds a report of its own, and ends with 1.)
"""

import os
import signal
import sys
import time
import zlib
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from threadpoolctl import threadpool_limits

from descent.config import Refusal
from descent.lab.asked import named, reading
from descent.lab.cli import require_place
from descent.lab.environment import require_system, settle
from descent.lab.messages import bounded, masked, one_line, refusals, say
from descent.lab.params import configured
from descent.lab.project import Block
from descent.lab.ranks import Group, Lost, joined, place
from descent.lab.roots import root_of
from descent.lab.settings import changed, overrides
from descent.lab.shares import Share, finished, prepared

NAME = "sensing.overparam"
LATE = 3  # times the hours that a job may take: an estimate may be off


class Job(NamedTuple):
    """What is to be done, the same for every rank."""

    block: Block
    config: object
    moved: dict[str, tuple]  # parameters: name → (in params.yaml, here)
    rows: str
    memory: float  # GiB of rows that a rank may keep; nan: as much as is there
    hours: float
    timeout: float
    out: Path | None
    root: Path


class Ended(BaseException):
    """SIGTERM."""


def number(least: float):
    def read(text: str) -> float:
        value = float(text)
        if not least <= value < 1e9:
            raise ValueError
        return value

    read.__name__ = f"number from {least:g} on"
    return read


def parser() -> ArgumentParser:
    one = ArgumentParser("descent.sensing.sharded", add_help=False, allow_abbrev=False,
                         description=(__doc__ or "").partition("\n")[0])  # fmt: skip
    add = one.add_argument
    add("-h", "--help", action="store_true", help="show this")
    add("-S", "--set-param", action="append", default=[], metavar="NAME=VALUE", dest="changes",
        help=f"a number of the block {NAME}, in DVC's spelling")  # fmt: skip
    add("--rows", choices=("fit", "keep", "make"), default="fit",
        help="keep the rows that fit and make the others anew (the default), all, or none")  # fmt: skip
    add("--memory", type=number(0), default=np.nan, metavar="GIB",
        help="of rows that a rank may keep; without it, what is there")  # fmt: skip
    add("--hours", type=number(1e-4), default=1.0, help="refuse what takes longer (1)")
    add("--timeout", type=number(0.1), default=600.0, metavar="SECONDS",
        help="how long a rank waits for another (600)")  # fmt: skip
    add("--out", metavar="FILE.nc", help="keep the arrays, and what was found")
    add("--root", metavar="DIR", help="the project, if not this folder's")
    one.error = usage
    return one


def usage(message: str) -> NoReturn:
    raise Refusal(f"{message}; --help shows what there is")


def asked(chosen) -> Job:
    """What the command line asks for.

    Raises:
        Refusal: it cannot be done.
    """
    from descent.sensing.overparam import Config

    with reading(chosen.root):
        require_system()
        block = named(NAME)
        given = overrides(chosen.changes, NAME)
        if given.get("replicates", 1) != 1:
            raise Refusal(f"{NAME}: replicates {given['replicates']}: a job is one problem")
        known = [field.name for field in fields(Config)]
        settings = changed(block.parameters, given | {"replicates": 1}, NAME, known)
        config = configured(Config, block.path, settings)
    was = {key: (block.parameters.get(key), value) for key, value in settings.items()}
    moved = {key: pair for key, pair in was.items() if pair[0] != pair[1]}
    out = Path(chosen.out).absolute() if chosen.out else None
    return Job(block, config, moved, chosen.rows, chosen.memory, chosen.hours, chosen.timeout,
               out, root_of(chosen.root))  # fmt: skip


def require_one_job(job: Job, group: Group) -> None:
    """Refuse ranks that were asked for different things.

    Raises:
        Refusal: they were.
    """
    said = zlib.crc32(repr((job.config, job.rows, job.hours)).encode())
    if len(set(group.facts(said).ravel())) > 1:
        raise Refusal("the ranks have different settings: params.yaml or the command line differs")
    if group.place.rank == 0 and job.out:
        with refusals():
            require_place("--out", str(job.out), (".nc",))


def work(job: Job, group: Group) -> None:
    """Run the job together, and let rank 0 print and write what was found."""
    require_one_job(job, group)
    share: Share = prepared(job, group)
    if group.place.rank == 0:
        say(share.plan)
    start = time.perf_counter()

    def tick(t: int) -> None:
        if time.perf_counter() - start > LATE * 3600 * job.hours:
            raise Refusal(f"--hours {job.hours:g}: step {t} only after {LATE} times as long")

    found = finished(job, group, share, tick)
    if group.place.rank:
        return
    if job.out:
        found.save(job.out)
    say(*repr(found).splitlines(), *found.spent)
    if job.out:
        say(f"  {job.out.name} is written")


def main(arguments: list[str] | None = None) -> int:
    """The exit code; it ends the process itself if other ranks may be stuck."""
    settle()
    signal.signal(signal.SIGTERM, ended)
    first = os.environ.get("RANK", "0") in ("0", "")

    def speaks() -> bool:
        return first

    try:
        here, chosen = place(), parser().parse_args(arguments)
        if chosen.help:
            say(*(parser().format_help().splitlines() if first else ()))
            return 0
        job = asked(chosen)
        with threadpool_limits(1), joined(here, job.timeout) as group:
            speaks = group.speaks
            work(job, group)
        return 0
    except KeyboardInterrupt:
        code, line = 130, "interrupted: nothing was written"
    except Ended:
        code, line = 143, "ended by a signal: nothing was written"
    except Lost as reason:
        code, line = 1, f"rank {here.rank} of {here.ranks}: {reason}: nothing was written"
    except MemoryError:
        code, line = 2, f"rank {here.rank}: more memory than this process may have"
    except OSError as error:
        code, line = 1, f"{error.filename or 'the result'}: cannot be written: {error.strerror}"
    except Exception as rule:
        if not isinstance(rule, Refusal) and type(rule).__name__ != "Refused":
            raise
        code, line = 2, str(rule).strip()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    if speaks():
        print(*(bounded(one_line(masked(one))) for one in line.splitlines()), sep="\n",
              file=sys.stderr, flush=True)  # fmt: skip
    sys.stdout.flush()
    os._exit(code)  # threads of the backend may wait for ranks that are gone


def ended(*_) -> NoReturn:
    raise Ended
