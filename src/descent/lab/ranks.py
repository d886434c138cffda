"""The processes of a job that torchrun, or whoever sets its variables, has started: who they are, how they talk.

All go on together or none does: one that has ended, or has not answered in time, ends the others (`Lost`). Waiting is
a loop in Python, so signals are heard meanwhile and a time limit holds whatever the backend. A process alone needs no
torch.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from descent.config import Refusal
from descent.lab import ends
from descent.lab.ends import Ends, Lost, Unmet
from descent.maths import device
from descent.sensing._tree import ALONE, Mesh, columns

PAUSE = 5e-5  # seconds between two looks at whether numbers have come
MEET = 60  # seconds at the least that one waits for the others to start


class Place(NamedTuple):
    """This process among all, and among those of its machine."""

    rank: int
    ranks: int
    local: int
    beside: int  # on this machine


class Group(NamedTuple):
    """The job as one of its processes sees it.

    Attributes:
        send: (numbers, how many for each rank, how many from each) → what has come, in the order of the ranks.
        backend: "gloo" or "nccl"; "" for a process alone.
        ends: what it asks the others when the job has failed.
    """

    place: Place
    send: Callable[[np.ndarray, list[int], list[int]], np.ndarray]
    ends: Ends
    backend: str

    def facts(self, *numbers: int | float) -> np.ndarray:
        """What every process says: (ranks, numbers)."""
        each = [len(numbers)] * self.place.ranks
        return self.send(np.tile(np.array(numbers, float), len(each)), each, each).reshape(
            len(each), -1
        )

    @property
    def mesh(self) -> Mesh:
        if not self.backend:
            return ALONE
        rank, ranks = self.place.rank, self.place.ranks

        def scatter(rows: np.ndarray, counts: list[int]) -> np.ndarray:
            shares = columns(rows.shape[1], ranks)
            ends = np.cumsum(shares)[:-1]
            parts = np.concatenate([part.ravel() for part in np.split(rows, ends, axis=1)])
            sizes = [len(rows) * share for share in shares]
            mine = shares[rank]
            found = self.send(parts, sizes, [count * mine for count in counts])
            return found.reshape(sum(counts), mine)

        def gather(column: np.ndarray, width: int) -> np.ndarray:
            shares = columns(width, ranks)
            return self.send(np.tile(column, ranks), [len(column)] * ranks, shares)

        return Mesh(rank, ranks, scatter, gather)


def place() -> Place:
    """Who this process is, by torchrun's variables; alone without them.

    Raises:
        Refusal: they are no such numbers.
    """
    if "RANK" not in os.environ and "WORLD_SIZE" not in os.environ:
        return Place(0, 1, 0, 1)
    found = []
    for name, usual in (
        ("RANK", ""),
        ("WORLD_SIZE", ""),
        ("LOCAL_RANK", os.environ.get("RANK", "")),
        ("LOCAL_WORLD_SIZE", os.environ.get("WORLD_SIZE", "")),
    ):
        given = os.environ.get(name, usual)
        if not (given.isascii() and given.isdigit() and len(given) < 7):
            raise Refusal(f"{name}={given}: must be a number: start the job by torchrun")
        found.append(int(given))
    rank, ranks, local, beside = found
    for name, one, of in (("RANK", rank, ranks), ("LOCAL_RANK", local, beside)):
        if one >= of:
            raise Refusal(f"{name}={one} of {of}: counted from 0: start the job by torchrun")
    return Place(rank, ranks, local, beside)


@contextmanager
def joined(here: Place, timeout: float) -> Iterator[Group]:
    """The job, once all its processes have come.

    Args:
        timeout: seconds that one waits for another.

    Raises:
        Unmet: they have not come.
        Lost: one has ended, or does not answer in time.
    """
    if here.ranks == 1:
        yield Group(here, lambda numbers, to, of: numbers, ends.ALONE, "")
        return
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if not os.environ.get(name):
            raise Refusal(f"{name} is not set: start the job by torchrun")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # what goes wrong is said in one line
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    cuda = device.name() == "cuda"
    meet, backend = max(timeout, MEET), "nccl" if cuda else "gloo"
    limit = timedelta(seconds=meet)
    try:
        store, rank, ranks = next(rendezvous("env://", timeout=limit))
        dist.init_process_group(
            backend,
            store=dist.PrefixStore("group", store),
            rank=rank,
            world_size=ranks,
            timeout=limit,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise Unmet(
            f"rank {here.rank}: the {here.ranks} ranks have not met within {meet:g} s"
        ) from error
    where = on_device(here.local) if cuda else "cpu"
    found = ends.ends(store, rank, ranks)
    yield Group(here, sender(dist, where, timeout, found.over), found, backend)
    dist.destroy_process_group()


def on_device(local: int) -> str:
    """This process's CUDA device, for CuPy and for torch."""
    import torch

    count = torch.cuda.device_count()
    if local >= count:
        raise Refusal(f"DESCENT_DEVICE=cuda: {local + 1} ranks or more for {count} devices")
    torch.cuda.set_device(local)
    device.cupy().cuda.Device(local).use()
    return f"cuda:{local}"


def sender(dist, where: str, timeout: float, over: Callable[[], bool]) -> Callable:
    """Every process to every other, by one exchange of torch.distributed."""
    import torch

    def send(numbers: np.ndarray, to: list[int], of: list[int]) -> np.ndarray:
        given = torch.from_numpy(np.ascontiguousarray(numbers)).to(where)
        found, start = given.new_empty(sum(of)), time.monotonic()
        glance = start + ends.GLANCE
        try:
            work = dist.all_to_all_single(found, given, of, to, async_op=True)
            while not work.is_completed():
                now = time.monotonic()
                if now > start + timeout:
                    raise Lost(f"has not answered for {timeout:g} s")
                if now > glance:
                    glance = now + ends.GLANCE
                    if over():
                        raise Lost("has ended")
                time.sleep(PAUSE)
            work.wait()
        except RuntimeError as error:
            if isinstance(error, Lost):
                raise
            raise Lost("has ended") from error
        return found.cpu().numpy()

    return send
