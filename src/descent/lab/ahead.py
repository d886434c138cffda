"""Stages run ahead of DVC, as many at a time as there are cores.

DVC runs one stage after another. Meanwhile other cores can run stages that come later, are out of date and wait for
nothing that is still to be run. DVC keeps its order and its books: where it comes to a stage that has been begun, it
waits for that command in place of a new one. A stage whose dependencies have changed since it was begun is run again.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from descent.lab.counting import FILE, waiting
from descent.lab.dated import digests, may_run_ahead, out_of_date
from descent.lab.environment import SIDE_BY_SIDE
from descent.lab.files import partial
from descent.lab.messages import say
from descent.lab.progress import costs, told
from descent.lab.warm import Warm, door

MOMENT = 0.05  # seconds between two looks at what runs


class Begun(NamedTuple):
    """A stage whose command runs or has run."""

    process: subprocess.Popen | Warm
    said: IO[bytes] | None  # what it prints is kept until DVC comes to it; None: it is seen at once
    known: list  # the digests of its dependencies then


class Ahead:
    """The stages of one `dvc repro`: which are settled, which have been begun, which may be."""

    def __init__(self, steps: list, graph, force: bool, most: int, prepare: Callable):
        self.steps, self.planned, self.graph = steps, set(steps), graph
        self.force, self.most, self.prepare = force, most, prepare  # called before a command begins
        self.settled: set = set()  # DVC has been there, or they are up to date
        self.begun: dict = {}
        self.earlier = 0  # stages that were run before it could be told what else is out of date
        self.stale: list | None = None  # what may have to be run, as it was seen then

    def ready(self, now) -> Iterator:
        """Stages other than `now` that are out of date and wait for nothing, in DVC's order."""
        for stage in self.steps:
            if stage is now or stage in self.settled or stage in self.begun:
                continue
            if self.waits(stage) or not may_run_ahead(stage):
                continue
            if self.force or out_of_date(stage):
                yield stage
            else:
                self.settled.add(stage)

    def waits(self, stage) -> bool:
        """Whether something is still to be run before it."""
        return any(s in self.planned - self.settled for s in self.graph.successors(stage))

    def running(self) -> int:
        return sum(one.process.poll() is None for one in self.begun.values())

    def run(self, stage) -> int | None:
        """The exit code of a stage, begun here or earlier; None if it is to be run by itself, as usual.

        While it runs, others are begun. What it said is printed.
        """
        others = self.ready(stage)
        if stage not in self.begun:
            first = next(others, None) if self.most > 1 else None
            alone = first is None and not self.running()
            if alone and not door(stage.cmd):
                self.tell(stage)
                self.prepare()
                return None
            announce(stage)
            while self.running() >= self.most:
                time.sleep(MOMENT)
            self.begin(stage, alone)
            others = chain([first] if first else [], others)
        else:
            announce(stage)
        self.tell(stage)
        process = self.begun[stage].process
        with waiting(stage.addressing, count(stage)) as replicates:
            while process.poll() is None:
                while self.running() < self.most and (other := next(others, None)):
                    self.begin(other)
                time.sleep(MOMENT)
                replicates.look()
        return self.taken(stage)

    def tell(self, now) -> None:
        """How far this is; nothing where all others wait, since what is out of date shows only afterwards."""
        if not self.settled and all(stage is now or self.waits(stage) for stage in self.steps):
            self.earlier += 1
            return
        if self.stale is None:
            self.stale = list(self.expected())
            self.costs = costs()
        left = [stage.addressing for stage in self.stale if stage not in self.settled]
        stages = self.earlier + len(self.stale)
        say(told(stages - len(left) + 1, stages, left, self.costs, self.most))

    def expected(self) -> Iterator:
        """The stages that are out of date, or may be when those before them have run."""
        found = set()
        for stage in self.steps:
            if stage in self.settled:
                continue
            if (
                self.force
                or stage in self.begun
                or found.intersection(self.graph.successors(stage))
                or out_of_date(stage)
            ):
                found.add(stage)
                yield stage
            else:
                self.settled.add(stage)

    def begin(self, stage, alone: bool = False) -> None:
        """Start its command; one that is alone has all cores, and what it prints is seen at once."""
        from dvc.stage.run import prepare_kwargs

        self.prepare()
        options, said, known = prepare_kwargs(stage), None, digests(stage)
        if not alone:
            options["env"] |= dict.fromkeys(SIDE_BY_SIDE, "1")
            options["env"][FILE] = str(count(stage).absolute())
            said = nameless()
        self.begun[stage] = Begun(started(stage.cmd, said, options), said, known)

    def taken(self, stage) -> int | None:
        """The exit code of a stage that has ended; None if what it depends on is no longer as it was."""
        one = self.begun.pop(stage)
        with one.said or nullcontext():
            if one.known != digests(stage):
                return None
            if one.said:
                one.said.seek(0)
                sys.stdout.write(one.said.read().decode("utf-8", "replace"))
                sys.stdout.flush()
        return one.process.returncode

    def stop(self) -> None:
        """End what DVC has not come to."""
        for one in self.begun.values():
            one.process.terminate()
        for one in self.begun.values():
            one.process.wait()
            if one.said:
                one.said.close()
        self.begun.clear()


def started(command: str, said: IO[bytes] | None, options: dict) -> subprocess.Popen | Warm:
    """The process of a command: forked where it is a door of the lab, by a shell otherwise."""
    from dvc.stage.run import _make_cmd, get_executable

    if words := door(command):
        with suppress(OSError):  # no room for a socket, say
            return Warm(words, options["cwd"], options["env"], said)
    errors = subprocess.STDOUT if said else None
    shell = _make_cmd(get_executable(), command)
    return subprocess.Popen(shell, stdout=said, stderr=errors, **options)


def count(stage) -> Path:
    """Where its command says how many replicates are done."""
    return partial(Path("artifacts", stage.addressing.replace("/", "-")))


def nameless() -> IO[bytes]:
    """A file that is gone when it is closed."""
    return TemporaryFile()


def announce(stage) -> None:
    """What DVC says where it runs a stage."""
    from dvc.stage.run import display_command, logger

    logger.info("Running stage '%s':", stage.addressing)
    display_command(stage.cmd)
