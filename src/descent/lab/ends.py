"""How the processes of a job end together: one of them says why, and names those that it misses."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

ANSWER = (
    5  # seconds to wait for the store when the job has failed, and for the others to come to an end
)
LINGER = 1  # second that the store stays after everyone has asked
LOOK = 0.02  # seconds between two looks
GLANCE = 0.2  # the same while a process waits for numbers
SILENT = (RuntimeError, TimeoutError)  # what asking the store may raise


class Lost(RuntimeError):
    """Another process of the job "has ended", or "has not answered for … s"."""


class Unmet(RuntimeError):
    """The processes have not come together."""


class Ends(NamedTuple):
    """What a process asks the others when the job has failed.

    Attributes:
        first: whether nobody has said yet why the job ends; who asks first may.
        missing: the ranks that have not come to an end of their own, of those that `first` was asked by.
        over: whether somebody has said so; asked while one waits for numbers, so that nobody takes a process that
            said why it ended for one that was lost.
        leave: (ranks that are missing): wait until all others know, if they ask this process.
    """

    first: Callable[[], bool]
    missing: Callable[[], list[int]]
    over: Callable[[], bool]
    leave: Callable[[list[int]], None]


ALONE = Ends(lambda: True, list, lambda: False, lambda missing: None)


def ends(store, rank: int, ranks: int) -> Ends:
    """By torch's key–value store, which torchrun keeps; rank 0 does, if the job was started without."""
    others = set(range(ranks)) - {rank}
    kept_outside = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    thread = ThreadPoolExecutor(1)  # a store whose process is stopped never answers, nor gives up
    glances = []

    def ask(question: Callable, *given):
        return thread.submit(question, *given).result(ANSWER)

    def first() -> bool:
        try:
            ask(store.set, f"ended {rank}", "")
            return ask(store.add, "said", 1) == 1
        except SILENT:  # it has ended with rank 0, or rank 0 is stopped
            return rank == 1

    def wait(left: set[int]) -> None:
        """Take out those that come to an end within ANSWER seconds."""
        stop = time.monotonic() + ANSWER
        while left and time.monotonic() < stop:
            left -= {one for one in left if ask(store.check, [f"ended {one}"])}
            time.sleep(LOOK)

    def missing() -> list[int]:
        left = others.copy()
        try:
            wait(left)
        except SILENT:
            return [0] if 0 in left and not kept_outside else []
        return sorted(left)

    def over() -> bool:
        """What the last glance has found, if it has been answered; nobody waits for it."""
        found = bool(glances) and glances[-1].done() and glances.pop().result()
        if not glances:
            glances.append(thread.submit(store.check, ["said"]))
        return found

    def leave(missing: list[int]) -> None:
        if rank == 0 and not kept_outside:
            wait(others.difference(missing))
            time.sleep(LINGER)

    return Ends(first, missing, over, leave)
