"""Where replicates run: DESCENT_SCHEDULER, which is a fact of the environment and not a parameter.

not set                processes of this machine, by joblib; nothing here imports Dask
local:N                N Dask workers on this machine
tcp://HOST:PORT        a Dask cluster that is there already
PATH                   the same, by the scheduler file that `dask scheduler --scheduler-file PATH` writes
"""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from descent.config import Refusal
from descent.lab.messages import refuse

SCHEDULER = "DESCENT_SCHEDULER"
RULE = "must be local:N, tcp://HOST:PORT, or the path of a scheduler file"
SCHEMES = ("tcp", "tls")
LOGGERS = ("distributed", "tornado", "asyncio")
SILENT = logging.CRITICAL + 1
AGAIN = 2.0  # seconds between two looks whether a worker is missing


class Lost(Refusal):
    """The numbers are fine, but the cluster is not: another try may succeed, so the exit code is 1."""


class Asked(NamedTuple):
    """What DESCENT_SCHEDULER asks for."""

    workers: int  # to be started on this machine; 0: the cluster is there
    address: str
    said: str  # as it was written


def asked() -> Asked | None:
    """What the environment asks for; None for joblib.

    Raises:
        Refusal: it is none of the three, or Dask is not installed.
    """
    said = os.environ.get(SCHEDULER, "")
    if not said:
        return None
    if said.startswith("local:"):
        found = Asked(number_of_workers(said), "", said)
    elif "://" in said:
        found = Asked(0, address_in(said, said), said)
    else:
        found = Asked(0, address_of_file(said), said)
    try:
        import distributed  # noqa: F401
    except Exception as error:  # not there, or its own settings cannot be read
        how = "pip install -e '.[dist]' -c constraints.txt"
        raise Refusal(f"{SCHEDULER}={said}: Dask cannot be used ({error}): {how}") from None
    return found


def cores() -> int:
    """Of this machine, as far as this process may use them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def number_of_workers(said: str) -> int:
    """N of local:N.

    Raises:
        Refusal: it is no number, or there are not so many cores.
    """
    count = said.removeprefix("local:")
    if not (count.isascii() and count.isdigit() and 1 <= int(count[:9]) <= cores()):
        most = f"N must be a whole number from 1 to {cores()}, the cores of this machine"
        raise Refusal(f"{SCHEDULER}={said}: {most}")
    return int(count)


def address_in(text: str, said: str) -> str:
    """The address, if it is one.

    Raises:
        Refusal: it is not.
    """
    try:
        parts = urlsplit(text)
        whole = parts.scheme in SCHEMES and parts.hostname and 0 < (parts.port or 0) < 2**16
        if whole and text == f"{parts.scheme}://{parts.netloc}" and "@" not in text:
            return text
    except ValueError:  # a port that is none
        pass
    raise Refusal(f"{SCHEDULER}={said}: {RULE}")


def address_of_file(said: str) -> str:
    """The scheduler's address in its file.

    Raises:
        Refusal: there is no such file, or it has no address.
    """
    try:
        found = json.loads(Path(said).read_text(encoding="utf-8"))["address"]
    except OSError as error:
        raise Refusal(
            f"{SCHEDULER}={said}: {RULE}; no such file can be read ({error.strerror})"
        ) from None
    except (ValueError, LookupError, TypeError):
        raise Refusal(f"{SCHEDULER}={said}: the file is no scheduler file of Dask") from None
    return address_in(str(found), said)


@contextmanager
def quiet() -> Iterator[None]:
    """Meanwhile Dask writes nothing of its own: what has happened is told in one line."""
    ours = [n for n in logging.root.manager.loggerDict if n.partition(".")[0] in LOGGERS]
    loggers = [logging.getLogger(name) for name in {*LOGGERS, *ours}]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(SILENT)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def workers_here(count: int) -> Iterator[str]:
    """The address of a cluster of so many workers on this machine, each with one thread, which ends with this.

    Raises:
        Lost: they cannot be started.
    """
    with cluster_here(count) as cluster:
        yield cluster.scheduler_address


@contextmanager
def cluster_here(count: int) -> Iterator:
    """The same as Dask's own object."""
    import dask
    from distributed import LocalCluster
    from tornado.ioloop import PeriodicCallback

    options = {
        "n_workers": count,
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",  # else every cluster wants port 8787
        "scheduler_kwargs": {"dashboard": False},
        "silence_logs": SILENT,
    }
    # No task waits at a worker: a death is told of the replicate that was running.
    with quiet(), dask.config.set({"distributed.scheduler.worker-saturation": 1.0}):
        try:
            cluster = LocalCluster(**options)
        except Exception as error:
            raise Lost(f"{SCHEDULER}=local:{count}: no workers can be started ({error})") from None
        # Dask replaces a worker that dies, but not one that dies as it starts: that is seen here.
        again = PeriodicCallback(lambda: cluster.scale(count), 1000 * AGAIN)
        cluster.periodic_callbacks["again"] = again
        cluster.loop.add_callback(again.start)
        try:
            yield cluster
        finally:
            with suppress(Exception):
                cluster.close()


@contextmanager
def one_cluster() -> Iterator[Callable[[], None]]:
    """Meanwhile all stages have the same N workers where local:N asks for them; the function starts them, once.

    Where they cannot be started, it ends this process: one line, exit code 1.

    Raises:
        Refusal: DESCENT_SCHEDULER makes no sense.
    """
    found, said = asked(), os.environ.get(SCHEDULER, "")
    with ExitStack() as opened:
        if found and found.address and "://" not in said:
            said = os.environ[SCHEDULER] = str(Path(said).resolve())  # for other folders, too

        def start() -> None:
            if not (found and found.workers) or os.environ[SCHEDULER] != said:
                return
            try:
                os.environ[SCHEDULER] = opened.enter_context(workers_here(found.workers))
            except Lost as line:
                refuse(str(line), 1)
            opened.callback(os.environ.update, {SCHEDULER: said})

        yield start
