"""What a worker of a cluster does with the replicates that cluster.py sends: it runs them as they would run at home.

Whatever goes wrong in a replicate is returned and not raised, so that it is told once, by who has sent it.
"""

import hashlib
import os
import pickle
import platform
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import descent
from descent.config import Refusal
from descent.lab.environment import foreign
from descent.maths import device
from descent.maths.elsewhere import Task

LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "xarray", "pydantic", "joblib")
# Bytes of an array that is sent once, whatever number of replicates takes it (joblib's number).
LARGE = 2**20


class Packed(NamedTuple):
    """Replicates as bytes, and the large arrays among what they take, which are sent by themselves."""

    data: bytes
    arrays: list[int]  # their numbers, in the order in which they are to be given


class Done(NamedTuple):
    """What came of some replicates."""

    values: bytes  # pickled: a list, in order
    error: Exception | None  # of the first that failed
    replicate: int  # its number
    processor: str


class Packer(pickle.Pickler):
    """Pickles replicates without their large arrays, which it numbers in `seen`."""

    def __init__(self, file: BytesIO, seen: dict):
        super().__init__(file, protocol=5)
        self.seen, self.met = seen, []

    def persistent_id(self, obj):
        import numpy as np

        if type(obj) is not np.ndarray or obj.nbytes < LARGE or obj.dtype.hasobject:
            return None
        number, _ = self.seen.setdefault(id(obj), (len(self.seen), obj))
        if number not in self.met:
            self.met.append(number)
        return number


class Unpacker(pickle.Unpickler):
    """Puts the large arrays back, read-only as joblib hands them over."""

    def __init__(self, file: BytesIO, arrays: dict):
        super().__init__(file)
        self.arrays = arrays

    def persistent_load(self, pid):
        return self.arrays[pid]


def packed(tasks: list[Task], seen: dict) -> Packed:
    """Tasks as bytes.

    Args:
        seen: (number, array) by the array's id; new ones are added.
    """
    packer = Packer(file := BytesIO(), seen)
    packer.dump(tasks)
    return Packed(file.getvalue(), packer.met)


def hold(data: bytes):
    """An array that many replicates take; a worker that is lost with it is replaced by another that makes it again."""
    return pickle.loads(data)


def replicates(alone: Callable, given: Packed, ours: dict[str, str], *arrays) -> Done:
    """Run some replicates on this worker: alone(*task) for each task.

    Args:
        ours: `facts` of the process that sends them.
        arrays: those that `given.arrays` names.
    """
    number, values = -1, []
    try:
        require_the_same(ours)
        views = [array.view() for array in arrays]
        for view in views:
            view.flags.writeable = False
        tasks = Unpacker(BytesIO(given.data), dict(zip(given.arrays, views, strict=True))).load()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for task in tasks:
                number = task[2]
                values.append(alone(*task))
        return Done(pickle.dumps(values, protocol=5), None, -1, processor())
    except Exception as error:
        return Done(b"", whole(error), number, processor())


def whole(error: Exception) -> Exception:
    """The error as it can be sent, with the lines where it happened."""
    where = "".join(traceback.format_tb(error.__traceback__))
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:
        again = RuntimeError(f"{type(error).__name__}: {error}")
    again.add_note(f"on {platform.node()}:\n{where}")
    return again


def worker():
    """The worker that this process is; None where it is none."""
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None


def require_the_same(ours: dict[str, str]) -> None:
    """Refuse a worker whose results might have other bits.

    Raises:
        Refusal: naming the worker, and the first thing that differs.
    """
    theirs, here = facts(), worker()
    where = here.address if here else "of this process"
    for name, mine in ours.items():
        other = theirs.get(name, "none")
        if other != mine:
            how = "install the same code and restart it" if name == CODE else "make them the same"
            raise Refusal(f"the worker {where} has {name} {other}, here it is {mine}: {how}")
    if names := [name for name in foreign(os.environ) if not name.startswith("MPL")]:
        raise Refusal(f"the worker {where} has {names[0]} set, which may change results: unset it")
    if here and (threads := here.state.nthreads) > 1:
        rule = "their limits are those of the process: start it with --nthreads 1"
        raise Refusal(f"the worker {where} has {threads} threads, and {rule}")


CODE = "another descent, with digest"


@cache
def facts() -> dict[str, str]:
    """What decides about the bits of a result: as it was when this process first asked, and so loaded its code."""
    found = {"Python": platform.python_version()} | {name: known(name) for name in LIBRARIES}
    return found | {"device": device.name(), CODE: digest_of_code()}


def known(library: str) -> str:
    """Its version."""
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"


def digest_of_code() -> str:
    """Of every module of this package."""
    root, digest = Path(descent.__file__).parent, hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def processor() -> str:
    """The type of the processor of this machine."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or sys.platform
