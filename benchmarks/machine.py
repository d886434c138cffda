"""What the numbers were measured on, and what it can do at best."""

import os
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np


def timed(work: Callable[[], object], runs: int = 7) -> float:
    """Median seconds of `work` over `runs` calls after one to warm up."""
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def read_bandwidth(threads: int) -> float:
    """Bytes per second of a sum over an array too large for the caches."""
    from numba import njit, prange, set_num_threads

    @njit(parallel=True, fastmath=True)
    def total(x):
        s = 0.0
        for i in prange(len(x)):
            s += x[i]
        return s

    set_num_threads(threads)
    x = np.ones(2**26)
    return x.nbytes / timed(lambda: total(x))


def gemm_peak(dtype: type) -> float:
    """Floating-point operations per second of one large matrix product."""
    n = 2048
    a = np.ones((n, n), dtype)
    return 2 * n**3 / timed(lambda: a @ a, 5)


def description() -> dict:
    """The machine, the date, the versions."""
    import numba
    import torch

    return {
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "torch": torch.__version__,
        "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE", ""),
    }
