"""One rank's share of a split sensing problem: what it may keep, and what all ranks together have found."""

import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import psutil
import xarray as xr

from descent.config import Refusal
from descent.lab.gate.shown import plural
from descent.lab.job import Job
from descent.lab.ran import Run
from descent.lab.ranks import Group
from descent.lab.results import as_report
from descent.maths import device
from descent.maths.limits import GIB
from descent.result import Check, Result, measured
from descent.sensing import overparam
from descent.sensing._rows import rows
from descent.sensing._sharded import Shared, dataset, descend, keeping, problem
from descent.sensing._shares import (
    own_rows,
    packed,
    require_blocks,
    require_room,
    seconds,
    working,
)

SAFE = 0.8  # of the memory that is there


class Share(NamedTuple):
    shared: Shared
    W: np.ndarray
    plan: str


@dataclass(frozen=True, repr=False)
class Found(Run):
    """A run of the job, with what it took."""

    spent: tuple[str, ...] = ()


def room(beside: int) -> int:
    """Bytes that this process may still take, with so many like it on this machine: free, and within its limits."""
    own, found = psutil.Process().memory_info(), [device.free_memory() // beside]
    for name, used in (("RLIMIT_AS", own.vms), ("RLIMIT_DATA", getattr(own, "data", 0))):
        soft, _ = resource.getrlimit(getattr(resource, name, resource.RLIMIT_DATA))
        if soft != resource.RLIM_INFINITY:
            found.append(soft - used)
    return max(0, min(found))


def prepared(job: Job, group: Group) -> Share:
    """The problem, and as many rows of this rank as it may keep.

    Raises:
        Refusal: it does not fit, or takes longer than it may; the same on every rank.
    """
    config, here = job.config, group.place
    require_blocks(config, here.ranks)
    rows(0, 0, 1, 1)  # compiled, before memory is counted
    rooms = SAFE * group.facts(room(here.beside))[:, 0]
    require_room(config, int(rooms.min()))
    own = np.array([own_rows(config, here.ranks, rank) for rank in range(here.ranks)])
    each = 8 * packed(config)
    may = kept(job, own, rooms - working(config), each)
    takes = max(seconds(config, here.ranks, rank, int(some)) for rank, some in enumerate(may))
    if takes > 3600 * job.hours:
        raise Refusal(
            f"size {config.size}, steps {config.steps}: about {takes / 3600:.3g} hours on "
            f"{plural(here.ranks, 'rank')}, at most {job.hours:g} (--hours)"
        )
    shared, W = problem(config)
    shared = keeping(shared, group.mesh, int(may[here.rank]) * each)
    counts = group.facts(shared.kept)[:, 0]
    some = "" if counts.sum() == own.sum() else ", the others are made anew at every step"
    plan = (
        f"{plural(here.ranks, 'rank')}: {counts.sum():.0f} of {own.sum()} rows are kept, at most "
        f"{counts.max() * each / GIB:.3g} GiB a rank{some}; about {takes:.0f} s"
    )
    return Share(shared, W, plan)


def kept(job: Job, own: np.ndarray, spare: np.ndarray, each: int) -> np.ndarray:
    """How many of its rows each rank may keep.

    Args:
        own: rows of each rank.
        spare: bytes that each has for them.
        each: bytes of a row.

    Raises:
        Refusal: what the command line asks for does not fit.
    """
    asked = job.memory * GIB
    if asked > spare.min():
        rank = spare.argmin()
        raise Refusal(f"--memory {job.memory:g}: rank {rank} has {spare[rank] / GIB:.3g} GiB")
    budget = spare if np.isnan(asked) else np.full(len(own), asked)
    cuda = device.name() == "cuda"  # its kernels make the rows as they go
    if job.rows == "keep" and cuda:
        raise Refusal("--rows keep: a CUDA device makes its rows anew: --rows fit")
    if job.rows == "keep" and (own * each > budget).any():
        rank = (own * each - budget).argmax()
        raise Refusal(
            f"--rows keep: rank {rank} of {len(own)} has {own[rank] * each / GIB:.3g} GiB of rows "
            f"and {budget[rank] / GIB:.3g} GiB for them: more ranks, or --rows fit"
        )
    none = job.rows == "make" or cuda
    return np.zeros(len(own), int) if none else np.minimum(own, budget // each).astype(int)


def finished(job: Job, group: Group, share: Share, tick: Callable[[int], None]) -> Found:
    """Every step, and what all ranks say of them."""
    config, start = job.config, time.perf_counter()
    run = descend(share.shared, share.W, config, group.mesh, tick)
    each = (time.perf_counter() - start) / (config.steps + 1)
    facts = group.facts(share.shared.kept, each, peak(), *fingerprint(run.U))
    found = overparam.read(dataset(run, config), config)
    result = told(overparam.judged(config, found, overparam.predict(config)), facts)
    report = as_report(result)
    attrs = {
        "ranks": group.place.ranks,
        "device": device.name(),
        "backend": group.backend or "none",
        "parameters": repr(config),
        "report": json.dumps(report, ensure_ascii=False),
    }
    result = replace(result, data=result.data.assign_attrs(attrs))
    return Found(job.block, job.claim, config, job.moved, result, report, job.root, spent(facts))


def peak() -> float:
    """Resident memory of this process in MiB, at the most."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def fingerprint(U: np.ndarray) -> tuple[float, float]:
    """Two numbers that differ if any bit does, but for one chance in 2⁶⁴."""
    digest = hashlib.sha256(np.ascontiguousarray(U).tobytes()).digest()
    return tuple(float(int.from_bytes(digest[k : k + 4])) for k in (0, 4))


def told(result: Result, facts: np.ndarray) -> Result:
    """The result with what each rank took, and the check that they all came to the same end."""
    names = (
        ("rows_kept", "rows kept", ""),
        ("seconds_per_step", "a step", "s"),
        ("peak_mib", "peak memory", "MiB"),
    )
    data = result.data.assign(
        {n: measured("rank", facts[:, k], label, unit) for k, (n, label, unit) in enumerate(names)}
    ).assign_coords(rank=xr.Variable("rank", np.arange(len(facts)), {"long_name": "rank"}))
    checks = result.checks
    if len(facts) > 1:
        ends = len({tuple(row) for row in facts[:, 3:]})
        why = "every rank makes the same steps, to the last bit"
        checks += (Check("ends_of_the_ranks", ends, "==", 1, 0, why),)
    metrics = {**result.metrics, "ranks": len(facts)}
    return replace(result, data=data, checks=checks, metrics=metrics)


def spent(facts: np.ndarray) -> tuple[str, ...]:
    """What the ranks took, in a line."""
    slowest, most = facts[:, 1].max() * 1e3, facts[:, 2].max()
    return (f"  {slowest:.3g} ms a step; at the most {most:.0f} MiB a rank",)
