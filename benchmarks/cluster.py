"""Replicates on a Dask cluster: against joblib on this machine, and how many a second reach so many workers.

Replicates that sleep show what sending them costs, and a machine that is busy with other things distorts them little.
Those that compute are compared by the time of processors that all processes together take, for the same reason. joblib
and Dask take turns, and every number is a median. The last table is simulated: the workers are threads of one process,
so it shows what the scheduler and the client cost, and nothing of a network.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from distributed import LocalCluster

from descent.lab.cluster import where_asked
from descent.lab.deadline import spent
from descent.lab.scheduler import SCHEDULER, SILENT, cores, quiet, workers_here
from descent.maths.replicates import replicate

TURNS = 5
LENGTHS = {0.02: 60, 0.1: 24, 0.5: 12, 2.0: 6}  # seconds a replicate: how many of them
SECONDS = 0.5  # that a replicate on simulated workers sleeps
WORKERS = (1, 4, 16, 64)


def products(rng: np.random.Generator, count: int) -> float:
    """A replicate that has work to do."""
    A = rng.standard_normal((200, 200)) / 15
    x = A
    for _ in range(count):
        x = A @ x
        x /= np.abs(x).max()
    return float(x[0, 0])


def asleep(rng: np.random.Generator, seconds: float) -> float:
    time.sleep(seconds)
    return rng.random()


@contextmanager
def on(address: str) -> Iterator[None]:
    """Meanwhile replicates run there."""
    os.environ[SCHEDULER] = address
    try:
        with where_asked():
            yield
    finally:
        del os.environ[SCHEDULER]


def took(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of processors, after one call to warm up."""
    work()
    start, used = time.perf_counter(), spent()
    work()
    return time.perf_counter() - start, spent() - used


def in_turn(address: str, work: Callable[[], object]) -> np.ndarray:
    """The medians of what `took` says of joblib (first row) and of the workers there."""
    found = []
    for _ in range(TURNS):
        here = took(work)
        with on(address):
            found.append((here, took(work)))
    return np.median(found, axis=0)


def tables() -> dict[str, list[dict]]:
    """All of it, by title."""
    workers, begin = cores(), time.perf_counter()
    with workers_here(workers) as address:
        begun = [{"workers": workers, "seconds to start them": time.perf_counter() - begin}]
        return {
            "replicates that sleep, on Dask workers of this machine": asleep_there(address),
            "replicates of 0.5 s that compute, there": computed_there(address),
            "those workers, which a repro starts once": begun,
            f"replicates that sleep {SECONDS} s, on simulated workers": growth(),
        }


def asleep_there(address: str) -> list[dict]:
    """Which part of the time replicates sleep, by their length."""
    rows, workers = [], cores()
    for seconds, count in LENGTHS.items():
        tasks = [(seconds,)] * count
        both = in_turn(address, lambda tasks=tasks: replicate(asleep, 0, tasks))
        here, there = seconds * count / workers / both[:, 0]
        rows.append(
            {
                "seconds a replicate": seconds,
                "joblib": here,
                f"local:{workers}": there,
                "efficiency": there / here,
            }
        )
    return rows


def computed_there(address: str) -> list[dict]:
    """Seconds of processors that replicates take, with all that is spent on sending them."""
    count = 4
    both = in_turn(address, lambda: replicate(products, 0, [(500,)] * count))
    here, there = both[:, 1] / count
    return [
        {"way": "joblib", "seconds of processors a replicate": here, "efficiency": 1.0},
        {"way": "Dask", "seconds of processors a replicate": there, "efficiency": here / there},
    ]


def growth() -> list[dict]:
    """Replicates a second against workers, simulated."""
    rows = []
    for workers in WORKERS:
        options = {"processes": False, "protocol": "tcp", "dashboard_address": "127.0.0.1:0"}
        options |= {"n_workers": workers, "threads_per_worker": 1, "silence_logs": SILENT}
        options |= {"memory_limit": 0}  # a worker's share is less than the one process has
        with quiet(), LocalCluster(**options) as cluster:
            tasks = [(SECONDS,)] * (4 * workers)
            with on(cluster.scheduler_address):
                seconds, _ = took(lambda tasks=tasks: replicate(asleep, 0, tasks))
        rows.append(
            {
                "simulated workers": workers,
                "replicates a second": len(tasks) / seconds,
                "efficiency": 4 * SECONDS / seconds,
            }
        )
    return rows
