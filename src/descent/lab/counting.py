"""How many replicates of an experiment are done, while it runs.

Whoever began the run and keeps what it prints finds the number in the file that DESCENT_COUNT names. Otherwise it is
shown here: on a terminal as a bar, in a log as a line a minute.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE = "DESCENT_COUNT"
OFTEN, SELDOM = 0.2, 60.0  # seconds between two looks at a terminal, and at a log
WIDE = 30  # characters of a bar
CLEAR = "\r\033[K"  # of a line of a terminal


class Shown:
    """The number on standard error."""

    def __init__(self, name: str):
        self.name, self.terminal = name, sys.stderr.isatty()
        self.drawn, self.next = False, time.monotonic() + (OFTEN if self.terminal else SELDOM)

    def show(self, done: int, of: int) -> None:
        """At most as often as it is read."""
        if time.monotonic() < self.next or done >= of:
            return
        said = f"{self.name}: {done} of {of} replicates"
        full = WIDE * done // of
        bar = f"{CLEAR}[{'#' * full}{'.' * (WIDE - full)}] {said}"
        self.write(bar if self.terminal else f"{said}\n")
        self.drawn = self.terminal
        self.next = time.monotonic() + (OFTEN if self.terminal else SELDOM)

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # nobody reads any more: the run does not depend on it
            print(text, end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Nothing of a bar stays."""
        if self.drawn:
            self.write(CLEAR)
        self.drawn = False


@contextmanager
def counted(name: str) -> Iterator[None]:
    """Meanwhile the replicates of this experiment are counted where somebody sees it.

    It has been imported. Were its replicates imported here, the code of each experiment would count them in.
    """
    replicates = sys.modules.get("descent.maths.replicates")
    if replicates is None:  # it has none
        yield
        return
    place, shown = os.environ.get(FILE), Shown(name)
    usual, replicates.seen = replicates.seen, Told(Path(place)).tell if place else shown.show
    try:
        yield
    finally:
        replicates.seen = usual
        shown.clear()


class Told:
    """The number in a file."""

    def __init__(self, place: Path):
        self.place, self.next = place, 0.0

    def tell(self, done: int, of: int) -> None:
        if time.monotonic() >= self.next:
            with suppress(OSError):  # the run does not depend on it
                self.place.write_text(f"{done} {of}", encoding="ascii")
            self.next = time.monotonic() + OFTEN


@contextmanager
def waiting(name: str, place: Path) -> Iterator["Waiting"]:
    """Meanwhile `look` shows what stands in the file, which is gone afterwards."""
    found = Waiting(name, place)
    try:
        yield found
    finally:
        found.shown.clear()
        with suppress(OSError):
            place.unlink(missing_ok=True)


class Waiting:
    """Shows the number that another process tells."""

    def __init__(self, name: str, place: Path):
        self.shown, self.place = Shown(name), place

    def look(self) -> None:
        if time.monotonic() < self.shown.next:
            return
        with suppress(OSError, ValueError):  # not there yet, or half-written
            done, of = map(int, self.place.read_text(encoding="ascii").split())
            self.shown.show(done, of)
