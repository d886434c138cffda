"""One rank's share of a split sensing problem: what it may keep, and what all ranks together have found."""

import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import psutil
import xarray as xr

from descent.config import Refusal
from descent.lab.project import Block
from descent.lab.ran import Run
from descent.lab.ranks import Group
from descent.lab.results import as_report
from descent.lab.running import peak
from descent.lab.words import words
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
    kept: int  # rows
    expected: float  # seconds of the slowest rank
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


def prepared(job, group: Group) -> Share:
    """The problem, and as many rows of this rank as it may keep.

    Raises:
        Refusal: it does not fit, or takes longer than it may; the same on every rank.
    """
    config, here = job.config, group.place
    require_blocks(config, here.ranks)
    rows(0, 0, 1, 1)  # compiled, before memory is counted
    rooms = SAFE * group.facts(room(here.beside))[:, 0]
    require_room(config, int(rooms.min()))
    spare = rooms - working(config)
    own = np.array([own_rows(config, here.ranks, rank) for rank in range(here.ranks)])
    if job.memory * GIB > spare.min():
        raise Refusal(
            f"--memory {job.memory:g}: rank {spare.argmin()} has {spare.min() / GIB:.3g} GiB for rows"
        )
    budget = np.zeros(here.ranks) if job.rows == "make" else spare
    if not np.isnan(job.memory):
        budget = np.minimum(budget, job.memory * GIB)
    each = 8 * packed(config)
    if job.rows == "keep" and (own * each > budget).any():
        rank = (own * each - budget).argmax()
        raise Refusal(
            f"--rows keep: rank {rank} of {here.ranks} has {own[rank] * each / GIB:.3g} GiB of rows, and "
            f"{budget[rank] / GIB:.3g} GiB for them: more ranks, or --rows fit"
        )
    may = np.minimum(own, budget // each).astype(int)
    if device.name() == "cuda":
        may[:] = 0  # the kernels make them as they go
    takes = max(seconds(config, here.ranks, rank, int(kept)) for rank, kept in enumerate(may))
    if takes > 3600 * job.hours:
        raise Refusal(
            f"size {config.size}, steps {config.steps}: about {takes / 3600:.3g} hours on {here.ranks} ranks, "
            f"at most {job.hours:g} (--hours)"
        )
    shared, W = problem(config)
    shared, kept = keeping(shared, group.mesh, int(may[here.rank]) * each)
    counts = group.facts(kept)[:, 0]
    plan = (
        f"{here.ranks} rank{'s' * (here.ranks > 1)}: {counts.sum():.0f} of {own.sum()} rows of {each / 2**20:.3g} MiB "
        f"are kept, the others made in every step; about {takes:.0f} s"
    )
    return Share(shared, W, kept, takes, plan)


def finished(job, group: Group, share: Share, tick: Callable[[int], None]) -> Found:
    """Every step, and what all ranks say of them."""
    config, start = job.config, time.perf_counter()
    run = descend(share.shared, share.W, config, group.mesh, tick)
    each = (time.perf_counter() - start) / (config.steps + 1)
    facts = group.facts(share.kept, each, peak(), *fingerprint(run.U))
    result = told(overparam.judged(config, overparam.read(dataset(run, config), config)), facts)
    report = as_report(result)
    attrs = {
        "ranks": group.place.ranks,
        "device": device.name(),
        "backend": group.backend or "none",
        "parameters": repr(config),
        "report": json.dumps(report, ensure_ascii=False),
    }
    result = replace(result, data=result.data.assign_attrs(attrs))
    block: Block = job.block
    claim = words(block.docstring()).claim
    return Found(block, claim, config, job.moved, result, report, job.root, spent(facts))


def fingerprint(U: np.ndarray) -> tuple[float, float]:
    """Two numbers that differ if any bit does, but for one chance in 2⁶⁴."""
    import hashlib

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
    kept, each, most = (", ".join(f"{v:.3g}" for v in column) for column in facts[:, :3].T)
    return (f"  rows kept {kept}; {facts[:, 1].max() * 1e3:.3g} ms a step; peak {most} MiB",)
