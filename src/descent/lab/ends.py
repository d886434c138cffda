"""How the processes of a job end together: one of them says why, and names those that it misses."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

ANSWER = (
    5  # seconds to wait for the store when the job has failed, and for the others to come to an end
)
LINGER = 1  # second that the store stays after its process has nothing more to say
LOOK = 0.02  # seconds between two looks


class Lost(RuntimeError):
    """Another process of the job "has ended", or "has not answered for … s"."""


class Unmet(RuntimeError):
    """The processes have not come together."""


class Ends(NamedTuple):
    """What a process asks the others when the job has failed.

    Attributes:
        first: whether nobody has said yet why the job ends; who asks first may.
        missing: the ranks that have not come to an end of their own, of those that `first` was asked by.
    """

    first: Callable[[], bool]
    missing: Callable[[], list[int]]


ALONE = Ends(lambda: True, list)


def ends(store, rank: int, ranks: int) -> Ends:
    """By torch's key–value store, which torchrun keeps; rank 0 does, if the job was started without."""
    kept_outside = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"

    def first() -> bool:
        try:
            store.set_timeout(timedelta(seconds=ANSWER))
            store.set(f"ended {rank}", "")
            found = store.add("said", 1) == 1
        except RuntimeError:  # it has ended with rank 0
            return rank == 1
        if rank == 0 and not kept_outside:
            time.sleep(LINGER)  # others ask this process
        return found

    def missing() -> list[int]:
        left, stop = set(range(ranks)) - {rank}, time.monotonic() + ANSWER
        try:
            while left and time.monotonic() < stop:
                left = {one for one in left if not store.check([f"ended {one}"])}
                time.sleep(LOOK)
        except RuntimeError:
            return [0] if 0 in left and not kept_outside else []
        return sorted(left)

    return Ends(first, missing)
