"""The last word on a run that no estimate had foreseen: it ends, in one line, instead of going on for days.

Every experiment refuses counts that it cannot get done in an hour (maths/limits.py). An estimate may be off, so a run
has three, of processors and not on the clock, which stands for nothing on a busy machine.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psutil

MOST = 3 * 3600  # seconds of processors
POLL = 20.0  # seconds between two looks


def spent() -> float:
    """Seconds of processors, of this process and of those that it started."""
    used = os.times()
    total = used.user + used.system + used.children_user + used.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:  # it has ended
            continue
        total += times.user + times.system
    return total


def over(what: str) -> str:
    """What there is to say then."""
    return f"{what}: {late()}"


def late() -> str:
    """The same of nothing in particular."""
    hours = f"{MOST / 3600:g} hours of processors are over, and it is not done"
    return f"{hours}: a count is too large"


def end(what: str) -> None:
    """End this process and those that it started: one line, exit code 2."""
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.Error:
            continue
    print(over(what), file=sys.stderr, flush=True)
    os._exit(2)


@contextmanager
def deadline(what: str, late: Callable[[str], None] = end) -> Iterator[None]:
    """Meanwhile the process may use so much time of processors; with more, `late` is called from another thread."""
    done, start = Event(), spent()

    def watch() -> None:
        while not done.wait(POLL):
            if spent() - start > MOST:
                late(what)
                return

    Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()
