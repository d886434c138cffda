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
from pathlib import Path
from typing import NamedTuple, NoReturn

from threadpoolctl import threadpool_limits

from descent.config import Refusal
from descent.lab import messages
from descent.lab.cli import require_place
from descent.lab.ends import Ends, Lost, Unmet
from descent.lab.environment import settle
from descent.lab.job import Job, asked, parser
from descent.lab.messages import bounded, masked, one_line, refusals, say
from descent.lab.ranks import Group, joined, place
from descent.lab.shares import Found, Share, finished, prepared

WAIT = 60  # seconds that a rank gives rank 0 to say what all of them have found
OTHER = "another rank"  # whose number is found out when it has been lost
LATE = 3  # times the hours that a job may take: an estimate may be off


class Ended(BaseException):
    """SIGTERM."""


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
        save(found, job.out)
    say(*repr(found).splitlines(), *found.spent)
    if job.out:
        say(f"  {job.out.name} is written")


def save(found: Found, out: Path) -> None:
    """Write the arrays.

    Raises:
        OSError: with the name of a file.
    """
    try:
        found.save(out)
    except OSError as error:
        error.filename = error.filename or out.name
        raise


def main(arguments: list[str] | None = None) -> int:
    """The exit code; if other ranks may be stuck it ends the process itself."""
    settle()
    before = signal.signal(signal.SIGTERM, ended)
    voice = Voice()
    try:
        chosen = parser().parse_args(arguments)
        if chosen.help:
            say(*(parser().format_help().splitlines() if voice.leads else ()))
            return 0
        job, here = asked(chosen), place()
        with threadpool_limits(1), joined(here, job.timeout) as group:
            voice = voice._replace(ends=group.ends)
            work(job, group)
        return 0
    except BaseException as error:
        code, lines = ending(error)
        if voice.alone:
            tell(lines)
            return code
        voice.last(error, lines)
        os._exit(code)  # threads of the backend may wait for ranks that are gone
    finally:
        signal.signal(signal.SIGTERM, before)


class Voice(NamedTuple):
    """Who says why the job ends: once the ranks have met, who asks first; until then rank 0."""

    rank: str = os.environ.get("RANK", "")
    ends: Ends | None = None

    @property
    def alone(self) -> bool:
        return not self.rank

    @property
    def leads(self) -> bool:
        return self.rank in ("", "0")

    def last(self, error: BaseException, lines: list[str]) -> None:
        """Say it, if it is this process that does; nothing interrupts that once the ranks have met."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_IGN if self.ends else signal.SIG_DFL)
        if self.ends is None:
            if not self.leads:
                time.sleep(WAIT)  # rank 0 has the same to say, and torchrun then ends the others
            tell(lines)
            return
        missing = []
        if self.ends.first():
            missing = self.ends.missing() if isinstance(error, Lost) else []
            names = ", ".join(f"rank {one}" for one in missing)
            tell([line.replace(OTHER, names or OTHER) for line in lines])
        self.ends.leave(missing)


def ending(error: BaseException) -> tuple[int, list[str]]:
    """The exit code for an error, and what there is to say; an error of the program itself goes on."""
    if isinstance(error, KeyboardInterrupt):
        return 130, ["interrupted: nothing was written"]
    if isinstance(error, Ended):
        return 143, ["ended by a signal: nothing was written"]
    if isinstance(error, Lost):
        return 1, [f"{OTHER} {error}: nothing was written"]
    if isinstance(error, Unmet):
        return 1, [f"{error}: nothing was written"]
    if isinstance(error, MemoryError):
        return 2, ["more memory than a rank may have: nothing was written"]
    if isinstance(error, OSError):
        return 1, [f"{error.filename or 'the result'}: cannot be written: {error.strerror}"]
    if isinstance(error, Refusal | messages.Refused):
        return 2, str(error).strip().splitlines()
    raise error


def tell(lines: list[str]) -> None:
    sys.stdout.flush()
    for line in lines:
        print(bounded(one_line(masked(line))), file=sys.stderr, flush=True)


def ended(*_) -> NoReturn:
    raise Ended
