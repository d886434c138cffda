"""Whether anybody still works: a cluster that has lost its scheduler or its workers ends a run in one line.

So does a run that has had its time of processors (deadline.py), which are here those of the workers that are at it.
"""

import time

from descent.config import Refusal
from descent.lab.deadline import MOST, late
from descent.lab.scheduler import Lost

POLL = 2.0  # seconds between two looks at the workers
SILENCE = 30.0  # seconds without a word of the scheduler
IDLE = 60.0  # seconds without a worker, if Dask's own settings name no other number


def seconds(setting: str, usual: float) -> float:
    """A time of Dask's own settings."""
    import dask
    from dask.utils import parse_timedelta

    found = dask.config.get(setting, None)
    return usual if found is None else float(parse_timedelta(found))


class Watch:
    """Looks whether there is still somebody who works.

    Args:
        keys: what the names of the tasks of this run begin with.
    """

    def __init__(self, client, keys: str):
        self.client, self.keys = client, keys
        self.limit = seconds("distributed.scheduler.no-workers-timeout", IDLE)
        self.looked = self.alive = time.monotonic()
        self.spent = 0.0

    def look(self) -> None:
        """Look, if the last time was long enough ago.

        Raises:
            Lost: nobody has worked for long, or the scheduler does not answer.
            Refusal: the run has had its time.
        """
        now, before = time.monotonic(), self.looked
        if now - before < POLL:
            return
        self.looked = now
        workers = self.asked(self.client.scheduler.identity, n_workers=-1)["workers"].values()
        states = [worker["status"] for worker in workers]
        if "running" in states:
            self.alive = now
        elif now - self.alive > self.limit:
            idle = f"{len(states)} paused, for want of memory" if states else "none at all"
            rule = f"no worker that runs for {self.limit:g} s ({idle})"
            raise Lost(f"the scheduler has {rule}: start some and run this again")
        at_it = self.asked(self.client.scheduler.processing, workers=None).values()
        self.spent += (now - before) * sum(any(map(self.ours, keys)) for keys in at_it)
        if self.spent > MOST:
            raise Refusal(late())

    def ours(self, key: object) -> bool:
        return str(key).startswith(self.keys)

    def asked(self, question, **about):
        """What the scheduler answers.

        Raises:
            Lost: it does not.
        """
        try:
            return self.client.sync(question, callback_timeout=SILENCE, **about)
        except Exception:
            raise Lost("the scheduler does not answer: start it anew and run this again") from None
