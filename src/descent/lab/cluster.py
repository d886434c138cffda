"""Replicates on the workers of a Dask cluster.

They are futures, and what many of them take is held by a task of its own, so that whatever a lost worker had is
computed again by another. (joblib's Dask backend waits for ever when a task kills its workers, and what is scattered
is lost with its worker: joblib 1.6, distributed 2026.8.) Results have the bits that they have at home, on processors
of the same type: every worker has one thread, and is refused unless its code and its libraries are those of this process.
"""

import gc
import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, Queue
from typing import NamedTuple
from uuid import uuid4

from descent.config import Refusal
from descent.lab import sent
from descent.lab.scheduler import Asked, Lost, asked, quiet, workers_here
from descent.lab.watch import POLL, SILENCE, Watch, seconds
from descent.maths.elsewhere import Seen, Task, run_by

PIECES = 1000  # tasks of Dask at the most: each costs its scheduler a millisecond
GONE = "the scheduler is gone, and with it what it had: start it and run this again"


class Piece(NamedTuple):
    """Some replicates that run as one task, by their numbers."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


@contextmanager
def where_asked() -> Iterator[set[str]]:
    """Meanwhile replicates run where DESCENT_SCHEDULER says; the types of the processors that have run them there.

    Raises:
        Refusal: DESCENT_SCHEDULER makes no sense, or a worker is another than this process.
        Lost: the scheduler or the workers cannot be reached, or are lost.
    """
    place, processors, clients = asked(), set(), []
    if place is None:
        yield processors
        return
    with ExitStack() as opened:

        def run(alone: Callable, tasks: list[Task], seen: Seen) -> list:
            if tasks and not clients:  # few experiments have replicates
                clients.append(opened.enter_context(connected(place)))
            return on_workers(clients[0], alone, tasks, processors, seen) if tasks else []

        with run_by(run):
            yield processors


@contextmanager
def connected(place: Asked) -> Iterator:
    """A client of the cluster, which is gone with this process or earlier: then the scheduler drops its tasks.

    Raises:
        Lost: nobody answers.
    """
    import dask
    from distributed import Client

    with ExitStack() as opened:
        opened.enter_context(quiet())
        unwarned = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}
        opened.enter_context(dask.config.set(unwarned))
        limit = seconds("distributed.comm.timeouts.connect", SILENCE)
        address = place.address
        if place.workers:
            address = opened.enter_context(workers_here(place.workers))
        try:
            client = Client(address, timeout=limit, set_as_default=False)
        except Exception as error:
            reason = f"no Dask scheduler answers within {limit:g} s ({type(error).__name__})"
            raise Lost(f"DESCENT_SCHEDULER={place.said}: {reason}") from None
        try:
            yield client
        finally:
            with suppress(Exception):
                client.close(timeout=5)
            gc.collect()  # while what Dask says of tasks that nobody waited for is not heard


def on_workers(
    client, alone: Callable, tasks: list[Task], processors: set[str], seen: Seen
) -> list:
    """What the tasks return, in order; the processors of those who ran them are added.

    Raises:
        Refusal: a worker is another than this process.
        Lost: the scheduler or all workers are lost, or workers die with a replicate.
        Exception: what a replicate has raised.
    """
    count, ended, keys = len(tasks), Queue(), f"replicate-{uuid4().hex[:12]}"
    pieces = dict(submitted(client, alone, tasks, keys))
    for future in pieces:
        future.add_done_callback(ended.put)
    found, tries, again, watch = {}, Counter(), [], Watch(client, keys)
    while pieces:
        now, again = [*some(ended), *again], []
        require_results(now, pieces, count)
        for future in now:
            done = fetched(future, POLL * 2 ** min(tries[future], 9))
            if done is None:
                again.append(future)
                continue
            require_done(done)
            processors.add(done.processor)
            found[pieces.pop(future).first] = pickle.loads(done.values)
            seen(sum(map(len, found.values())), count)
            future.release()
        tries.update(again)
        watch.look()
    return [value for first in sorted(found) for value in found[first]]


def submitted(client, alone: Callable, tasks: list[Task], keys: str) -> Iterator[tuple]:
    """(future, Piece) for all tasks, under names that begin with `keys`."""
    facts, count, seen, held = sent.facts(), len(tasks), {}, {}
    size = -(-count // PIECES)
    for first in range(0, count, size):
        given = sent.packed(tasks[first : first + size], seen)
        for number, array in list(seen.values())[len(held) :]:
            data = pickle.dumps(array, protocol=5)
            held[number] = client.submit(sent.hold, data, key=f"array-{keys}-{number}")
        arguments = (alone, given, facts, *(held[number] for number in given.arrays))
        future = client.submit(sent.replicates, *arguments, key=f"{keys}-{first}")
        yield future, Piece(first, min(first + size, count) - 1)


def fetched(future, limit: float) -> sent.Done | None:
    """What it has come to; None if its worker has been lost meanwhile, or does not send it within so many seconds.

    Raises:
        Lost: the scheduler has gone.
    """
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        return future.result(timeout=limit) if future.status == "finished" else None
    except (TimeoutError, KilledWorker):
        return None
    except FutureCancelledError:
        raise Lost(GONE) from None


def some(ended: Queue) -> list:
    """The futures that have ended; those of the next moments, if there are none."""
    now = []
    with suppress(Empty):
        now.append(ended.get(timeout=POLL))
        while True:
            now.append(ended.get_nowait())
    return now


def require_results(futures: list, pieces: dict, count: int) -> None:
    """All of them have a result, or had one that is being computed again.

    Raises:
        Lost: the scheduler has gone, or workers died with replicates, which are named.
        Refusal: the cluster cannot run replicates at all.
    """
    from distributed import KilledWorker

    if any(f.status == "cancelled" for f in futures):
        raise Lost(GONE)
    bad = [f for f in futures if f.status == "error"]
    errors = [(pieces[f], f.exception(timeout=SILENCE)) for f in bad]
    killed = [piece for piece, error in errors if isinstance(error, KilledWorker)]
    if killed:
        names = f"replicate {' or '.join(map(str, sorted(killed)))} of {count}"
        reason = "too little memory, or a crash; their logs say more"
        raise Lost(f"{names}: every worker that tried it died: {reason}")
    for piece, error in errors:
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        if "descent" in str(error) and isinstance(error, ImportError | RuntimeError):
            said = f"install the same descent there ({said})"
        raise Refusal(f"replicate {piece} of {count} cannot be run by the cluster: {said}")


def require_done(done: sent.Done) -> None:
    """Raise what a replicate has raised.

    Raises:
        Exception: that.
    """
    if isinstance(done.error, MemoryError):
        raise Refusal(f"replicate {done.replicate}: more memory than the worker has")
    if done.error is not None:
        raise done.error
