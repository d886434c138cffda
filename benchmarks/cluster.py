"""Replicates on a Dask cluster: against joblib on this machine, and how many a second reach so many workers.

The second table is simulated: the workers are threads of one process and a replicate sleeps, so it shows what the
scheduler and the client cost, and nothing of a network.
"""

import os
import time
from collections.abc import Callable

import numpy as np
from distributed import LocalCluster

from descent.lab.cluster import where_asked
from descent.lab.scheduler import SCHEDULER, SILENT, cores, quiet, workers_here
from descent.maths.replicates import replicate

SECONDS = 0.5  # that a sleeping replicate takes
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


def on(address: str, work: Callable[[], object]) -> float:
    """Seconds of work there, after one call to warm up."""
    os.environ[SCHEDULER] = address
    try:
        with where_asked():
            return after_one(work)
    finally:
        del os.environ[SCHEDULER]


def after_one(work: Callable[[], object]) -> float:
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ways(count: int = 200, replicates: int = 40) -> list[dict]:
    """joblib, and as many workers as it has processes."""
    workers = cores()
    here = after_one(lambda: replicate(products, 0, [(count,)] * replicates))
    with workers_here(workers) as address:
        there = on(address, lambda: replicate(products, 0, [(count,)] * replicates))
    return [
        {"way": f"joblib, {workers} processes", "seconds": here, "efficiency": 1.0},
        {"way": f"local:{workers}", "seconds": there, "efficiency": here / there},
    ]


def growth() -> list[dict]:
    """Replicates a second against workers, simulated."""
    rows = []
    for workers in WORKERS:
        options = {"processes": False, "protocol": "tcp", "dashboard_address": "127.0.0.1:0"}
        options |= {"n_workers": workers, "threads_per_worker": 1, "silence_logs": SILENT}
        with quiet(), LocalCluster(**options) as cluster:
            tasks = [(SECONDS,)] * (4 * workers)
            spent = on(cluster.scheduler_address, lambda tasks=tasks: replicate(asleep, 0, tasks))
        ideal = 4 * SECONDS
        rows.append(
            {
                "simulated workers": workers,
                "replicates a second": len(tasks) / spent,
                "efficiency": ideal / spent,
            }
        )
    return rows
