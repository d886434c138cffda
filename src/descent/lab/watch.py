"""Whether anybody still works: a cluster that has lost its scheduler or its workers ends a run in one line."""

import time

from descent.lab.scheduler import Lost

POLL = 2.0  # seconds between two looks at the workers
PATIENCE = 30.0  # seconds without a worker, or without a word of the scheduler


def seconds(setting: str, usual: float) -> float:
    """A time of Dask's own settings."""
    import dask
    from dask.utils import parse_timedelta

    found = dask.config.get(setting, None)
    return usual if found is None else parse_timedelta(found)


class Watch:
    """Looks whether there is still somebody who works."""

    def __init__(self, client):
        self.client, self.looked = client, time.monotonic()
        self.limit = seconds("distributed.scheduler.no-workers-timeout", PATIENCE)
        self.alive = self.looked

    def look(self) -> None:
        """Look, if the last time was long enough ago.

        Raises:
            Lost: nobody has worked for long, or the scheduler does not answer.
        """
        now = time.monotonic()
        if now - self.looked < POLL:
            return
        self.looked = now
        ask = self.client.scheduler.identity
        try:
            found = self.client.sync(ask, n_workers=-1, callback_timeout=PATIENCE)
        except Exception:
            raise Lost("the scheduler does not answer: start it anew and run this again") from None
        states = [worker["status"] for worker in found["workers"].values()]
        if "running" in states:
            self.alive = now
        elif now - self.alive > self.limit:
            idle = f"{len(states)} paused, for want of memory" if states else "none"
            raise Lost(f"no worker for {self.limit:g} s ({idle}): start some and run this again")
